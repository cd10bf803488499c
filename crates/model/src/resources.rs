use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Ocid, OcidKind, Tags, Timestamp};

/// A tenancy: the root compartment and the owner of everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenancy {
    /// OCID of the tenancy, which is also that of the root compartment.
    pub id: Ocid,
    /// Name of the tenancy.
    pub name: String,
    /// Identifier of the home region.
    pub home_region: String,
    /// When the tenancy was made.
    pub time_created: Timestamp,
}

/// Lifecycle of a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CompartmentState {
    /// In use.
    Active,
    /// Gone; what is left is its description.
    Deleted,
}

impl CompartmentState {
    /// Returns OCI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Deleted => "DELETED",
        }
    }
}

/// A compartment below the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compartment {
    /// OCID of the compartment.
    pub id: Ocid,
    /// OCID of the parent compartment, or of the tenancy.
    pub compartment_id: Ocid,
    /// Name, unique among the parent's children.
    pub name: String,
    /// Description.
    pub description: String,
    /// Lifecycle state.
    pub state: CompartmentState,
    /// When the compartment was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// A user of the tenancy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// OCID of the user.
    pub id: Ocid,
    /// OCID of the tenancy.
    pub compartment_id: Ocid,
    /// Name, unique in the tenancy.
    pub name: String,
    /// Description.
    pub description: String,
    /// E-mail address.
    pub email: Option<String>,
    /// When the user was made.
    pub time_created: Timestamp,
    /// OCIDs of the groups that the user is a member of.
    pub group_ids: Vec<Ocid>,
    /// When the user became a member of each; the first administrator is one from the beginning.
    #[serde(default)]
    pub joined: BTreeMap<Ocid, Timestamp>,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

impl User {
    /// Returns the identifier of the membership in a group: those of both make it up.
    #[must_use]
    pub fn membership_id(&self, group: &Ocid) -> Ocid {
        self.id.of_kind(OcidKind::GroupMembership).joined_with(group)
    }

    /// Returns since when the user is a member of a group.
    #[must_use]
    pub fn member_since(&self, group: &Ocid) -> Timestamp {
        self.joined.get(group).copied().unwrap_or(self.time_created)
    }
}

/// A public key that signs a user's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// OCID of the user.
    pub user_id: Ocid,
    /// MD5 of the DER `SubjectPublicKeyInfo`: 16 pairs of lower-case hex digits with colons.
    pub fingerprint: String,
    /// The public key as PEM, `PUBLIC KEY`.
    pub public_key_pem: String,
    /// When the key was uploaded.
    pub time_created: Timestamp,
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// OCID of the group.
    pub id: Ocid,
    /// OCID of the tenancy.
    pub compartment_id: Ocid,
    /// Name, unique in the tenancy.
    pub name: String,
    /// Description.
    pub description: String,
    /// When the group was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

impl Group {
    /// Name of the group that a tenancy is never without.
    pub const ADMINISTRATORS: &str = "Administrators";
}

/// A policy: statements attached to a compartment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// OCID of the policy.
    pub id: Ocid,
    /// OCID of the compartment, or of the tenancy, that the policy is attached to.
    pub compartment_id: Ocid,
    /// Name, unique in the tenancy.
    pub name: String,
    /// Description.
    pub description: String,
    /// Statements in OCI's policy language.
    pub statements: Vec<String>,
    /// What the names of each statement meant when it was written; absent in the oldest rows.
    #[serde(default)]
    pub resolved: Vec<Vec<Ocid>>,
    /// The date whose meaning of verbs and resources the policy keeps to, if it names one.
    #[serde(default)]
    pub version_date: Option<String>,
    /// When the policy was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

impl Policy {
    /// Name of the policy that lets the administrators administer, which a tenancy is never without.
    pub const TENANT_ADMIN: &str = "Tenant Admin Policy";
}

/// A dynamic group: the resources that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicGroup {
    /// OCID of the dynamic group.
    pub id: Ocid,
    /// OCID of the tenancy.
    pub compartment_id: Ocid,
    /// Name, unique in the tenancy among groups and dynamic groups.
    pub name: String,
    /// Description.
    pub description: String,
    /// The matching rule.
    pub matching_rule: String,
    /// When the dynamic group was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// A workload: an instance, or another resource, that was enrolled here and authenticates as itself
/// by a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// OCID of the workload.
    pub id: Ocid,
    /// OCID of the compartment that it is in.
    pub compartment_id: Ocid,
    /// Name, unique in the compartment.
    pub name: String,
    /// Description.
    pub description: String,
    /// Type of the resource: `instance`, `fnfunc`, ….
    pub resource_type: String,
    /// When it was enrolled.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

impl Workload {
    /// The type of what is a compute instance.
    pub const INSTANCE: &str = "instance";
}

/// A tag namespace: the tags that may be used as `definedTags`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagNamespace {
    /// OCID of the namespace.
    pub id: Ocid,
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// Name, unique in the tenancy.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether its tags can no longer be put on resources.
    pub is_retired: bool,
    /// When the namespace was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// A tag of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// OCID of the tag.
    pub id: Ocid,
    /// OCID of the namespace.
    pub tag_namespace_id: Ocid,
    /// Name, unique in the namespace.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether it can no longer be put on resources.
    pub is_retired: bool,
    /// Whether costs are tracked by it.
    pub is_cost_tracking: bool,
    /// The values it may have; any if absent.
    #[serde(default)]
    pub values: Option<Vec<String>>,
    /// When the tag was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}
