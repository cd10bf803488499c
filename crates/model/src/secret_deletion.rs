//! How secrets and their versions are given up.

use std::time::Duration;

use crate::lifecycle::{LifecycleError, SECRET_DELETION_DAYS_MIN, deletion_time};
use crate::{Moment, Secret, SecretError, SecretRotation, SecretState, Stage, Timestamp};

/// How long a version that a rotation pushed out can be taken back.
const PUSHED_OUT: Duration = Duration::from_hours(7 * 24);

impl Secret {
    /// Schedules the deletion of the secret. A rotation that is going on ends.
    ///
    /// # Errors
    /// A [`LifecycleError`].
    pub fn schedule_deletion(
        &self,
        asked: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, LifecycleError> {
        self.check_active()?;
        let at = deletion_time(asked, SECRET_DELETION_DAYS_MIN, now)?;
        Ok(Self {
            state: SecretState::PendingDeletion,
            time_of_deletion: Some(at),
            rotation: SecretRotation { run: None, ..self.rotation.clone() },
            ..self.clone()
        })
    }

    /// Takes back a deletion that has not happened.
    ///
    /// # Errors
    /// [`LifecycleError::State`] if none is pending.
    pub fn cancel_deletion(&self) -> Result<Self, LifecycleError> {
        match self.state {
            SecretState::PendingDeletion => {
                Ok(Self { state: SecretState::Active, time_of_deletion: None, ..self.clone() })
            }
            state => Err(LifecycleError::State(state.name())),
        }
    }

    /// Returns the secret after its deletion: a description without versions.
    #[must_use]
    pub fn gone(&self, at: Timestamp) -> Self {
        Self {
            state: SecretState::Deleted,
            time_of_deletion: self.time_of_deletion.or(Some(at)),
            scheduled: std::collections::BTreeMap::new(),
            rotation: SecretRotation::default(),
            ..self.clone()
        }
    }

    /// Schedules the deletion of a version that nobody uses.
    ///
    /// # Errors
    /// A [`SecretError`].
    pub fn schedule_version_deletion(
        &self,
        number: u64,
        asked: Option<Timestamp>,
        moment: Moment,
    ) -> Result<Self, SecretError> {
        self.check_active()?;
        if !self.knows_version(number) {
            return Err(SecretError::UnknownVersion);
        }
        if !self.has_version(number) {
            return Err(SecretError::VersionPending);
        }
        if self.stages.of(number) != [Stage::Deprecated] {
            return Err(SecretError::VersionInUse);
        }
        let pending = u64::try_from(self.scheduled.len()).unwrap_or(u64::MAX);
        if pending >= moment.pending_versions_max {
            return Err(SecretError::PendingVersions(moment.pending_versions_max));
        }
        let at = deletion_time(asked, SECRET_DELETION_DAYS_MIN, moment.now)?;
        let mut next = self.clone();
        next.scheduled.insert(number, at);
        Ok(next)
    }

    /// Takes back the deletion of a version that has not happened.
    ///
    /// # Errors
    /// A [`SecretError`].
    pub fn cancel_version_deletion(
        &self,
        number: u64,
        moment: Moment,
    ) -> Result<Self, SecretError> {
        self.check_active()?;
        if !self.knows_version(number) {
            return Err(SecretError::UnknownVersion);
        }
        let mut next = self.clone();
        if next.scheduled.remove(&number).is_none() {
            return Err(SecretError::VersionNotPending);
        }
        if self.active_versions() >= moment.active_versions_max {
            return Err(SecretError::ActiveVersions(moment.active_versions_max));
        }
        Ok(next)
    }

    /// Returns the secret with room for a version that a rotation is about to make: if there is none,
    /// the oldest version that nobody uses is given up, and can be taken back for a week.
    #[must_use]
    pub fn with_room(&self, moment: Moment) -> Self {
        if self.active_versions() < moment.active_versions_max {
            return self.clone();
        }
        let unused = |number: &u64| {
            self.has_version(*number) && self.stages.of(*number) == [Stage::Deprecated]
        };
        let Some(oldest) = (1..=self.stages.latest).find(unused) else { return self.clone() };
        let at = moment.now.checked_add(PUSHED_OUT).ok();
        let scheduled = self.schedule_version_deletion(oldest, at, moment);
        scheduled.unwrap_or_else(|_full| self.clone())
    }

    /// Returns the secret without the first of the versions whose deletion is due, and its number.
    #[must_use]
    pub fn without_due_version(&self, now: Timestamp) -> Option<(Self, u64)> {
        let (number, _) = self.scheduled.iter().find(|(_, at)| **at <= now)?;
        let mut next = self.clone();
        next.scheduled.remove(number);
        next.deleted.insert(*number);
        Some((next, *number))
    }

    /// Returns when there is something to do about the secret without anybody asking. Of a replica
    /// nothing falls due: its source does it.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        if self.is_replica() {
            return None;
        }
        match self.state {
            SecretState::Deleted => None,
            SecretState::PendingDeletion => self.time_of_deletion,
            SecretState::Active => {
                let versions = self.scheduled.values().copied();
                versions.chain(self.rotation.due()).min()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::{add, at, moment, secret};
    use crate::{NewVersion, StageEvent};

    #[test]
    fn a_secret_is_deleted_after_a_day_to_a_month() {
        let now = at(0);
        let pending = secret().schedule_deletion(None, now).unwrap();
        assert_eq!(pending.time_of_deletion, Some(at(30)));
        assert_eq!(pending.due(), Some(at(30)));
        assert!(secret().schedule_deletion(Some(at(1)), now).is_ok());
        for days in [0, 31] {
            let outcome = secret().schedule_deletion(Some(at(days)), now);
            assert_eq!(outcome, Err(LifecycleError::TimeOfDeletion(1)), "{days}");
        }
        assert_eq!(
            pending.schedule_deletion(None, now),
            Err(LifecycleError::State("PENDING_DELETION"))
        );
        assert_eq!(pending.cancel_deletion(), Ok(secret()));
        assert_eq!(secret().cancel_deletion(), Err(LifecycleError::State("ACTIVE")));
        assert_eq!(pending.gone(at(30)).state, SecretState::Deleted);
    }

    #[test]
    fn only_a_version_that_nobody_uses_is_deleted() {
        let three = add(&add(&secret(), NewVersion::Current), NewVersion::Current);
        let m = moment();
        for (number, error) in [
            (0, SecretError::UnknownVersion),
            (2, SecretError::VersionInUse),
            (3, SecretError::VersionInUse),
            (4, SecretError::UnknownVersion),
        ] {
            assert_eq!(three.schedule_version_deletion(number, None, m), Err(error), "{number}");
        }
        let pending = three.schedule_version_deletion(1, Some(at(1)), m).unwrap();
        assert_eq!(pending.active_versions(), 2);
        assert!(!pending.has_version(1) && pending.knows_version(1));
        let again = pending.schedule_version_deletion(1, None, m);
        assert_eq!(again, Err(SecretError::VersionPending));
        let back = crate::SecretChange {
            versions: Some(crate::VersionMove::Promote(1)),
            ..crate::SecretChange::default()
        };
        assert_eq!(pending.update(&back, m), Err(SecretError::VersionPending));
        assert_eq!(pending.cancel_version_deletion(1, m), Ok(three.clone()));
        assert_eq!(three.cancel_version_deletion(1, m), Err(SecretError::VersionNotPending));
        assert_eq!(pending.without_due_version(at(0)), None);
        let (gone, number) = pending.without_due_version(at(1)).unwrap();
        assert_eq!((number, gone.active_versions()), (1, 2));
        assert_eq!(gone.without_due_version(at(1)), None);
        assert!(!gone.knows_version(1));
        assert_eq!(gone.update(&back, m), Err(SecretError::UnknownVersion));
    }

    #[test]
    fn a_rotation_makes_room_for_its_version() {
        let m = Moment { active_versions_max: 3, ..moment() };
        let mut state = secret();
        for _ in 0..5 {
            state = state.with_room(m).with_stages(StageEvent::AddCurrent, m.now);
            assert!(state.active_versions() <= 3);
        }
        assert_eq!(state.scheduled.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        // One comes back when there is room for it.
        assert_eq!(state.cancel_version_deletion(1, m), Err(SecretError::ActiveVersions(3)));
        assert_eq!(state.cancel_version_deletion(5, m), Err(SecretError::VersionNotPending));
    }
}
