//! Takes what another region sends: replicas of its vaults, with their keys.

use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_keyring::{Sealed, VaultKey};
use strongroom_model::{Key, KeyVersion, Ocid, Vault, VaultSource, VaultState};
use strongroom_store::{Batch, Require};

use super::intake::{Behind, Taken, read_row, refused};
use super::messages::{KeyVersionItem, VaultItem, binding};
use super::peers::Peer;
use crate::catalog::{Catalog, VaultEntry, key_version_binding, vault_binding};
use crate::door::Door;
use crate::failure::Failure;
use crate::rows::{self, KeyRow, KeyVersionRow, VaultRow};
use crate::schedule::record_of_vault;
use crate::shared::Shared;

/// Takes a vault.
pub(super) async fn take(shared: &Shared, peer: &Peer, item: &VaultItem) -> Result<Taken, Failure> {
    match try_take(shared, peer, item).await {
        Err(failure) => Ok(Taken::Refused(failure.reason)),
        taken => taken,
    }
}

async fn try_take(shared: &Shared, peer: &Peer, item: &VaultItem) -> Result<Taken, Failure> {
    let catalog = shared.catalog().await?;
    let known = catalog.vaults.get(&item.id);
    if let Some(entry) = known {
        match &entry.vault.source {
            Some(source) if source.region == peer.region => {
                let (there, here) = (item.revision, source.revision);
                match here.cmp(&there) {
                    Ordering::Less => {}
                    Ordering::Equal => return Ok(Taken::Stored),
                    Ordering::Greater => return Ok(Taken::Behind(Behind { there, here })),
                }
            }
            // It was promoted here.
            _ => return Ok(if item.vault.is_some() { Taken::Fenced } else { Taken::Stored }),
        }
    }
    if let Some(fault) = &item.fault {
        return Ok(Taken::Refused(format!("region {} cannot send it: {fault}", peer.region)));
    }
    match (&item.vault, known) {
        (None, None) => Ok(Taken::Stored),
        (None, Some(entry)) => withdraw(shared, &catalog, entry, item.revision).await,
        (Some(vault), known) => store(shared, &catalog, (peer, item, vault), known).await,
    }
}

/// Checks that all of an item is of the vault that it names: nothing else is written for it.
pub(super) fn check_belongs(
    catalog: &Catalog,
    item: &VaultItem,
    vault: &Vault,
) -> Result<(), Failure> {
    if vault.id != item.id {
        return Err(refused(format!("it has the description of vault {}", vault.id)));
    }
    for Key { id, vault_id, .. } in &item.keys {
        let known = catalog.keys.get(id).map(|entry| &entry.key.vault_id);
        if let Some(other) = known.into_iter().chain([vault_id]).find(|other| **other != item.id) {
            return Err(refused(format!("key {id} is of vault {other}")));
        }
    }
    for KeyVersion { id, key_id, .. } in item.versions.iter().map(|sent| &sent.version) {
        if !item.keys.iter().any(|key| key.id == *key_id) {
            return Err(refused(format!("key version {id} is of no key of the vault")));
        }
        let known = catalog.key_versions.get(id).map(|entry| &entry.version.key_id);
        if let Some(other) = known.filter(|other| *other != key_id) {
            return Err(refused(format!("key version {id} is of key {other}")));
        }
    }
    Ok(())
}

fn copy_of(vault: &Vault, region: &str, revision: u64) -> Vault {
    let source = Some(VaultSource { region: region.to_owned(), revision });
    Vault { source, ..vault.clone() }
}

