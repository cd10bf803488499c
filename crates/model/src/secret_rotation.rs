use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Ocid, Stages, Timestamp, rfc3339};

const DAY: Duration = Duration::from_hours(24);

/// Shortest `rotationInterval`, in days.
///
/// Source: OCI API reference, `RotationConfig`.
pub const SECRET_ROTATION_DAYS_MIN: u32 = 1;

/// Longest `rotationInterval`, in days.
pub const SECRET_ROTATION_DAYS_MAX: u32 = 360;

/// How often a step is tried before the rotation is given up; with [`backoff`] about an hour.
pub const STEP_ATTEMPTS_MAX: u32 = 12;

/// Where a secret's value is used, and who changes it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RotationTarget {
    /// An autonomous database.
    Adb {
        /// OCID of the database.
        id: Ocid,
    },
    /// A function that knows how.
    Function {
        /// OCID of the function.
        id: Ocid,
    },
}

impl RotationTarget {
    /// Returns the OCID of the target.
    #[must_use]
    pub const fn id(&self) -> &Ocid {
        match self {
            Self::Adb { id } | Self::Function { id } => id,
        }
    }
}

/// How a secret is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationConfig {
    /// Target system.
    pub target: RotationTarget,
    /// Days from one rotation to the next.
    pub interval_days: Option<u32>,
    /// Whether the interval is kept.
    pub is_scheduled: bool,
}

/// A step of a rotation, in order.
///
/// Source: OCI documentation, "Secret Rotation Functions"; the last step is this server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RotationStep {
    /// The current content works at the target system.
    VerifyConnection,
    /// New content is a pending version of the secret.
    CreatePendingVersion,
    /// The target system takes the pending content.
    UpdateTargetSystem,
    /// The pending version is current.
    PromotePendingVersion,
    /// Nobody needs the previous version any more.
    RetirePreviousVersion,
}

impl RotationStep {
    /// Every step, in order.
    pub const ALL: [Self; 5] = [
        Self::VerifyConnection,
        Self::CreatePendingVersion,
        Self::UpdateTargetSystem,
        Self::PromotePendingVersion,
        Self::RetirePreviousVersion,
    ];

    /// Returns the name that functions are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyConnection => "VERIFY_CONNECTION",
            Self::CreatePendingVersion => "CREATE_PENDING_VERSION",
            Self::UpdateTargetSystem => "UPDATE_TARGET_SYSTEM",
            Self::PromotePendingVersion => "PROMOTE_PENDING_VERSION",
            Self::RetirePreviousVersion => "RETIRE_PREVIOUS_VERSION",
        }
    }

    /// Returns the step that follows.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::VerifyConnection => Some(Self::CreatePendingVersion),
            Self::CreatePendingVersion => Some(Self::UpdateTargetSystem),
            Self::UpdateTargetSystem => Some(Self::PromotePendingVersion),
            Self::PromotePendingVersion => Some(Self::RetirePreviousVersion),
            Self::RetirePreviousVersion => None,
        }
    }
}

/// A rotation that is going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationRun {
    /// `opc-work-request-id` of the rotation.
    pub work_request_id: String,
    /// The step that is to be done.
    pub step: RotationStep,
    /// Number of the version that the rotation made.
    pub version: Option<u64>,
    /// Number of the version that was current before it was promoted; absent until then, and in what
    /// earlier releases wrote.
    #[serde(default)]
    pub replaced: Option<u64>,
    /// When the rotation began.
    pub time_started: Timestamp,
    /// How often the step was tried.
    pub attempts: u32,
    /// When the step is to be tried next.
    pub next_attempt: Timestamp,
    /// Until when consumers of the previous version are waited for.
    pub retire_by: Option<Timestamp>,
    /// Why the last attempt did not succeed.
    pub last_error: Option<String>,
}

impl RotationRun {
    /// Begins a rotation.
    #[must_use]
    pub const fn begin(work_request_id: String, now: Timestamp) -> Self {
        Self {
            work_request_id,
            step: RotationStep::VerifyConnection,
            version: None,
            replaced: None,
            time_started: now,
            attempts: 0,
            next_attempt: now,
            retire_by: None,
            last_error: None,
        }
    }
}

impl RotationRun {
    /// Returns the number of the version that the rotation replaced, if that is what may be retired:
    /// after a rollback the previous version is another one, and the current one may use what it does.
    #[must_use]
    pub fn retires(&self, stages: &Stages) -> Option<u64> {
        let (version, previous) = (self.version?, stages.previous?);
        // What a rotation makes is the latest.
        let is_replaced = self.replaced.map_or(previous < version, |number| number == previous);
        (version == stages.current && is_replaced).then_some(previous)
    }

