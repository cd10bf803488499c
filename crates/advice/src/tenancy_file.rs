//! The file that describes a tenancy and its policies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_model::Ocid;

/// Domain of a group that says none.
const DOMAIN: &str = "Default";

/// Compartments that are named of those whose policies are left out.
const SHOWN_MAX: usize = 5;

/// A tenancy and its policies, as they stand in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenancyFile {
    /// Key of the region that requests are made in if they do not say, such as `IAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The tenancy.
    pub world: WorldFile,
    /// Its policies.
    pub policies: Vec<PolicyEntry>,
    /// Keys of the compartments whose policies are not in the file, for whoever wrote it may not list
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies_left_out: Vec<String>,
}

/// A tenancy: compartments and principals under keys by which the file refers to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldFile {
    /// OCID of the tenancy, which is the OCID of the root compartment too.
    pub tenancy_id: Ocid,
    /// Compartments, the root among them.
    pub compartments: BTreeMap<String, CompartmentEntry>,
    /// Groups of users.
    #[serde(default)]
    pub groups: Vec<GroupEntry>,
    /// Dynamic groups of resources.
    #[serde(default)]
    pub dynamic_groups: Vec<DynamicGroupEntry>,
    /// Users, resources and services.
    #[serde(default)]
    pub principals: BTreeMap<String, PrincipalEntry>,
}

/// A compartment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompartmentEntry {
    /// OCID.
    pub id: Ocid,
    /// Name.
    pub name: String,
    /// Key of the compartment above it; the root has none.
    pub parent: Option<String>,
    /// Defined tags, by `namespace.key`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// OCID.
    pub id: Ocid,
    /// Name.
    pub name: String,
    /// Identity domain.
    #[serde(default = "default_domain")]
    pub domain: String,
    /// Keys of its members.
    #[serde(default)]
    pub members: Vec<String>,
    /// Defined tags, by `namespace.key`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A dynamic group of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynamicGroupEntry {
    /// OCID.
    pub id: Ocid,
    /// Name.
    pub name: String,
    /// Identity domain.
    #[serde(default = "default_domain")]
    pub domain: String,
    /// Matching rule.
    pub rule: String,
    /// Defined tags, by `namespace.key`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Whoever makes requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PrincipalEntry {
    /// A user.
    User {
        /// OCID.
        id: Ocid,
        /// Name.
        name: String,
    },
    /// A resource that makes requests of its own.
    Resource {
        /// OCID.
        id: Ocid,
        /// Type, such as `instance`.
        #[serde(rename = "type")]
        resource_type: String,
        /// Key of its compartment.
        compartment: String,
        /// Defined tags, by `namespace.key`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// What else conditions can ask of it: `namespace`, `service_account`, `cluster_id`.
        #[serde(flatten)]
        more: BTreeMap<String, serde_json::Value>,
    },
    /// A service of Oracle's.
    Service {
        /// Name.
        name: String,
    },
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyEntry {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Key of the compartment that it is attached to.
    pub attach: String,
    /// Its statements.
    pub statements: Vec<String>,
}

fn default_domain() -> String {
    DOMAIN.to_owned()
}

impl TenancyFile {
    /// Reads a file; what else stands in it, such as cases, is left alone.
    ///
    /// # Errors
    /// What is missing or of another form, and where.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Counts the statements of all policies.
    #[must_use]
    pub fn statement_count(&self) -> usize {
        self.policies.iter().map(|policy| policy.statements.len()).sum()
    }

    /// Returns in words which policies are not in the file, if any are not.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        let keys = &self.policies_left_out;
        let shown: Vec<String> =
            keys.iter().take(SHOWN_MAX).map(|key| format!("`{key}`")).collect();
        let more = match keys.len().saturating_sub(SHOWN_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let compartments = if keys.len() == 1 { "compartment" } else { "compartments" };
        let told = format!("policies of {compartments} {}{more}", shown.join(", "));
        (!keys.is_empty()).then_some(told)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// None for what was read from a file or listed by a server.
    pub fn written(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

impl GroupEntry {
    /// Returns the name as statements write it: with its domain, unless that is the default one.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        qualified(&self.domain, &self.name)
    }
}

impl DynamicGroupEntry {
    /// Returns the name as statements write it: with its domain, unless that is the default one.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        qualified(&self.domain, &self.name)
    }
}

fn qualified(domain: &str, name: &str) -> String {
    if domain.eq_ignore_ascii_case(DOMAIN) { name.to_owned() } else { format!("{domain}/{name}") }
}
