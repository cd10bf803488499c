use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use strongroom_model::{Ocid, Random, Timestamp};
use strongroom_store::{
    Batch, Order, Range, Require, Revision, Store, StoreError, Sync, Versioned, prefix_range,
};
use tokio::task::JoinSet;

use super::{Backup, ROWS_AT_ONCE, StoreBackupError, Summary, is_content, summary_of};
use crate::audit::{AuditKeys, AuditRecord};
use crate::{rows, sinks};

/// How far behind the backup's last commit a restored store goes on, at least: nothing that was
/// committed after the backup, and is known to other regions, is to look later than what comes now.
const LEAP: u64 = 1 << 32;

/// Bytes of values that are written at a time, about.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Row of a store that is not whole: which backup is being restored, and how far that is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestoringRow {
    backup: String,
    /// Whether what was there before may still be there.
    is_clearing: bool,
    /// The last key up to which everything is there, in base64.
    after: String,
    /// Whether something else was found when it was read back: another program had written too.
    #[serde(default)]
    has_failed: bool,
}

/// A store to restore to, and what allows it.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Whether what the store holds may be replaced, though it be newer.
    pub accepts_rollback: bool,
    /// The time.
    pub now: Timestamp,
    /// Randomness.
    pub random: &'a dyn Random,
}

/// Puts all rows of a backup into a store, in which nothing else may be. From the first row to the
/// last the store is marked, and no server uses it; a restore that was interrupted goes on where it
/// was. What was written is read back before the mark goes; if that is something else, only a restore
/// that may replace what is there begins anew.
///
/// # Errors
/// A [`StoreBackupError`]; [`StoreBackupError::Occupied`] and [`StoreBackupError::OtherBegun`] leave
/// the store as it was, others leave it marked.
pub async fn restore<R: Read>(
    restore: &Restore<'_>,
    mut backup: Backup<R>,
) -> Result<Summary, StoreBackupError> {
    let mut mark = restore.mark(&backup).await?;
    if mark.row.is_clearing {
        restore.clear().await?;
        mark.row.is_clearing = false;
        restore.remember(&mut mark, Sync::Full).await?;
    }
    let after = STANDARD.decode(&mark.row.after).map_err(|_error| StoreBackupError::Rows)?;
    loop {
        let (rows, is_last) = some_rows(&mut backup, &after)?;
        if let Some((last, _)) = rows.last() {
            mark.row.after = STANDARD.encode(last);
            restore.put(rows).await?;
            restore.remember(&mut mark, Sync::Deferred).await?;
        }
        if is_last {
            break;
        }
    }
    let mut snapshot = restore.store.snapshot().await?;
    let summary = backup.summary();
    if summary_of(&mut *snapshot).await? != summary {
        drop(snapshot);
        mark.row.has_failed = true;
        restore.remember(&mut mark, Sync::Full).await?;
        return Err(StoreBackupError::Differs);
    }
    let last = snapshot.last().max(backup.header().last);
    drop(snapshot);
    restore.finish(&mark, &backup, last).await?;
    Ok(summary)
}

/// Adds the audit records and the explanations of refusals that a store lacks, and nothing else: what
/// the source of a move answered after the backup that was moved. Returns how many rows were added.
///
/// # Errors
/// A [`StoreBackupError`]; what was added stays.
pub async fn add_records<R: Read>(
    store: &dyn Store,
    mut backup: Backup<R>,
) -> Result<u64, StoreBackupError> {
    rows::check_whole(store).await?;
    let mut added = 0_u64;
    loop {
        let (rows, is_last) = some_rows(&mut backup, b"")?;
        let of_records = |(key, _): &Row| rows::RECORDS.iter().any(|kind| key.starts_with(kind));
        let records: Vec<Row> = rows.into_iter().filter(of_records).collect();
        let keys: Vec<&[u8]> = records.iter().map(|(key, _)| key.as_slice()).collect();
        let there = store.get(&keys).await?;
        let mut batch = Batch::new();
        for ((key, row), there) in records.iter().zip(there) {
            if there.is_none() {
                added = added.saturating_add(1);
                batch = batch.put(key.clone(), row.value.clone());
            }
        }
        if batch.writes_below(b"") {
            store.commit(batch).await?;
        }
        if is_last {
            return Ok(added);
        }
    }
}

type Row = (Vec<u8>, Versioned);

/// Reads the next rows that are not there yet; says whether they are the last.
fn some_rows<R: Read>(
    backup: &mut Backup<R>,
    after: &[u8],
) -> Result<(Vec<Row>, bool), StoreBackupError> {
    let (mut rows, mut bytes) = (Vec::new(), 0_usize);
    while rows.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
        let Some((key, row)) = backup.next()? else { return Ok((rows, true)) };
        if key.as_slice() > after {
            bytes = bytes.saturating_add(row.value.len());
            rows.push((key, row));
        }
    }
    Ok((rows, false))
}

/// The mark of a store that is not whole.
struct Mark {
    row: RestoringRow,
    revision: Revision,
}

