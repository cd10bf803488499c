//! The ledger: which rows were written, and that nothing else is in the store. What is entered where
//! is told by `docs/format.md`.

mod checkpoint;
mod digest;
mod entry;
mod export;
mod folding;
mod keeping;
mod verify;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strongroom_keyring::ledger::{LedgerBytes, LedgerKeys, row_hash};
use strongroom_keyring::{RootKey, SealError};
use strongroom_model::{Clock, Random, private_file};
use strongroom_store::{
    Batch, Chain, Effect, Entered, Mac, Revision, Store, StoreError, Sync, Witness,
};

pub use self::checkpoint::{Checkpoint, CheckpointError};
use self::digest::Digest;
pub(crate) use self::entry::audit_rows_of;
use self::entry::{AUDIT, Entry, Hashed, Head, is_entered};
pub use self::export::{ExportError, Exported, check_export};
pub(crate) use self::keeping::{keep_checkpoints, keep_verifying, write_checkpoints};
pub use self::verify::Verified;
use crate::rows;
use crate::shared::LoadError;

/// Rows that no other row depends on, and of which there are most.
const UNTRACKED: [&[u8]; 3] = [AUDIT, rows::LEDGER, b"why/"];

const VERIFY_EVERY: Duration = Duration::from_hours(1);

/// How a server vouches for what it stores.
#[derive(Debug)]
pub struct Vouching {
    /// The ledger that the store was opened with.
    pub ledger: Ledger,
    /// Files outside the store that are told every second what is in it.
    pub checkpoint_files: Vec<PathBuf>,
    /// Whether a store that is older than those files is taken all the same.
    pub accepts_rollback: bool,
    /// How often all rows are verified while the server runs.
    pub verify_every: Duration,
    /// How long records of the audit log are kept; without end if absent.
    pub audit_kept: Option<Duration>,
}

impl Vouching {
    /// Vouches with a ledger: verifies every hour, keeps no checkpoints, and audit records for ever.
    #[must_use]
    pub const fn with(ledger: Ledger) -> Self {
        Self {
            ledger,
            checkpoint_files: Vec::new(),
            accepts_rollback: false,
            verify_every: VERIFY_EVERY,
            audit_kept: None,
        }
    }
}

/// Verifies a store and goes on where its ledger ends. If the store is older than a checkpoint and is
/// taken all the same, returns what is missing.
pub(crate) async fn take_up(
    vouching: &Vouching,
    store: &dyn Store,
) -> Result<Option<String>, LoadError> {
    let verified = vouching.ledger.begin(store).await?;
    let (rows, entries) = (verified.rows, verified.entries);
    tracing::info!(rows, entries, "the store was verified");
    let mut taken_back = None;
    for file in &vouching.checkpoint_files {
        match check(vouching, store, file).await {
            Err(LoadError::RolledBack { file, time, why }) if vouching.accepts_rollback => {
                let file = file.display();
                let why =
                    format!("the store is older than the checkpoint `{file}` of {time}: {why}");
                tracing::warn!(why, "a store that was rolled back is taken");
                taken_back = Some(why);
            }
            other => other?,
        }
    }
    vouching.ledger.settle(store, verified).await?;
    Ok(taken_back)
}

/// Waits until everything that was committed is on the disk.
async fn reach_the_disk(clock: &dyn Clock, store: &dyn Store) -> Result<(), StoreError> {
    let row = rows::encode(&clock.now())?;
    store.commit(Batch::new().put(rows::last_checkpoint(), row)).await.map(|_revision| ())
}

/// Checks that a store is not older than a checkpoint, if there is one.
async fn check(vouching: &Vouching, store: &dyn Store, file: &Path) -> Result<(), LoadError> {
    let unread = |why: String| LoadError::Checkpoint { file: file.to_owned(), why };
    let note = match private_file::read(file) {
        Ok(note) => note,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            tracing::warn!(file = %file.display(), "there is no checkpoint yet");
            return Ok(());
        }
        Err(error) => return Err(unread(error.to_string())),
    };
    let read = vouching.ledger.read_checkpoint(&note);
    let checkpoint = read.map_err(|error| unread(error.to_string()))?;
    match vouching.ledger.is_after(store, &checkpoint).await {
        Err(StoreError::Corrupt(why)) => {
            Err(LoadError::RolledBack { file: file.to_owned(), time: checkpoint.time, why })
        }
        other => Ok(other?),
    }
}

/// Vouches for the rows of a store, and enters what is done to them.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: LedgerKeys,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    known: Mutex<Known>,
}

/// How far chains have come.
#[derive(Debug, Default)]
struct Known {
    /// The ends of the chains that were there at the start, and of those that were given up.
    before: Vec<Head>,
    /// Entries of chains that those come after.
    unnamed: u64,
    /// Entries that this process made, of which some may not have been kept.
    made: u64,
    /// The ends of the chains of this process.
    latest: BTreeMap<String, Made>,
    /// Of these, how far each is on the disk.
    durable: BTreeMap<String, Made>,
}

