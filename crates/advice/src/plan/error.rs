use std::time::Duration;

use strongroom_client::SecurityClass;

use super::spell::spell;

/// Why nothing can be planned: which field, and which rule it breaks.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A record of the trace cannot be used.
    #[error("{place}, field `{field}`: {rule}")]
    Record {
        /// Line or event, from 1.
        place: String,
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        rule: String,
    },
    /// The trace is not one.
    #[error("{0}")]
    Trace(String),
    /// The prices cannot be used.
    #[error("field `{field}`: {rule}")]
    Price {
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The prices cannot be read.
    #[error("it is not a list of prices: {0}")]
    Prices(String),
    /// There are more consumers than reads.
    #[error("{consumers} consumers make {reads} reads in 30 days: each must read once at least")]
    IdleConsumers {
        /// How many consumers.
        consumers: u32,
        /// What all of them read.
        reads: u64,
    },
    /// A TTL is above what the cache takes.
    #[error("cache TTL {} is longer than {}, the most that the cache takes", spell(*.ttl), spell(*.most))]
    TtlTooLong {
        /// What was asked for.
        ttl: Duration,
        /// The most.
        most: Duration,
    },
    /// A replaced value could be in use beyond the next rotation.
    #[error("cache TTL {} is not below the rotation interval, {}", spell(*.ttl), spell(*.rotation))]
    TtlExceedsRotation {
        /// What was asked for, or the shortest of the class.
        ttl: Duration,
        /// The longest use of a value, with jitter.
        longest: Duration,
        /// How often the secret rotates.
        rotation: Duration,
        /// A class of which some TTL is below the rotation: the one that was asked for, if it has one.
        class: SecurityClass,
        /// The longest such TTL, in whole minutes.
        instead: Duration,
    },
    /// The replay did not come to its end.
    #[error("the replay broke off: {0}")]
    Replay(String),
}
