use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use strongroom_model::{Secret, SecretState, SecretVersion, Stage, Timestamp};

use super::{TagFields, base64, time};

/// `Secret`, and `SecretSummary` without the two fields that only the single answer has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretBody<'a> {
    id: &'a str,
    compartment_id: &'a str,
    vault_id: &'a str,
    key_id: &'a str,
    secret_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    lifecycle_state: SecretState,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_version_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a BTreeMap<String, Value>>,
    is_auto_generation_enabled: bool,
    is_replica: bool,
    rotation_status: &'static str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> SecretBody<'a> {
    /// Renders `SecretSummary`.
    #[must_use]
    pub fn summary(secret: &'a Secret) -> Self {
        Self {
            id: secret.id.as_str(),
            compartment_id: secret.compartment_id.as_str(),
            vault_id: secret.vault_id.as_str(),
            key_id: secret.key_id.as_str(),
            secret_name: &secret.name,
            description: secret.description.as_deref(),
            lifecycle_state: secret.state,
            current_version_number: None,
            metadata: None,
            is_auto_generation_enabled: false,
            is_replica: false,
            rotation_status: "NOT_ENABLED",
            time_created: secret.time_created,
            tags: TagFields::from(&secret.tags),
        }
    }

    /// Renders `Secret`.
    #[must_use]
    pub fn whole(secret: &'a Secret) -> Self {
        Self {
            current_version_number: Some(secret.stages.current),
            metadata: Some(&secret.metadata),
            ..Self::summary(secret)
        }
    }
}

/// `SecretVersion` and `SecretVersionSummary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersionBody<'a> {
    secret_id: &'a str,
    version_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    content_type: &'static str,
    stages: Vec<Stage>,
    is_content_auto_generated: bool,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
}

impl<'a> SecretVersionBody<'a> {
    /// Renders a version of `secret`.
    #[must_use]
    pub fn new(secret: &'a Secret, version: &'a SecretVersion) -> Self {
        Self {
            secret_id: secret.id.as_str(),
            version_number: version.number,
            name: version.name.as_deref(),
            content_type: "BASE64",
            stages: secret.stages.of(version.number),
            is_content_auto_generated: false,
            time_created: version.time_created,
        }
    }
}

/// `SecretBundleVersionSummary`, and around it `SecretBundle`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretBundleVersion<'a> {
    secret_id: &'a str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    version_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<&'a str>,
    stages: Vec<Stage>,
}

impl<'a> SecretBundleVersion<'a> {
    /// Renders a version of `secret`.
    #[must_use]
    pub fn new(secret: &'a Secret, version: &'a SecretVersion) -> Self {
        Self {
            secret_id: secret.id.as_str(),
            time_created: version.time_created,
            version_number: version.number,
            version_name: version.name.as_deref(),
            stages: secret.stages.of(version.number),
        }
    }
}

/// `SecretBundle`: the one body that carries content.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretBundleBody<'a> {
    #[serde(flatten)]
    version: SecretBundleVersion<'a>,
    #[serde(rename = "secretBundleContent")]
    content: BundleContent<'a>,
    metadata: &'a BTreeMap<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BundleContent<'a> {
    content_type: &'static str,
    #[serde(serialize_with = "base64")]
    content: &'a [u8],
}

impl<'a> SecretBundleBody<'a> {
    /// Renders a version of `secret` with its content.
    #[must_use]
    pub fn new(secret: &'a Secret, version: &'a SecretVersion, content: &'a [u8]) -> Self {
        Self {
            version: SecretBundleVersion::new(secret, version),
            content: BundleContent { content_type: "BASE64", content },
            metadata: &secret.metadata,
        }
    }
}

impl std::fmt::Debug for SecretBundleBody<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretBundleBody").field("version", &self.version).finish_non_exhaustive()
    }
}
