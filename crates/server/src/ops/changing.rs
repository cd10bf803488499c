//! How a vault, a key or a key version is changed: a pure move, committed if nothing moved
//! meanwhile, and tried again otherwise.

use std::sync::Arc;

use strongroom_model::{Key, KeyVersion, LifecycleError, Ocid, Vault};
use strongroom_store::{Batch, Require, Revision, StoreError};
use strongroom_wire::bodies::{KeyBody, KeyVersionBody, VaultBody};
use strongroom_wire::{ErrorCode, Refusal};

use super::Context;
use super::retry::{Earlier, Retry};
use crate::authz::Permit;
use crate::catalog::{Catalog, KeyEntry, KeyVersionEntry, VaultEntry};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, KeyRow, KeyVersionRow, VaultRow};

/// How often a change without `if-match` is tried against concurrent ones.
pub(super) const TRIES: usize = 32;

/// A key with its vault, as of one state of the catalog.
#[derive(Debug, Clone)]
pub(crate) struct KeyPlace {
    pub(crate) vault: Arc<VaultEntry>,
    pub(crate) key: Arc<KeyEntry>,
}

impl KeyPlace {
    pub(super) fn of(permit: &Permit) -> Result<Self, Failure> {
        Ok(Self { vault: Arc::clone(vault_of(permit)?), key: Arc::clone(key_of(permit)?) })
    }

    pub(super) fn find(catalog: &Catalog, key_id: &Ocid) -> Result<Self, Failure> {
        let gone = || Failure::internal("a key that was written is not there");
        let key = catalog.keys.get(key_id).ok_or_else(gone)?;
        let vault = catalog.vaults.get(&key.key.vault_id).ok_or_else(gone)?;
        Ok(Self { vault: Arc::clone(vault), key: Arc::clone(key) })
    }

    /// The same key as it is by now, unless it is another that policies would judge.
    fn again(&self, catalog: &Catalog) -> Result<Self, Failure> {
        let now = Self::find(catalog, &self.key.key.id)?;
        let (seen, key) = (&self.key.key, &now.key.key);
        let is_alike = (&seen.compartment_id, &seen.tags) == (&key.compartment_id, &key.tags)
            && is_judged_alike(&self.vault.vault, &now.vault.vault);
        if is_alike { Ok(now) } else { Err(contended()) }
    }

    pub(super) fn reply(&self) -> Result<Reply, Failure> {
        let body = KeyBody::new(&self.key.key, &self.vault.vault);
        Ok(Reply::of(&body)?.with_etag(self.key.revision))
    }
}

/// Tells whether policies, and the rule that replicas take no changes, say the same of a vault before
/// and after it was changed.
fn is_judged_alike(before: &Vault, after: &Vault) -> bool {
    (&before.compartment_id, &before.tags, before.is_replica())
        == (&after.compartment_id, &after.tags, after.is_replica())
}

pub(super) fn vault_of(permit: &Permit) -> Result<&Arc<VaultEntry>, Failure> {
    let vault = permit.located.vault.as_ref();
    vault.ok_or_else(|| Failure::internal("a permit without its vault"))
}

pub(super) fn key_of(permit: &Permit) -> Result<&Arc<KeyEntry>, Failure> {
    let key = permit.located.key.as_ref();
    key.ok_or_else(|| Failure::internal("a permit without its key"))
}

/// Finds a version of a key; one that is absent, or another key's, is not found.
pub(super) fn version_of<'a>(
    catalog: &'a Catalog,
    key: &Key,
    id: &Ocid,
) -> Result<&'a Arc<KeyVersionEntry>, Failure> {
    let found = catalog.version_of(&key.id, id);
    found.ok_or_else(|| Failure::not_found("the key has no such version"))
}

/// Tells why `what` does not move. A state that lasts is a conflict that no retry resolves.
pub(super) fn unmovable(what: &str, error: LifecycleError) -> Failure {
    match error {
        LifecycleError::TimeOfDeletion(_) => {
            Refusal::invalid("timeOfDeletion", &error.to_string()).into()
        }
        LifecycleError::BeforeKey => {
            let message = format!("timeOfDeletion: {error}");
            Refusal::new(ErrorCode::Conflict, message).into()
        }
        LifecycleError::State(_) | LifecycleError::CurrentVersion => {
            Refusal::new(ErrorCode::Conflict, format!("The {what} {error}.")).into()
        }
    }
}

