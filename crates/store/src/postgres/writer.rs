//! Commits: those that wait together share a transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::hosts::{Failed, Link, Slot, failed};
use super::statements::Parameter;
use crate::changes::Changes;
use crate::types::{Batch, Require, Revision, StoreError, Sync, Versioned};
use crate::warrant::Warrant;
use crate::witness::{Chain, Effect, Mac};

/// Commits that share a transaction at most.
const GROUP_MAX: usize = 128;
/// How long a commit is tried, and how long it takes until an answer is given up.
const COMMIT_TIME: Duration = Duration::from_secs(10);
const ANSWER_TIME: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Locked by groups whose commits come with their numbers: the sequence only grows.
const NUMBERING: i64 = 7_813_946_271_834_650_112;
/// Locked by every group: shared, or alone by one with so many keys that the server, which holds some
/// thousands of locks, has no room for one each.
const EVERYTHING: i64 = 7_813_946_271_834_650_113;
const LOCKS_MAX: usize = 1_000;

type Outcome = Result<Revision, StoreError>;

/// A commit that waits.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// One of several that take turns: while one waits for the disks, the next gathers.
pub(super) struct Writer {
    pub(super) slot: Arc<Slot>,
    pub(super) queue: Arc<Mutex<mpsc::UnboundedReceiver<Job>>>,
    pub(super) changes: Arc<Changes>,
    pub(super) names: Arc<GroupNames>,
    pub(super) warrant: Arc<Warrant>,
    pub(super) chain: Box<dyn Chain>,
    /// The connection of the last commit: with another, the server may have lost what was deferred.
    pub(super) last: Option<Arc<Link>>,
    pub(super) counts: Arc<Counts>,
}

/// What was committed since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) commits: AtomicU64,
    pub(super) groups: AtomicU64,
}

/// Names of groups, of which no two are the same on any node.
#[derive(Debug)]
pub(super) struct GroupNames {
    process: [u64; 2],
    next: AtomicU64,
}

impl GroupNames {
    pub(super) fn new() -> Self {
        let random = || RandomState::new().build_hasher().finish();
        Self { process: [random(), random()], next: AtomicU64::new(0) }
    }

    fn next(&self) -> Vec<u8> {
        let [a, b] = self.process;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        [a, b, number].iter().flat_map(|part| part.to_be_bytes()).collect()
    }
}

/// Why a group was not committed.
enum Broken {
    /// It surely was not.
    Before(Failed),
    /// The connection broke when it might have been. The outcomes are those if it was.
    Perhaps { outcomes: Vec<Outcome>, why: String },
}

