use strongroom_keyring::KeyLength;
use strongroom_model::{Key, KeyState, KeyVersion, KeyVersionState, Ocid, OcidKind};
use strongroom_store::Batch;
use strongroom_wire::CreateKeyDetails;
use strongroom_wire::bodies::{KeyBody, KeySummary, KeyVersionSummary};

use super::Context;
use super::listing::{page_of, sort_key};
use super::retry::{Earlier, Retry};
use crate::ask::{ByCompartment, KeyFilter, Listing};
use crate::authz::Permit;
use crate::catalog::{KeyEntry, VaultEntry, key_version_binding};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, KeyRow, KeyVersionRow};

fn vault_of(permit: &Permit) -> Result<&VaultEntry, Failure> {
    let vault = permit.located.vault.as_deref();
    vault.ok_or_else(|| Failure::internal("a permit without its vault"))
}

fn key_of(permit: &Permit) -> Result<&KeyEntry, Failure> {
    let key = permit.located.key.as_deref();
    key.ok_or_else(|| Failure::internal("a permit without its key"))
}

/// `CreateKey`: the key and its first version, ENABLED at once.
pub(super) async fn create(
    context: Context<'_>,
    permit: &Permit,
    details: CreateKeyDetails,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return existing(&context, &id).await,
    };
    let (key, version) = new_key(&context, vault_of(permit)?, details)?;
    let batch = Batch::new()
        .put(rows::key(&key.id), rows::encode(&KeyRow { key: key.clone() })?)
        .put(rows::key_version(&key.id, &version.key_version.id), rows::encode(&version)?);
    let batch = retry.guard(batch, &key.id)?;
    context.record.target_id = Some(key.id.clone());
    match context.shared.commit(batch, context.record).await {
        Ok(revision) => Ok(Reply::of(&KeyBody::from(&key))?.with_etag(revision).recorded()),
        Err(error) if retry.lost_to_itself(&error) => match Retry::look(&context).await? {
            Earlier::Made(id) => existing(&context, &id).await,
            Earlier::None(_) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn new_key(
    context: &Context<'_>,
    vault: &VaultEntry,
    details: CreateKeyDetails,
) -> Result<(Key, KeyVersionRow), Failure> {
    let (shared, now) = (context.shared, context.record.time);
    let random = &*shared.random;
    let make = |kind| Ocid::in_vault(kind, shared.region, &vault.vault.tag, random);
    let (id, version_id) = (make(OcidKind::Key), make(OcidKind::KeyVersion));
    let length = KeyLength::from_bytes(details.shape.length)
        .ok_or_else(|| Failure::internal("a key of unknown length"))?;
    let binding = key_version_binding(&context.catalog.tenancy.id, &vault.vault.id, &version_id);
    let (_, material) = vault
        .key
        .new_key_version(&binding, length, random)
        .map_err(|_error| Failure::internal("key material was not made"))?;
    let key_version = KeyVersion {
        id: version_id.clone(),
        key_id: id.clone(),
        state: KeyVersionState::Enabled,
        time_created: now,
    };
    let key = Key {
        id,
        compartment_id: details.compartment_id,
        vault_id: vault.vault.id.clone(),
        display_name: details.display_name,
        shape: details.shape,
        protection_mode: details.protection_mode,
        current_key_version: version_id,
        state: KeyState::Enabled,
        time_created: now,
        tags: details.tags,
    };
    Ok((key, KeyVersionRow { key_version, material }))
}

async fn existing(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let catalog = context.shared.catalog().await?;
    let gone = || Failure::internal("a retry token names a key that is not there");
    render(catalog.keys.get(id).ok_or_else(gone)?)
}

fn render(entry: &KeyEntry) -> Result<Reply, Failure> {
    Ok(Reply::of(&KeyBody::from(&entry.key))?.with_etag(entry.revision))
}

/// `GetKey`.
pub(super) fn get(permit: &Permit) -> Result<Reply, Failure> {
    render(key_of(permit)?)
}

/// `ListKeys`: the keys of this endpoint's vault.
pub(super) fn list(
    context: &Context<'_>,
    permit: &Permit,
    by: &ByCompartment,
    filter: &KeyFilter,
) -> Result<Reply, Failure> {
    let vault_id = &vault_of(permit)?.vault.id;
    let wanted = |key: &Key| {
        key.vault_id == *vault_id
            && key.compartment_id == by.compartment_id
            && filter.protection_mode.is_none_or(|mode| mode == "SOFTWARE")
            && filter.algorithm.is_none_or(|algorithm| algorithm == "AES")
            && filter.length.is_none_or(|length| length == u64::from(key.shape.length))
            && filter.curve_id.is_none()
    };
    let keys = context.catalog.keys.values().map(|entry| &entry.key).filter(|key| wanted(key));
    let row = |key| (sort_key_of(&by.listing, key), key);
    let (page, next) = page_of(keys.map(row).collect(), &by.listing);
    let bodies: Vec<_> = page.into_iter().map(KeySummary::from).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

fn sort_key_of(listing: &Listing, key: &Key) -> String {
    sort_key(listing, key.time_created, &key.display_name, &key.id)
}

/// `ListKeyVersions`.
pub(super) fn list_versions(
    context: &Context<'_>,
    permit: &Permit,
    listing: &Listing,
) -> Result<Reply, Failure> {
    let key = &key_of(permit)?.key;
    let versions = context.catalog.versions_of(&key.id);
    let row = |entry| {
        let entry: &std::sync::Arc<crate::catalog::KeyVersionEntry> = entry;
        let version = &entry.version;
        (sort_key(listing, version.time_created, "", &version.id), version)
    };
    let (page, next) = page_of(versions.iter().map(row).collect(), listing);
    let bodies: Vec<_> =
        page.into_iter().map(|version| KeyVersionSummary::new(version, key)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}