/// The end of a chain, and how many entries there were in the process when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    order: u64,
    head: Head,
}

impl Known {
    /// Begins after the chains that are there.
    fn take_up(&mut self, before: Vec<Head>, unnamed: u64) {
        (self.before, self.unnamed) = (before, unnamed);
    }

    /// Everything that was kept, and made after the first so many.
    fn kept_after(&self, order: u64) -> BTreeMap<String, Made> {
        let kept = self.latest.iter().filter(|(_, made)| made.order > order);
        kept.map(|(chain, made)| (chain.clone(), made.clone())).collect()
    }
}

impl Ledger {
    /// Makes a ledger whose keys are of a root key.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn new(
        root_key: &RootKey,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, SealError> {
        let keys = LedgerKeys::derive(root_key)?;
        Ok(Self(Arc::new(Inner { keys, clock, random, known: Mutex::default() })))
    }

    /// Returns the key that checkpoints are checked with.
    #[must_use]
    pub fn public_key(&self) -> LedgerBytes {
        self.0.keys.public_key()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on the disk: nothing but a change by somebody else can make it be missing.
    fn heads(&self) -> Vec<Head> {
        let known = self.known();
        let durable = known.durable.values().map(|made| &made.head);
        known.before.iter().chain(durable).cloned().collect()
    }

    /// Tells whether there are entries that may not be on the disk yet.
    fn is_behind(&self) -> bool {
        let known = self.known();
        known.durable != known.latest
    }

    fn new_chain_name(&self) -> String {
        let mut random = [0_u8; 4];
        self.0.random.fill(&mut random);
        let micros = self.0.clock.now().as_microsecond();
        format!("{micros:016x}{:08x}", u32::from_be_bytes(random))
    }
}

impl Witness for Ledger {
    fn mac(&self, key: &[u8], value: Option<&[u8]>, revision: Revision) -> Mac {
        self.0.keys.row_mac(key, value, revision.0)
    }

    fn tracks(&self, key: &[u8]) -> bool {
        !UNTRACKED.iter().any(|prefix| key.starts_with(prefix))
    }

    fn chain(&self) -> Box<dyn Chain> {
        let (ledger, kept) = (self.clone(), BTreeMap::new());
        Box::new(OwnChain { ledger, name: None, since: 0, last: None, next: None, kept })
    }
}

/// A chain of this process. It gets its name with its first entry.
struct OwnChain {
    ledger: Ledger,
    name: Option<String>,
    /// How many entries there were when something may have been lost: commits of this chain bring
    /// none of them to the disk. The store that has the later ones may never have had the others.
    since: u64,
    last: Option<Head>,
    next: Option<Made>,
    /// What was kept, by all chains, when the last entry was made.
    kept: BTreeMap<String, Made>,
}

impl Chain for OwnChain {
    fn next(&mut self, effects: &[Effect<'_>]) -> Result<Option<Entered>, StoreError> {
        self.next = None;
        self.kept = self.ledger.known().kept_after(self.since);
        if !effects.iter().any(|effect| is_entered(effect.key)) {
            return Ok(None);
        }
        let name = self.name.get_or_insert_with(|| self.ledger.new_chain_name());
        let inner = &self.ledger.0;
        let after = match &self.last {
            Some(_) => Vec::new(),
            None => self.ledger.known().before.clone(),
        };
        let number = self.last.as_ref().map_or(0, |last| last.number).saturating_add(1);
        let key = rows::ledger(name, number);
        let previous = self.last.as_ref().map(|last| last.hash.0);
        let place = (inner.clock.now(), previous, after);
        let value = rows::encode(&Entry::of(effects, (&inner.keys, &key), place))?;
        let hash = Hashed(Digest(row_hash(&key, &value)));
        let head = Head { chain: name.clone(), number, hash };
        let mut known = self.ledger.known();
        known.made += 1;
        self.next = Some(Made { order: known.made, head });
        Ok(Some((key, value)))
    }

    fn kept(&mut self, sync: Sync) {
        let mut known = self.ledger.known();
        if let Some(made) = self.next.take() {
            known.latest.insert(made.head.chain.clone(), made.clone());
            self.kept.insert(made.head.chain.clone(), made.clone());
            self.last = Some(made.head);
        }
        if sync == Sync::Full {
            for (chain, made) in std::mem::take(&mut self.kept) {
                // One that was given up meanwhile is among those before.
                let is_known = known.latest.contains_key(&chain);
                let is_later = known.durable.get(&chain).is_none_or(|last| last.order < made.order);
                if is_known && is_later {
                    known.durable.insert(chain, made);
                }
            }
        }
    }

    /// What may not be there is not built upon: another chain begins, after what is on the disk.
    fn lost(&mut self) {
        (self.last, self.next) = (None, None);
        let mut known = self.ledger.known();
        self.since = known.made;
        let Some(name) = self.name.take() else { return };
        known.latest.remove(&name);
        if let Some(durable) = known.durable.remove(&name) {
            known.before.push(durable.head);
        }
    }
}
