use serde::Deserialize;
use serde_json::Value;
use strongroom_model::Timestamp;

use super::error::PlanError;
use super::trace::{Gathered, Trace, TraceKind};

/// The operations that read a secret's content.
const READS: [&str; 2] = ["GetSecretBundle", "GetSecretBundleByName"];

/// An audit record of a Strongroom vault.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StrongroomRecord {
    operation: Option<String>,
    time: Option<String>,
    principal_id: Option<String>,
    source: Option<String>,
    target_id: Option<String>,
    status: Option<u16>,
}

/// An event of Oracle's Audit, as the service answers it, as `oci audit event list` prints it, and
/// as Logging exports it.
#[derive(Deserialize)]
struct OracleEvent {
    #[serde(rename = "eventTime", alias = "event-time", alias = "time")]
    event_time: Option<String>,
    data: OracleData,
}

#[derive(Deserialize)]
struct OracleData {
    #[serde(rename = "eventName", alias = "event-name")]
    event_name: Option<String>,
    #[serde(rename = "resourceId", alias = "resource-id")]
    resource_id: Option<String>,
    identity: Option<OracleIdentity>,
    response: Option<OracleResponse>,
}

#[derive(Deserialize)]
struct OracleIdentity {
    #[serde(rename = "principalId", alias = "principal-id")]
    principal_id: Option<String>,
    #[serde(rename = "ipAddress", alias = "ip-address")]
    ip_address: Option<String>,
}

#[derive(Deserialize)]
struct OracleResponse {
    status: Option<Value>,
}

