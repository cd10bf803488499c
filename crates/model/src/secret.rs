use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ABSOLUTE_EXPIRY_DAYS_MAX, DefinedTags, ExpiryRule, LifecycleError, NumberSet, Ocid,
    ReplicationTarget, RotationConfig, SecretGeneration, SecretReplication, SecretRotation,
    SecretRules, StageEvent, Stages, Tags, Timestamp, Vault, VaultState,
};

/// Lifecycle of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecretState {
    /// Usable.
    Active,
    /// To be deleted, and unreadable until then unless the deletion is cancelled.
    PendingDeletion,
    /// Gone; what is left is its description.
    Deleted,
}

impl SecretState {
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
    /// Since when the `CURRENT` version is; absent is the time of creation.
    #[serde(default)]
    pub current_since: Option<Timestamp>,
    /// When the secret is, or was, to be deleted.
    #[serde(default)]
    pub time_of_deletion: Option<Timestamp>,
    /// Versions that are to be deleted, and when.
    #[serde(default)]
    pub scheduled: BTreeMap<u64, Timestamp>,
    /// Numbers of the versions that are gone.
    #[serde(default)]
    pub deleted: NumberSet,
    /// Rules.
    #[serde(default)]
    pub rules: SecretRules,
    /// How content is generated.
    #[serde(default)]
    pub generation: Option<SecretGeneration>,
    /// Whether rotations generate content.
    #[serde(default)]
    pub is_auto_generation_enabled: bool,
    /// Rotation.
    #[serde(default)]
    pub rotation: SecretRotation,
    /// Other regions.
    #[serde(default)]
    pub replication: SecretReplication,
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
    /// Whether its content was generated here.
    #[serde(default)]
    pub is_generated: bool,
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
    /// New rules, in place of all of the old.
    pub rules: Option<SecretRules>,
    /// New way of generating content.
    pub generation: Option<SecretGeneration>,
    /// Whether rotations generate content.
    pub is_auto_generation_enabled: Option<bool>,
    /// New rotation.
    pub rotation: Option<RotationConfig>,
    /// New replication targets, in place of all of the old.
    pub replication: Option<Vec<ReplicationTarget>>,
}

/// Why a secret does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The number was never given, or its version is gone.
    #[error("the secret has no version with this number")]
    UnknownVersion,
    /// No version is pending.
    #[error("the secret has no pending version to promote")]
    NothingPending,
    /// The state of the secret, or of a version, does not allow it.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// Only what nobody uses can be deleted.
    #[error("is in use: only a DEPRECATED version can be deleted; promote another one first")]
    VersionInUse,
    /// The version is to be deleted.
    #[error("is PENDING_DELETION; cancel the deletion of the version first")]
    VersionPending,
    /// The version is not to be deleted.
    #[error("is not PENDING_DELETION")]
    VersionNotPending,
    /// There are as many versions as there may be.
    #[error("the secret has {0} active versions, which is the limit; delete some first")]
    ActiveVersions(u64),
    /// As many versions wait for deletion as may.
    #[error("{0} versions of the secret are pending deletion, which is the limit")]
    PendingVersions(u64),
    /// An absolute expiry lies too near or too far.
    #[error("must be 1 to {ABSOLUTE_EXPIRY_DAYS_MAX} days from now")]
    AbsoluteExpiry,
    /// A rotation is going on.
    #[error("the secret is being rotated")]
    Rotating,
    /// Nothing says how to rotate.
    #[error(
        "the secret has neither a rotationConfig nor automatic generation, so there is nothing to \
         rotate it with"
    )]
    NotRotatable,
    /// No rotation is going on or scheduled.
    #[error("the secret is neither being rotated nor to be rotated by schedule")]
    NothingToCancel,
    /// Generation was switched on without saying what to generate.
    #[error("is required to enable automatic generation")]
    MissingGeneration,
}

/// When versions may be added or given up: the bounds, and the time it is.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Versions that are not pending deletion, at most.
    pub active_versions_max: u64,
    /// Versions that are pending deletion, at most.
    pub pending_versions_max: u64,
}

/// Where a secret lives.
#[derive(Debug, Clone)]
pub struct SecretPlace {
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// OCID of the vault.
    pub vault_id: Ocid,
    /// OCID of the master encryption key.
    pub key_id: Ocid,
}

