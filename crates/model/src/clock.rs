use std::fmt::Debug;

/// An instant in UTC with nanosecond precision.
pub type Timestamp = jiff::Timestamp;

/// Tells what time it is; every room takes one instead of asking the system.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the present instant.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Renders an instant as OCI does: RFC 3339, UTC, milliseconds, `Z`.
///
/// Source: OCI API reference, "Using the API": timestamps.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_and_zulu() {
        let at: Timestamp = "2026-11-24T01:02:03.4567Z".parse().unwrap();
        assert_eq!(rfc3339(at), "2026-11-24T01:02:03.456Z");
    }
}
