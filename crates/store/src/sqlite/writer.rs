use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::checkpointer::Checkpointer;
use super::file::{BUSY_TIME, io};
use super::readers::point;
use crate::changes::Changes;
use crate::types::{Batch, Change, Require, Revision, Stats, StoreError, Sync, Versioned};
use crate::warrant::{Warrant, stale};
use crate::witness::{Chain, Effect, Mac};

/// Commits that one transaction takes at most.
const GROUP_MAX: usize = 256;

/// How long a deferred commit may wait for the disk.
const DEFERRED_FOR: Duration = Duration::from_millis(500);

/// Pages of the log after which it is moved into the database.
const PAGES_LOGGED: usize = 2000;
/// Pages that a transaction writes beside one for each of its rows, about.
const PAGES_BESIDE: usize = 4;

const PUT: &str = "INSERT INTO kv (k, ver, mac, v) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (k) DO UPDATE SET
                   ver = excluded.ver, mac = excluded.mac, v = excluded.v";
const PROOF: &str = "SELECT ver, mac FROM kv WHERE k = ?1";
const DELETE: &str = "DELETE FROM kv WHERE k = ?1";

type Waiting = oneshot::Sender<Result<Revision, StoreError>>;

/// Work for the writer.
pub(super) enum Job {
    Commit { batch: Batch, answer: Waiting },
    Forget { answer: oneshot::Sender<Result<(), StoreError>> },
    Close,
}

/// How many commits the last transaction carried, and how long it took.
#[derive(Debug, Clone, Copy, Default)]
struct LastGroup {
    size: usize,
    took: Duration,
}

/// What the writer shares with who asked for it.
pub(super) type Beside = (Arc<Changes>, Arc<Warrant>, Arc<Mutex<Stats>>);

/// What a transaction did to each row: what proved the row before it, and the row now.
type Touched<'a> = BTreeMap<&'a [u8], Touch<'a>>;

/// What proves rows that conditions were on, as the transaction found them.
type Seen<'a> = BTreeMap<&'a [u8], Option<Mac>>;

struct Touch<'a> {
    before: Option<Mac>,
    after: Option<(&'a [u8], Mac)>,
    revision: Revision,
}

/// The one connection that writes, and the thread around it.
pub(super) struct Writer {
    connection: Connection,
    checkpointer: Checkpointer,
    /// About how many pages were written to the log since it was last to be moved.
    logged: usize,
    changes: Arc<Changes>,
    warrant: Arc<Warrant>,
    chain: Box<dyn Chain>,
    stats: Arc<Mutex<Stats>>,
    last: u64,
    mode: Sync,
    last_group: LastGroup,
    /// When the oldest commit that the disk does not have yet was made.
    unsynced: Option<Instant>,
    /// Who waits for the log to be emptied after the group that is being written.
    forgetting: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

impl Writer {
    pub(super) fn new(
        (connection, checkpointer): (Connection, Checkpointer),
        (changes, warrant, stats): Beside,
    ) -> Result<Self, StoreError> {
        let last: i64 = connection
            .query_row("SELECT revision FROM last_revision", [], |row| row.get(0))
            .map_err(io)?;
        let last = u64::try_from(last)
            .map_err(|_error| StoreError::Corrupt("the last revision is negative".to_owned()))?;
        learn(&connection, &warrant, last)?;
        let chain = warrant.witness.chain();
        Ok(Self {
            connection,
            checkpointer,
            logged: 0,
            changes,
            warrant,
            chain,
            stats,
            last,
            mode: Sync::Full,
            last_group: LastGroup::default(),
            unsynced: None,
            forgetting: Vec::new(),
        })
    }

