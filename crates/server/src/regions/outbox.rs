//! What other regions are to learn of. The rows are part of the commit that makes the change, one
//! for each region; they are removed when the region says that it has stored the change.

use serde::{Deserialize, Serialize};
use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{Batch, StoreError};

use crate::catalog::Catalog;
use crate::rows::{self, KeyRow, KeyVersionRow, SecretRow, VaultRow};
use crate::shared::Shared;

/// Rows that every region has a copy of, with the guards of their names.
pub(super) const IDENTITY: [&str; 17] = [
    "t/", "c/", "cn/", "tn/", "tnn/", "td/", "tdn/", "u/", "un/", "a/", "g/", "gn/", "dg/", "p/",
    "pn/", "w/", "wn/",
];

/// Row of the outbox: which object changed, and which versions of it are new.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OutboxRow {
    pub(super) object: String,
    #[serde(default)]
    pub(super) versions: Vec<u64>,
}

/// Tells whether a row is of the identity tables.
pub(super) fn is_identity(key: &str) -> bool {
    IDENTITY.iter().any(|prefix| key.starts_with(prefix))
}

/// Adds to a commit what other regions are to learn of it. Another node may have added a region, or a
/// replica of a vault, since the request was looked at; a secret cannot be replicated to a region that
/// was not there by then.
pub(crate) async fn note(
    shared: &Shared,
    batch: Batch,
    time: Timestamp,
) -> Result<Batch, StoreError> {
    let is_of_all = |key: &[u8]| {
        let text = std::str::from_utf8(key).unwrap_or_default();
        is_identity(text) || ["v/", "k/", "kv/"].iter().any(|kind| text.starts_with(kind))
    };
    let concerns_all = batch.changes().any(|(key, _)| is_of_all(key));
    let catalog = if concerns_all { shared.catalog().await? } else { shared.known() };
    if catalog.regions.peers.is_empty() {
        return Ok(batch);
    }
    let is_home = catalog.tenancy.home_region == shared.region.name;
    let mut objects = Vec::new();
    let (mut replicated, mut vaults) = (Vec::new(), Vec::new());
    for (key, value) in batch.changes() {
        let Ok(text) = std::str::from_utf8(key) else { continue };
        if is_home && is_identity(text) {
            objects.push(OutboxRow { object: text.to_owned(), versions: Vec::new() });
        } else if let (Some(id), Some(value)) = (text.strip_prefix("s/"), value) {
            let SecretRow { secret, .. } = rows::decode(key, value)?;
            if secret.replication.targets.is_some() && !secret.is_replica() {
                let versions = versions_of(&batch, id);
                objects.push(OutboxRow { object: text.to_owned(), versions });
                replicated.push(secret.id);
            }
        } else if let Some(id) = replicated_vault(&catalog, key, value)? {
            objects.push(OutboxRow { object: format!("v/{id}"), versions: Vec::new() });
            vaults.push(id);
        }
    }
    let batch = replicated.iter().fold(batch, |batch, id| batch.put(rows::replicated(id), vec![]));
    let mut noted = vaults.iter().fold(batch, |batch, id| batch.put(rows::ordered(id), vec![]));
    for object in objects {
        let value = rows::encode(&object)?;
        for region in catalog.regions.peers.keys() {
            noted = noted.put(rows::outbox(region, &shared.stamp(time)), value.clone());
        }
    }
    Ok(noted)
}

/// The vault that a row is of, if it has, had or gets a replica in another region.
fn replicated_vault(
    catalog: &Catalog,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<Option<Ocid>, StoreError> {
    let mut parts = key.split(|byte| *byte == b'/');
    let kind = parts.next().unwrap_or_default();
    let (id, gets) = match (kind, value) {
        (b"v", Some(value)) => {
            let VaultRow { vault, .. } = rows::decode(key, value)?;
            (Some(vault.id), vault.replica.is_some())
        }
        (b"k", Some(value)) => {
            let KeyRow { key } = rows::decode(key, value)?;
            (Some(key.vault_id), false)
        }
        (b"kv", Some(value)) => {
            let KeyVersionRow { key_version, .. } = rows::decode(key, value)?;
            let key = catalog.keys.get(&key_version.key_id);
            (key.map(|entry| entry.key.vault_id.clone()), false)
        }
        _ => (None, false),
    };
    let Some(id) = id else { return Ok(None) };
    let vault = catalog.vaults.get(&id).map(|entry| &entry.vault);
    let is_own = vault.is_none_or(|vault| !vault.is_replica());
    let has = vault.is_some_and(|vault| vault.replica.is_some());
    Ok((is_own && (has || gets)).then_some(id))
}

/// The versions of a secret that a commit writes.
fn versions_of(batch: &Batch, id: &str) -> Vec<u64> {
    let prefix = format!("sv/{id}/");
    let written = batch.changes().filter(|(_, value)| value.is_some());
    let numbers = written
        .filter_map(|(key, _)| std::str::from_utf8(key).ok()?.strip_prefix(&prefix)?.parse().ok());
    numbers.collect()
}

/// The time that an outbox row was made at, in microseconds.
pub(super) fn time_of(region: &str, key: &[u8]) -> Option<i64> {
    let stamp = key.strip_prefix(rows::outbox_of(region).as_slice())?;
    std::str::from_utf8(stamp).ok()?.split('/').next()?.parse().ok()
}

/// The vault that an object is.
pub(super) fn vault_of(object: &str) -> Option<Ocid> {
    object.strip_prefix("v/")?.parse().ok()
}

/// The secret that an object is.
pub(super) fn secret_of(object: &str) -> Option<Ocid> {
    object.strip_prefix("s/")?.parse().ok()
}
