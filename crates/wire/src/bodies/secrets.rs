use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use strongroom_model::{Secret, SecretState, SecretVersion, Stage, Timestamp, Vault};

use super::replication::{ReplicationConfigBody, SourceRegionBody};
use super::rotation::{GenerationBody, RotationConfigBody, RuleBody, rules_of};
use super::{TagFields, base64, optional_time, time};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    replication_config: Option<ReplicationConfigBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_region_information: Option<SourceRegionBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_config: Option<RotationConfigBody<'a>>,
    rotation_status: &'static str,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    last_rotation_time: Option<Timestamp>,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    next_rotation_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_generation_context: Option<GenerationBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_rules: Option<Vec<RuleBody>>,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_current_version_expiry: Option<Timestamp>,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_deletion: Option<Timestamp>,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> SecretBody<'a> {
    /// Renders `SecretSummary`.
    #[must_use]
    pub fn summary(secret: &'a Secret, vault: &Vault) -> Self {
        let (state, time_of_deletion) = secret.shown_in(vault);
        Self {
            id: secret.id.as_str(),
            compartment_id: secret.compartment_id.as_str(),
            vault_id: secret.vault_id.as_str(),
            key_id: secret.key_id.as_str(),
            secret_name: &secret.name,
            description: secret.description.as_deref(),
            lifecycle_state: state,
            current_version_number: None,
            metadata: None,
            is_auto_generation_enabled: secret.is_auto_generation_enabled,
            is_replica: secret.is_replica(),
            replication_config: ReplicationConfigBody::of(&secret.replication),
            source_region_information: SourceRegionBody::of(&secret.replication),
            lifecycle_details: secret.rotation.details(),
            rotation_config: secret.rotation.config.as_ref().map(RotationConfigBody::new),
            rotation_status: secret.rotation.status(),
            last_rotation_time: secret.rotation.last,
            next_rotation_time: secret.rotation.next,
            secret_generation_context: secret.generation.as_ref().map(GenerationBody::new),
            secret_rules: None,
            time_created: secret.time_created,
            time_of_current_version_expiry: secret.current_expiry(),
            time_of_deletion,
            tags: TagFields::from(&secret.tags),
        }
    }

    /// Renders `Secret`.
    #[must_use]
    pub fn whole(secret: &'a Secret, vault: &Vault) -> Self {
        Self {
            current_version_number: Some(secret.stages.current),
            metadata: Some(&secret.metadata),
            secret_rules: Some(rules_of(&secret.rules)),
            ..Self::summary(secret, vault)
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
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_deletion: Option<Timestamp>,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_expiry: Option<Timestamp>,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_current_version_expiry: Option<Timestamp>,
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
            is_content_auto_generated: version.is_generated,
            time_created: version.time_created,
            time_of_deletion: secret.scheduled.get(&version.number).copied(),
            time_of_expiry: secret.expiry_of(version.number, version.time_created),
            time_of_current_version_expiry: secret.expiry_of(version.number, version.time_created),
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
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_deletion: Option<Timestamp>,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_expiry: Option<Timestamp>,
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
            time_of_deletion: secret.scheduled.get(&version.number).copied(),
            time_of_expiry: secret.expiry_of(version.number, version.time_created),
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
