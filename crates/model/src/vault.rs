use serde::{Deserialize, Serialize};

use crate::lifecycle::{DELETION_DAYS_MIN, LifecycleError, deletion_time};
use crate::{Ocid, OcidKind, Tags, Timestamp, VaultTag};

/// Kind of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VaultType {
    /// A vault on shared partitions.
    Default,
    /// A vault with a partition of its own.
    VirtualPrivate,
}

/// Lifecycle of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VaultState {
    /// Usable.
    Active,
    /// To be deleted, and unusable until then unless the deletion is cancelled.
    PendingDeletion,
    /// Gone; what is left is its description.
    Deleted,
}

impl VaultState {
    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::PendingDeletion => "PENDING_DELETION",
            Self::Deleted => "DELETED",
        }
    }
}

/// A second region in which a vault answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultReplica {
    /// Name of the region.
    pub region: String,
    /// Identifier of the replication.
    pub replication_id: Ocid,
}

/// Where a vault comes from that is another region's, and is only read here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultSource {
    /// Name of the region.
    pub region: String,
    /// The commit, of that region's store, that this replica is a copy of.
    pub revision: u64,
}

/// A vault: the container of keys and secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vault {
    /// OCID of the vault.
    pub id: Ocid,
    /// The 13 characters that stand for the vault in host names and OCIDs.
    pub tag: VaultTag,
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// Display name; need not be unique.
    pub display_name: String,
    /// Kind of the vault.
    pub vault_type: VaultType,
    /// Lifecycle state.
    pub state: VaultState,
    /// When the vault was made.
    pub time_created: Timestamp,
    /// When the vault is, or was, to be deleted.
    #[serde(default)]
    pub time_of_deletion: Option<Timestamp>,
    /// OCID of the vault that this one was restored from.
    #[serde(default)]
    pub restored_from: Option<Ocid>,
    /// The other region in which the vault answers.
    #[serde(default)]
    pub replica: Option<VaultReplica>,
    /// Present in a replica that another installation keeps.
    #[serde(default)]
    pub source: Option<VaultSource>,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

impl Vault {
    /// Returns the OCID of the vault's wrapping key, under which key material is imported.
    #[must_use]
    pub fn wrapping_key_id(&self) -> Ocid {
        self.id.of_kind(OcidKind::Key)
    }

    /// Refuses unless the vault is ACTIVE.
    ///
    /// # Errors
    /// [`LifecycleError::State`].
    pub const fn check_active(&self) -> Result<(), LifecycleError> {
        match self.state {
            VaultState::Active => Ok(()),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Schedules the deletion. `last_key` is when the last of its keys is to be deleted.
    ///
    /// # Errors
    /// A [`LifecycleError`].
    pub fn schedule_deletion(
        &self,
        asked: Option<Timestamp>,
        last_key: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, LifecycleError> {
        self.check_active()?;
        let at = deletion_time(asked, DELETION_DAYS_MIN, now)?;
        if last_key.is_some_and(|last_key| at < last_key) {
            return Err(LifecycleError::BeforeKey);
        }
        let state = VaultState::PendingDeletion;
        Ok(Self { state, time_of_deletion: Some(at), ..self.clone() })
    }

    /// Takes back a deletion that has not happened.
    ///
    /// # Errors
    /// [`LifecycleError::State`] if none is pending.
    pub fn cancel_deletion(&self) -> Result<Self, LifecycleError> {
        match self.state {
            VaultState::PendingDeletion => {
                Ok(Self { state: VaultState::Active, time_of_deletion: None, ..self.clone() })
            }
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Tells whether the vault is another region's, and only read here.
    #[must_use]
    pub const fn is_replica(&self) -> bool {
        self.source.is_some()
    }

    /// Tells whether the deletion is due. Of a replica nothing falls due: its source does it.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == VaultState::PendingDeletion
            && !self.is_replica()
            && self.time_of_deletion.is_some_and(|at| at <= now)
    }
}
