use serde::{Deserialize, Serialize};

use crate::{Ocid, Tags, Timestamp};

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
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
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
    /// When the policy was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}
