use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ClientError;

/// Failures in a row after which a service is left alone.
const FAILURES: u32 = 10;

/// How long it is left alone.
const OPEN_TIME: Duration = Duration::from_secs(30);

/// Keeps requests from a service that answers nothing: after so many failures in a row calls fail at
/// once for a while, then one is let through to see whether it answers again.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Tells how long no request may be sent. When that time is over, who asks first may go on, and
    /// the others wait for what becomes of it.
    pub(crate) fn check(&self, now: Instant) -> Result<(), ClientError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            Some(until) if now < until => {
                let secs = (until - now).as_secs();
                Err(ClientError::LeftAlone { failures: state.failures, secs })
            }
            Some(_) => {
                state.open_until = Some(now + OPEN_TIME);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes note that the service answered.
    pub(crate) fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// Takes note that it did not, or could not do its part.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.open_until = Some(now + OPEN_TIME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_lets_one_through_after_a_while() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES - 1 {
            breaker.failed(Instant::now());
        }
        breaker.succeeded();
        for _ in 0..FAILURES {
            assert_eq!(breaker.check(Instant::now()), Ok(()));
            breaker.failed(Instant::now());
        }
        let secs = OPEN_TIME.as_secs();
        let open = ClientError::LeftAlone { failures: FAILURES, secs };
        assert_eq!(breaker.check(Instant::now()), Err(open));
        tokio::time::advance(OPEN_TIME).await;
        assert_eq!(breaker.check(Instant::now()), Ok(()));
        assert!(breaker.check(Instant::now()).is_err(), "a second one waits for the first");
        breaker.succeeded();
        assert_eq!(breaker.check(Instant::now()), Ok(()));
    }
}