impl Secret {
    /// Makes a secret with its version 1, and nothing else said of it.
    #[must_use]
    pub fn new(id: Ocid, place: SecretPlace, name: &str, now: Timestamp) -> Self {
        Self {
            id,
            compartment_id: place.compartment_id,
            vault_id: place.vault_id,
            key_id: place.key_id,
            name: name.to_owned(),
            description: None,
            metadata: BTreeMap::new(),
            state: SecretState::Active,
            time_created: now,
            stages: Stages::FIRST,
            current_since: None,
            time_of_deletion: None,
            scheduled: BTreeMap::new(),
            deleted: NumberSet::default(),
            rules: SecretRules::default(),
            generation: None,
            is_auto_generation_enabled: false,
            rotation: SecretRotation::default(),
            replication: SecretReplication::default(),
            tags: Tags::default(),
        }
    }

    /// Returns the state and the time of deletion that the secret shows in `vault`: what becomes of
    /// the vault becomes of its secrets.
    #[must_use]
    pub fn shown_in(&self, vault: &Vault) -> (SecretState, Option<Timestamp>) {
        let first = self.time_of_deletion.into_iter().chain(vault.time_of_deletion).min();
        match (vault.state, self.state) {
            (VaultState::Active, state)
            | (VaultState::PendingDeletion, state @ SecretState::Deleted) => {
                (state, self.time_of_deletion)
            }
            (VaultState::PendingDeletion, _) => (SecretState::PendingDeletion, first),
            (VaultState::Deleted, _) => (SecretState::Deleted, first),
        }
    }

