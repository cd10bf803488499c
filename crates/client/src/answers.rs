use std::collections::BTreeMap;

use serde::Deserialize;
use strongroom_model::Sensitive;

/// `SecretSummary`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretSummary {
    /// OCID.
    pub id: String,
    /// Name.
    pub secret_name: String,
    /// OCID of the vault.
    pub vault_id: String,
    /// Lifecycle state.
    pub lifecycle_state: String,
    /// When it was made, RFC 3339.
    pub time_created: String,
}

/// `Secret`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// OCID.
    pub id: String,
    /// Name.
    pub secret_name: String,
    /// Lifecycle state.
    pub lifecycle_state: String,
    /// OCID of the vault.
    pub vault_id: String,
    /// OCID of the key.
    pub key_id: Option<String>,
    /// Number of the version in use.
    pub current_version_number: Option<u64>,
    /// `IN_PROGRESS`, `SCHEDULED` or `NOT_ENABLED`.
    pub rotation_status: Option<String>,
    /// What went wrong, if anything did.
    pub lifecycle_details: Option<String>,
    /// When it is to be deleted, RFC 3339.
    pub time_of_deletion: Option<String>,
    /// What else the service tells: never content.
    #[serde(flatten)]
    pub rest: BTreeMap<String, serde_json::Value>,
}

/// `VaultSummary`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultSummary {
    /// OCID.
    pub id: String,
    /// Name.
    pub display_name: String,
    /// Lifecycle state.
    pub lifecycle_state: String,
    /// Base URL of the vault's key management.
    pub management_endpoint: String,
    /// Base URL of the vault's cryptography.
    pub crypto_endpoint: String,
    /// When it was made, RFC 3339.
    pub time_created: String,
}

/// `Key`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// OCID.
    pub id: String,
    /// OCID of the compartment.
    pub compartment_id: String,
    /// Name.
    pub display_name: String,
    /// Lifecycle state.
    pub lifecycle_state: String,
}

/// `SecretVersionSummary`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersionSummary {
    /// Number.
    pub version_number: u64,
    /// Name.
    pub name: Option<String>,
    /// Stages.
    #[serde(default)]
    pub stages: Vec<String>,
    /// When it was made, RFC 3339.
    pub time_created: String,
    /// When it is to be deleted, RFC 3339.
    pub time_of_deletion: Option<String>,
}

/// `SecretBundle`, with its content decoded.
#[derive(Debug, Clone)]
pub struct SecretBundle {
    /// OCID of the secret.
    pub secret_id: String,
    /// Number of the version.
    pub version_number: u64,
    /// Name of the version.
    pub version_name: Option<String>,
    /// Stages of the version.
    pub stages: Vec<String>,
    /// When the version was made, RFC 3339.
    pub time_created: Option<String>,
    /// The secret's metadata, which is not secret.
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// The content.
    pub content: Sensitive,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawBundle {
    pub(crate) secret_id: String,
    pub(crate) version_number: u64,
    pub(crate) version_name: Option<String>,
    #[serde(default)]
    pub(crate) stages: Vec<String>,
    pub(crate) time_created: Option<String>,
    pub(crate) metadata: Option<BTreeMap<String, serde_json::Value>>,
    pub(crate) secret_bundle_content: RawContent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawContent {
    pub(crate) content_type: String,
    pub(crate) content: String,
}
