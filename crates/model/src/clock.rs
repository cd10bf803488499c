use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::SignedDuration;

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

/// The clock of the machine, turned forward by some seconds: in development, time to wait for is not
/// waited for.
#[derive(Debug, Default)]
pub struct TurnableClock {
    turned_secs: AtomicI64,
}

impl TurnableClock {
    /// Makes a clock that was turned before.
    #[must_use]
    pub const fn turned_by(secs: i64) -> Self {
        Self { turned_secs: AtomicI64::new(secs) }
    }

    /// Turns the clock forward and returns by how many seconds it is turned now. Absent if it would
    /// leave the years that exist.
    pub fn advance(&self, secs: i64) -> Option<i64> {
        let turned = self.turned_secs.load(Ordering::Acquire).checked_add(secs)?;
        let at = Timestamp::now().checked_add(SignedDuration::from_secs(turned)).ok()?;
        if secs < 0 || at > LATEST {
            return None;
        }
        self.turned_secs.store(turned, Ordering::Release);
        Some(turned)
    }
}

/// The end of year 9000.
const LATEST: Timestamp = Timestamp::constant(221_845_392_000, 0);

impl Clock for TurnableClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let turned = SignedDuration::from_secs(self.turned_secs.load(Ordering::Acquire));
        now.checked_add(turned).unwrap_or(now)
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
    fn a_clock_turns_forward_only() {
        let clock = TurnableClock::turned_by(10);
        assert_eq!(clock.advance(5), Some(15));
        assert!(clock.now().as_second() - SystemClock.now().as_second() >= 14);
        for secs in [-1, i64::MAX, i64::MIN, 300_000_000_000] {
            assert_eq!(clock.advance(secs), None, "{secs}");
        }
    }

    #[test]
    fn milliseconds_and_zulu() {
        let at: Timestamp = "2026-11-24T01:02:03.4567Z".parse().unwrap();
        assert_eq!(rfc3339(at), "2026-11-24T01:02:03.456Z");
    }
}
