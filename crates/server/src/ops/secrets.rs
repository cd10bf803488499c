use strongroom_model::{
    Ocid, OcidKind, Secret, SecretError, SecretPlace, SecretVersion, Sensitive, VersionMove,
};
use strongroom_store::{Batch, Order, Range, Require, Revision, Store, StoreError, prefix_range};
use strongroom_wire::bodies::SecretBody;
use strongroom_wire::{CreateSecretDetails, PageToken, Refusal, SortOrder, UpdateSecretDetails};

use super::Context;
use super::changing::{KeyPlace, contended, unmovable, vault_of, while_vault};
use super::listing::{page_of, sort_key};
use super::retry::{Earlier, Retry};
use super::sealing::{NewContent, SecretHome, generated};
use super::secret_lifecycle::unchanged;
use crate::ask::{ByCompartment, SecretFilter};
use crate::authz::Permit;
use crate::failure::Failure;
use crate::regions::check_targets;
use crate::reply::Reply;
use crate::rows::{self, SecretRow};
use crate::secret_cache::SecretAt;
use crate::secret_rows;

/// How often an update without `if-match` is tried against concurrent ones.
const UPDATE_TRIES: usize = 32;

/// Index rows that one list request reads at most, so that a filter that matches nothing cannot
/// read a whole compartment; the page is then short and has a successor.
const LIST_ROWS_MAX: usize = 5_000;

/// The secret of a permit, and the revision of its row.
pub(super) fn secret_of(permit: &Permit) -> Result<(&Secret, Revision), Failure> {
    secret_at(permit).map(|found| (&found.0, found.1))
}

/// The same as it is kept.
pub(super) fn secret_at(permit: &Permit) -> Result<&SecretAt, Failure> {
    let found = permit.located.secret.as_deref();
    found.ok_or_else(|| Failure::internal("a permit without its secret"))
}

/// `CreateSecret`: the secret and its version 1, in one commit.
pub(super) async fn create(
    context: Context<'_>,
    permit: &Permit,
    details: &CreateSecretDetails,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return existing(&context, permit, &id).await,
    };
    let shared = context.shared;
    let vault = vault_of(permit)?;
    vault.vault.check_active().map_err(|error| unmovable("vault", error))?;
    check_targets(shared, context.catalog, details.set_up.replication.as_ref())?;
    let secret = new_secret(&context, details).map_err(unchanged)?;
    let version = SecretVersion {
        number: secret.stages.latest,
        name: details.version_name.clone(),
        time_created: secret.time_created,
        is_generated: details.content.is_none(),
    };
    let made = content_of(&context, &secret, details.content.as_ref()).await?;
    let home = SecretHome { shared, catalog: context.catalog, key: KeyPlace::of(permit)? };
    let new = NewContent { version, plaintext: &made };
    let name_guard = rows::secret_name(&secret.vault_id, &secret.name);
    let batch = home
        .add_version(&secret, new)
        .await?
        .require(name_guard.clone(), Require::Absent)
        .put(name_guard.clone(), rows::encode(&secret.id)?);
    let batch = retry.guard(secret_rows::write(batch, None, &secret)?, &secret.id)?;
    let batch = while_vault(batch, vault);
    context.record.target_id = Some(secret.id.clone());
    context.record.version_number = Some(secret.stages.latest);
    match shared.commit(batch, context.record).await {
        Ok(revision) => {
            let body = SecretBody::whole(&secret, &vault.vault);
            Ok(Reply::of(&body)?.with_etag(revision).recorded())
        }
        Err(error) => match (retry.lost_to_itself(&context, &error).await?, error) {
            (Some(id), _) => existing(&context, permit, &id).await,
            (None, StoreError::Conflict { key }) if key == name_guard => {
                let rule = "is taken: the vault holds a secret of this name, which may be \
                            PENDING_DELETION";
                Err(Refusal::invalid("secretName", rule).into())
            }
            (None, error) => Err(error.into()),
        },
    }
}

fn new_secret(context: &Context<'_>, details: &CreateSecretDetails) -> Result<Secret, SecretError> {
    let shared = context.shared;
    let place = SecretPlace {
        compartment_id: details.compartment_id.clone(),
        vault_id: details.vault_id.clone(),
        key_id: details.key_id.clone(),
    };
    let id = Ocid::regional(OcidKind::Secret, shared.region, &*shared.random);
    let bare = Secret::new(id, place, &details.secret_name, context.now);
    bare.update(&details.set_up, context.moment())
}

/// The content that was given, or that is to be generated.
async fn content_of(
    context: &Context<'_>,
    secret: &Secret,
    given: Option<&Sensitive>,
) -> Result<Sensitive, Failure> {
    match (given, &secret.generation) {
        (Some(given), _) => Ok(given.clone()),
        (None, Some(generation)) => generated(context.shared, generation).await,
        (None, None) => Err(Failure::internal("a secret without content")),
    }
}

