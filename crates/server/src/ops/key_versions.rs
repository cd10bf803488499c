use strongroom_keyring::Material;
use strongroom_model::{Key, Ocid, Timestamp};
use strongroom_store::Batch;
use strongroom_wire::bodies::KeyVersionBody;

use super::Context;
use super::changing::{
    KeyPlace, Outcome, change_version, commit, replace, reply_version, surely_not, unmovable,
    while_vault,
};
use super::keys::{NewVersion, check_limit};
use super::listing::{page_of, sort_key};
use super::retry::{Earlier, Retry};
use crate::ask::Listing;
use crate::authz::Permit;
use crate::catalog::KeyVersionEntry;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, KeyRow};

/// `CreateKeyVersion` and `ImportKeyVersion`: the new version is the current one at once, older ones
/// go on to decrypt and to verify.
pub(super) async fn create(
    context: &Context<'_>,
    permit: &Permit,
    imported: Option<Material>,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let (key, vault) = (&place.key.key, &place.vault);
    let retry = match Retry::look(context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => {
            return reply_version(&*context.shared.catalog().await?, &key.id, &id);
        }
    };
    key.check_enabled(&vault.vault).map_err(|error| unmovable("key", error))?;
    check_limit(context, vault, (key, 1))?;
    let new = NewVersion::of(vault, context, imported.is_some());
    let made = new.make_in(context.shared, context.catalog, vault, (key, imported)).await?;
    let version = &made.key_version;
    let next = Key { current_key_version: version.id.clone(), ..key.clone() };
    let row = rows::encode(&KeyRow { key: next.clone() })?;
    let batch = replace(Batch::new(), rows::key(&key.id), place.key.revision, row)
        .put(rows::key_version(&key.id, &version.id), rows::encode(&made)?);
    let outcome = commit(context, &retry, while_vault(batch, vault), &version.id).await;
    if surely_not(&outcome) {
        context.shared.destroy_in_token(&version.id).await;
    }
    match outcome? {
        Outcome::Done(revision) => {
            let body = KeyVersionBody::whole(version, &next, &vault.vault);
            Ok(Reply::of(&body)?.with_etag(revision).recorded())
        }
        Outcome::Earlier(id) => reply_version(&*context.shared.catalog().await?, &key.id, &id),
        Outcome::Overtaken => Err(super::keys::vault_moved()),
    }
}

/// `GetKeyVersion`.
pub(super) fn get(context: &Context<'_>, permit: &Permit, id: &Ocid) -> Result<Reply, Failure> {
    reply_version(context.catalog, &KeyPlace::of(permit)?.key.key.id, id)
}

/// `ListKeyVersions`.
pub(super) fn list(
    context: &Context<'_>,
    permit: &Permit,
    listing: &Listing,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let (key, vault) = (&place.key.key, &place.vault.vault);
    let versions = context.catalog.versions_of(&key.id);
    let row = |entry| {
        let entry: &std::sync::Arc<KeyVersionEntry> = entry;
        let version = &entry.version;
        (sort_key(listing, version.time_created, "", &version.id), version)
    };
    let (page, next) = page_of(versions.iter().map(row).collect(), listing);
    let bodies: Vec<_> =
        page.into_iter().map(|version| KeyVersionBody::summary(version, key, vault)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

/// `ScheduleKeyVersionDeletion`.
pub(super) async fn schedule_deletion(
    context: &Context<'_>,
    permit: &Permit,
    id: &Ocid,
    asked: Option<Timestamp>,
) -> Result<Reply, Failure> {
    change_version(context, permit, id, |version, place| {
        let key = &place.key.key;
        key.check_enabled(&place.vault.vault).map_err(|error| unmovable("key", error))?;
        let next = version.schedule_deletion(key, asked, context.now);
        next.map_err(|error| unmovable("key version", error))
    })
    .await
}

/// `CancelKeyVersionDeletion`.
pub(super) async fn cancel_deletion(
    context: &Context<'_>,
    permit: &Permit,
    id: &Ocid,
) -> Result<Reply, Failure> {
    change_version(context, permit, id, |version, place| {
        let key = &place.key.key;
        key.check_enabled(&place.vault.vault).map_err(|error| unmovable("key", error))?;
        version.cancel_deletion().map_err(|error| unmovable("key version", error))
    })
    .await
}
