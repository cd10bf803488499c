use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Ocid;

/// Who makes a request, once the signature was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// The tenancy that vouches for the principal.
    pub tenancy_id: Ocid,
    /// What the principal is.
    pub kind: PrincipalKind,
    /// The groups that a user, or the dynamic groups that a resource, is a member of.
    pub group_ids: Vec<Ocid>,
}

/// What a principal is.
///
/// Source: OCI policy reference, "General Variables for All Requests".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PrincipalKind {
    /// A person, or a program with a person's API key.
    User {
        /// OCID of the user.
        id: Ocid,
        /// Name of the user.
        name: String,
    },
    /// An instance, a function or another resource that acts by itself.
    Resource(ResourcePrincipal),
    /// A service of OCI's.
    Service {
        /// Name of the service, such as `objectstorage-us-ashburn-1`.
        name: String,
    },
}

/// A resource that makes requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourcePrincipal {
    /// OCID of the resource.
    pub id: Ocid,
    /// Type of the resource, the third part of its OCID as a rule: `instance`, `fnfunc`, ….
    pub resource_type: String,
    /// OCID of the compartment that the resource is in.
    pub compartment_id: Ocid,
    /// Defined tags, by `namespace.key`.
    pub tags: BTreeMap<String, String>,
    /// What else is known of it, by the last part of the policy variable: `namespace`,
    /// `service_account`, `cluster_id`.
    pub attributes: BTreeMap<String, String>,
}

impl Principal {
    /// Returns the OCID of the user or resource; a service has none.
    #[must_use]
    pub const fn id(&self) -> Option<&Ocid> {
        match &self.kind {
            PrincipalKind::User { id, .. }
            | PrincipalKind::Resource(ResourcePrincipal { id, .. }) => Some(id),
            PrincipalKind::Service { .. } => None,
        }
    }

    /// Returns the text by which the principal is known: its OCID, or the name of a service.
    #[must_use]
    pub fn identifier(&self) -> &str {
        match &self.kind {
            PrincipalKind::User { id, .. }
            | PrincipalKind::Resource(ResourcePrincipal { id, .. }) => id.as_str(),
            PrincipalKind::Service { name } => name,
        }
    }
}
