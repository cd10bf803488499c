use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use strongroom_model::{Clock, Timestamp};
use tokio::time::Instant;

/// What a cache measures lifetimes by.
#[derive(Debug, Clone)]
pub(super) enum Measure {
    /// The runtime's time, which runs.
    Running,
    /// Time that somebody tells.
    Told(Arc<ToldTime>),
}

impl Measure {
    /// Returns the present instant.
    #[inline]
    pub(super) fn now(&self) -> Instant {
        match self {
            Self::Running => Instant::now(),
            Self::Told(told) => told.began + told.elapsed(),
        }
    }
}

/// Time that passes only when it is told to, for a cache whose history is calculated, not waited for.
#[derive(Debug)]
pub struct ToldTime {
    /// When the wall's clock began.
    origin: Timestamp,
    /// Some instant, from which the time that was told is counted.
    began: Instant,
    elapsed_nanos: AtomicU64,
}

impl ToldTime {
    /// Makes a time that begins at an instant of the wall's clock.
    #[must_use]
    pub fn starting_at(origin: Timestamp) -> Self {
        Self { origin, began: Instant::now(), elapsed_nanos: AtomicU64::new(0) }
    }

    /// Returns how much time has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos.load(Ordering::Relaxed))
    }

    /// Says how much time has passed since the beginning; less than was said before changes nothing.
    pub fn pass_to(&self, elapsed: Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.elapsed_nanos.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Clock for ToldTime {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        self.origin.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_time_passes_when_told_and_never_back() {
        let told = Arc::new(ToldTime::starting_at(Timestamp::UNIX_EPOCH));
        let measure = Measure::Told(Arc::clone(&told));
        let began = measure.now();
        told.pass_to(Duration::from_secs(90));
        told.pass_to(Duration::from_secs(30));
        assert_eq!(measure.now() - began, Duration::from_secs(90));
        assert_eq!(Clock::now(&*told).as_second(), 90);
        told.pass_to(Duration::MAX);
        assert!(Clock::now(&*told).as_second() > 90);
    }
}