/// What became of a commit.
pub(super) enum Outcome {
    Done(Revision),
    /// The same request, sent twice, was faster.
    Earlier(Ocid),
    /// Another request was faster.
    Overtaken,
}

/// Tells whether a commit surely did not happen. One that failed on the way may have.
pub(super) fn surely_not(outcome: &Result<Outcome, Failure>) -> bool {
    match outcome {
        Ok(Outcome::Done(_)) => false,
        Ok(Outcome::Earlier(_) | Outcome::Overtaken) => true,
        Err(failure) => failure.refusal.code.status() < 500,
    }
}

/// Commits `batch`, which makes `made`, with the retry token.
pub(super) async fn commit(
    context: &Context<'_>,
    retry: &Retry,
    batch: Batch,
    made: &Ocid,
) -> Result<Outcome, Failure> {
    let batch = retry.guard(batch, made)?;
    match context.shared.commit(batch, context.record).await {
        Ok(revision) => Ok(Outcome::Done(revision)),
        Err(error) => match (retry.lost_to_itself(context, &error).await?, error) {
            (Some(id), _) => Ok(Outcome::Earlier(id)),
            (None, StoreError::Conflict { .. }) => Ok(Outcome::Overtaken),
            (None, error) => Err(error.into()),
        },
    }
}

/// Says that others were faster, or changed what the request was judged for: 409, which clients retry.
pub(super) fn contended() -> Failure {
    StoreError::Conflict { key: Vec::new() }.into()
}

/// Puts a row in place of the one that `revision` stands for.
pub(super) fn replace(batch: Batch, key: Vec<u8>, revision: Revision, value: Vec<u8>) -> Batch {
    batch.require(key.clone(), Require::Revision(revision)).put(key, value)
}

/// Makes the batch hold only while the vault is as it was seen.
pub(super) fn while_vault(batch: Batch, entry: &VaultEntry) -> Batch {
    batch.require(rows::vault(&entry.vault.id), Require::Revision(entry.revision))
}

/// Changes a key and answers it.
pub(super) async fn change_key(
    context: &Context<'_>,
    permit: &Permit,
    change: impl Fn(&KeyPlace) -> Result<Key, Failure>,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => {
            return KeyPlace::find(&*context.shared.catalog().await?, &id)?.reply();
        }
    };
    let mut place = KeyPlace::of(permit)?;
    for _ in 0..TRIES {
        context.check_if_match(place.key.revision)?;
        let next = change(&place)?;
        let row = rows::encode(&KeyRow { key: next.clone() })?;
        let batch = replace(Batch::new(), rows::key(&next.id), place.key.revision, row);
        let batch = while_vault(batch, &place.vault);
        match commit(context, &retry, batch, &next.id).await? {
            Outcome::Done(revision) => {
                let body = KeyBody::new(&next, &place.vault.vault);
                return Ok(Reply::of(&body)?.with_etag(revision).recorded());
            }
            Outcome::Earlier(id) => {
                return KeyPlace::find(&*context.shared.catalog().await?, &id)?.reply();
            }
            Outcome::Overtaken => place = place.again(&*context.shared.catalog().await?)?,
        }
    }
    Err(contended())
}

/// Changes a version of a key and answers it.
pub(super) async fn change_version(
    context: &Context<'_>,
    permit: &Permit,
    id: &Ocid,
    change: impl Fn(&KeyVersion, &KeyPlace) -> Result<KeyVersion, Failure>,
) -> Result<Reply, Failure> {
    let mut place = KeyPlace::of(permit)?;
    let key_id = place.key.key.id.clone();
    let mut entry = Arc::clone(version_of(context.catalog, &place.key.key, id)?);
    let retry = match Retry::look(context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(_) => return reply_version(&*context.shared.catalog().await?, &key_id, id),
    };
    for _ in 0..TRIES {
        context.check_if_match(entry.revision)?;
        let next = change(&entry.version, &place)?;
        let row_key = rows::key_version(&key_id, id);
        let KeyVersionRow { material, .. } = read_row(context, &row_key).await?;
        let row = rows::encode(&KeyVersionRow { key_version: next.clone(), material })?;
        // The key must not make this version its current one meanwhile.
        let batch = replace(Batch::new(), row_key, entry.revision, row)
            .require(rows::key(&key_id), Require::Revision(place.key.revision));
        match commit(context, &retry, while_vault(batch, &place.vault), id).await? {
            Outcome::Done(revision) => {
                let body = KeyVersionBody::whole(&next, &place.key.key, &place.vault.vault);
                return Ok(Reply::of(&body)?.with_etag(revision).recorded());
            }
            Outcome::Earlier(_) => {
                return reply_version(&*context.shared.catalog().await?, &key_id, id);
            }
            Outcome::Overtaken => {
                let catalog = context.shared.catalog().await?;
                place = place.again(&catalog)?;
                entry = Arc::clone(version_of(&catalog, &place.key.key, id)?);
            }
        }
    }
    Err(contended())
}

