use std::sync::Arc;

use strongroom_model::{
    KeyState, Limits, Ocid, OcidKind, ProtectionMode, Timestamp, Vault, VaultState, VaultTag,
    VaultType,
};
use strongroom_store::Batch;
use strongroom_wire::bodies::{VaultBody, VaultUsage};
use strongroom_wire::{CreateVaultDetails, ErrorCode, Refusal, UpdateVaultDetails};

use super::Context;
use super::changing::{
    Outcome, VaultChange, change_vault, commit, reply_vault, unmovable, vault_of,
};
use super::listing::{page_of, sort_key};
use super::retry::{Earlier, Retry};
use crate::ask::ByCompartment;
use crate::authz::Permit;
use crate::catalog::{Catalog, VaultEntry, vault_binding};
use crate::door::Door;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, VaultRow};

/// `CreateVault`: the vault is ACTIVE at once and answers at a port of its own.
pub(super) async fn create(
    context: Context<'_>,
    _permit: &Permit,
    details: CreateVaultDetails,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return existing(&context, &id).await,
    };
    let shared = context.shared;
    check_limit(context.catalog, shared.limits, details.vault_type)?;
    let random = &*shared.random;
    let tag = VaultTag::generate(random);
    let vault = Vault {
        id: Ocid::in_vault(OcidKind::Vault, shared.region, &tag, random),
        tag,
        compartment_id: details.compartment_id,
        display_name: details.display_name,
        vault_type: details.vault_type,
        state: VaultState::Active,
        time_created: context.now,
        time_of_deletion: None,
        restored_from: None,
        replica: None,
        source: None,
        tags: details.tags,
    };
    let binding = vault_binding(&context.catalog.tenancy.id, &vault.id);
    let roots = &context.catalog.roots;
    let (_, vault_key) = roots
        .current
        .new_vault_key(&binding, random)
        .map_err(|_error| Failure::internal("a vault key was not made"))?;
    let listener = shared.endpoints.reserve(random).await.map_err(|error| no_port(&error))?;
    let port = listener.local_addr().map_err(|error| no_port(&error))?.port();
    let row = VaultRow { vault, port, replica_port: None, vault_key: Some(vault_key) };
    let batch = Batch::new().put(rows::vault(&row.vault.id), rows::encode(&row)?);
    let batch = roots.require_current(batch);
    context.record.target_id = Some(row.vault.id.clone());
    match commit(&context, &retry, batch, &row.vault.id).await? {
        Outcome::Done(revision) => {
            shared.endpoints.serve(Door::Vault(row.vault.id.clone()), listener);
            let url = shared.endpoints.url(port);
            let reply = Reply::of(&VaultBody::new(&row.vault, &url))?;
            Ok(reply.with_etag(revision).recorded())
        }
        Outcome::Earlier(id) => existing(&context, &id).await,
        Outcome::Overtaken => Err(Failure::internal("a new vault met another one")),
    }
}

/// Refuses one more vault of a type than the tenancy may hold.
pub(super) fn check_limit(
    catalog: &Catalog,
    limits: Limits,
    kind: VaultType,
) -> Result<(), Failure> {
    let alive = |entry: &&Arc<VaultEntry>| {
        entry.vault.vault_type == kind && entry.vault.state != VaultState::Deleted
    };
    let most = match kind {
        VaultType::Default => limits.vaults,
        VaultType::VirtualPrivate => limits.private_vaults,
    };
    if catalog.vaults.values().filter(alive).count() < most {
        return Ok(());
    }
    let message = format!("vaultType: the tenancy may hold {most} vaults of this type");
    Err(Refusal::new(ErrorCode::LimitExceeded, message).into())
}

pub(super) fn no_port(error: &std::io::Error) -> Failure {
    let message = "No port is free for the vault's endpoint. Try again.";
    let reason = format!("no port for a vault: {error}");
    Failure::new(Refusal::new(ErrorCode::ServiceUnavailable, message), reason)
}

async fn existing(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    reply_vault(context, &*context.shared.catalog().await?, id)
}

/// `GetVault`.
pub(super) fn get(context: &Context<'_>, permit: &Permit) -> Result<Reply, Failure> {
    reply_vault(context, context.catalog, &vault_of(permit)?.vault.id)
}

