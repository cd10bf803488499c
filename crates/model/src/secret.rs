use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DefinedTags, Ocid, Tags, Timestamp};

/// Lifecycle of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecretState {
    /// Usable.
    Active,
}

/// A rotation state of a secret version; a version holds a set of them.
///
/// Source: OCI documentation, "Secret Versions and Rotation States".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// In use: the default answer of retrieval. Exactly one version holds it.
    Current,
    /// Uploaded, not yet promoted. At most one version holds it.
    Pending,
    /// Uploaded last. Exactly one version holds it.
    Latest,
    /// In use before the current one. At most one version holds it.
    Previous,
    /// None of current, pending and previous.
    Deprecated,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] =
        [Self::Current, Self::Pending, Self::Latest, Self::Previous, Self::Deprecated];

    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "CURRENT",
            Self::Pending => "PENDING",
            Self::Latest => "LATEST",
            Self::Previous => "PREVIOUS",
            Self::Deprecated => "DEPRECATED",
        }
    }
}

/// Which version holds which stage. A version number held by none of them is `DEPRECATED`, so the
/// cardinalities of [`Stage`] hold by construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stages {
    /// Number of the `CURRENT` version.
    pub current: u64,
    /// Number of the `LATEST` version, which is also the highest number ever given.
    pub latest: u64,
    /// Number of the `PENDING` version.
    pub pending: Option<u64>,
    /// Number of the `PREVIOUS` version.
    pub previous: Option<u64>,
}

impl Stages {
    /// The stages after a secret was created: version 1 is `CURRENT` and `LATEST`.
    pub const FIRST: Self = Self { current: 1, latest: 1, pending: None, previous: None };

    /// Returns the stages of the version `number`, in OCI's order.
    #[must_use]
    pub fn of(&self, number: u64) -> Vec<Stage> {
        let mut stages = Vec::with_capacity(2);
        if number == self.current {
            stages.push(Stage::Current);
        } else if self.pending == Some(number) {
            stages.push(Stage::Pending);
        } else if self.previous == Some(number) {
            stages.push(Stage::Previous);
        } else {
            stages.push(Stage::Deprecated);
        }
        if number == self.latest {
            stages.push(Stage::Latest);
        }
        stages
    }

    /// A new version that is in use at once: the old current one becomes `PREVIOUS`, a waiting
    /// pending one `DEPRECATED`.
    fn add_current(self) -> Self {
        let number = self.latest.saturating_add(1);
        Self { current: number, latest: number, pending: None, previous: Some(self.current) }
    }

    /// A new version that waits: an earlier pending one becomes `DEPRECATED`.
    fn add_pending(self) -> Self {
        let number = self.latest.saturating_add(1);
        Self { latest: number, pending: Some(number), ..self }
    }

    /// Promotion and rollback: `number` becomes `CURRENT`, whatever it was; `LATEST` stays.
    fn promote(self, number: u64) -> Self {
        if number == self.current {
            return self;
        }
        let pending = self.pending.filter(|pending| *pending != number);
        Self { current: number, previous: Some(self.current), pending, ..self }
    }
}

/// A secret: its metadata, and which of its versions is in use. Contents are kept elsewhere, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// OCID of the secret; the same over all rotations.
    pub id: Ocid,
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// OCID of the vault.
    pub vault_id: Ocid,
    /// OCID of the master encryption key.
    pub key_id: Ocid,
    /// Name, unique in the vault, compared with case.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Free metadata, returned with every bundle; not secret.
    #[serde(default)]
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// Lifecycle state.
    pub state: SecretState,
    /// When the secret was made.
    pub time_created: Timestamp,
    /// Which version holds which stage.
    pub stages: Stages,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// What is known of a version beside its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// Number, from 1 upwards; never given twice.
    pub number: u64,
    /// Name, unique in the secret.
    pub name: Option<String>,
    /// When the version was made.
    pub time_created: Timestamp,
}

/// Where a new version starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewVersion {
    /// In use at once.
    Current,
    /// Waiting for promotion.
    Pending,
}

/// A move of a secret's versions; at most one per update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionMove {
    /// New content.
    Add(NewVersion),
    /// `currentVersionNumber`: promotion or rollback to that version.
    Promote(u64),
    /// `stage: CURRENT` without content: promotion of the pending version.
    PromotePending,
}

/// What an update asks for; an absent field stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretChange {
    /// New description.
    pub description: Option<String>,
    /// New metadata, in place of all of the old.
    pub metadata: Option<BTreeMap<String, serde_json::Value>>,
    /// New `freeformTags`, in place of all of the old.
    pub freeform_tags: Option<BTreeMap<String, String>>,
    /// New `definedTags`, in place of all of the old.
    pub defined_tags: Option<DefinedTags>,
    /// Move of the versions.
    pub versions: Option<VersionMove>,
}

/// Why an update is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The number was never given.
    #[error("the secret has no version with this number")]
    UnknownVersion,
    /// No version is pending.
    #[error("the secret has no pending version to promote")]
    NothingPending,
}

