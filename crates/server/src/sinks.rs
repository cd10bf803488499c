//! The audit log on its way to other systems. What is sent is read from the log in the store, in the
//! order of the ledger: there is nothing else that could grow or be lost, and a sink that was away goes
//! on from where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{Batch, Order, Require, Store, StoreError, Sync, prefix_range};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::audit_event::StoredRecord;
use crate::duty::Shift;
use crate::ledger::audit_rows_of;
use crate::rows;
use crate::shared::Shared;

/// How often is looked for new events, at most; and for what part of the time.
const LOOK: Duration = Duration::from_millis(500);
const LOOKING_PART: u32 = 20;

/// Entries of the ledger that are read at once.
const ENTRIES: usize = 32;

/// Events that are sent at once, at most.
const EVENTS: usize = 256;

/// How long a sink may take.
const TAKING_TIME: Duration = Duration::from_secs(30);

/// How long a sink that takes nothing is left alone.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// An audit event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkEvent {
    /// When the request came.
    pub time: Timestamp,
    /// The request's identifier.
    pub id: String,
    /// Whether it was refused.
    pub is_refusal: bool,
    /// The event as OCI's Audit API has it: JSON of printable ASCII, without a line break.
    pub text: String,
}

/// Where events go: the server itself writes no files and dials nobody.
pub trait AuditSink: Debug + Send + std::marker::Sync + 'static {
    /// Takes events. What was taken is safe; what fails is given again, so that some of it may be
    /// taken twice.
    fn take<'a>(&'a self, events: &'a [SinkEvent]) -> SinkAnswer<'a>;
}

/// What became of events, to be awaited; or why they were not taken.
pub type SinkAnswer<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A sink and what it is called: what is remembered of it, and metrics, go by the name.
#[derive(Debug, Clone)]
pub struct NamedSink {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// Where events go.
    pub sink: Arc<dyn AuditSink>,
}

/// How far each chain of the ledger was sent.
type Places = BTreeMap<String, u64>;

