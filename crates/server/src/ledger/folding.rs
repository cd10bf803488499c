use strongroom_model::Timestamp;
use strongroom_store::{Batch, Order, Range, Require, Revision, Store, StoreError, prefix_range};

use super::Ledger;
use super::entry::{Entry, place};
use crate::rows;

/// Entries that become one in one commit.
const ENTRIES: usize = 128;

/// An entry as it is stored.
struct Stored {
    key: Vec<u8>,
    revision: Revision,
    entry: Entry,
    value: Vec<u8>,
}

impl Ledger {
    /// Has one entry of each chain stand for it and all before it, of those that were made before a
    /// time: the records that they tell of must be gone. `fence` adds to each commit on what condition
    /// it may be made. Returns how many entries there are less.
    ///
    /// # Errors
    /// A [`StoreError`]; what was done until then is whole.
    pub async fn fold(
        &self,
        store: &dyn Store,
        before: Timestamp,
        fence: impl Fn(Batch) -> Batch + Send,
    ) -> Result<u64, StoreError> {
        let mut range = prefix_range(rows::LEDGER);
        let mut gone = 0;
        while let Some((chain, entries)) = next(store, &range, before).await? {
            let count = entries.len();
            if let Some((batch, into)) = self.folded(entries)? {
                store.commit(fence(batch)).await?;
                gone += u64::try_from(count - 1).unwrap_or_default();
                range.start = into;
            }
            if count < ENTRIES {
                range.start = prefix_range(&rows::ledger_chain(&chain)).end;
            }
        }
        Ok(gone)
    }

    /// Makes one of several entries, and returns its key.
    fn folded(&self, entries: Vec<Stored>) -> Result<Option<(Batch, Vec<u8>)>, StoreError> {
        let mut batch = Batch::new();
        let mut entries = entries.into_iter();
        let Some(first) = entries.next() else { return Ok(None) };
        let (mut key, mut sum) = (first.key, first.entry);
        batch = batch.require(key.clone(), Require::Revision(first.revision));
        let mut last = None;
        for later in entries {
            batch = batch.delete(key.clone());
            let place = (later.key.as_slice(), later.value.as_slice());
            sum = sum.folded_into(&key, place, later.entry, &self.0.keys);
            last = Some(later.revision);
            key = later.key;
        }
        let Some(revision) = last else { return Ok(None) };
        let batch = batch.require(key.clone(), Require::Revision(revision));
        Ok(Some((batch.put(key.clone(), rows::encode(&sum)?), key)))
    }
}

/// Reads the first chain of a range: its first entries, as far as they were made before a time.
async fn next(
    store: &dyn Store,
    range: &Range,
    before: Timestamp,
) -> Result<Option<(String, Vec<Stored>)>, StoreError> {
    let page = store.scan(range.clone(), Order::Ascending, ENTRIES).await?;
    let records_end = rows::audit_before(before.as_microsecond());
    let mut found: Option<(String, Vec<Stored>)> = None;
    for (key, row) in page {
        let (chain, _) = place(&key)?;
        let (first, entries) = found.get_or_insert_with(|| (chain.to_owned(), Vec::new()));
        let entry: Entry = rows::decode(&key, &row.value)?;
        // What it tells of must be gone, whatever the clock said when it was entered.
        let kept = entry.audit.keys().any(|record| record.as_bytes() >= records_end.as_slice());
        if first != chain || entry.time >= before || kept {
            break;
        }
        entries.push(Stored { revision: row.revision, entry, value: row.value, key });
    }
    Ok(found)
}
