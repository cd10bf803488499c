//! Audit: a record of every outcome. A write's record is part of its commit; all others are
//! gathered and written before the answer leaves.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use strongroom_model::{Ocid, Random, Timestamp};
use strongroom_store::{Batch, Store, StoreError, Sync};
use tokio::sync::{Notify, oneshot};

use crate::denial::DenialRow;
use crate::rows;

/// How often the writer lets other tasks run before it takes a group.
const GATHER_TURNS: usize = 12;

/// The record of one request. Holds identifiers and outcomes, never content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditRecord {
    pub(crate) time: Timestamp,
    pub(crate) request_id: String,
    pub(crate) operation: Option<&'static str>,
    pub(crate) principal_id: Option<Ocid>,
    pub(crate) target_id: Option<Ocid>,
    pub(crate) compartment_id: Option<Ocid>,
    pub(crate) version_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logging_context: Option<BTreeMap<String, String>>,
    pub(crate) source: String,
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) reason: Option<String>,
}

/// Makes the keys of audit rows: time, then a part that is this process's own, then a number.
#[derive(Debug)]
pub(crate) struct AuditKeys {
    process: u32,
    next: AtomicU32,
}

impl AuditKeys {
    /// Makes a source of keys for this process.
    pub(crate) fn new(random: &dyn Random) -> Self {
        let mut process = [0_u8; 4];
        random.fill(&mut process);
        Self { process: u32::from_be_bytes(process), next: AtomicU32::new(0) }
    }

    /// Returns a key that no other row has.
    pub(crate) fn at(&self, time: Timestamp) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        rows::audit(time.as_microsecond(), self.process, number)
    }
}

#[derive(Debug, Default)]
struct Pending {
    first: Option<Timestamp>,
    records: Vec<Vec<u8>>,
    /// Rows of requests that were refused.
    denials: Vec<(Vec<u8>, Vec<u8>)>,
    waiting: Vec<oneshot::Sender<bool>>,
}

#[derive(Debug)]
struct Queue {
    keys: Arc<AuditKeys>,
    pending: Mutex<Pending>,
    filled: Notify,
}

/// Gathers records while an earlier group is being written, so that one row and one commit carry
/// many.
#[derive(Debug)]
pub(crate) struct AuditLog {
    queue: Arc<Queue>,
    writer: tokio::task::JoinHandle<()>,
}

impl AuditLog {
    /// Starts the task that writes.
    pub(crate) fn start(store: Arc<dyn Store>, keys: Arc<AuditKeys>) -> Self {
        let queue = Queue { keys, pending: Mutex::default(), filled: Notify::new() };
        let queue = Arc::new(queue);
        let writer = tokio::spawn(write_groups(Arc::clone(&queue), store));
        Self { queue, writer }
    }

    /// Writes a record, with what explains a refusal, and waits until it is with the operating system: it survives this process
    /// from then on, and is synced to disk within a second.
    ///
    /// # Errors
    /// [`StoreError::Closed`] if the record was not written; the caller must not answer with
    /// content then.
    pub(crate) async fn write(
        &self,
        record: &AuditRecord,
        denial: Option<&DenialRow>,
    ) -> Result<(), StoreError> {
        let encoded = serde_json::to_vec(record).map_err(|_error| StoreError::Closed)?;
        let row =
            |denial: &DenialRow| Ok((rows::denial(&denial.request_id), rows::encode(denial)?));
        let denial = denial.map(row).transpose()?;
        let (sender, written) = oneshot::channel();
        {
            let mut pending = self.queue.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.first.get_or_insert(record.time);
            pending.records.push(encoded);
            pending.denials.extend(denial);
            pending.waiting.push(sender);
        }
        self.queue.filled.notify_one();
        match written.await {
            Ok(true) => Ok(()),
            _ => Err(StoreError::Closed),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

async fn write_groups(queue: Arc<Queue>, store: Arc<dyn Store>) {
    loop {
        queue.filled.notified().await;
        // Requests that are ready to run go first, so that their records join this group.
        for _ in 0..GATHER_TURNS {
            tokio::task::yield_now().await;
        }
        let group = {
            let mut pending = queue.pending.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *pending)
        };
        let Some(first) = group.first else { continue };
        let row =
            [b"{\"v\":1,\"row\":[".as_slice(), &group.records.join(&b","[..]), b"]}"].concat();
        let batch = Batch::new().put(queue.keys.at(first), row).sync(Sync::Deferred);
        let batch = group.denials.into_iter().fold(batch, |batch, (key, row)| batch.put(key, row));
        let outcome = store.commit(batch).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, records = group.records.len(), "audit records were not written");
        }
        for waiting in group.waiting {
            // A caller that went away has no use for the answer.
            let _gone = waiting.send(outcome.is_ok());
        }
    }
}
