use std::time::Duration;

use sd_notify::NotifyState;

/// Whoever started this process and wants to hear of it, as systemd does (`sd_notify(3)`). Without
/// one nothing is told.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// How often it wants to hear that the process lives.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Looks whether there is one.
    pub(super) fn find() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    /// Tells what is waited for.
    pub(super) fn status(text: &str) {
        tell(NotifyState::Status(text));
    }

    /// Tells that requests are answered.
    pub(super) fn ready() {
        tell(NotifyState::Ready);
    }

    /// Tells that the process ends.
    pub(super) fn stopping() {
        tell(NotifyState::Stopping);
    }

    /// Tells twice as often as it is wanted that the process lives, for as long as it is polled.
    pub(super) async fn keep_told(&self) {
        let Some(every) = self.watchdog else { return std::future::pending().await };
        loop {
            tell(NotifyState::Watchdog);
            tokio::time::sleep(every / 2).await;
        }
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the supervisor was not told");
    }
}