/// Answers a key version as it is now.
pub(super) fn reply_version(catalog: &Catalog, key_id: &Ocid, id: &Ocid) -> Result<Reply, Failure> {
    let place = KeyPlace::find(catalog, key_id)?;
    let entry = version_of(catalog, &place.key.key, id)?;
    let body = KeyVersionBody::whole(&entry.version, &place.key.key, &place.vault.vault);
    Ok(Reply::of(&body)?.with_etag(entry.revision))
}

/// Reads a row that must be there.
pub(super) async fn read_row<T: serde::de::DeserializeOwned>(
    context: &Context<'_>,
    key: &[u8],
) -> Result<T, Failure> {
    let found = context.shared.store.get(&[key]).await?.into_iter().next().flatten();
    let row = found.ok_or_else(|| Failure::internal("a row that must be there is not"))?;
    Ok(rows::decode(key, &row.value)?)
}

/// The row after a change of a vault: the vault itself, and what goes with it.
pub(super) struct VaultChange {
    pub(super) vault: Vault,
    pub(super) replica_port: Option<u16>,
    /// Keys that the change rests on: it is made only while they are as they were seen.
    pub(super) keys: Vec<Arc<KeyEntry>>,
}

/// Changes a vault and answers it.
pub(super) async fn change_vault(
    context: &Context<'_>,
    permit: &Permit,
    change: impl Fn(&VaultEntry, &Catalog) -> Result<VaultChange, Failure>,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return reply_vault(context, &*context.shared.catalog().await?, &id),
    };
    let mut entry = Arc::clone(vault_of(permit)?);
    let mut current: Option<Arc<Catalog>> = None;
    for _ in 0..TRIES {
        context.check_if_match(entry.revision)?;
        let VaultChange { vault, replica_port, keys } =
            change(&entry, current.as_deref().unwrap_or(context.catalog))?;
        let row_key = rows::vault(&vault.id);
        let row: VaultRow = read_row(context, &row_key).await?;
        let row = VaultRow { vault, replica_port, ..row };
        let id = row.vault.id.clone();
        let batch = keys.iter().fold(Batch::new(), |batch, key| {
            batch.require(rows::key(&key.key.id), Require::Revision(key.revision))
        });
        let batch = replace(batch, row_key, entry.revision, rows::encode(&row)?);
        match commit(context, &retry, batch, &id).await? {
            Outcome::Done(revision) => {
                let url = context.shared.endpoints.url(row.port);
                let body = VaultBody::new(&row.vault, &url);
                return Ok(Reply::of(&body)?.with_etag(revision).recorded());
            }
            Outcome::Earlier(id) => {
                return reply_vault(context, &*context.shared.catalog().await?, &id);
            }
            Outcome::Overtaken => {
                let catalog = context.shared.catalog().await?;
                let gone = || Failure::internal("a vault is not there any more");
                let now = catalog.vaults.get(&id).ok_or_else(gone)?;
                if !is_judged_alike(&entry.vault, &now.vault) {
                    return Err(contended());
                }
                entry = Arc::clone(now);
                current = Some(catalog);
            }
        }
    }
    Err(contended())
}

/// Answers a vault as it is now.
pub(super) fn reply_vault(
    context: &Context<'_>,
    catalog: &Catalog,
    id: &Ocid,
) -> Result<Reply, Failure> {
    let gone = || Failure::internal("a vault that was written is not there");
    let entry = catalog.vaults.get(id).ok_or_else(gone)?;
    let url = context.shared.endpoints.url(entry.port);
    Ok(Reply::of(&VaultBody::new(&entry.vault, &url))?.with_etag(entry.revision))
}