async fn store(
    shared: &Shared,
    catalog: &Catalog,
    (peer, item, vault): (&Peer, &VaultItem, &Vault),
    known: Option<&std::sync::Arc<VaultEntry>>,
) -> Result<Taken, Failure> {
    check_belongs(catalog, item, vault)?;
    let tenancy = &catalog.tenancy.id;
    let place = rows::vault(&item.id);
    let made: VaultKey;
    let live = known.and_then(|entry| Some((entry, entry.key.as_ref()?)));
    let (vault_key, sealed, port, listener) = if let Some((entry, key)) = live {
        let row: VaultRow = read_row(shared, &place).await?;
        (key, row.vault_key, entry.port, None)
    } else {
        let binding = vault_binding(tenancy, &item.id);
        let new = catalog.roots.current.new_vault_key(&binding, &*shared.random);
        let (key, sealed) = new.map_err(|error| Failure::internal(error.to_string()))?;
        made = key;
        let no_port = |error: std::io::Error| Failure::internal(format!("no port: {error}"));
        let listener = shared.endpoints.reserve(&*shared.random).await.map_err(no_port)?;
        let port = listener.local_addr().map_err(no_port)?.port();
        (&made, Some(sealed), port, Some(listener))
    };
    let vault = copy_of(vault, &peer.region, item.revision);
    let vault_key_row = sealed.filter(|_| vault.state != VaultState::Deleted);
    let record = record_of_vault(shared, "ReplicateVault", &vault);
    let row = VaultRow { vault, port, replica_port: None, vault_key: vault_key_row };
    let seen = known.map_or(Require::Absent, |entry| Require::Revision(entry.revision));
    let batch = Batch::new().require(place.clone(), seen).put(place, rows::encode(&row)?);
    let mut batch = catalog.roots.require_current(batch);
    for key in &item.keys {
        batch = batch.put(rows::key(&key.id), rows::encode(&KeyRow { key: key.clone() })?);
        let of_key = item.versions.iter().filter(|sent| sent.version.key_id == key.id);
        for sent in of_key {
            let way = (shared, tenancy, peer, item.revision);
            let material = material(way, vault_key, key, sent)?;
            let row = KeyVersionRow { key_version: sent.version.clone(), material };
            batch = batch.put(rows::key_version(&key.id, &sent.version.id), rows::encode(&row)?);
        }
    }
    shared.commit(batch, &record).await?;
    if let Some(listener) = listener {
        shared.endpoints.serve(Door::Vault(item.id.clone()), listener);
    }
    Ok(Taken::Stored)
}

/// Opens material that was sealed for this region, and seals it under the replica's own key.
fn material(
    (shared, tenancy, peer, revision): (&Shared, &Ocid, &Peer, u64),
    vault_key: &VaultKey,
    key: &Key,
    sent: &KeyVersionItem,
) -> Result<Option<Sealed>, Failure> {
    let Some(sealed) = &sent.sealed else { return Ok(None) };
    let id = &sent.version.id;
    let unopened = || refused(format!("key version {id} was not sealed for this region"));
    let sealed = STANDARD.decode(sealed).map_err(|_error| unopened())?;
    let binding = binding((&peer.region, shared.region.name), id, 0, revision);
    let material = shared.region_keys.open_material(&binding, key.shape, &sealed);
    let material = material.map_err(|_error| unopened())?;
    let binding = key_version_binding(tenancy, &key.vault_id, id);
    let sealed = vault_key.seal_material(&binding, &material, &*shared.random);
    sealed.map(Some).map_err(|error| Failure::internal(error.to_string()))
}

/// The replica goes: without its key nothing of it opens again.
async fn withdraw(
    shared: &Shared,
    catalog: &Catalog,
    entry: &VaultEntry,
    revision: u64,
) -> Result<Taken, Failure> {
    let id = &entry.vault.id;
    let now = shared.lifecycle_clock.now();
    let source = entry.vault.source.as_ref().map(|source| source.region.clone());
    let gone = Vault { state: VaultState::Deleted, replica: None, ..entry.vault.clone() };
    let vault = copy_of(&gone, &source.unwrap_or_default(), revision);
    let row = VaultRow { vault, port: entry.port, replica_port: None, vault_key: None };
    let place = rows::vault(id);
    let mut batch = Batch::new()
        .require(place.clone(), Require::Revision(entry.revision))
        .put(place, rows::encode(&row)?);
    for key in catalog.keys_in(id) {
        let row = KeyRow { key: key.key.deleted(now) };
        batch = batch.put(rows::key(&key.key.id), rows::encode(&row)?);
        for version in catalog.versions_of(&key.key.id) {
            let key_version = version.version.deleted(now);
            let place = rows::key_version(&key.key.id, &key_version.id);
            let row = KeyVersionRow { key_version, material: None };
            batch = batch.put(place, rows::encode(&row)?);
        }
    }
    shared.commit(batch, &record_of_vault(shared, "WithdrawReplica", &entry.vault)).await?;
    shared.forgets.store(true, std::sync::atomic::Ordering::Release);
    Ok(Taken::Stored)
}
