use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure};

/// The signals that end a server, caught from the moment this is made.
#[derive(Debug)]
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// Catches SIGTERM and SIGINT.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let refused = |error: std::io::Error| {
            Failure::new(Exit::Defect, "no-signals", "cannot listen for signals")
                .because(error.to_string())
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
        })
    }

    /// Returns when one of them came.
    pub(crate) async fn come(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns what `work` comes to, unless one of them comes first.
    pub(crate) async fn unless_told<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.come() => None,
            done = work => Some(done),
        }
    }
}