impl Writer {
    /// Serves commits until the store is closed.
    pub(super) async fn run(mut self) {
        loop {
            let jobs = self.next().await;
            if jobs.is_empty() {
                return;
            }
            let (batches, waiting): (Vec<Batch>, Vec<_>) =
                jobs.into_iter().map(|job| (job.batch, job.answer)).unzip();
            let outcomes = self.commit(&batches).await;
            let committed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            let committed = u64::try_from(committed).unwrap_or(u64::MAX);
            self.counts.commits.fetch_add(committed, Ordering::Relaxed);
            self.counts.groups.fetch_add(u64::from(committed > 0), Ordering::Relaxed);
            for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                // A caller that went away has no use for the answer.
                drop(waiting.send(outcome));
            }
        }
    }

    async fn next(&self) -> Vec<Job> {
        let mut queue = self.queue.lock().await;
        let mut jobs: Vec<Job> = queue.recv().await.into_iter().collect();
        while !jobs.is_empty() && jobs.len() < GROUP_MAX {
            let Ok(job) = queue.try_recv() else { break };
            jobs.push(job);
        }
        jobs
    }

    /// Commits a group: again where it surely did not happen, and never twice.
    async fn commit(&mut self, batches: &[Batch]) -> Vec<Outcome> {
        let until = Instant::now() + COMMIT_TIME;
        let locks = Locks::of(batches);
        loop {
            let link = match self.slot.link(until).await {
                Ok(link) => link,
                Err(error) => return vec![Err(error); batches.len()],
            };
            if !self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &link)) {
                self.chain.lost();
                self.last = Some(Arc::clone(&link));
            }
            let name = self.names.next();
            let why = match self.group(&link, batches, &locks, &name).await {
                Ok(outcomes) => return outcomes,
                Err(Broken::Before(Failed::Lasting(error))) => {
                    return vec![Err(error); batches.len()];
                }
                Err(Broken::Before(Failed::Passing(why))) => why,
                Err(Broken::Perhaps { outcomes, why }) => {
                    drop(link);
                    match self.happened(&locks, &name, until).await {
                        Ok(true) => {
                            self.chain.kept(sync_of(batches));
                            return outcomes;
                        }
                        Ok(false) => why,
                        Err(()) => {
                            self.chain.lost();
                            let unknown = StoreError::Unknown(why);
                            // A condition that failed did so whatever became of the others.
                            let each = outcomes.into_iter();
                            return each.map(|one| one.and(Err(unknown.clone()))).collect();
                        }
                    }
                }
            };
            if Instant::now() >= until {
                return vec![Err(StoreError::Io(why)); batches.len()];
            }
            sleep(PAUSE).await;
        }
    }

    async fn group(
        &mut self,
        link: &Arc<Link>,
        batches: &[Batch],
        locks: &Locks,
        name: &[u8],
    ) -> Result<Vec<Outcome>, Broken> {
        let slot = Arc::clone(&self.slot);
        let mut planned = Vec::new();
        let work = self.work(link, batches, (locks, name), &mut planned);
        match slot.answer(link, ANSWER_TIME, work).await {
            Ok(Ok(outcomes)) => Ok(outcomes),
            Ok(Err(Broken::Before(why))) => {
                let rolled_back = timeout(ANSWER_TIME, link.client.batch_execute("ROLLBACK")).await;
                if !matches!(rolled_back, Ok(Ok(()))) {
                    self.leave(link).await;
                }
                Err(Broken::Before(why))
            }
            Ok(Err(perhaps)) => {
                self.leave(link).await;
                Err(perhaps)
            }
            Err(why) => {
                self.leave(link).await;
                // Where it hangs is not known: what was sent last may be the commit, unless there was
                // no plan yet.
                if planned.is_empty() {
                    return Err(Broken::Before(Failed::Passing(why)));
                }
                Err(Broken::Perhaps { outcomes: planned, why })
            }
        }
    }

    /// Leaves a connection, which ends with the last who holds it: until then it may keep locks.
    async fn leave(&mut self, link: &Arc<Link>) {
        self.slot.give_up(link).await;
        self.last = None;
    }

    /// Leaves in `planned` what is to be said of the batches, before anything is written.
    async fn work(
        &mut self,
        link: &Link,
        batches: &[Batch],
        (locks, name): (&Locks, &[u8]),
        planned: &mut Vec<Outcome>,
    ) -> Result<Vec<Outcome>, Broken> {
        let (client, statements) = (&link.client, &link.statements);
        let opening = match sync_of(batches) {
            Sync::Full => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Sync::Deferred => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO off"
            }
        };
        let touched: BTreeSet<&[u8]> = batches.iter().flat_map(keys_of).collect();
        let touched: Vec<&[u8]> = touched.into_iter().collect();
        let seen: Vec<&[u8]> = batches.iter().flat_map(seen_of).collect();
        let count = i64::try_from(batches.len()).unwrap_or(i64::MAX);
        // Sent together: each runs when the one before it is done.
        let (lock_of, begun_of): (_, [&Parameter<'_>; 3]) =
            (locks.parameters(), [&touched, &count, &seen]);
        let ((), _, begun) = tokio::try_join!(
            client.batch_execute(opening),
            client.query(&statements.lock, &lock_of),
            client.query(&statements.begun, &begun_of),
        )
        .map_err(|error| Broken::Before(failed(error)))?;
        let read = |error| Broken::Before(failed(error));
        let mut plan = Plan::default();
        let mut numbers = Vec::with_capacity(batches.len());
        for row in &begun {
            let number: i64 = row.try_get(1).map_err(read)?;
            let Some(key) = row.try_get::<_, Option<Vec<u8>>>(0).map_err(read)? else {
                numbers.push(number);
                continue;
            };
            let mac: Vec<u8> = row.try_get(2).map_err(read)?;
            if let Some(value) = row.try_get::<_, Option<Vec<u8>>>(3).map_err(read)? {
                let revision = Revision(u64::try_from(number).unwrap_or_default());
                let checked = self.warrant.check(&key, &Versioned { value, revision }, &mac);
                checked.map_err(|error| Broken::Before(Failed::Lasting(error)))?;
            }
            // One that is too short, or too long, was not written here: it proves nothing.
            plan.before.insert(key.clone(), mac.try_into().unwrap_or_default());
            plan.current.insert(key, number);
        }
        let outcomes: Vec<Outcome> = batches
            .iter()
            .zip(numbers)
            .map(|(batch, number)| plan.take(batch, number, &self.changes))
            .collect();
        if plan.written.is_empty() {
            client.batch_execute("ROLLBACK").await.map_err(read)?;
            return Ok(outcomes);
        }
        planned.clone_from(&outcomes);
        match plan.write(link, name, (&self.warrant, &mut *self.chain)).await {
            Ok(()) => {
                self.chain.kept(sync_of(batches));
                Ok(outcomes)
            }
            Err(Failed::Lasting(error)) => Err(Broken::Before(Failed::Lasting(error))),
            Err(Failed::Passing(why)) => Err(Broken::Perhaps { outcomes, why }),
        }
    }

    /// Finds out whether a group was committed, and makes sure that it stays: who waited for the
    /// standbys may have been told to stop waiting. Its keys are locked first: whatever still holds
    /// them is then over, one way or the other. An error says that it cannot be found out.
    async fn happened(&self, locks: &Locks, name: &[u8], until: Instant) -> Result<bool, ()> {
        loop {
            let link = self.slot.link(until).await.map_err(|_error| ())?;
            let (client, statements) = (&link.client, &link.statements);
            let (lock_of, name_of): (_, [&Parameter<'_>; 1]) = (locks.parameters(), [&name]);
            let asked = async {
                tokio::try_join!(
                    client.batch_execute("BEGIN"),
                    client.query(&statements.lock, &lock_of),
                    client.execute(&statements.happened, &name_of),
                    client.batch_execute("COMMIT"),
                )
            };
            if let Ok(Ok(((), _, rows, ()))) = self.slot.answer(&link, ANSWER_TIME, asked).await {
                return Ok(rows > 0);
            }
            self.slot.give_up(&link).await;
            if Instant::now() >= until {
                return Err(());
            }
            sleep(PAUSE).await;
        }
    }
}

/// What a group does, worked out against what is there.
#[derive(Default)]
struct Plan<'a> {
    /// What proves the rows that are there.
    before: HashMap<Vec<u8>, Mac>,
    /// Revisions of the keys, as the batches before left them.
    current: HashMap<Vec<u8>, i64>,
    last: i64,
    /// What each key is in the end.
    written: BTreeMap<&'a [u8], (Option<&'a [u8]>, i64)>,
    /// What watched keys were, one after the other.
    told: Vec<Told<'a>>,
    /// The highest number that a commit came with.
    numbered: Option<i64>,
}