/// Has new sinks begin with what is recorded from now on.
pub(crate) async fn begin(store: &dyn Store, sinks: &[NamedSink]) -> Result<(), StoreError> {
    for NamedSink { name, .. } in sinks {
        let (begun, formerly) = (rows::sunk(name), rows::sink(name, ""));
        let mut found = store.get(&[begun.as_slice(), formerly.as_slice()]).await?.into_iter();
        if found.next().flatten().is_some() {
            continue;
        }
        let mut batch = Batch::new().require(begun.clone(), Require::Absent);
        batch = batch.put(begun, rows::encode(&0_u64)?);
        if found.next().flatten().is_none() {
            batch = go_on_from(batch, name, &ends(store).await?)?;
        }
        match store.commit(batch).await {
            // Another node has begun.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Has all sinks of a store go on with what is recorded after what is there: a restore enters anew
/// what was sent long ago.
pub(crate) async fn go_on(store: &dyn Store, mut batch: Batch) -> Result<Batch, StoreError> {
    let mut names = BTreeSet::new();
    for (key, _) in store.scan(prefix_range(b"sunk/"), Order::Ascending, usize::MAX).await? {
        let name = key.strip_prefix(b"sunk/").unwrap_or_default();
        names.insert(String::from_utf8_lossy(name).into_owned());
    }
    for (key, _) in store.scan(prefix_range(b"sink/"), Order::Ascending, usize::MAX).await? {
        let text = String::from_utf8_lossy(&key);
        let Some((name, chain)) = text.strip_prefix("sink/").and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        names.insert(name.to_owned());
        if !chain.is_empty() {
            batch = batch.delete(key.clone());
        }
    }
    let ends = ends(store).await?;
    for name in &names {
        batch = go_on_from(batch, name, &ends)?;
    }
    Ok(batch)
}

/// Puts a sink to the ends of chains.
fn go_on_from(mut batch: Batch, name: &str, ends: &Places) -> Result<Batch, StoreError> {
    for (chain, number) in ends {
        batch = batch.put(rows::sink(name, chain), rows::encode(number)?);
    }
    Ok(batch)
}

/// The last entry of every chain.
async fn ends(store: &dyn Store) -> Result<Places, StoreError> {
    let mut range = prefix_range(rows::LEDGER);
    let mut ends = Places::new();
    loop {
        let last = store.scan(range.clone(), Order::Descending, 1).await?;
        let Some((key, _)) = last.into_iter().next() else { return Ok(ends) };
        let (chain, number) = rows::ledger_place(&key).ok_or_else(unreadable)?;
        range.end = rows::ledger(chain, 0);
        ends.insert(chain.to_owned(), number);
    }
}

fn unreadable() -> StoreError {
    StoreError::Corrupt("an entry of the ledger cannot be read".to_owned())
}

/// Sends what is recorded while this node is on duty, until the server is to stop.
pub(crate) async fn keep_sending(
    shared: Arc<Shared>,
    sink: NamedSink,
    mut stopping: watch::Receiver<bool>,
) {
    shared.metrics.begin_sink(&sink.name);
    loop {
        let shift = tokio::select! {
            shift = shared.duty.begun() => shift,
            // Whoever could stop it being gone means the same.
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let tenancy = shared.known().tenancy.id.clone();
        match places(&*shared.store, &sink.name).await {
            Ok(places) => {
                let (shared, sink) = (&*shared, &sink);
                let sender = Sender { shared, sink, shift, tenancy, places };
                let ended = sender.run(&mut stopping).await;
                // Another node knows by now how far the sink is.
                shared.metrics.note_sent_until(&sink.name, None);
                if ended.is_break() {
                    return;
                }
            }
            Err(error) => tracing::warn!(sink = sink.name, %error, "what was sent is not known"),
        }
        sleep(PAUSE_MIN).await;
    }
}

async fn places(store: &dyn Store, name: &str) -> Result<Places, StoreError> {
    let prefix = rows::sink(name, "");
    let mut range = prefix_range(&prefix);
    let mut places = Places::new();
    loop {
        let page = store.scan(range.clone(), Order::Ascending, EVENTS).await?;
        let Some((last, _)) = page.last() else { return Ok(places) };
        range.start = [last.as_slice(), b"\0"].concat();
        for (key, row) in page {
            let chain = key.strip_prefix(prefix.as_slice()).unwrap_or_default();
            let chain = String::from_utf8(chain.to_vec()).map_err(|_error| unreadable())?;
            places.insert(chain, rows::decode(&key, &row.value)?);
        }
    }
}

/// Why sending stops.
enum Stop {
    Store(StoreError),
    Sink(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One sink, and one shift.
struct Sender<'a> {
    shared: &'a Shared,
    sink: &'a NamedSink,
    shift: Shift,
    tenancy: Ocid,
    places: Places,
}

impl Sender<'_> {
    /// Sends until another node is on duty, or the server is to stop, which cuts nothing short that is
    /// being taken.
    async fn run(mut self, stopping: &mut watch::Receiver<bool>) -> ControlFlow<()> {
        let (name, mut pause) = (self.sink.name.as_str(), PAUSE_MIN);
        while self.shared.duty.holds(&self.shift) {
            let began = Instant::now();
            let rest = match self.look().await {
                Ok(()) => {
                    self.shared.metrics.note_sent_until(name, None);
                    pause = PAUSE_MIN;
                    LOOK.max(began.elapsed().saturating_mul(LOOKING_PART))
                }
                Err(Stop::Store(error)) if Shift::is_over(&error) => break,
                Err(Stop::Store(error)) => {
                    tracing::warn!(sink = name, %error, "audit events cannot be read");
                    PAUSE_MIN
                }
                Err(Stop::Sink(why)) => {
                    self.shared.metrics.note_not_taken(name);
                    tracing::warn!(sink = name, why, again_in = ?pause, "audit events were not taken");
                    let rest = pause;
                    pause = (pause * 2).min(PAUSE_MAX);
                    rest
                }
            };
            tokio::select! {
                () = sleep(rest) => {}
                _ = stopping.wait_for(|stop| *stop) => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    /// Goes through all chains, from where each was left.
    async fn look(&mut self) -> Result<(), Stop> {
        let mut range = prefix_range(rows::LEDGER);
        loop {
            let page = self.shared.store.scan(range.clone(), Order::Ascending, ENTRIES).await?;
            let Some((first, _)) = page.first() else { return Ok(()) };
            let (chain, number) = rows::ledger_place(first).ok_or_else(unreadable)?;
            let (chain, sent) = (chain.to_owned(), self.places.get(chain).copied().unwrap_or(0));
            if number <= sent {
                range.start = rows::ledger(&chain, sent.saturating_add(1));
                continue;
            }
            let last = self.send(&chain, &page).await?;
            range.start = rows::ledger(&chain, last.saturating_add(1));
        }
    }

    /// Sends what is in the first entries of a page, as far as they are of a chain; returns the last.
    async fn send(
        &mut self,
        chain: &str,
        page: &[(Vec<u8>, strongroom_store::Versioned)],
    ) -> Result<u64, Stop> {
        let (mut events, mut last) = (Vec::new(), 0);
        for (key, row) in page {
            let (of, number) = rows::ledger_place(key).ok_or_else(unreadable)?;
            if of != chain || events.len() >= EVENTS {
                break;
            }
            let keys = audit_rows_of(key, &row.value)?;
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let found =
                if keys.is_empty() { Vec::new() } else { self.shared.store.get(&keys).await? };
            for (key, row) in keys.into_iter().zip(found) {
                // A row without a value was removed.
                let Some(row) = row else { continue };
                for record in rows::decode::<Vec<StoredRecord>>(key, &row.value)? {
                    events.push(event(record, &self.tenancy)?);
                }
            }
            last = number;
        }
        if let Some(oldest) = events.first() {
            let name = self.sink.name.as_str();
            let behind = self.shared.clock.now().duration_since(oldest.time).as_secs();
            self.shared.metrics.note_sent_until(name, Some(behind));
            give(&*self.sink.sink, &events).await.map_err(Stop::Sink)?;
            self.shared.metrics.note_taken(name, events.len());
            let place = rows::sink(name, chain);
            let batch = self.shift.fence(Batch::new()).put(place, rows::encode(&last)?);
            self.shared.store.commit(batch.sync(Sync::Deferred)).await?;
        }
        self.places.insert(chain.to_owned(), last);
        Ok(last)
    }
}

/// Gives events to a sink, so many at once: one entry of a restore has the records of thousands of
/// requests.
async fn give(sink: &dyn AuditSink, events: &[SinkEvent]) -> Result<(), String> {
    for some in events.chunks(EVENTS) {
        let taking = timeout(TAKING_TIME, sink.take(some)).await;
        taking.unwrap_or_else(|_elapsed| Err("it takes too long".to_owned()))?;
    }
    Ok(())
}

fn event(record: StoredRecord, tenancy: &Ocid) -> Result<SinkEvent, StoreError> {
    let (time, id, is_refusal) = (record.time, record.request_id.clone(), record.status >= 400);
    let text = serde_json::to_string(&record.event(tenancy, None));
    let text = text.map_err(|_error| StoreError::Corrupt("an audit record".to_owned()))?;
    Ok(SinkEvent { time, id, is_refusal, text: in_ascii(&text) })
}

/// Writes JSON without characters that a terminal or a log's reader might take for something else.
fn in_ascii(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            plain.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let written = write!(plain, "\\u{unit:04x}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use strongroom_keyring::{RootKey, SystemRandom};
    use strongroom_model::{Sensitive, SystemClock};
    use strongroom_store::Sqlite;

    use super::*;
    use crate::audit::AuditRecord;
    use crate::duty::{keep_duty, leave_duty};
    use crate::ledger::Ledger;
    use crate::{Founded, WATCHED};

    /// Notes how much it is given at once, and refuses what it is told to.
    #[derive(Debug, Default)]
    struct Counting(Mutex<Vec<usize>>, Option<usize>);

    impl AuditSink for Counting {
        fn take<'a>(&'a self, events: &'a [SinkEvent]) -> SinkAnswer<'a> {
            let mut groups = self.0.lock().unwrap();
            groups.push(events.len());
            let refuses = self.1 == Some(groups.len());
            Box::pin(async move { if refuses { Err("no".to_owned()) } else { Ok(()) } })
        }
    }

    #[tokio::test]
    async fn a_sink_is_never_given_more_at_once_than_it_is_to_take() {
        let event = SinkEvent {
            time: Timestamp::UNIX_EPOCH,
            id: "a".to_owned(),
            is_refusal: false,
            text: "{}".to_owned(),
        };
        let events = vec![event; 2 * EVENTS + 1];
        let sink = Counting::default();
        give(&sink, &events).await.unwrap();
        assert_eq!(*sink.0.lock().unwrap(), [EVENTS, EVENTS, 1]);
        let refusing = Counting(Mutex::default(), Some(2));
        assert_eq!(give(&refusing, &events).await, Err("no".to_owned()));
        assert_eq!(*refusing.0.lock().unwrap(), [EVENTS, EVENTS]);
    }

    fn root_key() -> RootKey {
        RootKey::from_bytes(Sensitive::new(vec![7; 32])).unwrap()
    }

    /// A store in a file, with its ledger.
    fn vouched(path: &Path) -> (Ledger, Arc<Sqlite>) {
        let clock = Arc::new(SystemClock);
        let ledger = Ledger::new(&root_key(), clock, Arc::new(SystemRandom)).unwrap();
        let store = Sqlite::open(path, WATCHED, Arc::new(ledger.clone())).unwrap();
        (ledger, Arc::new(store))
    }

    /// Refuses everything.
    #[derive(Debug)]
    struct Away;

    impl AuditSink for Away {
        fn take<'a>(&'a self, _events: &'a [SinkEvent]) -> SinkAnswer<'a> {
            Box::pin(async { Err("away".to_owned()) })
        }
    }

    #[tokio::test]
    async fn a_sink_begins_once_and_who_makes_it_begin_anew_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.db");
        let (ledger, store) = vouched(&path);
        let row = || b"1".to_vec();
        store.commit(Batch::new().put(b"s/a".to_vec(), row())).await.unwrap();
        let sinks =
            ["new", "old"].map(|name| NamedSink { name: name.to_owned(), sink: Arc::new(Away) });
        // An earlier version has begun, and sent nothing.
        let old = Batch::new().put(rows::sink("old", ""), rows::encode(&0_u64).unwrap());
        store.commit(old).await.unwrap();
        begin(&*store, &sinks).await.unwrap();
        let sent = |name: &'static str| places(&*store, name);
        let (new, old) = (sent("new").await.unwrap(), sent("old").await.unwrap());
        assert_eq!(new.into_values().collect::<Vec<_>>(), [1]);
        assert_eq!(old.into_values().collect::<Vec<_>>(), [0], "it has yet to get everything");
        store.commit(Batch::new().put(b"s/b".to_vec(), row())).await.unwrap();
        begin(&*store, &sinks).await.unwrap();
        assert_eq!(sent("new").await.unwrap().into_values().collect::<Vec<_>>(), [1]);
        ledger.verify(&*store).await.unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        let gone = "DELETE FROM kv WHERE CAST(k AS TEXT) = 'sunk/new'";
        assert_eq!(connection.execute(gone, []).unwrap(), 1);
        let told = ledger.verify(&*store).await.unwrap_err().to_string();
        assert!(told.contains("`sunk`"), "{told}");
    }

    #[tokio::test]
    async fn a_node_that_is_not_on_duty_any_more_is_behind_with_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (_, store) = vouched(&directory.path().join("s.db"));
        Founded::in_test(&*store, &root_key()).await;
        let shared = Shared::in_test(store, root_key()).await;
        let sink = NamedSink { name: "siem".to_owned(), sink: Arc::new(Away) };
        begin(&*shared.store, std::slice::from_ref(&sink)).await.unwrap();
        let (time, source) = (Timestamp::UNIX_EPOCH, "192.0.2.1".to_owned());
        let record = AuditRecord::begun(time, "a".to_owned(), source);
        shared.audit.write(&record, None).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let sending = tokio::spawn(keep_sending(Arc::clone(&shared), sink, stopping));
        let on_duty = Arc::clone(&shared);
        let duty = tokio::spawn(async move { keep_duty(&on_duty).await });
        let is_behind = || {
            let text = shared.metrics.render(&shared).unwrap();
            let gauge = "strongroom_audit_sink_behind_seconds{sink=\"siem\"} ";
            text.lines().any(|line| line.strip_prefix(gauge).is_some_and(|secs| secs != "0"))
        };
        let waited = async |behind: bool| {
            while is_behind() != behind {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), waited(true)).await.unwrap();
        duty.abort();
        leave_duty(&shared).await;
        timeout(Duration::from_secs(20), waited(false)).await.unwrap();
        stop.send_replace(true);
        sending.await.unwrap();
    }

    #[test]
    fn nothing_but_printable_ascii_is_left_and_it_means_the_same() {
        let value =
            serde_json::json!({"a": "\u{1b}[2J \u{9b}1m\u{202e}x\u{7f}\n\u{1f511} \\ \" ä"});
        let text = in_ascii(&value.to_string());
        assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
