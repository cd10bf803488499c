//! Moves the log into the database beside the writer, so that commits do not wait for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::ErrorCode;

use super::file::open_for_checkpoints;
use crate::types::StoreError;

/// `PASSIVE`: nobody waits for it, and it waits for nobody.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// A connection of its own, and the thread around it.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    beside: Arc<Beside>,
}

#[derive(Debug, Default)]
struct Beside {
    /// Held while the log is moved.
    turn: Mutex<()>,
    has_failed: AtomicBool,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = open_for_checkpoints(path)?;
        let beside = Arc::new(Beside::default());
        let (wake, woken) = sync_channel(1);
        let shared = Arc::clone(&beside);
        let thread = std::thread::Builder::new()
            .name("store-log".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    let _turn = shared.turn();
                    let moved = connection.query_row(CHECKPOINT, [], |_row| Ok(()));
                    if moved.is_err_and(|error| is_fatal(&error)) {
                        shared.has_failed.store(true, Ordering::Release);
                        return;
                    }
                }
            })
            .map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), beside })
    }

    /// Has the log moved soon.
    pub(super) fn wake(&self) {
        // Where it is awake already, it goes on with what is there by then.
        let _is_awake = self.wake.as_ref().is_some_and(|wake| wake.try_send(()).is_err());
    }

    /// Waits until nothing is being moved, and keeps it so.
    pub(super) fn pause(&self) -> MutexGuard<'_, ()> {
        self.beside.turn()
    }

    /// Tells whether the system failed to read or write: nothing that it says of the files can be
    /// believed then.
    pub(super) fn has_failed(&self) -> bool {
        self.beside.has_failed.load(Ordering::Acquire)
    }
}

impl Beside {
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is full or in use may not be so the next time.
fn is_fatal(error: &rusqlite::Error) -> bool {
    let is_fatal = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    tracing::warn!(%error, is_fatal, "the log was not moved into the database");
    is_fatal
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that moves the store's log panicked");
        }
    }
}
