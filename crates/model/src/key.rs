use serde::{Deserialize, Serialize};

use crate::lifecycle::{DELETION_DAYS_MIN, LifecycleError, deletion_time};
use crate::{AutoRotation, KeyShape, Ocid, Tags, Timestamp, Vault, VaultState};

/// Where a key's material is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProtectionMode {
    /// Inside the server, sealed at rest.
    Software,
    /// Inside a PKCS#11 token, which it never leaves.
    Hsm,
}

impl ProtectionMode {
    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Software => "SOFTWARE",
            Self::Hsm => "HSM",
        }
    }
}

/// Lifecycle of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyState {
    /// Usable.
    Enabled,
    /// Unusable until it is enabled again.
    Disabled,
    /// To be deleted, and unusable until then unless the deletion is cancelled.
    PendingDeletion,
    /// Gone; what is left is its description.
    Deleted,
}

impl KeyState {
    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::PendingDeletion => "PENDING_DELETION",
            Self::Deleted => "DELETED",
        }
    }
}

/// A master encryption key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// OCID of the key.
    pub id: Ocid,
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// OCID of the vault.
    pub vault_id: Ocid,
    /// Display name; need not be unique.
    pub display_name: String,
    /// Shape.
    pub shape: KeyShape,
    /// Protection mode.
    pub protection_mode: ProtectionMode,
    /// OCID of the key version that encrypts and signs.
    pub current_key_version: Ocid,
    /// Lifecycle state.
    pub state: KeyState,
    /// When the key was made.
    pub time_created: Timestamp,
    /// When the key is, or was, to be deleted.
    #[serde(default)]
    pub time_of_deletion: Option<Timestamp>,
    /// The state that cancelling the deletion restores.
    #[serde(default)]
    pub state_before_deletion: Option<KeyState>,
    /// Automatic rotation, if it is enabled.
    #[serde(default)]
    pub auto_rotation: Option<AutoRotation>,
    /// OCID of the key that this one was restored from.
    #[serde(default)]
    pub restored_from: Option<Ocid>,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// A change of a key's description; absent is unchanged.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// Display name.
    pub display_name: Option<String>,
    /// Free-form tags.
    pub freeform_tags: Option<std::collections::BTreeMap<String, String>>,
    /// Defined tags.
    pub defined_tags: Option<crate::DefinedTags>,
    /// Automatic rotation.
    pub rotation: Option<RotationChange>,
}

/// A change of a key's automatic rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationChange {
    /// No rotation.
    Off,
    /// Rotation; what is absent stays as it is.
    On {
        /// Days from one rotation to the next.
        interval_days: Option<u32>,
        /// Day from which the first interval counts.
        schedule_start: Option<Timestamp>,
    },
}

/// Rotation was asked for without an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is required to enable automatic rotation")]
pub struct MissingInterval;

impl RotationChange {
    /// Applies the change.
    ///
    /// # Errors
    /// [`MissingInterval`] if there is no interval to keep.
    pub fn apply(
        self,
        current: Option<&AutoRotation>,
        now: Timestamp,
    ) -> Result<Option<AutoRotation>, MissingInterval> {
        match (self, current) {
            (Self::Off, _) => Ok(None),
            (Self::On { interval_days, schedule_start }, Some(current)) => {
                Ok(Some(current.changed(interval_days, schedule_start, now)))
            }
            (Self::On { interval_days, schedule_start }, None) => {
                let interval = interval_days.ok_or(MissingInterval)?;
                Ok(Some(AutoRotation::new(interval, schedule_start, now)))
            }
        }
    }
}

impl Key {
    /// Returns the state and the time of deletion that the key shows in `vault`: what becomes of the
    /// vault becomes of its keys.
    #[must_use]
    pub fn shown_in(&self, vault: &Vault) -> (KeyState, Option<Timestamp>) {
        let first = self.time_of_deletion.into_iter().chain(vault.time_of_deletion).min();
        match (vault.state, self.state) {
            (VaultState::Active, state)
            | (VaultState::PendingDeletion, state @ KeyState::Deleted) => {
                (state, self.time_of_deletion)
            }
            (VaultState::PendingDeletion, _) => (KeyState::PendingDeletion, first),
            (VaultState::Deleted, _) => (KeyState::Deleted, first),
        }
    }