/// A key, its value if it was not removed, and the revision.
type Told<'a> = (&'a [u8], Option<&'a [u8]>, i64);

impl<'a> Plan<'a> {
    fn take(&mut self, batch: &'a Batch, number: i64, changes: &Changes) -> Outcome {
        let out_of_range = |_error| StoreError::Corrupt("a revision is out of range".to_owned());
        let given = batch.number.map(|number| i64::try_from(number.0)).transpose();
        let given = given.map_err(out_of_range)?;
        let number = given.unwrap_or(number);
        let revision = u64::try_from(number).map_err(out_of_range)?;
        for (key, require) in &batch.require {
            let found = self.current.get(key).copied();
            let holds = match require {
                Require::Absent => found.is_none(),
                Require::Revision(revision) => {
                    found.and_then(|one| u64::try_from(one).ok()) == Some(revision.0)
                }
            };
            if !holds {
                return Err(StoreError::Conflict { key: key.clone() });
            }
        }
        self.numbered = self.numbered.max(given);
        self.last = number;
        for (key, value) in &batch.changes {
            match value {
                Some(_) => self.current.insert(key.clone(), number),
                None => self.current.remove(key),
            };
            self.written.insert(key, (value.as_deref(), number));
            if changes.watches(key) {
                self.told.push((key, value.as_deref(), number));
            }
        }
        Ok(Revision(revision))
    }