pub(super) async fn read(store: &dyn Store, id: &Ocid) -> Result<(Secret, Revision), Failure> {
    let key = rows::secret(id);
    let found = store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let row = found.ok_or_else(|| Failure::internal("a secret's row is not there"))?;
    let SecretRow { secret, .. } = rows::decode(&key, &row.value)?;
    Ok((secret, row.revision))
}

/// Reads a secret anew that another request was faster to change. Where it is another that policies
/// would judge, or has become a replica, this request was not judged for it.
pub(super) async fn read_again(
    context: &Context<'_>,
    seen: &Secret,
) -> Result<(Secret, Revision), Failure> {
    let (secret, revision) = read(&*context.shared.store, &seen.id).await?;
    let is_alike = secret_rows::rights_of(&secret) == secret_rows::rights_of(seen)
        && secret.is_replica() == seen.is_replica();
    if is_alike { Ok((secret, revision)) } else { Err(contended()) }
}

async fn existing(context: &Context<'_>, permit: &Permit, id: &Ocid) -> Result<Reply, Failure> {
    let (secret, revision) = read(&*context.shared.store, id).await?;
    let body = SecretBody::whole(&secret, &vault_of(permit)?.vault);
    Ok(Reply::of(&body)?.with_etag(revision))
}

/// `GetSecret`: metadata, never content.
pub(super) fn get(permit: &Permit) -> Result<Reply, Failure> {
    let (secret, revision) = secret_of(permit)?;
    let body = SecretBody::whole(secret, &vault_of(permit)?.vault);
    Ok(Reply::of(&body)?.with_etag(revision))
}

