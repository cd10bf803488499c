use serde::Serialize;
use strongroom_model::{Timestamp, Vault, VaultState, VaultType};

use super::{TagFields, optional_time, time};

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
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_of_deletion: Option<Timestamp>,
    management_endpoint: &'a str,
    crypto_endpoint: &'a str,
    wrappingkey_id: String,
    is_primary: bool,
    is_vault_replicable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replica_details: Option<ReplicaDetailsBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_from_vault_id: Option<&'a str>,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

/// `VaultReplicaDetails`, `KeyReplicaDetails` and `KeyVersionReplicaDetails`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaDetailsBody<'a> {
    replication_id: &'a str,
}

impl<'a> ReplicaDetailsBody<'a> {
    /// The replication that `vault` is in, if any.
    pub(super) fn of(vault: &'a Vault) -> Option<Self> {
        let replica = vault.replica.as_ref()?;
        Some(Self { replication_id: replica.replication_id.as_str() })
    }
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
            time_of_deletion: vault.time_of_deletion,
            management_endpoint: endpoint,
            crypto_endpoint: endpoint,
            wrappingkey_id: vault.wrapping_key_id().to_string(),
            is_primary: !vault.is_replica(),
            is_vault_replicable: vault.vault_type == VaultType::VirtualPrivate,
            replica_details: ReplicaDetailsBody::of(vault),
            restored_from_vault_id: vault
                .restored_from
                .as_ref()
                .map(strongroom_model::Ocid::as_str),
            tags: TagFields::from(&vault.tags),
        }
    }
}

/// `VaultUsage`: keys and key versions in an HSM, and in software.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultUsage {
    /// Keys in an HSM.
    pub key_count: usize,
    /// Versions of keys in an HSM.
    pub key_version_count: usize,
    /// Keys in software.
    pub software_key_count: usize,
    /// Versions of keys in software.
    pub software_key_version_count: usize,
}

/// `VaultReplicaSummary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultReplicaSummary<'a> {
    region: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    management_endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crypto_endpoint: Option<&'a str>,
}

impl<'a> VaultReplicaSummary<'a> {
    /// Renders a replica that answers at `endpoint`; without one it is being made.
    #[must_use]
    pub const fn new(region: &'a str, endpoint: Option<&'a str>) -> Self {
        let status = if endpoint.is_some() { "CREATED" } else { "CREATING" };
        Self { region, status, management_endpoint: endpoint, crypto_endpoint: endpoint }
    }
}

/// `ReplicationStatusDetails`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationStatus<'a> {
    replica_details: [RegionStatus<'a>; 1],
}

#[derive(Debug, Serialize)]
struct RegionStatus<'a> {
    region: &'a str,
    status: &'static str,
}

impl<'a> ReplicationStatus<'a> {
    /// Renders the status of a replication to `region`, which may have caught up.
    #[must_use]
    pub const fn new(region: &'a str, has_caught_up: bool) -> Self {
        let status = if has_caught_up { "REPLICATED" } else { "REPLICATING" };
        Self { replica_details: [RegionStatus { region, status }] }
    }
}
