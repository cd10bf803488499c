use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

const DAY_SECS: i64 = 24 * 3600;

/// Shortest interval of automatic key rotation, in days.
///
/// Source: OCI API reference, `AutoKeyRotationDetails`.
pub const ROTATION_DAYS_MIN: u32 = 60;

/// Longest interval of automatic key rotation, in days.
pub const ROTATION_DAYS_MAX: u32 = 365;

/// How long a rotation that failed for a reason that passes is left alone.
const RETRY_SECS: i64 = 600;

/// Outcome of the last automatic rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RotationStatus {
    /// The key has a new version.
    Success,
    /// It has not; the message says why.
    Failed,
}

/// Schedule of a key's automatic rotation. Days begin at 00:00 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoRotation {
    /// Days from one rotation to the next, [`ROTATION_DAYS_MIN`] to [`ROTATION_DAYS_MAX`].
    pub interval_days: u32,
    /// The day from which the first interval counts.
    pub schedule_start: Timestamp,
    /// The day of the next rotation.
    pub next: Timestamp,
    /// When the key was last rotated by schedule.
    pub last: Option<Timestamp>,
    /// How that went.
    pub last_status: Option<RotationStatus>,
    /// Why it went so.
    pub last_message: Option<String>,
}

impl AutoRotation {
    /// Makes a schedule that starts on the day of `start`, or today.
    #[must_use]
    pub fn new(interval_days: u32, start: Option<Timestamp>, now: Timestamp) -> Self {
        let schedule_start = day_of(start.unwrap_or(now));
        let mut rotation = Self {
            interval_days,
            schedule_start,
            next: schedule_start,
            last: None,
            last_status: None,
            last_message: None,
        };
        rotation.advance_beyond(now);
        rotation
    }

    /// Returns the schedule with another interval or start; what has happened stays.
    #[must_use]
    pub fn changed(
        &self,
        interval_days: Option<u32>,
        start: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let interval = interval_days.unwrap_or(self.interval_days);
        let start = start.unwrap_or(self.schedule_start);
        Self {
            last: self.last,
            last_status: self.last_status,
            last_message: self.last_message.clone(),
            ..Self::new(interval, Some(start), now)
        }
    }

    /// Returns the schedule after a rotation at `now`; the message says why one failed.
    #[must_use]
    pub fn after(&self, now: Timestamp, failed: Option<&str>) -> Self {
        let mut next = self.clone();
        next.last = Some(now);
        next.last_status =
            Some(if failed.is_some() { RotationStatus::Failed } else { RotationStatus::Success });
        next.last_message = failed.map(str::to_owned);
        next.advance_beyond(now);
        next
    }

    /// Returns the schedule after a rotation at `now` that failed for a reason that passes, such as an
    /// HSM that does not answer: it stays due, and is tried again ten minutes later.
    #[must_use]
    pub fn put_off(&self, now: Timestamp, why: &str) -> Self {
        Self {
            last: Some(now),
            last_status: Some(RotationStatus::Failed),
            last_message: Some(why.to_owned()),
            ..self.clone()
        }
    }

    /// Tells whether a rotation is due.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let failed = self.last.filter(|_| self.last_status == Some(RotationStatus::Failed));
        let is_paused = failed.is_some_and(|at| {
            (0..RETRY_SECS).contains(&now.as_second().saturating_sub(at.as_second()))
        });
        self.next <= now && !is_paused
    }

    /// Moves the next day on, by whole intervals, until it lies in the future.
    fn advance_beyond(&mut self, now: Timestamp) {
        let interval_secs = i64::from(self.interval_days.max(1)) * DAY_SECS;
        let behind = now.as_second().saturating_sub(self.next.as_second());
        let intervals = if self.next > now && self.next > self.schedule_start {
            0
        } else {
            behind.max(0) / interval_secs + 1
        };
        let secs = u64::try_from(intervals.saturating_mul(interval_secs)).unwrap_or(0);
        self.next = self.next.checked_add(Duration::from_secs(secs)).unwrap_or(Timestamp::MAX);
    }
}

/// The beginning of a day.
fn day_of(at: Timestamp) -> Timestamp {
    let day = at.as_second().div_euclid(DAY_SECS) * DAY_SECS;
    Timestamp::from_second(day).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_that_failed_for_a_while_stays_due_and_keeps_its_days() {
        let begun = AutoRotation::new(60, None, at("2026-01-01T12:00:00Z"));
        let due = begun.next;
        let later = |secs: u64| due.checked_add(Duration::from_secs(secs)).unwrap();
        let put_off = begun.put_off(later(5), "the HSM does not answer");
        assert_eq!((put_off.next, put_off.last_status), (due, Some(RotationStatus::Failed)));
        assert!(!put_off.is_due(later(10)) && !put_off.is_due(later(604)));
        assert!(put_off.is_due(later(605)));
        let done = put_off.after(later(605), None);
        assert_eq!(done.next, later(60 * 86_400));
        let lasting = begun.after(later(5), Some("the key is disabled"));
        assert!(!lasting.is_due(later(86_400)) && lasting.is_due(later(60 * 86_400)));
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_begin_at_midnight_and_intervals_are_whole() {
        let now = at("2026-11-24T13:14:15Z");
        let rotation = AutoRotation::new(60, None, now);
        assert_eq!(rotation.schedule_start, at("2026-11-24T00:00:00Z"));
        assert_eq!(rotation.next, at("2027-01-23T00:00:00Z"));
        assert!(!rotation.is_due(at("2027-01-22T23:59:59Z")));
        assert!(rotation.is_due(rotation.next));
        let later = rotation.after(at("2027-01-23T00:00:07Z"), None);
        assert_eq!(later.next, at("2027-03-24T00:00:00Z"));
        assert_eq!(later.last_status, Some(RotationStatus::Success));
        let slept = rotation.after(at("2028-01-01T00:00:00Z"), Some("the key is DISABLED"));
        assert_eq!(slept.next, at("2028-01-18T00:00:00Z"), "one rotation, not one per interval");
        assert_eq!(slept.last_status, Some(RotationStatus::Failed));
    }

    #[test]
    fn a_start_in_the_future_or_the_past() {
        let now = at("2026-11-24T13:14:15Z");
        let future = AutoRotation::new(100, Some(at("2027-01-01T05:00:00Z")), now);
        assert_eq!(future.next, at("2027-04-11T00:00:00Z"));
        let past = AutoRotation::new(60, Some(at("2026-01-01T00:00:00Z")), now);
        assert_eq!(past.next, at("2026-12-27T00:00:00Z"));
        let changed = past.changed(Some(365), None, now);
        assert_eq!(changed.next, at("2027-01-01T00:00:00Z"));
    }
}
