use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

const DAY: Duration = Duration::from_hours(24);

/// Clocks of caller and server may differ by as much as a signature may be old.
const SKEW: Duration = Duration::from_mins(5);

/// Longest `secretVersionExpiryInterval`, in days; the shortest is one.
///
/// Source: OCI API reference, `SecretExpiryRule`.
pub const EXPIRY_DAYS_MAX: u32 = 90;

/// How far ahead `timeOfAbsoluteExpiry` may lie, in days; the nearest is one.
pub const ABSOLUTE_EXPIRY_DAYS_MAX: u32 = 365;

/// Blocks content that another version of the secret has, or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReuseRule {
    /// Whether the rule also looks at versions that were deleted while it was in force.
    pub on_deleted_versions: bool,
}

/// Says until when a version's content is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpiryRule {
    /// Days from a version's beginning to its expiry, 1 to [`EXPIRY_DAYS_MAX`].
    pub interval_days: Option<u32>,
    /// When the secret expires whatever its version.
    pub absolute: Option<Timestamp>,
    /// Whether expired content is not given out.
    pub blocks_retrieval: bool,
}

impl ExpiryRule {
    /// Returns when a version that began at `start` expires.
    #[must_use]
    pub fn expiry(&self, start: Timestamp) -> Option<Timestamp> {
        let by_interval = self.interval_days.and_then(|days| start.checked_add(DAY * days).ok());
        [by_interval, self.absolute].into_iter().flatten().min()
    }

    /// Tells whether an absolute expiry lies where it may when it is set.
    #[must_use]
    pub fn is_settable(&self, now: Timestamp) -> bool {
        let Some(absolute) = self.absolute else { return true };
        let lowest = now.checked_add(DAY).and_then(|at| at.checked_sub(SKEW));
        let highest = now.checked_add(DAY * ABSOLUTE_EXPIRY_DAYS_MAX + SKEW);
        match (lowest, highest) {
            (Ok(lowest), Ok(highest)) => (lowest..=highest).contains(&absolute),
            _ => false,
        }
    }
}

/// The rules of a secret, at most one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRules {
    /// `SECRET_REUSE_RULE`.
    pub reuse: Option<ReuseRule>,
    /// `SECRET_EXPIRY_RULE`.
    pub expiry: Option<ExpiryRule>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_earlier_of_interval_and_absolute_time() {
        let start = at("2026-11-24T12:00:00Z");
        let mut rule =
            ExpiryRule { interval_days: Some(3), absolute: None, blocks_retrieval: false };
        assert_eq!(rule.expiry(start), Some(at("2026-11-27T12:00:00Z")));
        rule.absolute = Some(at("2026-11-26T00:00:00Z"));
        assert_eq!(rule.expiry(start), rule.absolute);
        rule.interval_days = None;
        assert_eq!(rule.expiry(start), rule.absolute);
        rule.absolute = None;
        assert_eq!(rule.expiry(start), None);
    }

    #[test]
    fn an_absolute_expiry_is_a_day_to_a_year_ahead() {
        let now = at("2026-11-24T12:00:00Z");
        let settable = |text: &str| {
            let absolute = Some(at(text));
            ExpiryRule { interval_days: None, absolute, blocks_retrieval: true }.is_settable(now)
        };
        assert!(settable("2026-11-25T12:00:00Z") && settable("2027-11-24T12:00:00Z"));
        assert!(settable("2026-11-25T11:56:00Z"), "sent before it arrived");
        assert!(!settable("2026-11-25T11:00:00Z") && !settable("2027-11-24T13:00:00Z"));
    }
}
