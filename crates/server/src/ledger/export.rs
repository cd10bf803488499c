//! The audit log in a file, with what proves that it is whole: the ledger's entries, and a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strongroom_keyring::ledger::{LedgerBytes, row_hash};
use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{Order, Store, StoreError, prefix_range};
use strongroom_wire::bodies::AuditEventBody;

use super::checkpoint::EXPORT_ORIGIN;
use super::digest::Digest;
use super::entry::{Entry, Hashed, Head};
use super::{Checkpoint, CheckpointError, Ledger};
use crate::audit_event::StoredRecord;
use crate::rows;

const FORM: &str = "strongroom audit export 1";
const PAGE: usize = 512;

/// A line of an export: its beginning, an entry of the ledger, or its end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Begin { form: String, tenancy: Ocid },
    Entry(Box<EntryLine>),
    End { checkpoint: String },
}

/// An entry as it is stored, the audit rows that it tells of, and the events in them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EntryLine {
    chain: String,
    number: u64,
    entry: String,
    /// As they are stored; a row that was removed later has no text.
    rows: BTreeMap<String, Option<String>>,
    events: Vec<Value>,
}

/// What is in an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries of the ledger.
    pub entries: u64,
    /// Chains that they form.
    pub chains: u64,
    /// Audit events.
    pub events: u64,
    /// Audit rows that were removed.
    pub removed: u64,
    /// When it was begun: it has all that was entered before.
    pub time: Timestamp,
}

/// Why an export was not written, or is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read, or is not as it was left.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is no export, or was changed.
    #[error("line {line}: {why}")]
    Line {
        /// The line; the first is 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl Ledger {
    /// Verifies the store and writes the audit log and what proves it, one JSON object a line.
    ///
    /// # Errors
    /// An [`ExportError`].
    pub async fn export(
        &self,
        store: &dyn Store,
        to: &mut (dyn Write + Send),
    ) -> Result<Exported, ExportError> {
        let time = self.0.clock.now();
        let verified = self.begin(store).await?;
        let tenancy = tenancy(store).await?;
        let mut exported = Exported { chains: verified.chains, time, ..Exported::default() };
        write(to, &Line::Begin { form: FORM.to_owned(), tenancy: tenancy.clone() })?;
        let (mut folded, mut last) = (Vec::new(), String::new());
        let mut gone = Gone::default();
        let mut range = prefix_range(rows::LEDGER);
        loop {
            let page = store.scan(range.clone(), Order::Ascending, PAGE).await?;
            let is_last = page.len() < PAGE;
            for (key, row) in page {
                range.start = [key.as_slice(), b"\0"].concat();
                // What another node enters meanwhile is not part of it.
                if !verified.has(&key) {
                    continue;
                }
                let (line, entry) = entry_line(store, &tenancy, (&key, row.value)).await?;
                if let Some(head) = line.folded(&key, &entry) {
                    if line.chain == last {
                        let why = "the ledger was shortened meanwhile: export again".to_owned();
                        return Err(StoreError::Io(why).into());
                    }
                    folded.push(head);
                }
                last.clone_from(&line.chain);
                gone.take(&line, &entry);
                exported.take(&line);
                write(to, &Line::Entry(Box::new(line)))?;
            }
            if is_last {
                break;
            }
        }
        if gone.unexplained().is_some() {
            let why = "records were removed meanwhile: export again".to_owned();
            return Err(StoreError::Io(why).into());
        }
        let tenancy = Some(tenancy);
        let checkpoint = Checkpoint { time, folded, tenancy, ..self.checkpoint_of(verified.heads) };
        write(to, &Line::End { checkpoint: self.signed_as(EXPORT_ORIGIN, &checkpoint) })?;
        Ok(exported)
    }
}

fn write(to: &mut (dyn Write + Send), line: &Line) -> Result<(), ExportError> {
    Ok(to.write_all(&written(line)?)?)
}

fn written(line: &Line) -> Result<Vec<u8>, io::Error> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

async fn tenancy(store: &dyn Store) -> Result<Ocid, StoreError> {
    let found = store.scan(prefix_range(b"t/"), Order::Ascending, 1).await?;
    let key = found.first().and_then(|(key, _)| std::str::from_utf8(key).ok());
    let id = key.and_then(|key| key.strip_prefix("t/")?.parse().ok());
    id.ok_or_else(rows::unfounded)
}

