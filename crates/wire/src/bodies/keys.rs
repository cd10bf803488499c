use serde::Serialize;
use strongroom_model::{
    AutoRotation, Key, KeyAlgorithm, KeyShape, KeyState, KeyVersion, KeyVersionState, Ocid, Origin,
    ProtectionMode, RotationStatus, Timestamp, Vault,
};

use super::vaults::ReplicaDetailsBody;
use super::{TagFields, optional_time, time};

/// `AutoKeyRotationDetails`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AutoKeyRotationDetails<'a> {
    rotation_interval_in_days: u32,
    #[serde(serialize_with = "time")]
    time_of_schedule_start: Timestamp,
    #[serde(serialize_with = "time")]
    time_of_next_rotation: Timestamp,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_last_rotation: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_rotation_status: Option<RotationStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_rotation_message: Option<&'a str>,
}

impl<'a> From<&'a AutoRotation> for AutoKeyRotationDetails<'a> {
    fn from(rotation: &'a AutoRotation) -> Self {
        Self {
            rotation_interval_in_days: rotation.interval_days,
            time_of_schedule_start: rotation.schedule_start,
            time_of_next_rotation: rotation.next,
            time_of_last_rotation: rotation.last,
            last_rotation_status: rotation.last_status,
            last_rotation_message: rotation.last_message.as_deref(),
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
    key_shape: KeyShape,
    protection_mode: ProtectionMode,
    current_key_version: &'a str,
    lifecycle_state: KeyState,
    is_auto_rotation_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_key_rotation_details: Option<AutoKeyRotationDetails<'a>>,
    is_primary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replica_details: Option<ReplicaDetailsBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_from_key_id: Option<&'a str>,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_deletion: Option<Timestamp>,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> KeyBody<'a> {
    /// Renders a key of `vault`.
    #[must_use]
    pub fn new(key: &'a Key, vault: &'a Vault) -> Self {
        let (lifecycle_state, time_of_deletion) = key.shown_in(vault);
        Self {
            id: key.id.as_str(),
            compartment_id: key.compartment_id.as_str(),
            vault_id: key.vault_id.as_str(),
            display_name: &key.display_name,
            key_shape: key.shape,
            protection_mode: key.protection_mode,
            current_key_version: key.current_key_version.as_str(),
            lifecycle_state,
            is_auto_rotation_enabled: key.auto_rotation.is_some(),
            auto_key_rotation_details: key.auto_rotation.as_ref().map(Into::into),
            is_primary: !vault.is_replica(),
            replica_details: ReplicaDetailsBody::of(vault),
            restored_from_key_id: key.restored_from.as_ref().map(Ocid::as_str),
            time_created: key.time_created,
            time_of_deletion,
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
    algorithm: KeyAlgorithm,
    protection_mode: ProtectionMode,
    lifecycle_state: KeyState,
    is_auto_rotation_enabled: bool,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> KeySummary<'a> {
    /// Renders a key of `vault`.
    #[must_use]
    pub fn new(key: &'a Key, vault: &Vault) -> Self {
        Self {
            id: key.id.as_str(),
            compartment_id: key.compartment_id.as_str(),
            vault_id: key.vault_id.as_str(),
            display_name: &key.display_name,
            algorithm: key.shape.algorithm(),
            protection_mode: key.protection_mode,
            lifecycle_state: key.shown_in(vault).0,
            is_auto_rotation_enabled: key.auto_rotation.is_some(),
            time_created: key.time_created,
            tags: TagFields::from(&key.tags),
        }
    }
}

/// `KeyVersion`, and without the fields that only the single answer has `KeyVersionSummary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyVersionBody<'a> {
    id: &'a str,
    key_id: &'a str,
    compartment_id: &'a str,
    vault_id: &'a str,
    lifecycle_state: KeyVersionState,
    origin: Origin,
    is_auto_rotated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_primary: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replica_details: Option<ReplicaDetailsBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_from_key_version_id: Option<&'a str>,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_deletion: Option<Timestamp>,
}

impl<'a> KeyVersionBody<'a> {
    /// Renders `KeyVersionSummary` of a version of `key`. What becomes of the key becomes of its
    /// versions.
    #[must_use]
    pub fn summary(version: &'a KeyVersion, key: &'a Key, vault: &Vault) -> Self {
        let (state, time_of_deletion) = match (version.state, key.shown_in(vault)) {
            (KeyVersionState::Enabled, (KeyState::PendingDeletion, at)) => {
                (KeyVersionState::PendingDeletion, at)
            }
            (_, (KeyState::Deleted, at)) => (KeyVersionState::Deleted, at),
            (state, _) => (state, version.time_of_deletion),
        };
        Self {
            id: version.id.as_str(),
            key_id: version.key_id.as_str(),
            compartment_id: key.compartment_id.as_str(),
            vault_id: key.vault_id.as_str(),
            lifecycle_state: state,
            origin: version.origin,
            is_auto_rotated: version.is_auto_rotated,
            public_key: None,
            is_primary: None,
            replica_details: None,
            restored_from_key_version_id: None,
            time_created: version.time_created,
            time_of_deletion,
        }
    }

    /// Renders `KeyVersion`.
    #[must_use]
    pub fn whole(version: &'a KeyVersion, key: &'a Key, vault: &'a Vault) -> Self {
        Self {
            public_key: version.public_key.as_deref(),
            is_primary: Some(!vault.is_replica()),
            replica_details: ReplicaDetailsBody::of(vault),
            restored_from_key_version_id: version.restored_from.as_ref().map(Ocid::as_str),
            ..Self::summary(version, key, vault)
        }
    }
}

/// `WrappingKey`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrappingKeyBody<'a> {
    id: String,
    compartment_id: &'a str,
    vault_id: &'a str,
    lifecycle_state: KeyState,
    public_key: &'a str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
}

impl<'a> WrappingKeyBody<'a> {
    /// Renders the wrapping key of `vault`.
    #[must_use]
    pub fn new(vault: &'a Vault, public_key: &'a str, time_created: Timestamp) -> Self {
        Self {
            id: vault.wrapping_key_id().to_string(),
            compartment_id: vault.compartment_id.as_str(),
            vault_id: vault.id.as_str(),
            lifecycle_state: KeyState::Enabled,
            public_key,
            time_created,
        }
    }
}