    /// Refuses unless the secret can be changed.
    ///
    /// # Errors
    /// [`LifecycleError::State`].
    pub const fn check_active(&self) -> Result<(), LifecycleError> {
        match self.state {
            SecretState::Active => Ok(()),
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Refuses unless a rotation can begin.
    ///
    /// # Errors
    /// [`SecretError::Rotating`] or [`SecretError::NotRotatable`].
    pub const fn check_rotatable(&self) -> Result<(), SecretError> {
        match (&self.rotation.run, &self.rotation.config) {
            (Some(_), _) => Err(SecretError::Rotating),
            (None, None) if !self.is_auto_generation_enabled => Err(SecretError::NotRotatable),
            (None, _) => Ok(()),
        }
    }

    /// Tells how many versions are neither gone nor to be deleted.
    #[must_use]
    pub fn active_versions(&self) -> u64 {
        let scheduled = u64::try_from(self.scheduled.len()).unwrap_or(u64::MAX);
        self.stages.latest.saturating_sub(self.deleted.count()).saturating_sub(scheduled)
    }

    /// Tells whether the version can be read: it is there, and not to be deleted.
    #[must_use]
    pub fn has_version(&self, number: u64) -> bool {
        self.knows_version(number) && !self.scheduled.contains_key(&number)
    }

    /// Tells whether the version is there.
    #[must_use]
    pub fn knows_version(&self, number: u64) -> bool {
        (1..=self.stages.latest).contains(&number) && !self.deleted.contains(number)
    }

    /// Returns when the content of a version that was made at `created` expires.
    #[must_use]
    pub fn expiry_of(&self, number: u64, created: Timestamp) -> Option<Timestamp> {
        let current = number == self.stages.current;
        let start = self.current_since.filter(|_| current).unwrap_or(created);
        self.rules.expiry.as_ref().and_then(|rule| rule.expiry(start))
    }

    /// Returns when the content of the current version expires.
    #[must_use]
    pub fn current_expiry(&self) -> Option<Timestamp> {
        self.expiry_of(self.stages.current, self.time_created)
    }

    /// Applies `change` and returns the new state. A new version's number is the new state's
    /// `stages.latest`.
    ///
    /// # Errors
    /// [`SecretError`] if the change is not possible; nothing is changed then.
    pub fn update(&self, change: &SecretChange, moment: Moment) -> Result<Self, SecretError> {
        self.check_active()?;
        let mut next = match change.versions {
            None => self.clone(),
            Some(moved) => self.with_stages(self.event_of(moved, moment)?, moment.now),
        };
        if let Some(description) = &change.description {
            next.description = Some(description.clone());
        }
        if let Some(metadata) = &change.metadata {
            next.metadata.clone_from(metadata);
        }
        if let Some(tags) = &change.freeform_tags {
            next.tags.freeform.clone_from(tags);
        }
        if let Some(tags) = &change.defined_tags {
            next.tags.defined.clone_from(tags);
        }
        next.set_up(change, moment.now)?;
        Ok(next)
    }

    /// Applies rules, generation and rotation.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn set_up(&mut self, change: &SecretChange, now: Timestamp) -> Result<(), SecretError> {
        if let Some(rules) = change.rules {
            // As it is told, which is to the millisecond.
            let told = |rule: &ExpiryRule| rule.absolute.map(Timestamp::as_millisecond);
            let known = self.rules.expiry.as_ref().and_then(told);
            let settable = |rule: &ExpiryRule| told(rule) == known || rule.is_settable(now);
            if !rules.expiry.as_ref().is_none_or(settable) {
                return Err(SecretError::AbsoluteExpiry);
            }
            self.rules = rules;
        }
        if let Some(generation) = &change.generation {
            self.generation = Some(generation.clone());
        }
        if let Some(enabled) = change.is_auto_generation_enabled {
            self.is_auto_generation_enabled = enabled;
        }
        if self.is_auto_generation_enabled && self.generation.is_none() {
            return Err(SecretError::MissingGeneration);
        }
        if let Some(config) = &change.rotation {
            self.rotation = self.rotation.configured(config.clone(), now);
        }
        if let Some(targets) = &change.replication {
            self.replication.targets = Some(targets.clone());
        }
        Ok(())
    }

    fn event_of(&self, moved: VersionMove, moment: Moment) -> Result<StageEvent, SecretError> {
        match moved {
            VersionMove::Add(_) if self.active_versions() >= moment.active_versions_max => {
                Err(SecretError::ActiveVersions(moment.active_versions_max))
            }
            VersionMove::Add(NewVersion::Current) => Ok(StageEvent::AddCurrent),
            VersionMove::Add(NewVersion::Pending) => Ok(StageEvent::AddPending),
            VersionMove::Promote(number) if !self.knows_version(number) => {
                Err(SecretError::UnknownVersion)
            }
            VersionMove::Promote(number) if !self.has_version(number) => {
                Err(SecretError::VersionPending)
            }
            VersionMove::Promote(number) => Ok(StageEvent::Promote(number)),
            VersionMove::PromotePending => {
                let pending = self.stages.pending.ok_or(SecretError::NothingPending)?;
                Ok(StageEvent::Promote(pending))
            }
        }
    }

    /// Returns the secret after its stages moved.
    #[must_use]
    pub fn with_stages(&self, event: StageEvent, now: Timestamp) -> Self {
        let stages = self.stages.after(event);
        let moved = stages.current != self.stages.current;
        let current_since = if moved { Some(now) } else { self.current_since };
        Self { stages, current_since, ..self.clone() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Stage;

    pub(crate) fn secret() -> Secret {
        let place = SecretPlace {
            compartment_id: "ocid1.compartment.oc1..c".parse().unwrap(),
            vault_id: "ocid1.vault.oc1.iad.v".parse().unwrap(),
            key_id: "ocid1.key.oc1.iad.v.k".parse().unwrap(),
        };
        let id = "ocid1.vaultsecret.oc1.iad.s".parse().unwrap();
        Secret::new(id, place, "db", Timestamp::UNIX_EPOCH)
    }

    pub(crate) fn at(days: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + days * 86_400).unwrap()
    }

    pub(crate) fn moment() -> Moment {
        Moment { now: at(0), active_versions_max: 30, pending_versions_max: 30 }
    }

    pub(crate) fn add(secret: &Secret, version: NewVersion) -> Secret {
        moved(secret, VersionMove::Add(version)).unwrap()
    }

    fn moved(secret: &Secret, versions: VersionMove) -> Result<Secret, SecretError> {
        let change = SecretChange { versions: Some(versions), ..SecretChange::default() };
        secret.update(&change, moment())
    }

    #[test]
    fn rotation_keeps_the_old_version_for_rollback() {
        let three = add(&add(&secret(), NewVersion::Current), NewVersion::Current);
        assert_eq!(three.stages.of(3), [Stage::Current, Stage::Latest]);
        assert_eq!(three.stages.of(2), [Stage::Previous]);
        assert_eq!(three.stages.of(1), [Stage::Deprecated]);
        let back = moved(&three, VersionMove::Promote(2)).unwrap();
        assert_eq!(back.stages.of(2), [Stage::Current]);
        assert_eq!(back.stages.of(3), [Stage::Previous, Stage::Latest]);
    }

    #[test]
    fn pending_waits_until_promoted() {
        let two = add(&secret(), NewVersion::Pending);
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

    #[test]
    fn the_limit_of_versions_holds() {
        let m = Moment { active_versions_max: 2, ..moment() };
        let two = add(&secret(), NewVersion::Current);
        let change = SecretChange {
            versions: Some(VersionMove::Add(NewVersion::Pending)),
            ..SecretChange::default()
        };
        assert_eq!(two.update(&change, m), Err(SecretError::ActiveVersions(2)));
    }

    #[test]
    fn the_expiry_counts_from_when_a_version_became_current() {
        let rule = ExpiryRule { interval_days: Some(3), absolute: None, blocks_retrieval: true };
        let mut two = add(&secret(), NewVersion::Pending);
        two.rules.expiry = Some(rule);
        assert_eq!(two.expiry_of(2, at(-1)), Some(at(2)), "from its creation while it waits");
        let promoted = moved(&two, VersionMove::PromotePending).unwrap();
        assert_eq!(promoted.expiry_of(2, at(-1)), Some(at(3)));
        assert_eq!(promoted.current_expiry(), Some(at(3)));
        assert_eq!(promoted.expiry_of(1, at(-2)), Some(at(1)));
    }

    #[test]
    fn an_absolute_expiry_that_has_passed_may_be_sent_again() {
        let rule = |absolute| ExpiryRule {
            interval_days: None,
            absolute: Some(absolute),
            blocks_retrieval: false,
        };
        let change = |absolute| SecretChange {
            rules: Some(SecretRules { reuse: None, expiry: Some(rule(absolute)) }),
            ..SecretChange::default()
        };
        let set = secret().update(&change(at(2)), moment()).unwrap();
        let later = Moment { now: at(10), ..moment() };
        assert!(set.update(&change(at(2)), later).is_ok());
        assert_eq!(set.update(&change(at(9)), later), Err(SecretError::AbsoluteExpiry));
        assert_eq!(set.update(&change(at(500)), later), Err(SecretError::AbsoluteExpiry));
        let exact = at(2).checked_add(std::time::Duration::from_micros(123_456)).unwrap();
        let set = secret().update(&change(exact), moment()).unwrap();
        let told = crate::rfc3339(exact).parse().unwrap();
        assert!(set.update(&change(told), later).is_ok(), "as GetSecret told it");
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Move(VersionMove),
        Delete(u64),
        Restore(u64),
        Pass(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Move(VersionMove::Add(NewVersion::Current))),
            2 => Just(Step::Move(VersionMove::Add(NewVersion::Pending))),
            3 => (0..12_u64).prop_map(|number| Step::Move(VersionMove::Promote(number))),
            1 => Just(Step::Move(VersionMove::PromotePending)),
            2 => (0..12_u64).prop_map(Step::Delete),
            1 => (0..12_u64).prop_map(Step::Restore),
            1 => (0..40_i64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn after_any_history_the_cardinalities_hold(history in prop::collection::vec(any_step(), 0..60)) {
            let (mut state, mut days) = (secret(), 0);
            for step in history {
                let before = state.clone();
                let m = Moment { now: at(days), active_versions_max: 6, pending_versions_max: 3 };
                let outcome = match step {
                    Step::Move(versions) => {
                        let change = SecretChange { versions: Some(versions), ..SecretChange::default() };
                        state.update(&change, m)
                    }
                    Step::Delete(number) => state.schedule_version_deletion(number, None, m),
                    Step::Restore(number) => state.cancel_version_deletion(number, m),
                    Step::Pass(passed) => {
                        days += passed;
                        let without = |state: &Secret| Some(state.without_due_version(at(days))?.0);
                        Ok(std::iter::successors(Some(state.clone()), without).last().unwrap())
                    }
                };
                state = outcome.unwrap_or(state);
                let added = matches!(step, Step::Move(VersionMove::Add(_))) && state != before;
                prop_assert_eq!(state.stages.latest, before.stages.latest + u64::from(added), "numbers are given once");
                let of = |number| state.stages.of(number);
                let held = |stage| (1..=state.stages.latest).filter(|n| of(*n).contains(&stage)).count();
                prop_assert_eq!(held(Stage::Current), 1);
                prop_assert_eq!(held(Stage::Latest), 1);
                prop_assert!(held(Stage::Pending) <= 1 && held(Stage::Previous) <= 1);
                prop_assert!(state.active_versions() <= 6 && state.scheduled.len() <= 3);
                for number in 1..=state.stages.latest {
                    let gone = !state.knows_version(number);
                    if !state.has_version(number) {
                        prop_assert_eq!(of(number), [Stage::Deprecated], "what is in use stays");
                    }
                    let scheduled = before.scheduled.get(&number).is_some_and(|due| *due <= at(days));
                    prop_assert!(!gone || !before.knows_version(number) || scheduled, "none is lost");
                }
            }
        }
    }
}
