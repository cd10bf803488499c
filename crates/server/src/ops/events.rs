//! Reads the audit log.

use strongroom_model::Timestamp;
use strongroom_store::Order;
use strongroom_wire::PageToken;
use strongroom_wire::bodies::AuditEventBody;

use super::Context;
use crate::ask::EventsAsk;
use crate::audit_event::StoredRecord;
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
    let compartment_id = record.compartment_id.as_ref().unwrap_or(&catalog.tenancy.id);
    let compartment = catalog.compartments.get(compartment_id).map(|(found, _)| found.name.clone());
    record.event(&catalog.tenancy.id, compartment)
}