/// `ListVaults`.
pub(super) fn list(context: &Context<'_>, by: &ByCompartment) -> Result<Reply, Failure> {
    let of_compartment = context
        .catalog
        .vaults
        .values()
        .filter(|entry| entry.vault.compartment_id == by.compartment_id);
    let rows = of_compartment
        .map(|entry| {
            let vault = &entry.vault;
            let key = sort_key(&by.listing, vault.time_created, &vault.display_name, &vault.id);
            (key, (vault, context.shared.endpoints.url(entry.port)))
        })
        .collect();
    let (page, next) = page_of(rows, &by.listing);
    let bodies: Vec<_> = page.iter().map(|(vault, url)| VaultBody::new(vault, url)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

/// Changes the vault itself; its replica stays.
async fn change(
    context: &Context<'_>,
    permit: &Permit,
    next: impl Fn(&VaultEntry, &Catalog) -> Result<Vault, Failure>,
) -> Result<Reply, Failure> {
    change_vault(context, permit, |entry, catalog| {
        let vault = next(entry, catalog)?;
        Ok(VaultChange { vault, replica_port: entry.replica_port, keys: Vec::new() })
    })
    .await
}

/// `UpdateVault`: name and tags of an ACTIVE vault.
pub(super) async fn update(
    context: &Context<'_>,
    permit: &Permit,
    details: &UpdateVaultDetails,
) -> Result<Reply, Failure> {
    change(context, permit, |entry, _| {
        let mut vault = entry.vault.clone();
        vault.check_active().map_err(|error| unmovable("vault", error))?;
        if let Some(name) = &details.display_name {
            vault.display_name.clone_from(name);
        }
        if let Some(tags) = &details.freeform_tags {
            vault.tags.freeform.clone_from(tags);
        }
        if let Some(tags) = &details.defined_tags {
            vault.tags.defined.clone_from(tags);
        }
        Ok(vault)
    })
    .await
}

/// `ScheduleVaultDeletion`. What the vault holds goes with it.
pub(super) async fn schedule_deletion(
    context: &Context<'_>,
    permit: &Permit,
    asked: Option<Timestamp>,
) -> Result<Reply, Failure> {
    change_vault(context, permit, |entry, catalog| {
        let keys: Vec<_> = catalog.keys_in(&entry.vault.id).map(Arc::clone).collect();
        let pending = keys.iter().filter(|key| key.key.state == KeyState::PendingDeletion);
        let last_key = pending.filter_map(|key| key.key.time_of_deletion).max();
        let next = entry.vault.schedule_deletion(asked, last_key, context.now);
        let vault = next.map_err(|error| unmovable("vault", error))?;
        Ok(VaultChange { vault, replica_port: entry.replica_port, keys })
    })
    .await
}

/// `CancelVaultDeletion`.
pub(super) async fn cancel_deletion(
    context: &Context<'_>,
    permit: &Permit,
) -> Result<Reply, Failure> {
    change(context, permit, |entry, _| {
        entry.vault.cancel_deletion().map_err(|error| unmovable("vault", error))
    })
    .await
}

/// `ChangeVaultCompartment`: answers with nothing but an etag.
pub(super) async fn move_to(
    context: &Context<'_>,
    permit: &Permit,
    compartment_id: &Ocid,
) -> Result<Reply, Failure> {
    let moved = change(context, permit, |entry, _| {
        entry.vault.check_active().map_err(|error| unmovable("vault", error))?;
        Ok(Vault { compartment_id: compartment_id.clone(), ..entry.vault.clone() })
    });
    Ok(moved.await?.without_body())
}

/// `GetVaultUsage`: what is not deleted counts.
pub(super) fn usage(context: &Context<'_>, permit: &Permit) -> Result<Reply, Failure> {
    let vault = vault_of(permit)?;
    let mut usage = VaultUsage::default();
    for entry in context.catalog.keys_in(&vault.vault.id) {
        if entry.key.shown_in(&vault.vault).0 == KeyState::Deleted {
            continue;
        }
        let versions = super::keys::living_versions(context.catalog, &entry.key.id);
        match entry.key.protection_mode {
            ProtectionMode::Hsm => {
                usage.key_count += 1;
                usage.key_version_count += versions;
            }
            ProtectionMode::Software => {
                usage.software_key_count += 1;
                usage.software_key_version_count += versions;
            }
        }
    }
    Reply::of(&usage)
}
