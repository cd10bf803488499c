use strongroom_model::Timestamp;

use super::error::PlanError;
use super::trace::{Gathered, Trace, TraceKind};
use crate::events::{AuditEvent, EventField, EventKind, EventsError, each_event};

/// The operations that read a secret's content.
const READS: [&str; 2] = ["GetSecretBundle", "GetSecretBundleByName"];

impl From<EventsError> for PlanError {
    fn from(error: EventsError) -> Self {
        Self::Trace(error.to_string())
    }
}

impl From<EventKind> for TraceKind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Strongroom => Self::Strongroom,
            EventKind::Oracle => Self::Oracle,
        }
    }
}

/// Reads the trace out of audit records or events: reads that were answered.
pub(super) fn parse(text: &str) -> Result<Trace, PlanError> {
    let mut gathered = Gathered::default();
    let mut trace_kind = TraceKind::Oracle;
    each_event(text, |number, kind, event| {
        trace_kind = kind.into();
        let is_read = event.operation.as_deref().is_some_and(|name| READS.contains(&name));
        if is_read && event.is_answered() {
            return take(&mut gathered, (number, kind), &event);
        }
        gathered.left_out += 1;
        Ok(())
    })?;
    gathered.trace(trace_kind)
}

fn take(
    gathered: &mut Gathered,
    at: (usize, EventKind),
    event: &AuditEvent,
) -> Result<(), PlanError> {
    let time = there(at, EventField::Time, event.time.as_deref())?;
    let time: Timestamp = time.parse().map_err(|_no_date| {
        wrong(at, EventField::Time, "must be as in RFC 3339, such as 2026-11-24T10:00:00Z")
    })?;
    let principal = there(at, EventField::Principal, event.principal_id.as_deref())?;
    let secret = there(at, EventField::Resource, event.resource_id.as_deref())?;
    // Each machine has caches of its own.
    let consumer = format!("{principal} {}", event.address.as_deref().unwrap_or_default());
    gathered.add(time.as_nanosecond(), &consumer, secret)
}

fn there(at: (usize, EventKind), field: EventField, text: Option<&str>) -> Result<&str, PlanError> {
    let text = text.filter(|text| !text.is_empty());
    text.ok_or_else(|| wrong(at, field, "must be there where a secret is read"))
}

fn wrong((number, kind): (usize, EventKind), field: EventField, rule: &str) -> PlanError {
    let (place, field) = (format!("event {number}"), kind.field(field));
    PlanError::Record { place, field, rule: rule.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle(time: &str, name: &str, status: &str) -> String {
        format!(
            r#"{{"eventType": "com.oraclecloud.Secrets.{name}", "cloudEventsVersion": "0.1",
            "source": "Secrets", "eventTime": "{time}", "contentType": "application/json", "data":
            {{"eventName": "{name}", "resourceId": "ocid1.vaultsecret.oc1..a", "identity":
            {{"principalName": "app", "principalId": "ocid1.instance.oc1..i", "authType": "instance",
            "ipAddress": "10.0.0.7"}}, "response": {{"status": "{status}"}}}}}}"#
        )
    }

    fn three() -> String {
        let read = |time| oracle(time, "GetSecretBundle", "200");
        let events = [
            read("2026-11-24T10:00:00.000Z"),
            read("2026-11-24T11:00:00.000Z"),
            oracle("2026-11-24T10:30:00.000Z", "GetSecretBundle", "404"),
            oracle("2026-11-24T10:30:00.000Z", "ListSecrets", "200"),
        ];
        events.join("\n")
    }

    #[test]
    fn reads_that_were_answered_are_the_trace() {
        let trace = parse(&three()).unwrap();
        assert_eq!((trace.about.kind, trace.about.left_out), (TraceKind::Oracle, 2));
        assert_eq!((trace.about.reads, trace.about.span_secs, trace.pairs), (2, 3600, 1));
    }

    #[test]
    fn each_address_of_a_principal_is_a_consumer() {
        let record = |time: &str, source: &str, status: u16| {
            format!(
                r#"{{"time":"{time}","requestId":"r","operation":"GetSecretBundle","principalId":
                "ocid1.user.oc1..u","targetId":"ocid1.vaultsecret.oc1..a","source":"{source}",
                "status":{status},"code":null}}"#
            )
        };
        let records = [
            record("2026-11-24T10:00:00Z", "10.0.0.1", 200),
            record("2026-11-24T10:00:00Z", "10.0.0.2", 200),
            record("2026-11-24T10:10:00Z", "10.0.0.1", 200),
            record("2026-11-24T10:10:00Z", "10.0.0.1", 403),
            r#"{"time":"2026-11-24T10:10:00Z","requestId":"r","operation":null}"#.to_owned(),
        ];
        let about = parse(&records.join("\n")).unwrap().about;
        assert_eq!((about.kind, about.reads, about.left_out), (TraceKind::Strongroom, 3, 2));
        assert_eq!((about.consumers, about.secrets, about.span_secs), (2, 1, 600));
    }

    #[test]
    fn what_is_wrong_is_named_by_event_and_field() {
        let told = |was: &str, is: &str| parse(&three().replace(was, is)).unwrap_err().to_string();
        let field = told("\"principalId\"", "\"id\"");
        assert_eq!(
            field,
            "event 1, field `data.identity.principalId`: must be there where a secret is read"
        );
        assert!(
            told("ocid1.vaultsecret.oc1..a", "").starts_with("event 1, field `data.resourceId`")
        );
        let time = told("2026-11-24T11:00:00.000Z", "yesterday");
        assert!(time.starts_with("event 2, field `eventTime`: must be as in RFC 3339"), "{time}");
        let other = parse(r#"{"hello": 1}"#).unwrap_err().to_string();
        assert!(other.starts_with("event 1: neither an audit record of Strongroom"), "{other}");
        let none = parse(&three().replace("GetSecretBundle", "GetVault")).unwrap_err().to_string();
        assert!(none.starts_with("it has 0 reads of secrets (4 other events)"), "{none}");
    }
}
