use std::time::Duration;

use tokio::time::Instant;

const BEAT: Duration = Duration::from_millis(2);

/// How refusals that look alike leave on a beat: the few microseconds by which the work for what is
/// hidden differs from the work for what is absent are not to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Beat {
    /// As exactly as the machine can.
    #[default]
    Exact,
    /// By the runtime's timer, which waits whole milliseconds, counted from when the work was done.
    /// For time that is simulated: it hides nothing.
    Timer,
}

impl Beat {
    /// Waits for the next beat after `began`.
    pub(crate) async fn wait(self, began: Instant) {
        match self {
            Self::Exact => wait_exactly(began).await,
            Self::Timer => tokio::time::sleep(rest(began.elapsed())).await,
        }
    }
}

async fn wait_exactly(began: Instant) {
    #[expect(clippy::disallowed_methods, reason = "the runtime's timer waits whole milliseconds")]
    let waited = tokio::task::spawn_blocking(move || std::thread::sleep(rest(began.elapsed())));
    if waited.await.is_err() {
        tracing::error!("a refusal left before its beat");
    }
}

fn rest(elapsed: Duration) -> Duration {
    let beats = elapsed.as_nanos() / BEAT.as_nanos() + 1;
    let beat = BEAT.saturating_mul(u32::try_from(beats).unwrap_or(u32::MAX));
    beat.saturating_sub(elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_ends_on_a_beat() {
        for (elapsed, left) in [(0, 2_000), (1, 1_999), (1_999, 1), (2_000, 2_000), (5_100, 900)] {
            assert_eq!(rest(Duration::from_micros(elapsed)), Duration::from_micros(left));
        }
    }
}
