use std::collections::BTreeMap;
use std::mem;

use strongroom_keyring::ledger::LedgerKeys;
use strongroom_model::Timestamp;
use strongroom_store::{Order, Store, StoreError, Versioned, prefix_range};

use super::digest::Digest;
use super::entry::{AUDIT, Entry, Hashed, Head, is_entered, kind, place};
use super::{Checkpoint, Ledger, reach_the_disk};
use crate::rows;

/// How often a store is verified again that lost entries meanwhile.
const SETTLINGS: usize = 4;

/// What a verification went through.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// Rows beside the ledger's.
    pub rows: u64,
    /// Of them, rows of audit records.
    pub audit_rows: u64,
    /// Entries of the ledger.
    pub entries: u64,
    /// Chains that they form.
    pub chains: u64,
    /// When the last entry was made.
    pub last: Option<Timestamp>,
    /// The ends of chains that no other chain came after.
    pub(super) heads: Vec<Head>,
    /// How many entries each chain has.
    lengths: BTreeMap<String, u64>,
}

impl Verified {
    /// Tells whether an entry was gone through.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        rows::ledger_place(key).is_some_and(|(chain, number)| {
            self.lengths.get(chain).is_some_and(|length| number <= *length)
        })
    }
}

impl Ledger {
    /// Reads every row and compares the rows with the ledger: each as it was written, none missing,
    /// none that is older than it should be, every entry in its place.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first thing that is wrong. Any other [`StoreError`] if the
    /// store cannot be read.
    pub async fn verify(&self, store: &dyn Store) -> Result<Verified, StoreError> {
        let held = self.heads();
        let (verified, references) = self.walk(store).await?;
        match are_there(store, references.iter().chain(&held)).await {
            // The walk may have seen what was lost with the database's primary since then.
            Err(StoreError::Corrupt(_)) => {}
            other => return other.map(|()| verified),
        }
        let (verified, references) = self.walk(store).await?;
        are_there(store, references.iter().chain(&held)).await?;
        Ok(verified)
    }

    /// Goes through all rows; returns what was found, and the entries that others came after.
    async fn walk(&self, store: &dyn Store) -> Result<(Verified, Vec<Head>), StoreError> {
        let mut walk = Walk::new(&self.0.keys);
        store.walk(rows::LEDGER, Box::new(|key, row| walk.visit(key, &row))).await?;
        walk.end()
    }

    /// Verifies, and goes on from where the chains end: those of this process come after them.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn begin(&self, store: &dyn Store) -> Result<Verified, StoreError> {
        let verified = self.verify(store).await?;
        let named = verified.heads.iter().map(|head| head.number).sum::<u64>();
        self.known().take_up(verified.heads.clone(), verified.entries.saturating_sub(named));
        Ok(verified)
    }

    /// Makes sure that what this process goes on from, as [`Self::begin`] found it, is on the disk:
    /// other nodes may have committed a moment ago what they do not wait for, and what is lost if the
    /// database's primary is. Nothing is to come after that.
    ///
    /// # Errors
    /// As [`Self::verify`]. [`StoreError::Foreign`] if a restore was begun and is not finished; nothing
    /// is written then.
    pub async fn settle(
        &self,
        store: &dyn Store,
        mut verified: Verified,
    ) -> Result<(), StoreError> {
        rows::check_whole(store).await?;
        for _ in 0..SETTLINGS {
            reach_the_disk(&*self.0.clock, store).await?;
            match are_there(store, verified.heads.iter()).await {
                Err(StoreError::Corrupt(why)) => {
                    tracing::warn!(why, "the store lost something while it was verified");
                    self.known().take_up(Vec::new(), 0);
                    verified = self.begin(store).await?;
                }
                other => return other,
            }
        }
        Err(StoreError::Corrupt("entries of the ledger do not stay".to_owned()))
    }

    /// Tells whether everything that a checkpoint saw is in the store.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if something is not. Any other [`StoreError`] if the store cannot be
    /// read.
    pub async fn is_after(
        &self,
        store: &dyn Store,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        are_there(store, checkpoint.heads.iter()).await
    }
}