    fn details(&self) -> Option<String> {
        let (step, attempts) = (self.step.name(), self.attempts);
        match (&self.last_error, self.retire_by) {
            (Some(error), _) => Some(format!(
                "Rotation step {step} failed {attempts} times, and is tried again: {error}"
            )),
            (None, Some(deadline)) => Some(format!(
                "The previous version is retired when every consumer has moved on, and at {} at \
                 the latest.",
                rfc3339(deadline)
            )),
            (None, None) => None,
        }
    }
}

/// That the previous version is retired when every consumer has moved on, or so long after the
/// promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retirement {
    /// Longest wait, in seconds.
    pub deadline_secs: u32,
}

/// A secret's rotation: how it is configured, how it is going, how it went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretRotation {
    /// Configuration.
    pub config: Option<RotationConfig>,
    /// The rotation that is going on.
    pub run: Option<RotationRun>,
    /// When the last rotation succeeded.
    pub last: Option<Timestamp>,
    /// When the next one is due.
    pub next: Option<Timestamp>,
    /// Why the last rotation was given up, if it was.
    pub last_failure: Option<String>,
    /// What happens to the previous version.
    pub retirement: Option<Retirement>,
}

impl SecretRotation {
    /// Returns OCI's `rotationStatus`.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match (&self.run, &self.config) {
            (Some(_), _) => "IN_PROGRESS",
            (None, Some(RotationConfig { is_scheduled: true, .. })) => "SCHEDULED",
            (None, _) => "NOT_ENABLED",
        }
    }

    /// Returns what an operator should know, if anything went wrong.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        match &self.run {
            Some(run) => run.details(),
            None => self.last_failure.clone(),
        }
    }

    /// Returns the rotation with another configuration.
    #[must_use]
    pub fn configured(&self, config: RotationConfig, now: Timestamp) -> Self {
        let unchanged = self.config.as_ref() == Some(&config);
        let next = if unchanged { self.next } else { due_after(&config, now) };
        Self { config: Some(config), next, ..self.clone() }
    }

    /// Returns the rotation after its work is done.
    #[must_use]
    pub fn finished(&self, now: Timestamp) -> Self {
        let next = self.config.as_ref().and_then(|config| due_after(config, now));
        Self { run: None, last: Some(now), next, last_failure: None, ..self.clone() }
    }

    /// Returns the rotation after the present step was done; `version` is the one it is about.
    #[must_use]
    pub fn step_done(&self, version: Option<u64>, now: Timestamp) -> Self {
        let Some(run) = &self.run else { return self.clone() };
        let Some(step) = run.step.next() else { return self.finished(now) };
        if step == RotationStep::RetirePreviousVersion && self.retirement.is_none() {
            return self.finished(now);
        }
        let wait = self.retirement.map(|mark| Duration::from_secs(mark.deadline_secs.into()));
        let run = RotationRun {
            step,
            version: version.or(run.version),
            attempts: 0,
            next_attempt: now,
            retire_by: wait.and_then(|wait| now.checked_add(wait).ok()),
            last_error: None,
            ..run.clone()
        };
        Self { run: Some(run), ..self.clone() }
    }

    /// Returns the rotation with the number of the version that it replaces.
    #[must_use]
    pub fn replacing(&self, replaced: Option<u64>) -> Self {
        let run = self.run.clone().map(|run| RotationRun { replaced, ..run });
        Self { run, ..self.clone() }
    }

    /// Returns the rotation after the present step failed: it is tried again later, or given up.
    #[must_use]
    pub fn step_failed(&self, error: String, is_final: bool, now: Timestamp) -> Self {
        let Some(run) = &self.run else { return self.clone() };
        let attempts = run.attempts.saturating_add(1);
        if is_final || attempts >= STEP_ATTEMPTS_MAX {
            let (step, id) = (run.step.name(), &run.work_request_id);
            let failure = format!(
                "Rotation {id} was given up in step {step} after {attempts} attempts: {error}"
            );
            let next = self.config.as_ref().and_then(|config| due_after(config, now));
            return Self { run: None, next, last_failure: Some(failure), ..self.clone() };
        }
        let next_attempt = now.checked_add(backoff(attempts)).unwrap_or(Timestamp::MAX);
        let run = RotationRun { attempts, next_attempt, last_error: Some(error), ..run.clone() };
        Self { run: Some(run), ..self.clone() }
    }

    /// Returns the rotation with the present step put off: nothing failed, something is waited for.
    #[must_use]
    pub fn put_off(&self, until: Timestamp) -> Self {
        let run = self.run.clone().map(|run| RotationRun { next_attempt: until, ..run });
        Self { run, ..self.clone() }
    }

    /// Returns the rotation without the one that is going on, and without a schedule.
    #[must_use]
    pub fn cancelled(&self) -> Self {
        let off =
            |config: &RotationConfig| RotationConfig { is_scheduled: false, ..config.clone() };
        Self {
            config: self.config.as_ref().map(off),
            run: None,
            next: None,
            last_failure: None,
            ..self.clone()
        }
    }

    /// Returns when there is something to do.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.run.as_ref().map_or(self.next, |run| Some(run.next_attempt))
    }
}

