use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How long a consumer counts as live after a report that says nothing else, in seconds.
pub const CONSUMER_LIVE_SECS: u64 = 600;

/// Longest time that a report may ask for, in seconds.
pub const CONSUMER_LIVE_SECS_MAX: u64 = 24 * 3600;

/// Longest wait for consumers before a rotation retires the previous version, in seconds.
pub const RETIREMENT_SECS_MAX: u64 = 30 * 24 * 3600;

/// Consumers of one secret, at most.
pub const CONSUMERS_MAX: usize = 10_000;

/// An application that holds a version of a secret, by its own report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretConsumer {
    /// Who reported: OCID of a user or resource, or the name of a service.
    pub principal_id: String,
    /// Name of the application among those of the principal.
    pub name: String,
    /// Number of the version that it holds.
    pub version: u64,
    /// When it reported.
    pub time_reported: Timestamp,
    /// Until when it counts, unless it reports again.
    pub live_until: Timestamp,
}

impl SecretConsumer {
    /// Tells whether the consumer still counts.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.live_until
    }

    /// Tells whether version `promoted` has not reached the consumer yet.
    #[must_use]
    pub fn lags(&self, promoted: u64, now: Timestamp) -> bool {
        self.is_live(now) && self.version < promoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_consumer_of_an_older_version_is_waited_for() {
        let at = |secs| Timestamp::from_second(secs).unwrap();
        let consumer = |version, live_until| SecretConsumer {
            principal_id: "ocid1.user.oc1..u".to_owned(),
            name: "app".to_owned(),
            version,
            time_reported: at(0),
            live_until: at(live_until),
        };
        assert!(consumer(2, 10).lags(3, at(9)));
        assert!(!consumer(2, 10).lags(3, at(10)), "it has gone silent");
        assert!(!consumer(3, 10).lags(3, at(9)), "it has moved on");
        assert!(!consumer(4, 10).lags(3, at(9)), "it tries what is pending");
    }
}