    /// Refuses unless the key can be used.
    ///
    /// # Errors
    /// [`LifecycleError::State`].
    pub fn check_enabled(&self, vault: &Vault) -> Result<(), LifecycleError> {
        match self.shown_in(vault).0 {
            KeyState::Enabled => Ok(()),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Refuses if the key, or its vault, is deleted or going to be.
    ///
    /// # Errors
    /// [`LifecycleError::State`].
    pub fn check_changeable(&self, vault: &Vault) -> Result<(), LifecycleError> {
        match self.shown_in(vault).0 {
            KeyState::Enabled | KeyState::Disabled => Ok(()),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Enables a disabled key.
    ///
    /// # Errors
    /// [`LifecycleError::State`] if it is neither enabled nor disabled.
    pub fn enable(&self) -> Result<Self, LifecycleError> {
        self.turned(KeyState::Enabled)
    }

    /// Disables an enabled key.
    ///
    /// # Errors
    /// [`LifecycleError::State`] if it is neither enabled nor disabled.
    pub fn disable(&self) -> Result<Self, LifecycleError> {
        self.turned(KeyState::Disabled)
    }

    fn turned(&self, to: KeyState) -> Result<Self, LifecycleError> {
        match self.state {
            KeyState::Enabled | KeyState::Disabled => Ok(Self { state: to, ..self.clone() }),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Schedules the deletion.
    ///
    /// # Errors
    /// A [`LifecycleError`].
    pub fn schedule_deletion(
        &self,
        asked: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, LifecycleError> {
        match self.state {
            KeyState::Enabled | KeyState::Disabled => Ok(Self {
                state: KeyState::PendingDeletion,
                state_before_deletion: Some(self.state),
                time_of_deletion: Some(deletion_time(asked, DELETION_DAYS_MIN, now)?),
                ..self.clone()
            }),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Takes back a deletion that has not happened.
    ///
    /// # Errors
    /// [`LifecycleError::State`] if none is pending.
    pub fn cancel_deletion(&self) -> Result<Self, LifecycleError> {
        match self.state {
            KeyState::PendingDeletion => Ok(Self {
                state: self.state_before_deletion.unwrap_or(KeyState::Enabled),
                state_before_deletion: None,
                time_of_deletion: None,
                ..self.clone()
            }),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Tells whether the key's own deletion is due.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == KeyState::PendingDeletion && self.time_of_deletion.is_some_and(|at| at <= now)
    }

    /// Returns the key after its deletion: a description without material.
    #[must_use]
    pub fn deleted(&self, at: Timestamp) -> Self {
        Self {
            state: KeyState::Deleted,
            state_before_deletion: None,
            time_of_deletion: self.time_of_deletion.or(Some(at)),
            auto_rotation: None,
            ..self.clone()
        }
    }

    /// Changes the description.
    ///
    /// # Errors
    /// [`MissingInterval`].
    pub fn changed(&self, change: &KeyChange, now: Timestamp) -> Result<Self, MissingInterval> {
        let mut next = self.clone();
        if let Some(name) = &change.display_name {
            next.display_name.clone_from(name);
        }
        if let Some(tags) = &change.freeform_tags {
            next.tags.freeform.clone_from(tags);
        }
        if let Some(tags) = &change.defined_tags {
            next.tags.defined.clone_from(tags);
        }
        if let Some(rotation) = change.rotation {
            next.auto_rotation = rotation.apply(self.auto_rotation.as_ref(), now)?;
        }
        Ok(next)
    }
}

/// Lifecycle of a key version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyVersionState {
    /// Usable.
    Enabled,
    /// To be deleted, and unusable until then unless the deletion is cancelled.
    PendingDeletion,
    /// Gone; what is left is its description.
    Deleted,
}

impl KeyVersionState {
    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::PendingDeletion => "PENDING_DELETION",
            Self::Deleted => "DELETED",
        }
    }
}

/// Where key material was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Origin {
    /// In this service.
    #[default]
    Internal,
    /// Elsewhere: it was imported.
    External,
}

/// A version of a master encryption key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyVersion {
    /// OCID of the key version.
    pub id: Ocid,
    /// OCID of the key.
    pub key_id: Ocid,
    /// Lifecycle state.
    pub state: KeyVersionState,
    /// When the version was made.
    pub time_created: Timestamp,
    /// When the version is, or was, to be deleted.
    #[serde(default)]
    pub time_of_deletion: Option<Timestamp>,
    /// Where its material was made.
    #[serde(default)]
    pub origin: Origin,
    /// Whether a schedule made it.
    #[serde(default)]
    pub is_auto_rotated: bool,
    /// The public key of an asymmetric version as PEM, `PUBLIC KEY`.
    #[serde(default)]
    pub public_key: Option<String>,
    /// OCID of the version that this one was restored from.
    #[serde(default)]
    pub restored_from: Option<Ocid>,
}

impl KeyVersion {
    /// Refuses unless the version can be used.
    ///
    /// # Errors
    /// [`LifecycleError::State`].
    pub const fn check_enabled(&self) -> Result<(), LifecycleError> {
        match self.state {
            KeyVersionState::Enabled => Ok(()),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Schedules the deletion of a version of `key`.
    ///
    /// # Errors
    /// A [`LifecycleError`].
    pub fn schedule_deletion(
        &self,
        key: &Key,
        asked: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, LifecycleError> {
        self.check_enabled()?;
        if key.current_key_version == self.id {
            return Err(LifecycleError::CurrentVersion);
        }
        let at = deletion_time(asked, DELETION_DAYS_MIN, now)?;
        let state = KeyVersionState::PendingDeletion;
        Ok(Self { state, time_of_deletion: Some(at), ..self.clone() })
    }

    /// Takes back a deletion that has not happened.
    ///
    /// # Errors
    /// [`LifecycleError::State`] if none is pending.
    pub fn cancel_deletion(&self) -> Result<Self, LifecycleError> {
        match self.state {
            KeyVersionState::PendingDeletion => {
                Ok(Self { state: KeyVersionState::Enabled, time_of_deletion: None, ..self.clone() })
            }
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Tells whether the version's own deletion is due.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == KeyVersionState::PendingDeletion
            && self.time_of_deletion.is_some_and(|at| at <= now)
    }

    /// Returns the version after its deletion.
    #[must_use]
    pub fn deleted(&self, at: Timestamp) -> Self {
        let time_of_deletion = self.time_of_deletion.or(Some(at));
        Self { state: KeyVersionState::Deleted, time_of_deletion, ..self.clone() }
    }
}