fn due_after(config: &RotationConfig, now: Timestamp) -> Option<Timestamp> {
    let days = config.interval_days.filter(|_| config.is_scheduled)?;
    now.checked_add(DAY * days).ok()
}

/// How long to wait after so many failed attempts: 1, 2, 4, … seconds, ten minutes at most.
#[must_use]
pub fn backoff(attempts: u32) -> Duration {
    Duration::from_secs(1 << attempts.saturating_sub(1).min(10)).min(Duration::from_mins(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap()
    }

    fn rotation() -> SecretRotation {
        let target = RotationTarget::Function { id: "ocid1.fnfunc.oc1..f".parse().unwrap() };
        let config = RotationConfig { target, interval_days: Some(30), is_scheduled: true };
        let run = RotationRun::begin("w".to_owned(), at(0));
        SecretRotation { run: Some(run), ..SecretRotation::default().configured(config, at(0)) }
    }

    #[test]
    fn steps_follow_each_other_and_the_schedule_goes_on() {
        let mut state = rotation();
        assert_eq!(state.status(), "IN_PROGRESS");
        for step in &RotationStep::ALL[..4] {
            assert_eq!(state.run.as_ref().unwrap().step, *step);
            state = state.step_done(Some(2), at(10));
        }
        assert_eq!((state.status(), state.last), ("SCHEDULED", Some(at(10))));
        assert_eq!(state.next, Some(at(10 + 30 * 86_400)));
    }

    #[test]
    fn a_marked_secret_waits_for_its_consumers() {
        let mut state = rotation();
        state.retirement = Some(Retirement { deadline_secs: 60 });
        for _ in 0..4 {
            state = state.step_done(None, at(10));
        }
        let run = state.run.clone().unwrap();
        assert_eq!((run.step, run.retire_by), (RotationStep::RetirePreviousVersion, Some(at(70))));
        assert!(state.step_done(None, at(70)).run.is_none());
    }

    #[test]
    fn a_step_is_tried_again_later_and_later_and_then_given_up() {
        let mut state = rotation();
        let mut waits = Vec::new();
        for _ in 1..STEP_ATTEMPTS_MAX {
            state = state.step_failed("no".to_owned(), false, at(0));
            let run = state.run.as_ref().unwrap();
            waits.push(run.next_attempt.as_second() - at(0).as_second());
            assert!(state.details().unwrap().contains("no"));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
        state = state.step_failed("no".to_owned(), false, at(0));
        assert!(state.run.is_none() && state.last_failure.is_some());
        assert_eq!(state.next, Some(at(30 * 86_400)), "the schedule goes on");
        assert!(rotation().step_failed("no".to_owned(), true, at(0)).run.is_none());
    }

    #[test]
    fn cancelling_ends_the_schedule_too() {
        let state = rotation().cancelled();
        assert_eq!((state.status(), state.due()), ("NOT_ENABLED", None));
        let unchanged = state.configured(state.config.clone().unwrap(), at(5));
        assert_eq!(unchanged, state);
    }

    #[test]
    fn what_a_rotation_replaced_is_retired_and_nothing_else() {
        let stages = |current, previous| Stages { current, latest: 3, pending: None, previous };
        let run = |replaced| RotationRun {
            version: Some(2),
            replaced,
            ..RotationRun::begin("w".to_owned(), at(0))
        };
        assert_eq!(run(Some(1)).retires(&stages(2, Some(1))), Some(1));
        assert_eq!(run(Some(1)).retires(&stages(2, Some(3))), None, "rolled back to it");
        assert_eq!(run(Some(1)).retires(&stages(3, Some(2))), None);
        assert_eq!(run(Some(1)).retires(&stages(2, None)), None);
        // As earlier releases wrote it.
        assert_eq!(run(None).retires(&stages(2, Some(1))), Some(1));
        assert_eq!(run(None).retires(&stages(2, Some(3))), None);
    }
}
