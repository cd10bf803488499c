//! What a region gets of the vaults that it keeps replicas of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::{KeyState, Ocid, ProtectionMode, Vault};

use super::messages::{KeyVersionItem, VaultItem, binding};
use super::peers::Peer;
use crate::catalog::{Catalog, KeyVersionEntry};
use crate::failure::Failure;
use crate::shared::Shared;

/// Tells whether a vault has its replica in a region.
pub(super) fn goes_to(vault: &Vault, region: &str) -> bool {
    !vault.is_replica() && vault.replica.as_ref().is_some_and(|there| there.region == region)
}

/// A vault as it is now, with all of its keys.
pub(super) fn item(
    (shared, peer): (&Shared, &Peer),
    catalog: &Catalog,
    id: Ocid,
) -> Result<VaultItem, Failure> {
    let revision = catalog.vault_revision(&id).0;
    let vault = catalog.vaults.get(&id).map(|entry| &entry.vault);
    let vault = vault.filter(|vault| goes_to(vault, &peer.region)).cloned();
    let (keys, versions, fault) = (Vec::new(), Vec::new(), None);
    let mut item = VaultItem { id, revision, vault, fault, keys, versions };
    if item.vault.is_none() {
        return Ok(item);
    }
    let of_vault: Vec<_> = catalog.keys_in(&item.id).collect();
    for entry in of_vault {
        let key = &entry.key;
        if key.protection_mode == ProtectionMode::Hsm && key.state != KeyState::Deleted {
            item.fault = Some(format!("key {} is in a token, which it never leaves", key.id));
            return Ok(item);
        }
        item.keys.push(key.clone());
        for version in catalog.versions_of(&key.id) {
            let sealed = sealed(shared, peer, &version, item.revision)?;
            item.versions.push(KeyVersionItem { version: version.version.clone(), sealed });
        }
    }
    Ok(item)
}

/// The material of a version, sealed for the region, unless it was deleted.
fn sealed(
    shared: &Shared,
    peer: &Peer,
    entry: &KeyVersionEntry,
    revision: u64,
) -> Result<Option<String>, Failure> {
    let Some(material) = entry.key.as_ref().and_then(|key| key.material()) else { return Ok(None) };
    let way = (shared.region.name, peer.region.as_str());
    let binding = binding(way, &entry.version.id, 0, revision);
    let sealed = peer.keys.seal_material(&binding, material, &*shared.random);
    let sealed = sealed.map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Some(STANDARD.encode(sealed)))
}
