use serde::{Deserialize, Serialize};

use crate::{Ocid, Tags, Timestamp, VaultTag};

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
    /// When the policy was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// Kind of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VaultType {
    /// A vault on shared partitions.
    Default,
    /// A vault with a partition of its own.
    VirtualPrivate,
}

/// Lifecycle of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VaultState {
    /// Usable.
    Active,
}

/// A vault: the container of keys and secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vault {
    /// OCID of the vault.
    pub id: Ocid,
    /// The 13 characters that stand for the vault in host names and OCIDs.
    pub tag: VaultTag,
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// Display name; need not be unique.
    pub display_name: String,
    /// Kind of the vault.
    pub vault_type: VaultType,
    /// Lifecycle state.
    pub state: VaultState,
    /// When the vault was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// Algorithm of a master encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyAlgorithm {
    /// AES.
    #[serde(rename = "AES")]
    Aes,
}

/// Shape of a master encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyShape {
    /// Algorithm.
    pub algorithm: KeyAlgorithm,
    /// Length in bytes: 16, 24 or 32 for AES.
    pub length: u16,
}

/// Where a key's material is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProtectionMode {
    /// Inside the server, sealed at rest.
    Software,
}

/// Lifecycle of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyState {
    /// Usable.
    Enabled,
}

/// A master encryption key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// OCID of the key.
    pub id: Ocid,
    /// OCID of the compartment.
    pub compartment_id: Ocid,
    /// OCID of the vault.
    pub vault_id: Ocid,
    /// Display name; need not be unique.
    pub display_name: String,
    /// Shape.
    pub shape: KeyShape,
    /// Protection mode.
    pub protection_mode: ProtectionMode,
    /// OCID of the key version that encrypts.
    pub current_key_version: Ocid,
    /// Lifecycle state.
    pub state: KeyState,
    /// When the key was made.
    pub time_created: Timestamp,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// Lifecycle of a key version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyVersionState {
    /// Usable.
    Enabled,
}

/// A version of a master encryption key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyVersion {
    /// OCID of the key version.
    pub id: Ocid,
    /// OCID of the key.
    pub key_id: Ocid,
    /// Lifecycle state.
    pub state: KeyVersionState,
    /// When the version was made.
    pub time_created: Timestamp,
}