/// Checks that the entries that are named are in the store, each with its hash.
async fn are_there(
    store: &dyn Store,
    heads: impl Iterator<Item = &Head>,
) -> Result<(), StoreError> {
    for head in heads {
        let why = match at_or_after(store, head).await? {
            Some((number, entry, _)) if number > head.number && entry.folded.is_some() => continue,
            Some((number, _, hash)) if number == head.number && hash == head.hash => continue,
            Some((number, ..)) if number == head.number => "is another",
            _ => "is missing",
        };
        let (number, chain) = (head.number, &head.chain);
        return Err(StoreError::Corrupt(format!("entry {number} of chain {chain} {why}")));
    }
    Ok(())
}

/// Returns the first entry of a chain that is not before the one that is named: it may stand for it.
async fn at_or_after(
    store: &dyn Store,
    head: &Head,
) -> Result<Option<(u64, Entry, Hashed)>, StoreError> {
    let range = head.key()..prefix_range(&rows::ledger_chain(&head.chain)).end;
    let found = store.scan(range, Order::Ascending, 1).await?;
    let Some((key, row)) = found.into_iter().next() else { return Ok(None) };
    let entry: Entry = rows::decode(&key, &row.value)?;
    let (_, number) = place(&key)?;
    let hash = entry.hash(&key, &row.value);
    Ok(Some((number, entry, hash)))
}

/// Takes every row, the ledger's in the order of their keys: entries of a chain follow each other.
struct Walk<'a> {
    keys: &'a LedgerKeys,
    verified: Verified,
    /// The sum over the rows of each kind, less what entries say it is.
    sums: BTreeMap<String, Digest>,
    at: Option<Head>,
    ends: Vec<Head>,
    references: Vec<Head>,
}

impl<'a> Walk<'a> {
    fn new(keys: &'a LedgerKeys) -> Self {
        Self {
            keys,
            verified: Verified::default(),
            sums: BTreeMap::new(),
            at: None,
            ends: Vec::new(),
            references: Vec::new(),
        }
    }

    fn visit(&mut self, key: &[u8], row: &Versioned) -> Result<(), StoreError> {
        if key.starts_with(rows::LEDGER) {
            return self.take(key, &row.value);
        }
        self.verified.rows += 1;
        if !is_entered(key) {
            return Ok(());
        }
        self.verified.audit_rows += u64::from(key.starts_with(AUDIT));
        let mac = self.keys.row_mac(key, Some(&row.value), row.revision.0);
        let sum = self.sums.entry(kind(key)).or_default();
        *sum = sum.plus(Digest(self.keys.weight(&mac)));
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let (chain, number) = place(key)?;
        let entry: Entry = rows::decode(key, value)?;
        if self.at.as_ref().is_some_and(|at| at.chain != chain) {
            self.ends.extend(self.at.take());
        }
        let last = self.at.as_ref().map_or(0, |at| at.number);
        let is_begin = self.at.is_none() && entry.folded.is_some();
        let expected = if is_begin { number } else { last.saturating_add(1) };
        if number != expected {
            let why = format!("entry {expected} of chain {chain} is missing");
            return Err(StoreError::Corrupt(why));
        }
        let follows = entry.previous == self.at.as_ref().map(|at| at.hash.0);
        if !follows || entry.folded.is_some() != is_begin {
            let why = format!("entry {number} of chain {chain} does not follow the one before it");
            return Err(StoreError::Corrupt(why));
        }
        self.verified.entries += number.saturating_sub(last);
        self.verified.last = self.verified.last.max(Some(entry.time));
        let hash = entry.hash(key, value);
        self.at = Some(Head { chain: chain.to_owned(), number, hash });
        self.references.extend(entry.after.iter().cloned());
        for (kind, change) in entry.changes(self.keys, key) {
            let sum = self.sums.entry(kind).or_default();
            *sum = sum.minus(change);
        }
        Ok(())
    }

    /// Returns what was found, and the entries that others came after.
    fn end(mut self) -> Result<(Verified, Vec<Head>), StoreError> {
        self.ends.extend(self.at.take());
        self.verified.chains = u64::try_from(self.ends.len()).unwrap_or(u64::MAX);
        if let Some((kind, _)) = self.sums.iter().find(|(_, sum)| **sum != Digest::default()) {
            let why = format!("a row of kind `{kind}` was removed, put back, or is an older one");
            return Err(StoreError::Corrupt(why));
        }
        let length = |end: &Head| (end.chain.clone(), end.number);
        self.verified.lengths = self.ends.iter().map(length).collect();
        self.references.sort();
        self.references.dedup();
        let references = mem::take(&mut self.references);
        self.ends.retain(|end| references.binary_search(end).is_err());
        Ok((Verified { heads: self.ends, ..self.verified }, references))
    }
}