/// A read that was answered, and what its fields are called where it stands.
struct Found {
    time: (&'static str, Option<String>),
    principal: (&'static str, Option<String>),
    address: Option<String>,
    secret: (&'static str, Option<String>),
}

/// Reads audit records or events: one document or several, lists of them, and the lists within the
/// answers and rows that they come in.
pub(super) fn parse(text: &str) -> Result<Trace, PlanError> {
    let mut reading = Reading { gathered: Gathered::default(), kind: None, number: 0 };
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document =
            document.map_err(|error| PlanError::Trace(format!("it is not JSON: {error}")))?;
        reading.take(document)?;
    }
    let kind = reading.kind.unwrap_or(TraceKind::Oracle);
    reading.gathered.trace(kind)
}

struct Reading {
    gathered: Gathered,
    kind: Option<TraceKind>,
    /// Of the event, from 1.
    number: usize,
}

impl Reading {
    fn take(&mut self, document: Value) -> Result<(), PlanError> {
        let mut waiting = vec![document];
        while let Some(document) = waiting.pop() {
            match within(document) {
                Document::List(events) => waiting.extend(events.into_iter().rev()),
                Document::Event(event) => self.event(event)?,
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Value) -> Result<(), PlanError> {
        self.number += 1;
        let is_ours = event.get("operation").is_some() && event.get("requestId").is_some();
        let (kind, found) = if is_ours {
            (TraceKind::Strongroom, self.read(event).map(StrongroomRecord::found)?)
        } else {
            (TraceKind::Oracle, self.read(event).map(OracleEvent::found)?)
        };
        if *self.kind.get_or_insert(kind) != kind {
            let told = format!("event {}: events of two kinds in one trace", self.number);
            return Err(PlanError::Trace(told));
        }
        let Some(found) = found else {
            self.gathered.left_out += 1;
            return Ok(());
        };
        let Found { time, principal, address, secret } = found;
        let at = self.there(time)?;
        let at: Timestamp = at.1.parse().map_err(|_no_date| {
            self.wrong(at.0, "must be as in RFC 3339, such as 2026-11-24T10:00:00Z")
        })?;
        let (principal, secret) = (self.there(principal)?.1, self.there(secret)?.1);
        // Each machine has caches of its own.
        let consumer = format!("{principal} {}", address.unwrap_or_default());
        self.gathered.add(at.as_nanosecond(), &consumer, &secret)
    }

    fn read<'a, T: serde::de::DeserializeOwned + 'a>(&self, event: Value) -> Result<T, PlanError> {
        serde_json::from_value(event).map_err(|error| {
            let rule = "neither an audit record of Strongroom nor an event of Oracle's Audit";
            PlanError::Trace(format!("event {}: {rule}: {error}", self.number))
        })
    }

    fn there(
        &self,
        (field, text): (&'static str, Option<String>),
    ) -> Result<(&'static str, String), PlanError> {
        match text.filter(|text| !text.is_empty()) {
            Some(text) => Ok((field, text)),
            None => Err(self.wrong(field, "must be there where a secret is read")),
        }
    }

    fn wrong(&self, field: &'static str, rule: &str) -> PlanError {
        let place = format!("event {}", self.number);
        PlanError::Record { place, field, rule: rule.to_owned() }
    }
}

enum Document {
    List(Vec<Value>),
    Event(Value),
}

/// Opens what events come in.
fn within(mut document: Value) -> Document {
    if let Value::Array(events) = document {
        return Document::List(events);
    }
    for list in ["data", "row"] {
        if let Some(Value::Array(events)) = document.get_mut(list) {
            return Document::List(std::mem::take(events));
        }
    }
    match document.get_mut("logContent").map(Value::take) {
        Some(event) => Document::Event(event),
        None => Document::Event(document),
    }
}

fn is_read(operation: Option<&str>) -> bool {
    operation.is_some_and(|operation| READS.contains(&operation))
}

impl StrongroomRecord {
    fn found(self) -> Option<Found> {
        let is_answered = self.status.is_none_or(|status| (200..300).contains(&status));
        (is_read(self.operation.as_deref()) && is_answered).then_some(Found {
            time: ("time", self.time),
            principal: ("principalId", self.principal_id),
            address: self.source,
            secret: ("targetId", self.target_id),
        })
    }
}

impl OracleEvent {
    fn found(self) -> Option<Found> {
        let OracleData { event_name, resource_id, identity, response } = self.data;
        let status = response.and_then(|response| response.status);
        let status = status.map(|status| status.as_str().map_or(status.to_string(), str::to_owned));
        let is_answered = status.is_none_or(|status| status.starts_with('2'));
        let (principal, address) =
            identity.map_or((None, None), |identity| (identity.principal_id, identity.ip_address));
        (is_read(event_name.as_deref()) && is_answered).then_some(Found {
            time: ("eventTime", self.event_time),
            principal: ("data.identity.principalId", principal),
            address,
            secret: ("data.resourceId", resource_id),
        })
    }
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
    fn events_of_oracle_are_read_in_every_wrapping() {
        let lines = three();
        let list = format!("[{}]", lines.replace("}}\n{", "}},{"));
        let printed = format!(r#"{{"data": {list}}}"#)
            .replace("eventTime", "event-time")
            .replace("eventName", "event-name")
            .replace("resourceId", "resource-id")
            .replace("principalId", "principal-id");
        let logged =
            lines.replace(r#"{"eventType""#, r#"{"datetime": 1, "logContent": {"eventType""#);
        let logged = logged.replace("eventTime", "time").replace("\"}}}", "\"}}}}");
        for text in [&lines, &list, &printed, &logged] {
            let trace = parse(text).unwrap();
            assert_eq!((trace.about.kind, trace.about.left_out), (TraceKind::Oracle, 2), "{text}");
            assert_eq!((trace.about.reads, trace.about.span_secs, trace.pairs), (2, 3600, 1));
        }
    }

    #[test]
    fn records_of_a_vault_are_read_from_lines_and_from_rows() {
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
        let row = format!(r#"{{"v":1,"row":[{}]}}"#, records.join(","));
        for text in [records.join("\n"), row] {
            let trace = parse(&text).unwrap();
            let about = trace.about;
            assert_eq!((about.kind, about.reads, about.left_out), (TraceKind::Strongroom, 3, 2));
            assert_eq!((about.consumers, about.secrets, about.span_secs), (2, 1, 600));
        }
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
        assert!(parse("[{").unwrap_err().to_string().starts_with("it is not JSON: "));
        let mixed = format!(r#"{{"requestId":"r","operation":"GetVault"}}{}"#, three());
        assert!(parse(&mixed).unwrap_err().to_string().contains("event 2: events of two kinds"));
        let none = parse(&three().replace("GetSecretBundle", "GetVault")).unwrap_err().to_string();
        assert!(none.starts_with("it has 0 reads of secrets (4 other events)"), "{none}");
    }
}
