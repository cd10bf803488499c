//! Reads the audit log.

use std::collections::BTreeMap;

use serde::Deserialize;
use strongroom_model::{Ocid, Operation, Timestamp};
use strongroom_store::Order;
use strongroom_wire::PageToken;
use strongroom_wire::bodies::{AuditEventBody, AuditedRequest};

use super::Context;
use crate::ask::EventsAsk;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows;

/// Events of a page. Oracle states none; this is the product's.
const EVENTS_MAX: usize = 500;

/// Rows that are looked at for a page: where others have written much, a page may hold few events, or
/// none, and be followed by another.
const ROWS_MAX: usize = 2_000;

/// A row may hold records of requests that began so much before or after the first in it.
const SLACK_MICROS: i64 = 60_000_000;

/// A record as the store has it. Older ones lack the later fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredRecord {
    time: Timestamp,
    request_id: String,
    operation: Option<String>,
    principal_id: Option<String>,
    #[serde(default)]
    principal_name: Option<String>,
    #[serde(default)]
    auth_type: Option<String>,
    target_id: Option<String>,
    #[serde(default)]
    resource_name: Option<String>,
    compartment_id: Option<Ocid>,
    #[serde(default)]
    key_id: Option<String>,
    #[serde(default)]
    key_compartment_id: Option<String>,
    #[serde(default)]
    vault_id: Option<String>,
    #[serde(default)]
    vault_compartment_id: Option<String>,
    #[serde(default)]
    destination_id: Option<String>,
    version_number: Option<u64>,
    #[serde(default)]
    logging_context: Option<BTreeMap<String, String>>,
    source: String,
    #[serde(default)]
    user_agent: Option<String>,
    #[serde(default)]
    action: String,
    #[serde(default)]
    path: String,
    status: u16,
    code: Option<String>,
}

/// `ListEvents`: the events of one compartment and a span of time, in the order in which they were
/// written. What belongs to no compartment belongs to the tenancy.
pub(super) async fn list(context: &Context<'_>, ask: &EventsAsk) -> Result<Reply, Failure> {
    let at = |time: Timestamp, slack: i64| {
        let micros = time.as_microsecond().saturating_add(slack).max(0);
        rows::audit(micros, 0, 0)
    };
    let mut start = at(ask.start, -SLACK_MICROS);
    // The first row of a page is the one that the last page ended in.
    let (after, skipped) = ask.after.as_deref().and_then(place).unwrap_or_default();
    if after > start {
        start.clone_from(&after);
    }
    let range = start..at(ask.end, SLACK_MICROS);
    let found = context.shared.store.scan(range, Order::Ascending, ROWS_MAX).await?;
    let is_whole = found.len() < ROWS_MAX;
    let mut events = Vec::new();
    let mut last = Vec::new();
    for (key, row) in found {
        let records: Vec<StoredRecord> = rows::decode(&key, &row.value)?;
        let skip = if key == after { skipped } else { 0 };
        for (number, record) in records.into_iter().enumerate().skip(skip) {
            if events.len() == EVENTS_MAX {
                return page(&events, Some(token(ask, &key, number)));
            }
            if is_asked(context, ask, &record) {
                events.push(event(context, record));
            }
        }
        last = key;
    }
    // The next page begins with the row after the last one.
    let next = (!is_whole).then(|| token(ask, &last, usize::MAX));
    page(&events, next)
}

fn page(events: &[AuditEventBody], next: Option<PageToken>) -> Result<Reply, Failure> {
    Ok(Reply::of(&events)?.with_next_page(next))
}

fn token(ask: &EventsAsk, key: &[u8], number: usize) -> PageToken {
    let key = String::from_utf8_lossy(key);
    PageToken::after(&ask.scope, &format!("{number} {key}"))
}

/// Reads what [`token`] wrote: the row, and how many of its records were answered.
fn place(after: &str) -> Option<(Vec<u8>, usize)> {
    let (number, key) = after.split_once(' ')?;
    Some((key.as_bytes().to_vec(), number.parse().ok()?))
}

fn is_asked(context: &Context<'_>, ask: &EventsAsk, record: &StoredRecord) -> bool {
    let tenancy_id = &context.catalog.tenancy.id;
    let compartment_id = record.compartment_id.as_ref().unwrap_or(tenancy_id);
    *compartment_id == ask.compartment_id && record.time >= ask.start && record.time < ask.end
}

fn event(context: &Context<'_>, record: StoredRecord) -> AuditEventBody {
    let catalog = context.catalog;
    let operation = record.operation.as_deref();
    let service = Operation::ALL.iter().find(|known| Some(known.name()) == operation);
    let compartment_id = record.compartment_id.as_ref().unwrap_or(&catalog.tenancy.id);
    let compartment = catalog.compartments.get(compartment_id).map(|(found, _)| found.name.clone());
    let audited = AuditedRequest {
        request_id: record.request_id,
        service: service.map(|operation| operation.service()),
        compartment: (Some(compartment_id.to_string()), compartment),
        resource: (record.target_id, record.resource_name),
        principal: (record.principal_id, record.principal_name, record.auth_type),
        tenancy_id: catalog.tenancy.id.to_string(),
        ip_address: record.source,
        user_agent: record.user_agent,
        action: record.action,
        path: record.path,
        status: record.status,
        code: record.code,
        related: vec![
            ("keyId", record.key_id),
            ("keyCompartmentId", record.key_compartment_id),
            ("vaultId", record.vault_id),
            ("vaultCompartmentId", record.vault_compartment_id),
            ("destinationCompartmentId", record.destination_id),
        ],
        version_number: record.version_number,
        logging_context: record.logging_context,
        operation: record.operation,
    };
    AuditEventBody::new(audited, record.time)
}
