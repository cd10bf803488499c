//! Audit events, of Oracle's cloud or of a Strongroom vault, in whatever they come.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What an event tells. Fields that it does not have are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditEvent {
    /// When the request was made, as it stands there.
    pub time: Option<String>,
    /// Name of the operation.
    pub operation: Option<String>,
    /// OCID of the caller.
    pub principal_id: Option<String>,
    /// Address of the caller.
    pub address: Option<String>,
    /// OCID of the compartment that the target was in.
    pub compartment_id: Option<String>,
    /// OCID of the target.
    pub resource_id: Option<String>,
    /// Name of the target.
    pub resource_name: Option<String>,
    /// The key that the request refers to.
    pub key_id: Option<String>,
    /// Its compartment, if that is another one.
    pub key_compartment_id: Option<String>,
    /// The vault that the request refers to.
    pub vault_id: Option<String>,
    /// Its compartment, if that is another one.
    pub vault_compartment_id: Option<String>,
    /// Where the target was moved.
    pub destination_id: Option<String>,
    /// Status of the answer.
    pub status: Option<u16>,
}

impl AuditEvent {
    /// Tells whether the request was answered; an event that does not say is taken for it.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.status.is_none_or(|status| (200..300).contains(&status))
    }
}

/// Whose log an event is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A Strongroom vault's own.
    Strongroom,
    /// Oracle's Audit, or what answers like it.
    Oracle,
}

impl EventKind {
    /// Returns what the field of an [`AuditEvent`] is called in such a log.
    #[must_use]
    pub const fn field(self, field: EventField) -> &'static str {
        match (self, field) {
            (Self::Strongroom, EventField::Time) => "time",
            (Self::Strongroom, EventField::Principal) => "principalId",
            (Self::Strongroom, EventField::Resource) => "targetId",
            (Self::Oracle, EventField::Time) => "eventTime",
            (Self::Oracle, EventField::Principal) => "data.identity.principalId",
            (Self::Oracle, EventField::Resource) => "data.resourceId",
        }
    }
}

/// A field that an event may have to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventField {
    /// When.
    Time,
    /// Who.
    Principal,
    /// What.
    Resource,
}

/// Why events cannot be read. It names the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EventsError(String);

/// Reads audit records or events: one document or several, lists of them, and the lists within the
/// answers and rows that they come in (`ListEvents`, `oci audit event list`, Logging's export, rows
/// of a vault). Each goes to `take`, with its number, from 1.
///
/// # Errors
/// An [`EventsError`], or that of `take`; what came before was taken.
pub fn each_event<E: From<EventsError>>(
    text: &str,
    mut take: impl FnMut(usize, EventKind, AuditEvent) -> Result<(), E>,
) -> Result<(), E> {
    let mut first = None;
    let mut number = 0;
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|error| EventsError(format!("it is not JSON: {error}")))?;
        let mut waiting = vec![document];
        while let Some(document) = waiting.pop() {
            let value = match within(document) {
                Document::List(events) => {
                    waiting.extend(events.into_iter().rev());
                    continue;
                }
                Document::Event(value) => value,
            };
            number += 1;
            let (kind, event) = event(number, value)?;
            if *first.get_or_insert(kind) != kind {
                let told = format!("event {number}: events of two kinds in one log");
                return Err(EventsError(told).into());
            }
            take(number, kind, event)?;
        }
    }
    Ok(())
}

fn event(number: usize, value: Value) -> Result<(EventKind, AuditEvent), EventsError> {
    let is_ours = value.get("operation").is_some() && value.get("requestId").is_some();
    if is_ours {
        return Ok((EventKind::Strongroom, read::<StrongroomRecord>(number, value)?.into()));
    }
    Ok((EventKind::Oracle, read::<OracleEvent>(number, value)?.into()))
}

fn read<T: DeserializeOwned>(number: usize, value: Value) -> Result<T, EventsError> {
    serde_json::from_value(value).map_err(|error| {
        let rule = "neither an audit record of Strongroom nor an event of Oracle's Audit";
        EventsError(format!("event {number}: {rule}: {error}"))
    })
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

/// An audit record of a Strongroom vault.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StrongroomRecord {
    operation: Option<String>,
    time: Option<String>,
    principal_id: Option<String>,
    source: Option<String>,
    target_id: Option<String>,
    resource_name: Option<String>,
    compartment_id: Option<String>,
    key_id: Option<String>,
    key_compartment_id: Option<String>,
    vault_id: Option<String>,
    vault_compartment_id: Option<String>,
    destination_id: Option<String>,
    status: Option<u16>,
}

