//! PostgreSQL: the engine for many nodes, which share nothing but the database.

mod hosts;
mod points;
mod probe;
mod schema;
mod snapshot;
mod statements;
mod upkeep;
mod walk;
mod writer;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Config, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::hosts::{Failed, Hosts, Slot, failed};
use self::points::{Asked, PointReader};
use self::probe::{Asking, Probe};
use self::snapshot::PostgresSnapshot;
use self::statements::{Parameter, Statements};
use self::writer::{Counts, GroupNames, Job, Writer};
use crate::changes::Changes;
use crate::types::{
    Answer, Batch, Cursor, Delta, Order, Range, Revision, Snapshot, Stats, Store, StoreError,
    Versioned, Visit,
};
use crate::warrant::{Warrant, stale};
use crate::witness::Witness;

/// Connections that read single rows, those that read ranges, and transactions that are under way at a
/// time.
const POINT_READERS: usize = 2;
const RANGE_READERS: usize = 2;
const WRITERS: usize = 2;
/// How long a read is tried.
const READ_TIME: Duration = Duration::from_secs(5);
const OPEN_TIME: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// How often rows are read that seem to be old: each time another node must have written meanwhile.
const ATTEMPTS: usize = 5;

type Found = Vec<(Vec<u8>, Versioned)>;

/// The engine for many nodes: PostgreSQL 15 or newer, with synchronous standbys. Every node reads and
/// commits at the primary; each call of [`Store::fresh`] learns what any node committed before it.
pub struct Postgres {
    hosts: Hosts,
    jobs: mpsc::UnboundedSender<Job>,
    probes: mpsc::UnboundedSender<Asking>,
    points: mpsc::UnboundedSender<Asked>,
    ranges: Vec<Slot>,
    next: AtomicUsize,
    changes: Arc<Changes>,
    warrant: Arc<Warrant>,
    counts: Arc<Counts>,
    forgets: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

impl Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Postgres {
    /// Opens the database of a URL (`postgres://user:password@a:5432,b:5432/name`), or makes the
    /// tables in it. Changes of keys that begin with one of `watched` are told by [`Store::fresh`].
    /// With `authorities`, certificates in PEM, every connection is over TLS and the server's
    /// certificate must be of one of them. Rows are those that `witness` vouches for: any other is
    /// [`StoreError::Corrupt`] when it is read.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if the tables are of another version. Any other [`StoreError`] if the
    /// database cannot be used; it never has the password.
    pub async fn open(
        url: &str,
        authorities: Option<&[u8]>,
        watched: &[&str],
        witness: Arc<dyn Witness>,
    ) -> Result<Self, StoreError> {
        let config: Config = url
            .parse()
            .map_err(|_error| StoreError::Io("it is no URL of a PostgreSQL database".to_owned()))?;
        let tls = authorities.map(tls).transpose()?;
        let hosts = Hosts::new(&config, tls)?;
        let changes = Arc::new(Changes::watching(watched));
        let warrant = Arc::new(Warrant::new(witness));
        let first = hosts.primary(Instant::now() + OPEN_TIME).await?;
        schema::prepare(&first.client).await.map_err(Failed::told)?;
        drop(first);
        let (jobs, queue) = mpsc::unbounded_channel();
        let (probes, asked) = mpsc::unbounded_channel();
        let (queue, names) = (Arc::new(Mutex::new(queue)), Arc::new(GroupNames::new()));
        let counts = Arc::new(Counts::default());
        let mut tasks = Vec::new();
        for _ in 0..WRITERS {
            let writer = Writer {
                slot: Arc::new(Slot::new(hosts.clone())),
                queue: Arc::clone(&queue),
                changes: Arc::clone(&changes),
                names: Arc::clone(&names),
                warrant: Arc::clone(&warrant),
                chain: warrant.witness.chain(),
                last: None,
                counts: Arc::clone(&counts),
            };
            tasks.push(tokio::spawn(writer.run()));
        }
        let (slot, queue) = (Slot::new(hosts.clone()), asked);
        let beside = (Arc::clone(&changes), Arc::clone(&warrant));
        let probe = Probe { slot, queue, changes: beside.0, warrant: beside.1, last: None };
        tasks.push(tokio::spawn(probe.run()));
        tasks.push(tokio::spawn(upkeep::watch(hosts.clone())));
        tasks.push(tokio::spawn(upkeep::prune(Slot::new(hosts.clone()))));
        let forgets = Arc::new(Notify::new());
        tasks.push(tokio::spawn(upkeep::forget_when(Arc::clone(&forgets), hosts.clone())));
        let (points, queue) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..POINT_READERS {
            let (slot, queue) = (Slot::new(hosts.clone()), Arc::clone(&queue));
            tasks.push(tokio::spawn(PointReader { slot, queue }.run()));
        }
        let ranges = (0..RANGE_READERS).map(|_| Slot::new(hosts.clone())).collect();
        Ok(Self {
            hosts,
            jobs,
            probes,
            points,
            ranges,
            next: AtomicUsize::new(0),
            changes,
            counts,
            warrant,
            forgets,
            tasks,
        })
    }