    async fn write(
        &self,
        link: &Link,
        name: &[u8],
        (warrant, chain): (&Warrant, &mut dyn Chain),
    ) -> Result<(), Failed> {
        let mac = |key: &[u8], value: Option<&[u8]>, number: i64| {
            let revision = Revision(u64::try_from(number).unwrap_or_default());
            warrant.witness.mac(key, value, revision)
        };
        let mut effects = Vec::with_capacity(self.written.len());
        for (key, (value, number)) in &self.written {
            let before = self.before.get(*key).copied();
            let after = value.map(|value| (value, mac(key, Some(value), *number)));
            effects.push(Effect { key, before, after });
        }
        let entry = chain.next(&effects).map_err(Failed::Lasting)?;
        let entry = entry.as_ref().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let written =
            self.written.iter().filter_map(|(key, (value, n))| Some((*key, (*value)?, *n)));
        let puts: Vec<(&[u8], &[u8], i64)> =
            written.chain(entry.map(|(key, value)| (key, value, self.last))).collect();
        let keys: Vec<&[u8]> = puts.iter().map(|(key, ..)| *key).collect();
        let values: Vec<&[u8]> = puts.iter().map(|(_, value, _)| *value).collect();
        let numbers: Vec<i64> = puts.iter().map(|(.., number)| *number).collect();
        let macs: Vec<Mac> = puts.iter().map(|(key, value, n)| mac(key, Some(value), *n)).collect();
        let macs: Vec<&[u8]> = macs.iter().map(<[u8; 32]>::as_slice).collect();
        let gone = self.written.iter().filter(|(_, (value, _))| value.is_none());
        let gone: Vec<&[u8]> = gone.map(|(key, _)| *key).collect();
        let order: Vec<i32> = (0..).take(self.told.len()).collect();
        let told_keys: Vec<&[u8]> = self.told.iter().map(|(key, ..)| *key).collect();
        let told_values: Vec<Option<&[u8]>> =
            self.told.iter().map(|(_, value, _)| *value).collect();
        let told_numbers: Vec<i64> = self.told.iter().map(|(.., number)| *number).collect();
        let told_macs: Vec<Mac> = self.told.iter().map(|(k, v, n)| mac(k, *v, *n)).collect();
        let told_macs: Vec<&[u8]> = told_macs.iter().map(<[u8; 32]>::as_slice).collect();
        let (client, statements) = (&link.client, &link.statements);
        if let Some(highest) = self.numbered {
            client.execute(&statements.go_on, &[&highest]).await.map_err(failed)?;
        }
        let write: [&Parameter<'_>; 11] = [
            &keys,
            &values,
            &numbers,
            &macs,
            &gone,
            &order,
            &told_keys,
            &told_values,
            &told_numbers,
            &told_macs,
            &name,
        ];
        tokio::try_join!(client.execute(&statements.write, &write), client.batch_execute("COMMIT"),)
            .map(|_done| ())
            .map_err(failed)
    }
}

/// How safe a group is to be: as safe as the safest of its batches.
fn sync_of(batches: &[Batch]) -> Sync {
    batches.iter().map(|batch| batch.sync).max().unwrap_or_default()
}

/// The locks of a group: one number for each key, in order, and whether the group changes what has
/// it. Keys that share a number share the lock. A large group has one lock for all.
struct Locks {
    numbers: Vec<i64>,
    changes: Vec<bool>,
}

impl Locks {
    fn of(batches: &[Batch]) -> Self {
        let conditions = batches.iter().flat_map(|batch| &batch.require);
        let kept = conditions.map(|(key, _)| (lock_key(key), false));
        let written = batches.iter().flat_map(|batch| &batch.changes);
        let written = written.map(|(key, _)| (lock_key(key), true));
        let numbered = batches.iter().any(|batch| batch.number.is_some());
        let numbering = numbered.then_some((NUMBERING, true));
        // Of a number that comes twice, the later counts.
        let mut each: BTreeMap<i64, bool> = kept.chain(written).chain(numbering).collect();
        let is_large = each.len() > LOCKS_MAX;
        if is_large {
            each = numbering.into_iter().collect();
        }
        each.insert(EVERYTHING, is_large);
        let (numbers, changes) = each.into_iter().unzip();
        Self { numbers, changes }
    }

    fn parameters(&self) -> [&Parameter<'_>; 2] {
        [&self.numbers, &self.changes]
    }
}

/// The keys that a batch has conditions on, and those that it changes.
fn keys_of(batch: &Batch) -> impl Iterator<Item = &[u8]> {
    let required = batch.require.iter().map(|(key, _)| key.as_slice());
    required.chain(batch.changes.iter().map(|(key, _)| key.as_slice()))
}

/// The keys of rows that a batch changes as it has seen them: they must be as they were written.
fn seen_of(batch: &Batch) -> impl Iterator<Item = &[u8]> {
    let changed: BTreeSet<&[u8]> = batch.changes.iter().map(|(key, _)| key.as_slice()).collect();
    let required = batch.require.iter();
    let seen = required.filter(|(_, require)| matches!(require, Require::Revision(_)));
    seen.map(|(key, _)| key.as_slice()).filter(move |key| changed.contains(key))
}

/// FNV-1a: the same on every node and in every version.
fn lock_key(key: &[u8]) -> i64 {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from_be_bytes(hash.to_be_bytes())
}