impl Secret {
    /// Applies `change` and returns the new state. A new version's number is the new state's
    /// `stages.latest`.
    ///
    /// # Errors
    /// [`SecretError`] if the change names a version that is not there; nothing is changed then.
    pub fn update(&self, change: &SecretChange) -> Result<Self, SecretError> {
        let stages = match change.versions {
            None => self.stages,
            Some(VersionMove::Add(NewVersion::Current)) => self.stages.add_current(),
            Some(VersionMove::Add(NewVersion::Pending)) => self.stages.add_pending(),
            Some(VersionMove::Promote(number)) => self.promotion_of(number)?,
            Some(VersionMove::PromotePending) => {
                let number = self.stages.pending.ok_or(SecretError::NothingPending)?;
                self.stages.promote(number)
            }
        };
        let old = self.clone();
        Ok(Self {
            description: change.description.clone().or(old.description),
            metadata: change.metadata.clone().unwrap_or(old.metadata),
            tags: Tags {
                freeform: change.freeform_tags.clone().unwrap_or(old.tags.freeform),
                defined: change.defined_tags.clone().unwrap_or(old.tags.defined),
            },
            stages,
            ..old
        })
    }

    fn promotion_of(&self, number: u64) -> Result<Stages, SecretError> {
        if (1..=self.stages.latest).contains(&number) {
            Ok(self.stages.promote(number))
        } else {
            Err(SecretError::UnknownVersion)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> Secret {
        Secret {
            id: "ocid1.vaultsecret.oc1.iad.s".parse().unwrap(),
            compartment_id: "ocid1.compartment.oc1..c".parse().unwrap(),
            vault_id: "ocid1.vault.oc1.iad.v".parse().unwrap(),
            key_id: "ocid1.key.oc1.iad.v.k".parse().unwrap(),
            name: "db".to_owned(),
            description: None,
            metadata: BTreeMap::new(),
            state: SecretState::Active,
            time_created: Timestamp::UNIX_EPOCH,
            stages: Stages::FIRST,
            tags: Tags::default(),
        }
    }

    fn moved(secret: &Secret, versions: VersionMove) -> Result<Secret, SecretError> {
        secret.update(&SecretChange { versions: Some(versions), ..SecretChange::default() })
    }

    #[test]
    fn rotation_keeps_the_old_version_for_rollback() {
        let two = moved(&secret(), VersionMove::Add(NewVersion::Current)).unwrap();
        let three = moved(&two, VersionMove::Add(NewVersion::Current)).unwrap();
        assert_eq!(three.stages.of(3), [Stage::Current, Stage::Latest]);
        assert_eq!(three.stages.of(2), [Stage::Previous]);
        assert_eq!(three.stages.of(1), [Stage::Deprecated]);
        let back = moved(&three, VersionMove::Promote(2)).unwrap();
        assert_eq!(back.stages.of(2), [Stage::Current]);
        assert_eq!(back.stages.of(3), [Stage::Previous, Stage::Latest]);
    }

    #[test]
    fn pending_waits_until_promoted() {
        let two = moved(&secret(), VersionMove::Add(NewVersion::Pending)).unwrap();
        assert_eq!(two.stages.of(1), [Stage::Current]);
        assert_eq!(two.stages.of(2), [Stage::Pending, Stage::Latest]);
        let promoted = moved(&two, VersionMove::PromotePending).unwrap();
        assert_eq!(promoted.stages.of(2), [Stage::Current, Stage::Latest]);
        assert_eq!(promoted.stages.of(1), [Stage::Previous]);
        assert_eq!(moved(&promoted, VersionMove::PromotePending), Err(SecretError::NothingPending));
    }

    #[test]
    fn unknown_numbers_are_refused() {
        for number in [0, 2, u64::MAX] {
            let outcome = moved(&secret(), VersionMove::Promote(number));
            assert_eq!(outcome, Err(SecretError::UnknownVersion));
        }
    }

    fn any_move() -> impl Strategy<Value = VersionMove> {
        prop_oneof![
            Just(VersionMove::Add(NewVersion::Current)),
            Just(VersionMove::Add(NewVersion::Pending)),
            (0..12_u64).prop_map(VersionMove::Promote),
            Just(VersionMove::PromotePending),
        ]
    }

    proptest! {
        #[test]
        fn after_any_history_the_cardinalities_hold(history in prop::collection::vec(any_move(), 0..40)) {
            let mut state = secret();
            for step in history {
                let before = state.stages.latest;
                if let Ok(next) = moved(&state, step) {
                    let added = matches!(step, VersionMove::Add(_));
                    prop_assert_eq!(next.stages.latest, before + u64::from(added));
                    state = next;
                }
                let held = |stage| {
                    (1..=state.stages.latest).filter(|n| state.stages.of(*n).contains(&stage)).count()
                };
                prop_assert_eq!(held(Stage::Current), 1);
                prop_assert_eq!(held(Stage::Latest), 1);
                prop_assert!(held(Stage::Pending) <= 1);
                prop_assert!(held(Stage::Previous) <= 1);
            }
        }
    }
}
