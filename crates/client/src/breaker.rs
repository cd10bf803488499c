use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ClientError;

/// Failures in a row after which a service is left alone.
const FAILURES: u32 = 10;

/// How long it is left alone.
const OPEN_TIME: Duration = Duration::from_secs(30);

/// Keeps requests from a service that answers nothing: after so many failures in a row calls fail at
/// once for a while, then one is let through to see whether it answers again. Each base URL is a
/// service of its own.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<BTreeMap<String, State>>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Tells how long no request may be sent. When that time is over, who asks first may go on, and
    /// the others wait for what becomes of it.
    pub(crate) fn check(&self, base_url: &str, now: Instant) -> Result<(), ClientError> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = states.get_mut(base_url) else { return Ok(()) };
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
    pub(crate) fn succeeded(&self, base_url: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(base_url);
    }

    /// Takes note that it did not, or could not do its part.
    pub(crate) fn failed(&self, base_url: &str, now: Instant) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(base_url.to_owned()).or_default();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.open_until = Some(now + OPEN_TIME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &str = "https://secrets.vaults.example";
    const VAULTS: &str = "https://vaults.example";

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_lets_one_through_after_a_while() {
        let breaker = Breaker::default();
        let check = |base_url| breaker.check(base_url, Instant::now());
        let fail = |base_url| breaker.failed(base_url, Instant::now());
        for _ in 0..FAILURES - 1 {
            fail(SECRETS);
        }
        breaker.succeeded(SECRETS);
        for _ in 0..FAILURES {
            assert_eq!(check(SECRETS), Ok(()));
            fail(SECRETS);
        }
        let secs = OPEN_TIME.as_secs();
        let open = ClientError::LeftAlone { failures: FAILURES, secs };
        assert_eq!(check(SECRETS), Err(open));
        assert_eq!(check(VAULTS), Ok(()), "another service");
        tokio::time::advance(OPEN_TIME).await;
        assert_eq!(check(SECRETS), Ok(()));
        assert!(check(SECRETS).is_err(), "a second one waits for the first");
        breaker.succeeded(SECRETS);
        assert_eq!(check(SECRETS), Ok(()));
    }
}
