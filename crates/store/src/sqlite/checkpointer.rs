//! Moves the log into the database beside the writer, so that commits do not wait for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};

use super::file::{io, open_for_checkpoints};
use crate::types::StoreError;

/// `PASSIVE`: nobody waits for it, and it waits for nobody.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Pages of the log at which whoever writes moves it.
const PAGES_MAX: i32 = 16_000;

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
                    if let Err(error) = connection.query_row(CHECKPOINT, [], |_row| Ok(())) {
                        shared.note(&error);
                    }
                    if shared.check().is_err() {
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

    /// Takes note of why the log was not moved.
    pub(super) fn note(&self, error: &rusqlite::Error) {
        self.beside.note(error);
    }

    /// Fails if the system failed to read or write: nothing that it says of the files can be believed
    /// then.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.beside.check()
    }
}

impl Beside {
    fn note(&self, error: &rusqlite::Error) {
        let is_fatal = is_fatal(error);
        tracing::warn!(%error, is_fatal, "the log was not moved into the database");
        if is_fatal {
            self.has_failed.store(true, Ordering::Release);
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.has_failed.load(Ordering::Acquire) {
            return Err(StoreError::Io("the log cannot be moved into the database".to_owned()));
        }
        Ok(())
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is full or in use may not be so the next time.
fn is_fatal(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// Has a connection that writes move the log itself once it is long: where the thread beside it does
/// not keep up. SQLite's own way to do so says nothing of what fails; here the commit fails.
pub(super) fn keep_short(connection: &mut Connection) -> Result<(), StoreError> {
    let moved = |log: &mut Wal, pages| {
        let moved = if pages < PAGES_MAX { Ok(()) } else { log.checkpoint() };
        moved.or_else(|error| if is_fatal(&error) { Err(error) } else { Ok(()) })
    };
    connection.wal_hook(Some(moved)).map_err(io)
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that moves the store's log panicked");
        }
    }
}