    /// Reads rows, and again if one seems to be older than what this node was told of it.
    async fn points(&self, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let mut known = Revision(u64::MAX);
        for _ in 0..ATTEMPTS {
            let found = self.point_rows(keys).await?;
            let rows = || keys.iter().copied().zip(found.iter().map(Option::as_ref));
            if self.has_unknown(rows(), known) {
                self.probed().await?;
            }
            if !self.has_unknown(rows(), known) {
                return Ok(found);
            }
            known = self.warrant.highest();
        }
        Err(stale(keys.first().copied().unwrap_or_default()))
    }

    async fn point_rows(&self, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let (asked, answer) = Asked::for_rows(keys);
        self.points.send(asked).map_err(|_closed| StoreError::Closed)?;
        let late = || StoreError::Io("the database did not answer in time".to_owned());
        let answered = timeout(READ_TIME, answer).await.map_err(|_late| late())?;
        let rows = answered.map_err(|_closed| StoreError::Closed)??;
        keys.iter()
            .map(|key| rows.get(*key).map(|row| row.checked(key, &self.warrant)).transpose())
            .collect()
    }

    async fn range(&self, range: Range, order: Order, limit: usize) -> Result<Found, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let statement: fn(&Statements) -> &Statement = match order {
            Order::Ascending => |all| &all.scan_up,
            Order::Descending => |all| &all.scan_down,
        };
        let mut known = Revision(u64::MAX);
        for _ in 0..ATTEMPTS {
            let parameters: [&Parameter<'_>; 3] = [&range.start, &range.end, &limit];
            let until = Instant::now() + READ_TIME;
            let rows = rows(self.range_reader()?, statement, &parameters, until).await?;
            let found = rows.iter().map(|row| checked(row, &self.warrant));
            let found = found.collect::<Result<Found, _>>()?;
            let rows = || found.iter().map(|(key, row)| (key.as_slice(), Some(row)));
            if self.has_unknown(rows(), known) {
                self.probed().await?;
            }
            if !self.has_unknown(rows(), known) {
                return Ok(found);
            }
            known = self.warrant.highest();
        }
        Err(stale(&range.start))
    }

    fn range_reader(&self) -> Result<&Slot, StoreError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % RANGE_READERS;
        self.ranges.get(turn).ok_or(StoreError::Closed)
    }

