//! The bodies of answers, in OCI's field names.

use std::collections::BTreeMap;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use strongroom_model::{
    Compartment, CompartmentState, DefinedTags, Key, KeyState, KeyVersion, KeyVersionState, Region,
    Secret, SecretState, SecretVersion, Stage, Tags, Tenancy, Timestamp, User, Vault, VaultState,
    VaultType, rfc3339,
};

fn time<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

/// Encodes while writing, so that no copy of the encoded content is left behind.
fn base64<S: serde::Serializer>(content: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(content, &STANDARD))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TagFields<'a> {
    freeform_tags: &'a BTreeMap<String, String>,
    defined_tags: &'a DefinedTags,
}

impl<'a> From<&'a Tags> for TagFields<'a> {
    fn from(tags: &'a Tags) -> Self {
        Self { freeform_tags: &tags.freeform, defined_tags: &tags.defined }
    }
}

/// `Vault`, and with fewer of its fields `VaultSummary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultBody<'a> {
    id: &'a str,
    compartment_id: &'a str,
    display_name: &'a str,
    lifecycle_state: VaultState,
    vault_type: VaultType,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    management_endpoint: &'a str,
    crypto_endpoint: &'a str,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> VaultBody<'a> {
    /// Renders a vault whose key operations are answered at `endpoint`.
    #[must_use]
    pub fn new(vault: &'a Vault, endpoint: &'a str) -> Self {
        Self {
            id: vault.id.as_str(),
            compartment_id: vault.compartment_id.as_str(),
            display_name: &vault.display_name,
            lifecycle_state: vault.state,
            vault_type: vault.vault_type,
            time_created: vault.time_created,
            management_endpoint: endpoint,
            crypto_endpoint: endpoint,
            tags: TagFields::from(&vault.tags),
        }
    }
}

/// `Key`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyBody<'a> {
    id: &'a str,
    compartment_id: &'a str,
    vault_id: &'a str,
    display_name: &'a str,
    key_shape: strongroom_model::KeyShape,
    protection_mode: strongroom_model::ProtectionMode,
    current_key_version: &'a str,
    lifecycle_state: KeyState,
    is_auto_rotation_enabled: bool,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> From<&'a Key> for KeyBody<'a> {
    fn from(key: &'a Key) -> Self {
        Self {
            id: key.id.as_str(),
            compartment_id: key.compartment_id.as_str(),
            vault_id: key.vault_id.as_str(),
            display_name: &key.display_name,
            key_shape: key.shape,
            protection_mode: key.protection_mode,
            current_key_version: key.current_key_version.as_str(),
            lifecycle_state: key.state,
            is_auto_rotation_enabled: false,
            time_created: key.time_created,
            tags: TagFields::from(&key.tags),
        }
    }
}

/// `KeySummary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySummary<'a> {
    id: &'a str,
    compartment_id: &'a str,
    vault_id: &'a str,
    display_name: &'a str,
    algorithm: strongroom_model::KeyAlgorithm,
    protection_mode: strongroom_model::ProtectionMode,
    lifecycle_state: KeyState,
    is_auto_rotation_enabled: bool,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> From<&'a Key> for KeySummary<'a> {
    fn from(key: &'a Key) -> Self {
        Self {
            id: key.id.as_str(),
            compartment_id: key.compartment_id.as_str(),
            vault_id: key.vault_id.as_str(),
            display_name: &key.display_name,
            algorithm: key.shape.algorithm,
            protection_mode: key.protection_mode,
            lifecycle_state: key.state,
            is_auto_rotation_enabled: false,
            time_created: key.time_created,
            tags: TagFields::from(&key.tags),
        }
    }
}

/// `KeyVersionSummary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyVersionSummary<'a> {
    id: &'a str,
    key_id: &'a str,
    compartment_id: &'a str,
    vault_id: &'a str,
    lifecycle_state: KeyVersionState,
    origin: &'static str,
    is_auto_rotated: bool,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
}

impl<'a> KeyVersionSummary<'a> {
    /// Renders a version of `key`.
    #[must_use]
    pub fn new(version: &'a KeyVersion, key: &'a Key) -> Self {
        Self {
            id: version.id.as_str(),
            key_id: version.key_id.as_str(),
            compartment_id: key.compartment_id.as_str(),
            vault_id: key.vault_id.as_str(),
            lifecycle_state: version.state,
            origin: "INTERNAL",
            is_auto_rotated: false,
            time_created: version.time_created,
        }
    }
}

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

/// `Compartment`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompartmentBody<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    compartment_id: Option<&'a str>,
    name: &'a str,
    description: &'a str,
    lifecycle_state: CompartmentState,
    is_accessible: bool,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> From<&'a Compartment> for CompartmentBody<'a> {
    fn from(compartment: &'a Compartment) -> Self {
        Self {
            id: compartment.id.as_str(),
            compartment_id: Some(compartment.compartment_id.as_str()),
            name: &compartment.name,
            description: &compartment.description,
            lifecycle_state: compartment.state,
            is_accessible: true,
            time_created: compartment.time_created,
            tags: TagFields::from(&compartment.tags),
        }
    }
}

impl<'a> CompartmentBody<'a> {
    /// Renders the root compartment, which has no parent.
    #[must_use]
    pub fn root(tenancy: &'a Tenancy, no_tags: &'a Tags) -> Self {
        Self {
            id: tenancy.id.as_str(),
            compartment_id: None,
            name: &tenancy.name,
            description: "The root compartment of the tenancy",
            lifecycle_state: CompartmentState::Active,
            is_accessible: true,
            time_created: tenancy.time_created,
            tags: TagFields::from(no_tags),
        }
    }
}

/// `User`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserBody<'a> {
    id: &'a str,
    compartment_id: &'a str,
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    lifecycle_state: &'static str,
    is_mfa_activated: bool,
    capabilities: Capabilities,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    can_use_api_keys: bool,
    can_use_console_password: bool,
}

impl<'a> From<&'a User> for UserBody<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id.as_str(),
            compartment_id: user.compartment_id.as_str(),
            name: &user.name,
            description: &user.description,
            email: user.email.as_deref(),
            lifecycle_state: "ACTIVE",
            is_mfa_activated: false,
            capabilities: Capabilities { can_use_api_keys: true, can_use_console_password: false },
            time_created: user.time_created,
            tags: TagFields::from(&user.tags),
        }
    }
}

/// `RegionSubscription`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionSubscription {
    region_key: String,
    region_name: &'static str,
    status: &'static str,
    is_home_region: bool,
}

impl RegionSubscription {
    /// Renders the subscription to the home region.
    #[must_use]
    pub fn home(region: &'static Region) -> Self {
        Self {
            region_key: region.key.to_uppercase(),
            region_name: region.name,
            status: "READY",
            is_home_region: true,
        }
    }
}
