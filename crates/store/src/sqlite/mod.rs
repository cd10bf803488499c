//! SQLite: one writer thread that groups waiting commits, readers on the caller's thread.

mod checkpointer;
mod file;
mod readers;
mod snapshot;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use self::checkpointer::Checkpointer;
use self::readers::Readers;
use self::snapshot::SqliteSnapshot;
use self::writer::{Job, Writer};
use crate::changes::Changes;
use crate::types::{
    Answer, Batch, Cursor, Delta, Order, Range, Revision, Snapshot, Stats, Store, StoreError,
    Versioned, Visit,
};
use crate::warrant::Warrant;
use crate::witness::Witness;

/// The engine for one machine: a SQLite database in WAL mode, synced before a full commit is
/// acknowledged.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    jobs: Sender<Job>,
    readers: Readers,
    changes: Arc<Changes>,
    stats: Arc<Mutex<Stats>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens the database at `path`, or makes it, mode 0600 from birth. Changes of keys that begin
    /// with one of `watched` are told by [`Store::fresh`]. Rows are those that `witness` vouches for:
    /// any other is [`StoreError::Corrupt`] when it is read.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if the file is another program's or of another version; it is
    /// unchanged then. Any other [`StoreError`] if it cannot be used.
    pub fn open(
        path: &Path,
        watched: &[&str],
        witness: Arc<dyn Witness>,
    ) -> Result<Self, StoreError> {
        file::create_if_absent(path)?;
        let mut connection = file::open_for_writing(path)?;
        checkpointer::keep_short(&mut connection)?;
        let changes = Arc::new(Changes::watching(watched));
        let stats = Arc::new(Mutex::new(Stats::default()));
        let (jobs, queue) = channel();
        let warrant = Arc::new(Warrant::new(witness));
        let beside = (Arc::clone(&changes), Arc::clone(&warrant), Arc::clone(&stats));
        let writer = Writer::new((connection, Checkpointer::start(path)?), beside)?;
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| StoreError::Io(error.to_string()))?;
        let readers = Readers::open(path, warrant)?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { path: path.to_owned(), jobs, readers, changes, stats, thread })
    }

    /// Reads the database at `path` as it is now, whichever process has it open. Rows are those that
    /// `witness` vouches for.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if the file is another program's or of a newer version. Any other
    /// [`StoreError`] if it cannot be read.
    pub fn read(path: &Path, witness: Arc<dyn Witness>) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(SqliteSnapshot::begin(path, witness)?))
    }

    /// Syncs everything and closes the database. Later calls are refused.
    pub fn close(&self) {
        // A writer that has already ended does not take the job; it has closed then.
        drop(self.jobs.send(Job::Close));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer thread panicked");
        }
    }

    /// Has SQLite check every page and index.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with SQLite's first finding.
    pub fn integrity_check(&self) -> Result<(), StoreError> {
        self.readers.integrity_check()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for Sqlite {
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>> {
        Box::pin(std::future::ready(self.readers.get(keys)))
    }

    fn scan(
        &self,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        Box::pin(std::future::ready(self.readers.scan(&range, order, limit)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Revision> {
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(Job::Commit { batch, answer });
        Box::pin(async move {
            if sent.is_err() {
                return Err(StoreError::Closed);
            }
            answered.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)> {
        Box::pin(std::future::ready(Ok(self.changes.since(since))))
    }

    fn walk<'a>(&'a self, sorted: &'a [u8], visit: Visit<'a>) -> Answer<'a, ()> {
        Box::pin(std::future::ready(self.readers.walk(sorted, visit)))
    }

    fn forget(&self) -> Answer<'_, ()> {
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(Job::Forget { answer });
        Box::pin(async move {
            if sent.is_err() {
                return Err(StoreError::Closed);
            }
            answered.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>> {
        Box::pin(std::future::ready(Self::read(&self.path, self.readers.witness())))
    }

    fn stats(&self) -> Stats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