    /// Tells whether one of them is not what this node was told of up to the commit `known`. Rows that
    /// are read for the first time are to be as of after the probe, if one is needed; when they are
    /// read again, what was written since need not be in them. Only watched rows are told of by other
    /// nodes.
    fn has_unknown<'a>(
        &self,
        mut rows: impl Iterator<Item = (&'a [u8], Option<&'a Versioned>)>,
        known: Revision,
    ) -> bool {
        rows.any(|(key, row)| {
            self.changes.watches(key)
                && !self.warrant.is_known(key, row)
                && self.warrant.revision(key) <= known
        })
    }

    async fn begun_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let link = self.hosts.primary(Instant::now() + READ_TIME).await?;
        let begun =
            PostgresSnapshot::begin(link, Arc::clone(&self.warrant)).await.map_err(Failed::told)?;
        Ok(Box::new(begun))
    }

    async fn fresh_since(&self, since: Cursor) -> Result<(Cursor, Delta), StoreError> {
        self.probed().await?;
        Ok(self.changes.since(since))
    }

    /// Shows every row. What this node was not told of by then was withheld from it.
    async fn walked(&self, sorted: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        self.probed().await?;
        let beside = (&*self.changes, &*self.warrant);
        let news = walk::walk(&self.hosts, beside, sorted, visit).await?;
        if news.is_empty() {
            return Ok(());
        }
        self.probed().await?;
        let withheld = news.iter().find(|(key, revision)| self.warrant.revision(key) < *revision);
        withheld.map_or(Ok(()), |(key, _)| Err(stale(key)))
    }

    /// Learns what any node committed before this call.
    async fn probed(&self) -> Result<(), StoreError> {
        let (asking, answer) = oneshot::channel();
        self.probes.send(asking).map_err(|_closed| StoreError::Closed)?;
        answer.await.map_err(|_closed| StoreError::Closed)?
    }

    async fn committed(&self, batch: Batch) -> Result<Revision, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.jobs.send(Job { batch, answer }).map_err(|_closed| StoreError::Closed)?;
        outcome.await.map_err(|_closed| StoreError::Closed)?
    }
}

/// Runs a statement that reads: again on another connection, where one breaks.
async fn rows(
    slot: &Slot,
    statement: fn(&Statements) -> &Statement,
    parameters: &[&Parameter<'_>],
    until: Instant,
) -> Result<Vec<Row>, StoreError> {
    loop {
        let link = slot.link(until).await?;
        let left = until.saturating_duration_since(Instant::now());
        let asked = link.client.query(statement(&link.statements), parameters);
        let why = match slot.answer(&link, left, asked).await.map(|done| done.map_err(failed)) {
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(Failed::Lasting(error))) => return Err(error),
            Ok(Err(Failed::Passing(why))) | Err(why) => why,
        };
        slot.give_up(&link).await;
        if Instant::now() >= until {
            return Err(StoreError::Io(why));
        }
        sleep(PAUSE).await;
    }
}

/// Takes key, value, revision and MAC from the first columns.
fn checked(row: &Row, warrant: &Warrant) -> Result<(Vec<u8>, Versioned), StoreError> {
    let (key, versioned, mac) = versioned(row)?;
    warrant.check(&key, &versioned, &mac)?;
    Ok((key, versioned))
}

fn versioned(row: &Row) -> Result<(Vec<u8>, Versioned, Vec<u8>), StoreError> {
    let wrong = |error: tokio_postgres::Error| StoreError::Corrupt(error.to_string());
    let number: i64 = row.try_get(2).map_err(wrong)?;
    let negative = |_error| StoreError::Corrupt("a revision is negative".to_owned());
    let revision = Revision(u64::try_from(number).map_err(negative)?);
    let (value, mac) = (row.try_get(1).map_err(wrong)?, row.try_get(3).map_err(wrong)?);
    Ok((row.try_get(0).map_err(wrong)?, Versioned { value, revision }, mac))
}

fn tls(authorities: &[u8]) -> Result<MakeRustlsConnect, StoreError> {
    let wrong = |why: String| StoreError::Io(format!("the authorities cannot be used: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in PEM".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

impl Store for Postgres {
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>> {
        Box::pin(self.points(keys))
    }

    fn scan(
        &self,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        Box::pin(self.range(range, order, limit))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Revision> {
        Box::pin(self.committed(batch))
    }

    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)> {
        Box::pin(self.fresh_since(since))
    }

    fn walk<'a>(&'a self, sorted: &'a [u8], visit: Visit<'a>) -> Answer<'a, ()> {
        Box::pin(self.walked(sorted, visit))
    }

    fn forget(&self) -> Answer<'_, ()> {
        self.forgets.notify_one();
        Box::pin(std::future::ready(Ok(())))
    }

    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>> {
        Box::pin(self.begun_snapshot())
    }

    fn stats(&self) -> Stats {
        let commits = self.counts.commits.load(Ordering::Relaxed);
        let groups = self.counts.groups.load(Ordering::Relaxed);
        Stats { commits, groups, syncs: 0 }
    }
}