    /// Serves jobs until told to close, or until a commit's outcome is unknown: after a failed sync
    /// nothing that the system says of the file can be believed.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let first = self.next(queue);
            let outcome = match first {
                Ok(Job::Commit { batch, answer }) => self.group(queue, batch, answer),
                Ok(Job::Forget { answer }) => {
                    // A caller that went away has no use for the answer.
                    drop(answer.send(self.forget()));
                    Ok(true)
                }
                Err(RecvTimeoutError::Timeout) => self.sync().map(|()| true),
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => Ok(false),
            };
            match outcome {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "the store stops taking writes");
                    return;
                }
            }
        }
        if let Err(error) = self.sync() {
            tracing::error!(%error, "the store was closed without a last sync");
        }
    }

    /// Waits for a job, or until a deferred commit is due on the disk, however many jobs wait.
    fn next(&self, queue: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        match self.unsynced.map(|since| DEFERRED_FOR.saturating_sub(since.elapsed())) {
            None => queue.recv().map_err(|_closed| RecvTimeoutError::Disconnected),
            Some(Duration::ZERO) => Err(RecvTimeoutError::Timeout),
            Some(left) => queue.recv_timeout(left),
        }
    }

    /// Commits one job and what else is waiting or about to come; says whether to go on.
    fn group(
        &mut self,
        queue: &Receiver<Job>,
        batch: Batch,
        answer: Waiting,
    ) -> Result<bool, StoreError> {
        let mut jobs = vec![(batch, answer)];
        let open = self.gather(queue, &mut jobs);
        let began = Instant::now();
        let size = jobs.len();
        let (batches, waiting): (Vec<Batch>, Vec<Waiting>) = jobs.into_iter().unzip();
        let (outcomes, failed) = match self.transact(&batches) {
            Ok(outcomes) => (outcomes, None),
            Err(error) => {
                let unknown = StoreError::Unknown(error.to_string());
                (vec![Err(unknown); batches.len()], Some(error))
            }
        };
        for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
            // A caller that went away has no use for the answer.
            drop(waiting.send(outcome));
        }
        self.last_group = LastGroup { size, took: began.elapsed() };
        for answer in std::mem::take(&mut self.forgetting) {
            drop(answer.send(if failed.is_none() {
                self.forget()
            } else {
                Err(StoreError::Closed)
            }));
        }
        failed.map_or(Ok(open), Err)
    }

    /// Adds to a group what is waiting, and then what the callers of the last group, who have their
    /// answers by now, are likely to send next. It waits for those no longer than a quarter of what the
    /// last transaction took: longer waits make fewer syncs, and fewer commits.
    fn gather(&mut self, queue: &Receiver<Job>, jobs: &mut Vec<(Batch, Waiting)>) -> bool {
        let mut expected = None;
        let until = Instant::now() + self.last_group.took / 4;
        while jobs.len() < GROUP_MAX {
            let next = match (queue.try_recv(), expected) {
                (Ok(job), _) => Some(job),
                (Err(_), None) => {
                    let durable = jobs.iter().any(|(batch, _)| batch.sync == Sync::Full);
                    let known = if jobs.len() > 1 { jobs.len() } else { 0 };
                    expected = Some(if durable { self.last_group.size + known } else { 0 });
                    continue;
                }
                (Err(_), Some(expected)) if jobs.len() < expected => {
                    queue.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
                }
                (Err(_), Some(_)) => None,
            };
            match next {
                Some(Job::Commit { batch, answer }) => jobs.push((batch, answer)),
                Some(Job::Forget { answer }) => self.forgetting.push(answer),
                Some(Job::Close) => return false,
                None => break,
            }
        }
        true
    }

    /// Applies the batches in one transaction. A batch whose conditions fail is left out.
    fn transact(
        &mut self,
        batches: &[Batch],
    ) -> Result<Vec<Result<Revision, StoreError>>, StoreError> {
        self.checkpointer.check()?;
        let sync = batches.iter().map(|batch| batch.sync).max().unwrap_or_default();
        self.switch(sync)?;
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(io)?;
        let (mut told, mut touched, mut seen) = (Vec::new(), Touched::new(), Seen::new());
        let before = self.last;
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            outcomes.push(match self.conflict(batch, &touched, &mut seen)? {
                Some(key) => Err(StoreError::Conflict { key }),
                None => Ok(self.apply(batch, &mut told, (&mut touched, &seen))?),
            });
        }
        // A transaction that writes nothing brings nothing to the disk, not what was deferred either.
        let writes = self.last != before || !touched.is_empty();
        if writes {
            self.enter(&touched)?;
            self.remember_last()?;
        }
        {
            let warrant = Arc::clone(&self.warrant);
            let _settling = warrant.settled();
            self.connection.execute_batch("COMMIT").map_err(io)?;
            let written = |touch: &Touch<'_>| touch.after.map(|_row| touch.revision);
            warrant.note(touched.iter().map(|(key, touch)| (*key, written(touch))));
        }
        if writes {
            self.chain.kept(sync);
            self.unsynced = match sync {
                Sync::Full => None,
                Sync::Deferred => self.unsynced.or_else(|| Some(Instant::now())),
            };
        }
        self.logged += touched.len() + PAGES_BESIDE;
        if self.logged >= PAGES_LOGGED {
            self.logged = 0;
            self.checkpointer.wake();
        }
        self.changes.publish(told);
        self.count(&outcomes, writes && sync == Sync::Full);
        Ok(outcomes)
    }

    fn count(&self, outcomes: &[Result<Revision, StoreError>], is_synced: bool) {
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.commits += u64::try_from(done).unwrap_or(u64::MAX);
        stats.groups += 1;
        stats.syncs += u64::from(is_synced);
    }

    /// Finds a condition that does not hold. Rows that the transaction has not touched are read, and
    /// must be the latest; those that are not there by heart are not looked for.
    fn conflict<'a>(
        &self,
        batch: &'a Batch,
        touched: &Touched<'_>,
        seen: &mut Seen<'a>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        for (key, require) in &batch.require {
            let found = if let Some(touch) = touched.get(key.as_slice()) {
                touch.after.map(|_row| touch.revision)
            } else if self.is_absent(key) {
                None
            } else {
                let row = point(&self.connection, key, &self.warrant)?;
                let revision = row.as_ref().map(|(row, _)| row.revision);
                if !self.warrant.is_latest(key, revision) {
                    return Err(stale(key));
                }
                seen.insert(key, row.map(|(_, mac)| mac));
                revision
            };
            let holds = match require {
                Require::Absent => found.is_none(),
                Require::Revision(revision) => found == Some(*revision),
            };
            if !holds {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    fn apply<'a>(
        &mut self,
        batch: &'a Batch,
        told: &mut Vec<Change>,
        (touched, seen): (&mut Touched<'a>, &Seen<'a>),
    ) -> Result<Revision, StoreError> {
        let revision = batch.number.unwrap_or(Revision(self.last.saturating_add(1)));
        self.last = self.last.max(revision.0);
        for (key, value) in &batch.changes {
            let before = match touched.get(key.as_slice()) {
                Some(touch) => touch.before,
                None => self.mac_before(key, seen)?,
            };
            let after = match value {
                Some(value) => Some((value.as_slice(), self.put(key, value, revision)?)),
                None => self.delete(key).map(|()| None)?,
            };
            touched.insert(key, Touch { before, after, revision });
            if self.changes.watches(key) {
                let value = value.clone().map(|value| Versioned { value, revision });
                told.push(Change { key: key.clone(), value });
            }
        }
        Ok(revision)
    }

    fn put(&self, key: &[u8], value: &[u8], revision: Revision) -> Result<Mac, StoreError> {
        let mac = self.warrant.witness.mac(key, Some(value), revision);
        let mut put = self.connection.prepare_cached(PUT).map_err(io)?;
        put.execute((key, as_integer(revision.0)?, mac, value)).map_err(io)?;
        Ok(mac)
    }

    fn delete(&self, key: &[u8]) -> Result<(), StoreError> {
        let mut delete = self.connection.prepare_cached(DELETE).map_err(io)?;
        delete.execute([key]).map_err(io).map(|_count| ())
    }

    /// Tells whether it is known by heart that there is no such row.
    fn is_absent(&self, key: &[u8]) -> bool {
        self.warrant.witness.tracks(key) && self.warrant.is_latest(key, None)
    }

    /// Returns what proves the row that is about to be replaced; its value is of no more use.
    fn mac_before(&self, key: &[u8], seen: &Seen<'_>) -> Result<Option<Mac>, StoreError> {
        if let Some(mac) = seen.get(key) {
            return Ok(*mac);
        }
        if self.is_absent(key) {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(PROOF).map_err(io)?;
        let mut rows = statement.query([key]).map_err(io)?;
        let Some(row) = rows.next().map_err(io)? else {
            return if self.warrant.is_latest(key, None) { Ok(None) } else { Err(stale(key)) };
        };
        let revision = u64::try_from(row.get::<_, i64>(0).map_err(io)?).unwrap_or_default();
        if self.warrant.is_latest(key, Some(Revision(revision))) {
            row.get(1).map(Some).map_err(io)
        } else {
            Err(stale(key))
        }
    }

    /// Adds the entry of a transaction to the chain.
    fn enter(&mut self, touched: &Touched<'_>) -> Result<(), StoreError> {
        let mut effects = Vec::with_capacity(touched.len());
        for (key, touch) in touched {
            effects.push(Effect { key, before: touch.before, after: touch.after });
        }
        if let Some((key, value)) = self.chain.next(&effects)? {
            self.put(&key, &value, Revision(self.last))?;
        }
        Ok(())
    }

    fn remember_last(&self) -> Result<(), StoreError> {
        let update = "UPDATE last_revision SET revision = ?1";
        let mut update = self.connection.prepare_cached(update).map_err(io)?;
        update.execute([as_integer(self.last)?]).map_err(io)?;
        Ok(())
    }

    /// In WAL mode, NORMAL writes the log without waiting for the disk, FULL waits.
    fn switch(&mut self, sync: Sync) -> Result<(), StoreError> {
        if self.mode != sync {
            let pragma = match sync {
                Sync::Full => "PRAGMA synchronous = FULL",
                Sync::Deferred => "PRAGMA synchronous = NORMAL",
            };
            self.connection.execute_batch(pragma).map_err(io)?;
            self.mode = sync;
        }
        Ok(())
    }

    /// Moves the log into the database and empties it. Deleted rows are overwritten in the database
    /// when they are deleted, but the log holds them until then. Does not wait for whoever reads the
    /// log: commits would wait as well. Where the system fails, no commit follows.
    fn forget(&self) -> Result<(), StoreError> {
        let _paused = self.checkpointer.pause();
        self.checkpointer.check()?;
        self.connection.busy_timeout(Duration::ZERO).map_err(io)?;
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy = self.connection.query_row(checkpoint, [], |row| row.get::<_, i64>(0));
        let busy = busy.inspect_err(|error| self.checkpointer.note(error));
        self.connection.busy_timeout(BUSY_TIME).map_err(io)?;
        if busy.map_err(io)? == 0 {
            Ok(())
        } else {
            Err(StoreError::Io("the log is being read".to_owned()))
        }
    }

    /// Brings deferred commits to the disk: a full commit syncs the log before it too. One that has no
    /// rows writes its number.
    fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced.is_some() {
            self.transact(&[Batch::new()])?;
        }
        Ok(())
    }
}

/// Takes note of which commit wrote each row. None can be later than the last.
fn learn(connection: &Connection, warrant: &Warrant, last: u64) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT k, ver FROM kv").map_err(io)?;
    let mut rows = statement.query(()).map_err(io)?;
    while let Some(row) = rows.next().map_err(io)? {
        let key: Vec<u8> = row.get(0).map_err(io)?;
        let revision = u64::try_from(row.get::<_, i64>(1).map_err(io)?).unwrap_or(u64::MAX);
        if revision > last {
            return Err(StoreError::Corrupt("a row is later than the last commit".to_owned()));
        }
        warrant.note(std::iter::once((key.as_slice(), Some(Revision(revision)))));
    }
    Ok(())
}

fn as_integer(revision: u64) -> Result<i64, StoreError> {
    i64::try_from(revision).map_err(|_error| StoreError::Corrupt("revisions ran out".to_owned()))
}
