use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ClientError;

/// Failures in a row after which a service is left alone.
const FAILURES: u32 = 10;

/// How long it is left alone at first; twice as long whenever it is asked again in vain, up to a bound
/// that applications do not feel when it is back.
const FIRST_REST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(5);

const ALMOST_A_SECOND: Duration = Duration::from_nanos(999_999_999);

/// Keeps requests from a service that answers nothing: after so many failures in a row calls fail at
/// once for a while, then one is let through to see whether it answers again. Each base URL is a
/// service of its own.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<BTreeMap<String, State>>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    last: String,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Instant,
    rest: Duration,
}

impl Breaker {
    /// Tells how long no request may be sent. When that time is over, who asks first may go on, and
    /// the others wait for what becomes of it.
    pub(crate) fn check(&self, base_url: &str, now: Instant) -> Result<(), ClientError> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = states.get_mut(base_url) else { return Ok(()) };
        match state.open {
            Some(open) if now < open.until => {
                // Rounded up: no time is left when it says 0.
                let secs = (open.until - now + ALMOST_A_SECOND).as_secs();
                let (failures, last) = (state.failures, state.last.clone());
                Err(ClientError::LeftAlone { failures, last, secs })
            }
            Some(open) => {
                let rest = open.rest.saturating_mul(2).min(REST_MAX);
                state.open = Some(Open { until: now + rest, rest });
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
    pub(crate) fn failed(&self, base_url: &str, error: &ClientError, now: Instant) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(base_url.to_owned()).or_default();
        state.failures = state.failures.saturating_add(1);
        state.last = error.to_string();
        if state.failures >= FAILURES {
            let rest = state.open.map_or(FIRST_REST, |open| open.rest);
            state.open = Some(Open { until: now + rest, rest });
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
        let fail = |base_url, what| {
            breaker.failed(base_url, &ClientError::Answer(what), Instant::now());
        };
        for _ in 0..FAILURES - 1 {
            fail(SECRETS, "a");
        }
        breaker.succeeded(SECRETS);
        for number in 1..=FAILURES {
            assert_eq!(check(SECRETS), Ok(()));
            fail(SECRETS, if number < FAILURES { "a" } else { "b" });
        }
        let last = ClientError::Answer("b").to_string();
        let open = ClientError::LeftAlone { failures: FAILURES, last, secs: 1 };
        assert_eq!(check(SECRETS), Err(open));
        assert_eq!(check(VAULTS), Ok(()), "another service");
        tokio::time::advance(FIRST_REST).await;
        assert_eq!(check(SECRETS), Ok(()));
        assert!(check(SECRETS).is_err(), "a second one waits for the first");
        breaker.succeeded(SECRETS);
        assert_eq!(check(SECRETS), Ok(()));
    }

    /// Whether the one that is let through fails at once, or hangs and says nothing.
    #[tokio::test(start_paused = true)]
    async fn rests_double_to_five_seconds_and_start_anew_after_an_answer() {
        for hangs in [false, true] {
            let breaker = Breaker::default();
            for _ in 0..2 {
                for _ in 0..FAILURES {
                    breaker.failed(SECRETS, &ClientError::Answer("a"), Instant::now());
                }
                let mut rests = Vec::new();
                for _ in 0..7 {
                    let began = Instant::now();
                    while breaker.check(SECRETS, Instant::now()).is_err() {
                        tokio::time::advance(Duration::from_millis(1)).await;
                    }
                    if !hangs {
                        breaker.failed(SECRETS, &ClientError::Answer("a"), Instant::now());
                    }
                    rests.push(began.elapsed().as_millis());
                }
                assert_eq!(rests, [250, 500, 1000, 2000, 4000, 5000, 5000]);
                breaker.succeeded(SECRETS);
            }
        }
    }
}
