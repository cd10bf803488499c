//! Audit events, in the envelope of `CloudEvents` 0.1 that OCI's Audit service answers.
//!
//! Source: docs.oracle.com, "Contents of an Audit Log Event".

use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_model::{Service, Timestamp};

use super::time;

/// What a request was, as its record has it.
#[derive(Debug, Default)]
pub struct AuditedRequest {
    /// `opc-request-id`; also identifies the event, since a request has one.
    pub request_id: String,
    /// Name of the operation; absent if the request came to none.
    pub operation: Option<String>,
    /// The service of the operation.
    pub service: Option<Service>,
    /// OCID and name of the compartment, which may be gone.
    pub compartment: (Option<String>, Option<String>),
    /// OCID and name of the target.
    pub resource: (Option<String>, Option<String>),
    /// OCID, name and `authType` of the caller.
    pub principal: (Option<String>, Option<String>, Option<String>),
    /// OCID of the tenancy.
    pub tenancy_id: String,
    /// Address of the caller.
    pub ip_address: String,
    /// What the caller says it is.
    pub user_agent: Option<String>,
    /// Method.
    pub action: String,
    /// Path, without query.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// OCI's code of a refusal.
    pub code: Option<String>,
    /// What else the request refers to, by the name of the detail: OCIDs. A compartment stands there
    /// if it is not the target's.
    pub related: Vec<(&'static str, Option<String>)>,
    /// Version of the secret that was answered.
    pub version_number: Option<u64>,
    /// What the caller gave for the record.
    pub logging_context: Option<BTreeMap<String, String>>,
}

/// An event of `ListEvents`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventBody {
    event_type: String,
    cloud_events_version: &'static str,
    event_type_version: &'static str,
    source: &'static str,
    event_id: String,
    #[serde(serialize_with = "time")]
    event_time: Timestamp,
    content_type: &'static str,
    data: Data,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    event_grouping_id: String,
    event_name: String,
    compartment_id: Option<String>,
    compartment_name: Option<String>,
    resource_name: Option<String>,
    resource_id: Option<String>,
    identity: Identity,
    request: Request,
    response: Response,
    additional_details: BTreeMap<&'static str, serde_json::Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    principal_name: Option<String>,
    principal_id: Option<String>,
    auth_type: Option<String>,
    tenant_id: String,
    ip_address: String,
    user_agent: Option<String>,
}

#[derive(Debug, Serialize)]
struct Request {
    id: String,
    path: String,
    action: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are OCI's")]
struct Response {
    status: String,
    #[serde(serialize_with = "time")]
    response_time: Timestamp,
    message: Option<String>,
}

impl AuditEventBody {
    /// Renders the record of a request that was made at `at`.
    #[must_use]
    pub fn new(audited: AuditedRequest, at: Timestamp) -> Self {
        let source = audited.service.map_or("Strongroom", source);
        let event_name = audited.operation.unwrap_or_else(|| "Unknown".to_owned());
        let (principal_id, principal_name, auth_type) = audited.principal;
        let related = audited.related.into_iter();
        let mut additional_details: BTreeMap<&'static str, serde_json::Value> =
            related.filter_map(|(name, id)| Some((name, id?.into()))).collect();
        if let Some(number) = audited.version_number {
            additional_details.insert("versionNumber", number.into());
        }
        if let Some(context) = audited.logging_context {
            additional_details.insert("loggingContext", serde_json::json!(context));
        }
        Self {
            event_type: format!("com.oraclecloud.{source}.{event_name}"),
            cloud_events_version: "0.1",
            event_type_version: "2.0",
            source,
            event_id: audited.request_id.clone(),
            event_time: at,
            content_type: "application/json",
            data: Data {
                event_grouping_id: audited.request_id.clone(),
                event_name,
                compartment_id: audited.compartment.0,
                compartment_name: audited.compartment.1,
                resource_name: audited.resource.1,
                resource_id: audited.resource.0,
                identity: Identity {
                    principal_name,
                    principal_id,
                    auth_type,
                    tenant_id: audited.tenancy_id,
                    ip_address: audited.ip_address,
                    user_agent: audited.user_agent,
                },
                request: Request {
                    id: audited.request_id,
                    path: audited.path,
                    action: audited.action,
                },
                response: Response {
                    status: audited.status.to_string(),
                    response_time: at,
                    message: audited.code,
                },
                additional_details,
            },
        }
    }
}

/// The names by which Oracle's events tell where they come from, as seen in public records of them.
const fn source(service: Service) -> &'static str {
    match service {
        Service::KmsVault | Service::KmsManagement | Service::KmsCrypto => "KeyManagementService",
        Service::Vault | Service::Secrets => "VaultSecret",
        Service::Identity | Service::Auth => "identityControlPlane",
        Service::Audit => "Audit",
        Service::Strongroom => "Strongroom",
    }
}