impl Restore<'_> {
    /// Marks the store, or finds the mark that an interrupted restore of the same backup left.
    async fn mark<R: Read>(&self, backup: &Backup<R>) -> Result<Mark, StoreBackupError> {
        let (key, id) = (rows::restoring(), backup.header().id());
        let found = self.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
        let is_empty = if let Some(found) = &found {
            let row: RestoringRow = rows::decode(&key, &found.value)?;
            let is_same = row.backup == id;
            if is_same && !row.has_failed {
                return Ok(Mark { row, revision: found.revision });
            }
            if !self.accepts_rollback {
                use StoreBackupError::{Differs, OtherBegun};
                return Err(if is_same { Differs } else { OtherBegun });
            }
            false
        } else {
            self.store.scan(prefix_range(b""), Order::Ascending, 1).await?.is_empty()
        };
        if !is_empty && !self.accepts_rollback {
            let there = self.store.snapshot().await?.last();
            return Err(StoreBackupError::Occupied { there, backup: backup.header().last });
        }
        let (is_clearing, after) = (!is_empty, String::new());
        let row = RestoringRow { backup: id, is_clearing, after, has_failed: false };
        let require = found.map_or(Require::Absent, |found| Require::Revision(found.revision));
        let batch = Batch::new().require(key.clone(), require).put(key, rows::encode(&row)?);
        let revision = self.store.commit(batch).await?;
        Ok(Mark { row, revision })
    }

    async fn remember(&self, mark: &mut Mark, sync: Sync) -> Result<(), StoreError> {
        let key = rows::restoring();
        let batch = Batch::new().require(key.clone(), Require::Revision(mark.revision));
        let batch = batch.put(key, rows::encode(&mark.row)?).sync(sync);
        mark.revision = self.store.commit(batch).await?;
        Ok(())
    }

    /// Removes everything but the mark and the ledger, which has that it was removed.
    async fn clear(&self) -> Result<(), StoreError> {
        let (ledger, all) = (prefix_range(rows::LEDGER), prefix_range(b""));
        for range in [all.start..ledger.start, ledger.end..all.end] {
            self.clear_range(&range).await?;
        }
        self.store.forget().await
    }

    async fn clear_range(&self, range: &Range) -> Result<(), StoreError> {
        let mark = rows::restoring();
        loop {
            let page = self.store.scan(range.clone(), Order::Ascending, ROWS_AT_ONCE).await?;
            let gone = page.into_iter().map(|(key, _)| key).filter(|key| *key != mark);
            let batch = gone.fold(Batch::new(), Batch::delete);
            if !batch.writes_below(b"") {
                return Ok(());
            }
            self.store.commit(batch.sync(Sync::Deferred)).await?;
        }
    }

    /// Writes rows, each with the number that it had.
    async fn put(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut commits: BTreeMap<Revision, Batch> = BTreeMap::new();
        for (key, row) in rows.into_iter().filter(|(key, _)| is_content(key)) {
            let begun = || Batch::new().numbered(row.revision).sync(Sync::Deferred);
            let batch = commits.remove(&row.revision).unwrap_or_else(begun);
            commits.insert(row.revision, batch.put(key, row.value));
        }
        let mut under_way = JoinSet::new();
        for batch in commits.into_values() {
            let store = Arc::clone(&self.store);
            under_way.spawn(async move { store.commit(batch).await });
        }
        while let Some(done) = under_way.join_next().await {
            done.map_err(|error| StoreError::Io(error.to_string()))??;
        }
        Ok(())
    }

    /// Takes the mark away, in the commit that records the restore. Its number is later than any that
    /// the store had before it was lost, though another restore of an older backup came in between:
    /// behind what the backup knows, and not below the time in microseconds. Sinks go on with the
    /// record of the restore.
    async fn finish<R: Read>(
        &self,
        mark: &Mark,
        backup: &Backup<R>,
        last: Revision,
    ) -> Result<(), StoreBackupError> {
        let tenancy = self.store.get(&[rows::FOUNDED]).await?.into_iter().next().flatten();
        let tenancy = tenancy.ok_or(StoreBackupError::Unfounded)?;
        let tenancy: Ocid = rows::decode(rows::FOUNDED, &tenancy.value)?;
        let request_id = strongroom_wire::RequestId::compose(None, self.random);
        let request_id = request_id.as_str().to_owned();
        let source = "strongroom admin restore".to_owned();
        let header = backup.header();
        let record = AuditRecord {
            operation: Some("RestoreStore"),
            target_id: Some(tenancy),
            reason: Some(format!("backup of {}, commit {}", header.time, header.last.0)),
            ..AuditRecord::begun(self.now, request_id, source)
        };
        let key = rows::restoring();
        let micros = u64::try_from(self.now.as_microsecond()).unwrap_or_default();
        let batch = Batch::new()
            .require(key.clone(), Require::Revision(mark.revision))
            .delete(key)
            .put(AuditKeys::new(self.random).at(self.now), rows::encode(&[record])?)
            .numbered(Revision(last.0.saturating_add(LEAP).max(micros)));
        let batch = sinks::go_on(&*self.store, batch).await?;
        self.store.commit(batch).await?;
        Ok(())
    }
}
