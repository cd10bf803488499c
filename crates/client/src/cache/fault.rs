use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::key::SecretKey;
use crate::error::ClientError;

/// Why a cache has no value to give, or does not do as it is told. Everybody who waited for the same
/// call shares one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CacheError {
    /// The call did not succeed, and nothing is held.
    #[error("cannot read secret `{secret}`: {why}")]
    Upstream {
        /// OCID or name of the secret.
        secret: String,
        /// What the call ended with.
        why: Arc<ClientError>,
    },
    /// The call did not succeed, and what was read before may no longer be used.
    #[error("cannot read secret `{secret}`, and the value of {} ago is too old: {why}", Spell(*.age))]
    TooOld {
        /// OCID or name of the secret.
        secret: String,
        /// How long ago the value was read.
        age: Duration,
        /// What the call ended with.
        why: Arc<CacheError>,
    },
    /// The call broke off without an end.
    #[error("the read of secret `{secret}` broke off")]
    BrokenOff {
        /// OCID or name of the secret.
        secret: String,
    },
    /// A value could be used beyond a rotation.
    #[error(
        "cache TTL {} ({} in use at most) is not below the rotation interval of `{secret}`, {}",
        Spell(*.ttl),
        Spell(*.longest),
        Spell(*.interval)
    )]
    TtlExceedsRotation {
        /// OCID or name of the secret.
        secret: String,
        /// What was asked for.
        ttl: Duration,
        /// The longest use of a value, with jitter and stale-if-error.
        longest: Duration,
        /// How often the secret rotates.
        interval: Duration,
    },
    /// A lifetime is above what is allowed.
    #[error("{what} {} is longer than {}, the most that is allowed", Spell(*.asked), Spell(*.most))]
    LifetimeTooLong {
        /// Which lifetime.
        what: &'static str,
        /// What was asked for.
        asked: Duration,
        /// The most.
        most: Duration,
    },
}

/// What a failed call means for what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The secret is not there, or not for this caller.
    Absent,
    /// The caller is refused.
    Refused,
    /// The service does not answer now; it may later.
    Passing,
    /// The call cannot succeed as it is, which says nothing about the secret.
    Broken,
}

impl CacheError {
    /// Returns the error of the call, where a call was made and came back.
    #[must_use]
    pub fn client_error(&self) -> Option<&ClientError> {
        match self {
            Self::Upstream { why, .. } => Some(why),
            Self::TooOld { why, .. } => why.client_error(),
            Self::BrokenOff { .. }
            | Self::TtlExceedsRotation { .. }
            | Self::LifetimeTooLong { .. } => None,
        }
    }

    pub(super) fn upstream(key: &SecretKey, why: ClientError) -> Self {
        Self::Upstream { secret: key.title().to_owned(), why: Arc::new(why) }
    }

    pub(super) fn broken_off(key: &SecretKey) -> Self {
        Self::BrokenOff { secret: key.title().to_owned() }
    }

    /// Says that there was a value, and how old it is.
    pub(super) fn too_old(self, key: &SecretKey, age: Duration) -> Self {
        Self::TooOld { secret: key.title().to_owned(), age, why: Arc::new(self) }
    }

    /// Tells whether the service answered nothing, to this call or to those before it.
    pub(super) fn is_silence(&self) -> bool {
        self.client_error().is_some_and(ClientError::is_silence)
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self.client_error() {
            Some(ClientError::Credentials { is_refused: true, .. }) => Meaning::Refused,
            Some(
                ClientError::Unreachable { .. }
                | ClientError::LeftAlone { .. }
                | ClientError::Proxy { .. }
                | ClientError::Credentials { .. },
            )
            | None => Meaning::Passing,
            Some(ClientError::Service(error)) => match error.status {
                404 => Meaning::Absent,
                401 | 403 => Meaning::Refused,
                429 | 500.. => Meaning::Passing,
                _ => Meaning::Broken,
            },
            Some(
                ClientError::Endpoint(_)
                | ClientError::Authorities(_)
                | ClientError::Signing(_)
                | ClientError::Answer(_),
            ) => Meaning::Broken,
        }
    }
}

/// Shows a duration in the largest unit that leaves no rest; below a second in milliseconds.
struct Spell(Duration);

impl fmt::Display for Spell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            secs if secs % 3600 == 0 => write!(f, "{} h", secs / 3600),
            secs if secs % 60 == 0 => write!(f, "{} min", secs / 60),
            secs => write!(f, "{secs} s"),
        }
    }
}