impl From<StrongroomRecord> for AuditEvent {
    fn from(record: StrongroomRecord) -> Self {
        Self {
            time: record.time,
            operation: record.operation,
            principal_id: record.principal_id,
            address: record.source,
            compartment_id: record.compartment_id,
            resource_id: record.target_id,
            resource_name: record.resource_name,
            key_id: record.key_id,
            key_compartment_id: record.key_compartment_id,
            vault_id: record.vault_id,
            vault_compartment_id: record.vault_compartment_id,
            destination_id: record.destination_id,
            status: record.status,
        }
    }
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
#[serde(rename_all = "camelCase")]
struct OracleData {
    #[serde(alias = "event-name")]
    event_name: Option<String>,
    #[serde(alias = "compartment-id")]
    compartment_id: Option<String>,
    #[serde(alias = "resource-id")]
    resource_id: Option<String>,
    #[serde(alias = "resource-name")]
    resource_name: Option<String>,
    identity: Option<OracleIdentity>,
    response: Option<OracleResponse>,
    #[serde(alias = "additional-details")]
    additional_details: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct OracleIdentity {
    #[serde(alias = "principal-id")]
    principal_id: Option<String>,
    #[serde(alias = "ip-address")]
    ip_address: Option<String>,
}

#[derive(Deserialize)]
struct OracleResponse {
    status: Option<Value>,
}

impl From<OracleEvent> for AuditEvent {
    fn from(event: OracleEvent) -> Self {
        let data = event.data;
        let status = data.response.and_then(|response| response.status);
        let status = status.and_then(|status| match status {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64().and_then(|number| number.try_into().ok()),
            _ => None,
        });
        let details = data.additional_details.unwrap_or_default();
        let detail = |name: &str| details.get(name)?.as_str().map(str::to_owned);
        let identity = data.identity.unwrap_or_default();
        Self {
            time: event.event_time,
            operation: data.event_name,
            principal_id: identity.principal_id,
            address: identity.ip_address,
            compartment_id: data.compartment_id,
            resource_id: data.resource_id,
            resource_name: data.resource_name,
            key_id: detail("keyId"),
            key_compartment_id: detail("keyCompartmentId"),
            vault_id: detail("vaultId"),
            vault_compartment_id: detail("vaultCompartmentId"),
            destination_id: detail("destinationCompartmentId"),
            status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(EventKind, AuditEvent)>, EventsError> {
        let mut all = Vec::new();
        each_event(text, |_, kind, event| {
            all.push((kind, event));
            Ok::<_, EventsError>(())
        })?;
        Ok(all)
    }

    fn oracle(time: &str, name: &str, status: &str) -> String {
        format!(
            r#"{{"eventType": "com.oraclecloud.Secrets.{name}", "cloudEventsVersion": "0.1",
            "source": "Secrets", "eventTime": "{time}", "contentType": "application/json", "data":
            {{"eventName": "{name}", "resourceId": "ocid1.vaultsecret.oc1..a", "compartmentId": "c",
            "additionalDetails": {{"keyId": "k", "versionNumber": 1}}, "identity":
            {{"principalName": "app", "principalId": "ocid1.instance.oc1..i", "authType": "instance",
            "ipAddress": "10.0.0.7"}}, "response": {{"status": "{status}"}}}}}}"#
        )
    }

    fn two() -> String {
        [
            oracle("2026-11-24T10:00:00.000Z", "GetSecretBundle", "200"),
            oracle("2026-11-24T10:30:00.000Z", "ListSecrets", "404"),
        ]
        .join("\n")
    }

    #[test]
    fn events_of_oracle_are_read_in_every_wrapping() {
        let lines = two();
        let list = format!("[{}]", lines.replace("}}\n{", "}},{"));
        let printed = format!(r#"{{"data": {list}}}"#)
            .replace("eventTime", "event-time")
            .replace("eventName", "event-name")
            .replace("resourceId", "resource-id")
            .replace("compartmentId", "compartment-id")
            .replace("additionalDetails", "additional-details")
            .replace("principalId", "principal-id")
            .replace("ipAddress", "ip-address");
        let logged =
            lines.replace(r#"{"eventType""#, r#"{"datetime": 1, "logContent": {"eventType""#);
        let logged = logged.replace("eventTime", "time").replace("\"}}}", "\"}}}}");
        let text = |text: &str| Some(text.to_owned());
        for wrapped in [&lines, &list, &printed, &logged] {
            let events = all(wrapped).unwrap();
            let [(EventKind::Oracle, read), (EventKind::Oracle, listed)] = events.as_slice() else {
                panic!("{wrapped}")
            };
            let expected = AuditEvent {
                time: text("2026-11-24T10:00:00.000Z"),
                operation: text("GetSecretBundle"),
                principal_id: text("ocid1.instance.oc1..i"),
                address: text("10.0.0.7"),
                compartment_id: text("c"),
                resource_id: text("ocid1.vaultsecret.oc1..a"),
                key_id: text("k"),
                status: Some(200),
                ..AuditEvent::default()
            };
            assert_eq!(*read, expected);
            assert!(read.is_answered() && !listed.is_answered());
        }
    }

    #[test]
    fn records_of_a_vault_are_read_from_lines_and_from_rows() {
        let record = |status: u16| {
            format!(
                r#"{{"time":"2026-11-24T10:00:00Z","requestId":"r","operation":"GetSecretBundle",
                "principalId":"ocid1.user.oc1..u","targetId":"ocid1.vaultsecret.oc1..a","source":
                "10.0.0.1","status":{status},"code":null}}"#
            )
        };
        let records = [record(200), record(403)];
        let row = format!(r#"{{"v":1,"row":[{}]}}"#, records.join(","));
        for text in [records.join("\n"), row] {
            let events = all(&text).unwrap();
            let answered: Vec<bool> = events.iter().map(|(_, event)| event.is_answered()).collect();
            assert_eq!(answered, [true, false]);
            assert!(events.iter().all(|(kind, event)| *kind == EventKind::Strongroom
                && event.resource_id.as_deref() == Some("ocid1.vaultsecret.oc1..a")
                && event.address.as_deref() == Some("10.0.0.1")));
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_event() {
        let told = |text: &str| all(text).unwrap_err().to_string();
        let other = told(r#"{"hello": 1}"#);
        assert!(other.starts_with("event 1: neither an audit record of Strongroom"), "{other}");
        assert!(told("[{").starts_with("it is not JSON: "));
        let mixed = format!(r#"{{"requestId":"r","operation":"GetVault"}}{}"#, two());
        assert_eq!(told(&mixed), "event 2: events of two kinds in one log");
    }
}
