//! Audit: a record of every outcome. A write's record is part of its commit; all others are
//! gathered and written before the answer leaves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Request;
use hyper::header::USER_AGENT;
use serde::Serialize;
use strongroom_model::{Ocid, Principal, PrincipalKind, Random, Timestamp};
use strongroom_store::{Batch, Store, StoreError, Sync};
use strongroom_wire::ErrorCode;
use tokio::sync::{Notify, oneshot};

use crate::denial::DenialRow;
use crate::rows;

/// How often the writer lets other tasks run before it takes a group.
const GATHER_TURNS: usize = 12;

/// Bounds of what a request says of itself, in characters.
const USER_AGENT_MAX: usize = 256;
const METHOD_MAX: usize = 16;
const PATH_MAX: usize = 512;

/// The record of one request. Holds identifiers and outcomes, never content.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditRecord {
    pub(crate) time: Timestamp,
    pub(crate) request_id: String,
    pub(crate) operation: Option<&'static str>,
    pub(crate) principal_id: Option<Ocid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal_name: Option<String>,
    /// How the caller proved who it is, in OCI's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_type: Option<&'static str>,
    pub(crate) target_id: Option<Ocid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource_name: Option<String>,
    pub(crate) compartment_id: Option<Ocid>,
    /// The key that the request refers to, and its compartment if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_id: Option<Ocid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_compartment_id: Option<Ocid>,
    /// The vault that it refers to, and its compartment if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vault_id: Option<Ocid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vault_compartment_id: Option<Ocid>,
    /// Where the target was to be moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination_id: Option<Ocid>,
    pub(crate) version_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logging_context: Option<BTreeMap<String, String>>,
    pub(crate) source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    pub(crate) action: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) reason: Option<String>,
}

impl AuditRecord {
    /// Makes the record of what begins now, from an address or a part of this server.
    pub(crate) fn begun(time: Timestamp, request_id: String, source: String) -> Self {
        Self {
            time,
            request_id,
            operation: None,
            principal_id: None,
            principal_name: None,
            auth_type: None,
            target_id: None,
            resource_name: None,
            compartment_id: None,
            key_id: None,
            key_compartment_id: None,
            vault_id: None,
            vault_compartment_id: None,
            destination_id: None,
            version_number: None,
            logging_context: None,
            source,
            user_agent: None,
            action: String::new(),
            path: String::new(),
            status: 200,
            code: None,
            reason: None,
        }
    }

    /// Takes what a request says of itself. Its query is left out: it may hold anything.
    pub(crate) fn note_request<B>(&mut self, request: &Request<B>) {
        let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        self.user_agent = user_agent.map(|text| capped(text, USER_AGENT_MAX));
        self.action = capped(request.method().as_str(), METHOD_MAX);
        self.path = capped(request.uri().path(), PATH_MAX);
    }

    /// Takes that what was to be done was not, and why.
    pub(crate) fn note_failure(&mut self, code: ErrorCode, reason: &str) {
        self.status = code.status();
        self.code = Some(code.name());
        self.reason = Some(reason.to_owned());
    }

    /// Takes who made the request.
    pub(crate) fn note_principal(&mut self, principal: &Principal) {
        self.principal_id = principal.id().cloned();
        let (name, auth_type) = match &principal.kind {
            PrincipalKind::User { name, .. } => (Some(name.clone()), "natv"),
            PrincipalKind::Resource(resource) if resource.resource_type == "instance" => {
                (None, "instance")
            }
            PrincipalKind::Resource(_) => (None, "resource"),
            PrincipalKind::Service { name } => (Some(name.clone()), "service"),
        };
        self.principal_name = name;
        self.auth_type = Some(auth_type);
    }
}

fn capped(text: &str, chars_max: usize) -> String {
    // Most texts are short, and have no more characters than bytes.
    if text.len() <= chars_max { text.to_owned() } else { text.chars().take(chars_max).collect() }
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

    /// Returns a text that no other has, and that sorts by time.
    pub(crate) fn stamp(&self, time: Timestamp) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:020}/{:08x}{number:08x}", time.as_microsecond(), self.process)
    }
}

/// The beginning and the end of a row.
const OPENING: &[u8] = b"{\"v\":1,\"row\":[";
const CLOSING: &[u8] = b"]}";

thread_local! {
    /// Where a record is written before it joins its group: room that is used again.
    static RECORD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Default)]
struct Pending {
    first: Option<Timestamp>,
    /// The row so far.
    row: Vec<u8>,
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

    /// Tells how many records wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.pending.lock().unwrap_or_else(PoisonError::into_inner).waiting.len()
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
        let row =
            |denial: &DenialRow| Ok((rows::denial(&denial.request_id), rows::encode(denial)?));
        let denial = denial.map(row).transpose()?;
        let (sender, written) = oneshot::channel();
        RECORD.with_borrow_mut(|encoded| {
            encoded.clear();
            serde_json::to_writer(&mut *encoded, record).map_err(|_error| StoreError::Closed)?;
            let mut pending = self.queue.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.first.get_or_insert(record.time);
            let before = if pending.row.is_empty() { OPENING } else { b"," };
            pending.row.extend_from_slice(before);
            pending.row.extend_from_slice(encoded);
            pending.denials.extend(denial);
            pending.waiting.push(sender);
            Ok::<_, StoreError>(())
        })?;
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
            // The next group is likely to be as large.
            let room = Vec::with_capacity(pending.row.len());
            mem::replace(&mut *pending, Pending { row: room, ..Pending::default() })
        };
        let (Some(first), mut row) = (group.first, group.row) else { continue };
        row.extend_from_slice(CLOSING);
        let batch = Batch::new().put(queue.keys.at(first), row).sync(Sync::Deferred);
        let batch = group.denials.into_iter().fold(batch, |batch, (key, row)| batch.put(key, row));
        let outcome = store.commit(batch).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, records = group.waiting.len(), "audit records were not written");
        }
        for waiting in group.waiting {
            // A caller that went away has no use for the answer.
            let _gone = waiting.send(outcome.is_ok());
        }
    }
}