async fn entry_line(
    store: &dyn Store,
    tenancy: &Ocid,
    (key, value): (&[u8], Vec<u8>),
) -> Result<(EntryLine, Entry), StoreError> {
    let unreadable = || StoreError::Corrupt("an entry of the ledger cannot be read".to_owned());
    let (chain, number) = rows::ledger_place(key).ok_or_else(unreadable)?;
    let entry: Entry = rows::decode(key, &value)?;
    let keys: Vec<&[u8]> = entry.audit.keys().map(String::as_bytes).collect();
    let found = if keys.is_empty() { Vec::new() } else { store.get(&keys).await? };
    let mut rows = BTreeMap::new();
    for (name, row) in entry.audit.keys().zip(found) {
        let text = row.map(|row| String::from_utf8(row.value)).transpose();
        rows.insert(name.clone(), text.map_err(|_error| unreadable())?);
    }
    let events = events(&rows, tenancy)?;
    let text = String::from_utf8(value).map_err(|_error| unreadable())?;
    Ok((EntryLine { chain: chain.to_owned(), number, entry: text, rows, events }, entry))
}

/// Returns the events in audit rows.
fn events(
    rows: &BTreeMap<String, Option<String>>,
    tenancy: &Ocid,
) -> Result<Vec<Value>, StoreError> {
    let unreadable = |_error| StoreError::Corrupt("an audit record cannot be read".to_owned());
    let mut events = Vec::new();
    for (key, text) in rows {
        let Some(text) = text else { continue };
        let records: Vec<StoredRecord> = rows::decode(key.as_bytes(), text.as_bytes())?;
        let each = records.into_iter().map(|record| record.event(tenancy, None));
        for event in each {
            let event: AuditEventBody = event;
            events.push(serde_json::to_value(&event).map_err(unreadable)?);
        }
    }
    Ok(events)
}

impl EntryLine {
    /// Returns the hash of the entry as it is stored if it stands for those before it too: others name
    /// it by another, which says nothing of what is in it now.
    fn folded(&self, key: &[u8], entry: &Entry) -> Option<Head> {
        entry.folded.is_some().then(|| Head {
            chain: self.chain.clone(),
            number: self.number,
            hash: Hashed(Digest(row_hash(key, self.entry.as_bytes()))),
        })
    }
}

impl Exported {
    fn take(&mut self, line: &EntryLine) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.entries += 1;
        self.events += count(line.events.len());
        self.removed += count(line.rows.values().filter(|text| text.is_none()).count());
    }
}

/// Checks an export with nothing but the installation's public key: every chain is whole from its
/// first entry to where the checkpoint says, every audit row is as it was when it was entered, none is
/// missing that was not removed, and events say what the rows say, of the tenancy that was signed.
///
/// # Errors
/// An [`ExportError`] with the first thing that is wrong.
pub fn check_export(
    from: &mut dyn BufRead,
    public_key: &LedgerBytes,
) -> Result<Exported, ExportError> {
    let mut check = Check::default();
    let mut text = String::new();
    let mut number = 0;
    loop {
        text.clear();
        if from.read_line(&mut text)? == 0 {
            let why = "the file ends before the export does".to_owned();
            return Err(ExportError::Line { line: number + 1, why });
        }
        number += 1;
        let told = |why: String| ExportError::Line { line: number, why };
        let line = serde_json::from_str(&text);
        let line: Line = line.map_err(|_error| told("it is no line of an export".to_owned()))?;
        // What is said twice, or otherwise than it was written, others may read in another way.
        if written(&line)? != text.as_bytes() {
            return Err(told("it is not as it was written".to_owned()));
        }
        match (line, check.tenancy.clone()) {
            (Line::Begin { form, tenancy }, None) if form == FORM => check.tenancy = Some(tenancy),
            (Line::Entry(line), Some(tenancy)) => check.take(&line, &tenancy).map_err(told)?,
            (Line::End { checkpoint }, Some(_)) => {
                check.end(&checkpoint, public_key).map_err(told)?;
                if from.read_line(&mut text)? == 0 {
                    return Ok(check.exported);
                }
                return Err(told("more follows the end".to_owned()));
            }
            _ => return Err(told("it is out of place".to_owned())),
        }
    }
}

/// Reads the checkpoint at the end of an export.
fn read_end(note: &[u8], public_key: &LedgerBytes) -> Result<Checkpoint, String> {
    Checkpoint::read_as(EXPORT_ORIGIN, note, public_key).map_err(|error: CheckpointError| {
        if Checkpoint::read(note, public_key).is_ok() {
            "checkpoint: it is one that a server keeps, and no export's: what the server did not \
             know may be left out; exports of earlier versions end so: export again"
                .to_owned()
        } else {
            format!("checkpoint: {error}")
        }
    })
}

