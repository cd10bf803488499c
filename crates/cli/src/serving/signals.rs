use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Exit, Failure};

/// Returns when the process is told to end: SIGTERM or SIGINT.
pub(crate) async fn told_to_end() -> Result<(), Failure> {
    let refused = |error: std::io::Error| {
        Failure::new(Exit::Defect, "no-signals", "cannot listen for signals")
            .because(error.to_string())
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