/// `UpdateSecret`: metadata, a new version, promotion or rollback; the OCID stays.
pub(super) async fn update(
    context: Context<'_>,
    permit: Permit,
    details: &UpdateSecretDetails,
) -> Result<Reply, Failure> {
    let (secret, revision) = secret_of(&permit)?;
    context.check_if_match(revision)?;
    let conditional = context.call.header("if-match").is_some();
    let vault = vault_of(&permit)?;
    vault.vault.check_active().map_err(|error| unmovable("vault", error))?;
    let targets = details.change.replication.as_ref();
    if secret.replication.is_changed_by(targets) {
        check_targets(context.shared, context.catalog, targets)?;
    }
    let mut current = (secret.clone(), revision);
    for _ in 0..UPDATE_TRIES {
        let (next, batch) = prepare(&context, &permit, &current, details).await?;
        context.record.version_number = details.change.versions.map(|moved| match moved {
            VersionMove::Add(_) => next.stages.latest,
            VersionMove::Promote(_) | VersionMove::PromotePending => next.stages.current,
        });
        match context.shared.commit(batch, context.record).await {
            Ok(revision) => {
                let body = SecretBody::whole(&next, &vault.vault);
                return Ok(Reply::of(&body)?.with_etag(revision).recorded());
            }
            Err(StoreError::Conflict { key }) if key.starts_with(b"svn/") => {
                let rule = "is taken: the secret has a version of this name";
                return Err(Refusal::invalid("secretContent.name", rule).into());
            }
            Err(StoreError::Conflict { .. }) => {
                current = read_again(&context, &current.0).await?;
                if conditional {
                    context.check_if_match(current.1)?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended())
}

/// The state after the update, and the batch that makes it so.
async fn prepare(
    context: &Context<'_>,
    permit: &Permit,
    (secret, revision): &(Secret, Revision),
    details: &UpdateSecretDetails,
) -> Result<(Secret, Batch), Failure> {
    check_judged(permit, secret, details)?;
    let next = secret.update(&details.change, context.moment()).map_err(unchanged)?;
    let batch = match &details.content {
        None => Batch::new(),
        Some(plaintext) => {
            let version = SecretVersion {
                number: next.stages.latest,
                name: details.version_name.clone(),
                time_created: context.now,
                is_generated: false,
            };
            let key = KeyPlace::of(permit)?;
            let home = SecretHome { shared: context.shared, catalog: context.catalog, key };
            home.add_version(&next, NewContent { version, plaintext }).await?
        }
    };
    let batch = secret_rows::write(batch, Some((secret, *revision)), &next)?;
    Ok((next, while_vault(batch, vault_of(permit)?)))
}

/// Refuses targets that changed nothing when the request was judged, and by now would: nobody asked
/// whether the caller may change them.
fn check_judged(
    permit: &Permit,
    secret: &Secret,
    details: &UpdateSecretDetails,
) -> Result<(), Failure> {
    let targets = details.change.replication.as_ref();
    let (judged, _) = secret_of(permit)?;
    let was_judged = judged.replication.is_changed_by(targets);
    if was_judged || !secret.replication.is_changed_by(targets) { Ok(()) } else { Err(contended()) }
}

/// `ListSecrets`.
pub(super) async fn list(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &SecretFilter,
) -> Result<Reply, Failure> {
    let (page, next) = match &filter.name {
        Some(name) => page_named(context, by, filter, name).await?,
        None => page_indexed(context, by, filter).await?,
    };
    let bodies: Vec<_> = page
        .iter()
        .filter_map(|secret| {
            let vault = context.catalog.vaults.get(&secret.vault_id)?;
            Some(SecretBody::summary(secret, &vault.vault))
        })
        .collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

/// Tells whether a secret that was found belongs into the list. It may have been moved since its index
/// row was read, to where the caller may not look.
fn wanted(
    context: &Context<'_>,
    secret: &Secret,
    (by, filter): (&ByCompartment, &SecretFilter),
) -> bool {
    let Some(vault) = context.catalog.vaults.get(&secret.vault_id) else { return false };
    let (state, _) = secret.shown_in(&vault.vault);
    secret.compartment_id == by.compartment_id
        && filter.vault_id.as_ref().is_none_or(|vault_id| secret.vault_id == *vault_id)
        && filter.state.is_none_or(|asked| asked == state.name())
}

/// Secrets of one name: at most one in each vault.
async fn page_named(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &SecretFilter,
    name: &str,
) -> Result<(Vec<Secret>, Option<PageToken>), Failure> {
    let range = prefix_range(&rows::all_named(&by.compartment_id, name));
    let keys = scan(context, range, Order::Ascending, LIST_ROWS_MAX).await?;
    let secrets = secrets_of(context, &keys).await?;
    let found = secrets.into_iter().filter(|secret| wanted(context, secret, (by, filter)));
    let key_of =
        |secret: &Secret| sort_key(&by.listing, secret.time_created, &secret.name, &secret.id);
    Ok(page_of(found.map(|secret| (key_of(&secret), secret)).collect(), &by.listing))
}

async fn page_indexed(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &SecretFilter,
) -> Result<(Vec<Secret>, Option<PageToken>), Failure> {
    let listing = &by.listing;
    let prefix = if listing.by_name {
        rows::all_by_name(&by.compartment_id)
    } else {
        rows::all_by_time(&by.compartment_id)
    };
    let order = match listing.order {
        SortOrder::Asc => Order::Ascending,
        SortOrder::Desc => Order::Descending,
    };
    let mut after = listing.paging.after.clone();
    let (mut page, mut read) = (Vec::new(), 0);
    loop {
        let range = rest_of(&prefix, after.as_deref(), listing.order);
        let keys = scan(context, range, order, listing.paging.limit.saturating_add(1)).await?;
        let exhausted = keys.len() <= listing.paging.limit;
        read += keys.len();
        for (key, secret) in keys.iter().zip(secrets_of(context, &keys).await?) {
            if page.len() == listing.paging.limit {
                return Ok((page, after.map(|after| PageToken::after(&listing.scope, &after))));
            }
            after = key.get(prefix.len()..).map(|rest| String::from_utf8_lossy(rest).into_owned());
            if wanted(context, &secret, (by, filter)) {
                page.push(secret);
            }
        }
        if exhausted || read >= LIST_ROWS_MAX {
            let next = after.filter(|_| !exhausted);
            return Ok((page, next.map(|after| PageToken::after(&listing.scope, &after))));
        }
    }
}

/// The part of an index that follows `after` in the order asked.
fn rest_of(prefix: &[u8], after: Option<&str>, order: SortOrder) -> Range {
    let mut range = prefix_range(prefix);
    let Some(after) = after else { return range };
    let last = [prefix, after.as_bytes()].concat();
    match order {
        SortOrder::Asc => range.start = [last.as_slice(), b"\0"].concat(),
        SortOrder::Desc => range.end = last,
    }
    range
}

async fn scan(
    context: &Context<'_>,
    range: Range,
    order: Order,
    limit: usize,
) -> Result<Vec<Vec<u8>>, Failure> {
    let rows = context.shared.store.scan(range, order, limit).await?;
    Ok(rows.into_iter().map(|(key, _)| key).collect())
}

/// Reads the secrets that index rows point to; the identifier is their last part.
async fn secrets_of(context: &Context<'_>, keys: &[Vec<u8>]) -> Result<Vec<Secret>, Failure> {
    let id = |key: &Vec<u8>| {
        let last = key.rsplit(|byte| matches!(byte, b'/' | b' ')).next().unwrap_or_default();
        [b"s/", last].concat()
    };
    let row_keys: Vec<Vec<u8>> = keys.iter().map(id).collect();
    let wanted: Vec<&[u8]> = row_keys.iter().map(Vec::as_slice).collect();
    let rows = context.shared.store.get(&wanted).await?;
    let missing = || Failure::internal("an index row points to no secret");
    let decode = |(key, row): (&Vec<u8>, Option<strongroom_store::Versioned>)| {
        let row = row.ok_or_else(missing)?;
        let SecretRow { secret, .. } = rows::decode(key, &row.value)?;
        Ok(secret)
    };
    row_keys.iter().zip(rows).map(decode).collect()
}
