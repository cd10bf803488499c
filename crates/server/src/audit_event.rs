//! Audit records as the store has them, and the events that they are for who asks.

use std::collections::BTreeMap;

use serde::Deserialize;
use strongroom_model::{Ocid, Operation, Timestamp};
use strongroom_wire::bodies::{AuditEventBody, AuditedRequest};

/// A record as the store has it. Older ones lack the later fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredRecord {
    pub(crate) time: Timestamp,
    pub(crate) request_id: String,
    operation: Option<String>,
    principal_id: Option<String>,
    #[serde(default)]
    principal_name: Option<String>,
    #[serde(default)]
    auth_type: Option<String>,
    target_id: Option<String>,
    #[serde(default)]
    resource_name: Option<String>,
    pub(crate) compartment_id: Option<Ocid>,
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
    pub(crate) status: u16,
    code: Option<String>,
}

impl StoredRecord {
    /// Returns the record as an event of OCI's Audit API. What belongs to no compartment belongs to the
    /// tenancy.
    pub(crate) fn event(
        self,
        tenancy_id: &Ocid,
        compartment_name: Option<String>,
    ) -> AuditEventBody {
        let operation = self.operation.as_deref();
        let service = Operation::ALL.iter().find(|known| Some(known.name()) == operation);
        let compartment_id = self.compartment_id.as_ref().unwrap_or(tenancy_id);
        let audited = AuditedRequest {
            request_id: self.request_id,
            service: service.map(|operation| operation.service()),
            compartment: (Some(compartment_id.to_string()), compartment_name),
            resource: (self.target_id, self.resource_name),
            principal: (self.principal_id, self.principal_name, self.auth_type),
            tenancy_id: tenancy_id.to_string(),
            ip_address: self.source,
            user_agent: self.user_agent,
            action: self.action,
            path: self.path,
            status: self.status,
            code: self.code,
            related: vec![
                ("keyId", self.key_id),
                ("keyCompartmentId", self.key_compartment_id),
                ("vaultId", self.vault_id),
                ("vaultCompartmentId", self.vault_compartment_id),
                ("destinationCompartmentId", self.destination_id),
            ],
            version_number: self.version_number,
            logging_context: self.logging_context,
            operation: self.operation,
        };
        AuditEventBody::new(audited, self.time)
    }
}