#[derive(Default)]
struct Check {
    tenancy: Option<Ocid>,
    chains: BTreeMap<String, Chained>,
    folded: Vec<Head>,
    references: Vec<Head>,
    gone: Gone,
    exported: Exported,
}

/// Audit rows without a text, and those that were removed.
#[derive(Default)]
struct Gone {
    missing: BTreeSet<String>,
    removed: BTreeSet<String>,
}

impl Gone {
    fn take(&mut self, line: &EntryLine, entry: &Entry) {
        let missing = line.rows.iter().filter(|(_, text)| text.is_none());
        self.missing.extend(missing.map(|(name, _)| name.clone()));
        self.removed.extend(entry.removed.iter().cloned());
    }

    /// Returns one that is missing and was not removed.
    fn unexplained(&self) -> Option<&String> {
        self.missing.difference(&self.removed).next()
    }
}

/// What is there of a chain.
#[derive(Default)]
struct Chained {
    /// How many entries the first stands for beside itself.
    gone: u64,
    /// The hashes of the entries, in their order.
    hashes: Vec<Digest>,
}

impl Chained {
    /// Tells whether an entry is there with a hash, or another stands for it.
    fn has(&self, number: u64, hash: &Digest) -> bool {
        let Some(place) = number.checked_sub(self.gone.saturating_add(1)) else {
            return number > 0;
        };
        let found = usize::try_from(place).ok().and_then(|place| self.hashes.get(place));
        found == Some(hash)
    }
}

impl Check {
    fn take(&mut self, line: &EntryLine, tenancy: &Ocid) -> Result<(), String> {
        let unreadable = |error: StoreError| error.to_string();
        let key = rows::ledger(&line.chain, line.number);
        let entry: Entry = rows::decode(&key, line.entry.as_bytes()).map_err(unreadable)?;
        let chain = self.chains.entry(line.chain.clone()).or_default();
        if let Some(head) = line.folded(&key, &entry).filter(|_| chain.hashes.is_empty()) {
            chain.gone = line.number.saturating_sub(1);
            self.folded.push(head);
        }
        let there = u64::try_from(chain.hashes.len()).unwrap_or(u64::MAX);
        let expected = chain.gone.saturating_add(there).saturating_add(1);
        let follows = entry.previous == chain.hashes.last().copied();
        if line.number != expected || !follows || (entry.folded.is_some() && there > 0) {
            return Err(format!("entry {expected} of chain {} does not follow", line.chain));
        }
        chain.hashes.push(entry.hash(&key, line.entry.as_bytes()).0);
        if !entry.audit.keys().eq(line.rows.keys()) {
            return Err("the audit rows are not those of the entry".to_owned());
        }
        for ((name, hash), text) in entry.audit.iter().zip(line.rows.values()) {
            match text {
                Some(text) if row_hash(name.as_bytes(), text.as_bytes()) == hash.0 => {}
                Some(_) => return Err(format!("audit row `{name}` is not as it was written")),
                None => {}
            }
        }
        if events(&line.rows, tenancy).map_err(unreadable)? != line.events {
            return Err("the events are not those of the audit rows".to_owned());
        }
        self.gone.take(line, &entry);
        self.references.extend(entry.after);
        self.exported.take(line);
        Ok(())
    }

    fn end(&mut self, note: &str, public_key: &LedgerBytes) -> Result<(), String> {
        let checkpoint = read_end(note.as_bytes(), public_key)?;
        if checkpoint.tenancy != self.tenancy {
            return Err("checkpoint: it is not of this tenancy; exports of earlier versions say \
                        nothing of theirs: export again"
                .to_owned());
        }
        self.exported.time = checkpoint.time;
        if let Some(name) = self.gone.unexplained() {
            return Err(format!("audit row `{name}` is missing, and was not removed"));
        }
        if let Some(head) = self.folded.iter().find(|head| !checkpoint.folded.contains(head)) {
            let Head { chain, number, .. } = head;
            return Err(format!(
                "nothing vouches for what is gone before entry {number} of chain {chain}"
            ));
        }
        self.references.extend(checkpoint.heads);
        for Head { chain, number, hash: Hashed(hash) } in &self.references {
            if !self.chains.get(chain).is_some_and(|chained| chained.has(*number, hash)) {
                return Err(format!("entry {number} of chain {chain} is missing"));
            }
        }
        for (chain, Chained { hashes, .. }) in &self.chains {
            let last = hashes.last();
            let ends = |head: &&Head| head.chain == *chain && Some(&head.hash.0) == last;
            if !self.references.iter().any(|head| ends(&head)) {
                return Err(format!("nothing vouches for the end of chain {chain}"));
            }
        }
        self.exported.chains = u64::try_from(self.chains.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}
