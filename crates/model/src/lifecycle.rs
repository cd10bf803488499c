use std::time::Duration;

use crate::Timestamp;

const DAY: Duration = Duration::from_hours(24);

/// Clocks of caller and server may differ by as much as a signature may be old.
const SKEW: Duration = Duration::from_mins(5);

/// Shortest wait before a vault, key or key version is deleted, in days.
///
/// Source: OCI documentation, "Deleting a Vault", "Deleting a Key".
pub const DELETION_DAYS_MIN: u32 = 7;

/// Shortest wait before a secret or secret version is deleted, in days.
///
/// Source: OCI documentation, "Deleting a Secret".
pub const SECRET_DELETION_DAYS_MIN: u32 = 1;

/// Longest wait before anything is deleted, in days, which is also the default.
pub const DELETION_DAYS_MAX: u32 = 30;

/// Why a resource does not move to another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// The state it is in does not allow it.
    #[error("is {0}")]
    State(&'static str),
    /// The time of deletion is too near or too far; so many days are the shortest wait.
    #[error(
        "must be {0} to {DELETION_DAYS_MAX} days from now, or absent for {DELETION_DAYS_MAX} days"
    )]
    TimeOfDeletion(u32),
    /// A key would be left behind by its vault.
    #[error("is before the time at which a key in the vault is to be deleted")]
    BeforeKey,
    /// The version that encrypts and signs cannot be deleted alone.
    #[error("is the current version of its key; delete the key, or make a new version first")]
    CurrentVersion,
}

/// Returns when something is to be deleted, given what was asked and the shortest wait.
///
/// # Errors
/// [`LifecycleError::TimeOfDeletion`].
pub(crate) fn deletion_time(
    asked: Option<Timestamp>,
    days_min: u32,
    now: Timestamp,
) -> Result<Timestamp, LifecycleError> {
    let outside = LifecycleError::TimeOfDeletion(days_min);
    let latest = now.checked_add(DAY * DELETION_DAYS_MAX).map_err(|_range| outside)?;
    let Some(asked) = asked else { return Ok(latest) };
    let lowest = now.checked_add(DAY * days_min).and_then(|at| at.checked_sub(SKEW));
    let lowest = lowest.map_err(|_range| outside)?;
    let highest = latest.checked_add(SKEW).map_err(|_range| outside)?;
    if (lowest..=highest).contains(&asked) { Ok(asked) } else { Err(outside) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_to_thirty_days() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let at = |text: &str| deletion_time(Some(text.parse().unwrap()), 7, now);
        assert_eq!(deletion_time(None, 7, now).unwrap().to_string(), "2026-12-24T00:00:00Z");
        assert!(at("2026-12-01T00:00:00Z").is_ok() && at("2026-12-24T00:00:00Z").is_ok());
        assert!(at("2026-11-30T23:56:00Z").is_ok(), "sent before it arrived");
        for text in ["2026-11-30T23:54:00Z", "2026-12-24T00:06:00Z", "1970-01-01T00:00:00Z"] {
            assert_eq!(at(text), Err(LifecycleError::TimeOfDeletion(7)), "{text}");
        }
        assert!(deletion_time(None, 7, Timestamp::MAX).is_err());
    }
}
