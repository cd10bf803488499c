//! Workloads, their certificates, and tokens.

use serde::Serialize;
use strongroom_model::{Timestamp, Workload};

use super::{TagFields, time};

/// A workload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadBody<'a> {
    id: &'a str,
    compartment_id: &'a str,
    name: &'a str,
    description: &'a str,
    resource_type: &'a str,
    lifecycle_state: &'static str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> From<&'a Workload> for WorkloadBody<'a> {
    fn from(workload: &'a Workload) -> Self {
        Self {
            id: workload.id.as_str(),
            compartment_id: workload.compartment_id.as_str(),
            name: &workload.name,
            description: &workload.description,
            resource_type: &workload.resource_type,
            lifecycle_state: "ACTIVE",
            time_created: workload.time_created,
            tags: TagFields::from(&workload.tags),
        }
    }
}

/// A workload's certificate with the one that vouches for it, both PEM.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateBody {
    /// OCID of the workload.
    pub workload_id: String,
    /// Name of the workload.
    pub name: String,
    /// Name of the region.
    pub region: String,
    /// OCID of the tenancy.
    pub tenancy_id: String,
    /// OCID of the workload's compartment.
    pub compartment_id: String,
    /// The certificate.
    pub certificate: String,
    /// What vouches for it.
    pub intermediate_certificate: String,
    /// What vouches for that.
    pub root_certificate: String,
    /// Up to when the certificate is valid.
    #[serde(serialize_with = "time")]
    pub time_of_expiry: Timestamp,
}

/// `SecurityToken`.
#[derive(Debug, Serialize)]
pub struct SecurityTokenBody {
    /// The token, a JSON Web Token.
    pub token: String,
}

/// The key that signs tokens from now on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenSignerBody {
    /// Its name, as in the tokens' headers.
    pub kid: String,
    /// When it was made.
    #[serde(serialize_with = "time")]
    pub time_created: Timestamp,
    /// How many earlier ones still hold.
    pub earlier: usize,
}
