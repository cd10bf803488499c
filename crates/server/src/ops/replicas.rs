//! A vault's replica, in another region, that answers what changes nothing. If the region is another
//! installation, the replica is kept there; a server that is paired with none stands for both regions
//! itself, with a second authority, and what is written here is there at once.

use std::sync::Arc;

use strongroom_model::{
    KeyState, LifecycleError, Ocid, OcidKind, ProtectionMode, Region, Vault, VaultReplica,
    VaultType,
};
use strongroom_wire::bodies::{ReplicationStatus, VaultReplicaSummary};
use strongroom_wire::{ErrorCode, Refusal, ReplicaDetails};

use super::Context;
use super::changing::{VaultChange, change_vault, unmovable, vault_of};
use super::listing::page_of;
use crate::ask::Listing;
use crate::authz::Permit;
use crate::catalog::{KeyEntry, VaultEntry};
use crate::door::Door;
use crate::failure::Failure;
use crate::reply::Reply;

fn conflict(message: &'static str) -> Failure {
    Refusal::new(ErrorCode::Conflict, message).into()
}

/// `CreateVaultReplica`: the same region again is no change, a second one is refused.
pub(super) async fn create(
    context: &Context<'_>,
    permit: &Permit,
    details: &ReplicaDetails,
) -> Result<Reply, Failure> {
    let shared = context.shared;
    let region = Region::named(&details.region).filter(|region| *region != shared.region);
    let region = region.ok_or_else(|| {
        let rule = format!("must be a region of OCI other than {}", shared.region.name);
        Refusal::invalid("replicaRegion", &rule)
    })?;
    let replica = VaultReplica {
        region: region.name.to_owned(),
        replication_id: Ocid::regional(OcidKind::VaultReplica, region, &*shared.random),
    };
    let peers = &context.catalog.regions.peers;
    if !peers.is_empty() {
        if !peers.contains_key(region.name) {
            let rule = format!("names {}, which this region is not paired with", region.name);
            return Err(Refusal::invalid("replicaRegion", &rule).into());
        }
        return create_elsewhere(context, permit, &replica).await;
    }
    let listener = shared.endpoints.reserve(&*shared.random).await;
    let listener = listener.map_err(|error| super::vaults::no_port(&error))?;
    let port = listener.local_addr().map_err(|error| super::vaults::no_port(&error))?.port();
    let reply =
        change_vault(context, permit, |entry, _| replicated(entry, &replica, Some(port))).await?;
    let vault_id = &vault_of(permit)?.vault.id;
    let catalog = shared.catalog().await?;
    if catalog.vaults.get(vault_id).is_some_and(|entry| entry.replica_port == Some(port)) {
        shared.endpoints.serve(Door::Replica(vault_id.clone()), listener);
    }
    Ok(reply.without_body())
}

/// The vault with a replica, if it can have one.
fn replicated(
    entry: &VaultEntry,
    replica: &VaultReplica,
    port: Option<u16>,
) -> Result<VaultChange, Failure> {
    let vault = &entry.vault;
    vault.check_active().map_err(|error| unmovable("vault", error))?;
    if vault.vault_type != VaultType::VirtualPrivate {
        return Err(conflict("Only a vault of type VIRTUAL_PRIVATE can have a replica."));
    }
    match &vault.replica {
        Some(there) if there.region == replica.region => Ok(VaultChange {
            vault: vault.clone(),
            replica_port: entry.replica_port,
            keys: Vec::new(),
        }),
        Some(_) => Err(conflict("The vault has a replica in another region already.")),
        None => {
            let vault = Vault { replica: Some(replica.clone()), ..vault.clone() };
            Ok(VaultChange { vault, replica_port: port, keys: Vec::new() })
        }
    }
}

/// The replica is kept by another installation, which learns of it by the commit.
async fn create_elsewhere(
    context: &Context<'_>,
    permit: &Permit,
    replica: &VaultReplica,
) -> Result<Reply, Failure> {
    let reply = change_vault(context, permit, |entry, catalog| {
        let in_token = |key: &&Arc<KeyEntry>| {
            key.key.protection_mode == ProtectionMode::Hsm && key.key.state != KeyState::Deleted
        };
        if catalog.keys_in(&entry.vault.id).any(|key| in_token(&key)) {
            return Err(conflict(
                "A key of the vault is in a token, which its material never leaves.",
            ));
        }
        replicated(entry, replica, None)
    });
    Ok(reply.await?.without_body())
}

/// `DeleteVaultReplica`. Requests to its endpoint are refused from the commit on.
pub(super) async fn delete(
    context: &Context<'_>,
    permit: &Permit,
    details: &ReplicaDetails,
) -> Result<Reply, Failure> {
    let region = Region::named(&details.region).map(|region| region.name);
    let reply = change_vault(context, permit, |entry, _| {
        let vault = &entry.vault;
        vault.check_active().map_err(|error: LifecycleError| unmovable("vault", error))?;
        let there = vault.replica.as_ref().map(|replica| replica.region.as_str());
        if there.is_none() || there != region {
            let rule = "is not a region in which the vault has a replica";
            return Err(Refusal::invalid("replicaRegion", rule).into());
        }
        let vault = Vault { replica: None, ..vault.clone() };
        Ok(VaultChange { vault, replica_port: None, keys: Vec::new() })
    });
    Ok(reply.await?.without_body())
}

/// `ListVaultReplicas`.
pub(super) fn list(
    context: &Context<'_>,
    permit: &Permit,
    listing: &Listing,
) -> Result<Reply, Failure> {
    let entry = vault_of(permit)?;
    let own = entry.replica_port.map(|port| context.shared.endpoints.url(port));
    let there = entry.vault.replica.as_ref();
    let told = there
        .and_then(|replica| context.shared.region_watch.vault_at(&replica.region, &entry.vault.id));
    let url = own.or(told.map(|(url, _)| url));
    let rows = there.map(|replica| (replica.region.clone(), (replica, url.as_deref())));
    let (page, next) = page_of(rows.into_iter().collect(), listing);
    let bodies: Vec<_> =
        page.iter().map(|(replica, url)| VaultReplicaSummary::new(&replica.region, *url)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next).with_etag(entry.revision))
}

/// `GetReplicationStatus`.
pub(super) fn status(context: &Context<'_>, permit: &Permit) -> Result<Reply, Failure> {
    let entry = vault_of(permit)?;
    let replica = entry.vault.replica.as_ref();
    let replica = replica.ok_or_else(|| Failure::not_found("the replication is no more"))?;
    let there = context.shared.region_watch.vault_at(&replica.region, &entry.vault.id);
    let revision = context.catalog.vault_revision(&entry.vault.id);
    let has_caught_up = entry.replica_port.is_some()
        || entry.vault.is_replica()
        || there.is_some_and(|(_, taken)| taken >= revision.0);
    let status = ReplicationStatus::new(&replica.region, has_caught_up);
    Ok(Reply::of(&status)?.with_etag(entry.revision))
}
