use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_model::{ApiKey, Ocid, OcidKind, User};
use strongroom_signing::PublicKey;
use strongroom_store::{Batch, Require, StoreError};
use strongroom_wire::bodies::{ApiKeyBody, UserBody};
use strongroom_wire::{CreateUserDetails, ErrorCode, Refusal, UpdateUserDetails};

use super::memberships::keep_an_administrator;
use super::named::{
    self, change, check_in_tenancy, check_limit, conflict, describe, found, kept, named, new_id,
    remove, shares_name, still_judged_alike,
};
use crate::ask::{ByCompartment, NameFilter};
use crate::catalog::ApiKeyEntry;
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::changing::{Outcome, TRIES, commit, contended, replace};
use crate::ops::retry::{Earlier, Retry, invalidated};
use crate::reply::Reply;
use crate::rows;

/// Keys of a user. Source: OCI documentation, "Required Keys and OCIDs".
const KEYS_MAX: usize = 3;

named!(
    User,
    "user",
    rows::user,
    |_, name| rows::user_name(name),
    |catalog, id| kept(&catalog.users, id),
    |user, catalog| shares_name(user, &catalog.users),
    |user, _| Reply::of(&UserBody::from(user))
);

/// `ListUsers`.
pub(super) fn list(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &NameFilter,
    federated: bool,
) -> Result<Reply, Failure> {
    let users = context.catalog.users.values().filter(|_| !federated);
    let users = users.map(|(user, _)| (&**user, "ACTIVE"));
    let of_tenancy = users.filter(|(user, _)| user.compartment_id == by.compartment_id);
    named::list(of_tenancy, by, filter, UserBody::from)
}

/// `GetUser`.
pub(super) fn get(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    named::get::<User>(context.catalog, id)
}

/// `CreateUser`: without keys and groups, and so without rights.
pub(super) async fn create(
    context: Context<'_>,
    details: CreateUserDetails,
) -> Result<Reply, Failure> {
    named::create(context, |context| {
        let CreateUserDetails { named, email } = details;
        check_in_tenancy(context, &named.compartment_id)?;
        check_limit("users", context.catalog.users.len(), context.shared.limits.users)?;
        Ok(User {
            id: new_id(context, OcidKind::User),
            compartment_id: named.compartment_id,
            name: named.name,
            description: named.description,
            email,
            time_created: context.record.time,
            group_ids: Vec::new(),
            joined: BTreeMap::new(),
            tags: named.tags,
        })
    })
    .await
}

/// `UpdateUser`.
pub(super) async fn update(
    context: &Context<'_>,
    id: &Ocid,
    details: &UpdateUserDetails,
) -> Result<Reply, Failure> {
    change(context, id, |user: &User, _| {
        let mut next = user.clone();
        describe(&details.named, &mut next.description, &mut next.tags);
        if let Some(email) = &details.email {
            next.email = Some(email.clone());
        }
        Ok((next, Batch::new()))
    })
    .await
}

/// `DeleteUser`: who is in no group. The keys go along.
pub(super) async fn delete(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    remove(context, id, |user: &User, catalog| {
        if !user.group_ids.is_empty() {
            return Err(conflict("The user is a member of groups: RemoveUserFromGroup first."));
        }
        let keys = catalog.api_keys_of(id).map(|entry| &entry.api_key.fingerprint);
        Ok(keys.fold(Batch::new(), |batch, print| batch.delete(rows::api_key(id, print))))
    })
    .await
}

/// `ListApiKeys`.
pub(super) fn list_keys(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let tenancy = &context.catalog.tenancy.id;
    let keys = context.catalog.api_keys_of(id);
    let bodies: Vec<_> = keys.map(|entry| ApiKeyBody::new(tenancy, &entry.api_key)).collect();
    Reply::of(&bodies)
}

/// `UploadApiKey`: an RSA public key of 2048 bits or more.
pub(super) async fn upload_key(
    context: &Context<'_>,
    id: &Ocid,
    pem: &str,
) -> Result<Reply, Failure> {
    let public = PublicKey::from_pem(pem)
        .map_err(|error| Refusal::invalid("key", &format!("must be a public key: {error}")))?;
    let api_key = ApiKey {
        user_id: id.clone(),
        fingerprint: public.fingerprint(),
        public_key_pem: public.to_pem(),
        time_created: context.record.time,
    };
    let retry = match Retry::look(context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(_) => return existing_key(context, &api_key).await,
    };
    let mut catalog = None;
    for _ in 0..TRIES {
        let current = catalog.as_deref().unwrap_or(context.catalog);
        let (user, revision) = found::<User>(current, id)?;
        let keys: Vec<&Arc<ApiKeyEntry>> = current.api_keys_of(id).collect();
        if keys.iter().any(|entry| entry.api_key.fingerprint == api_key.fingerprint) {
            let code = ErrorCode::NotAuthorizedOrResourceAlreadyExists;
            return Err(Refusal::new(code, "key: the user has this key already").into());
        }
        if keys.len() >= KEYS_MAX {
            let message = format!("A user may have {KEYS_MAX} API keys: delete one first.");
            return Err(Refusal::new(ErrorCode::LimitExceeded, message).into());
        }
        let row = rows::api_key(id, &api_key.fingerprint);
        let batch = Batch::new().require(row.clone(), Require::Absent);
        let batch = batch.put(row, rows::encode(&api_key)?);
        let batch = replace(batch, rows::user(id), revision, rows::encode(user)?);
        match commit(context, &retry, batch, id).await? {
            Outcome::Done(revision) => {
                return Ok(reply_key(context, &api_key)?.with_etag(revision).recorded());
            }
            Outcome::Earlier(_) => return existing_key(context, &api_key).await,
            Outcome::Overtaken => catalog = Some(still_judged_alike::<User>(context, id).await?),
        }
    }
    Err(contended())
}

/// The key that the same request made before.
async fn existing_key(context: &Context<'_>, key: &ApiKey) -> Result<Reply, Failure> {
    let catalog = context.shared.catalog().await?;
    let entry = catalog.api_key(&key.user_id, &key.fingerprint);
    let entry = entry.ok_or_else(|| invalidated("the key is not there any more"))?;
    Ok(reply_key(context, &entry.api_key)?.with_etag(entry.revision))
}

fn reply_key(context: &Context<'_>, key: &ApiKey) -> Result<Reply, Failure> {
    Reply::of(&ApiKeyBody::new(&context.catalog.tenancy.id, key))
}

/// `DeleteApiKey`: in force for the next request. The user is written anew, so that two keys that are
/// deleted at once are not both taken for the last but one.
pub(super) async fn delete_key(
    context: &Context<'_>,
    id: &Ocid,
    fingerprint: &str,
) -> Result<Reply, Failure> {
    let mut catalog = None;
    for _ in 0..TRIES {
        let current = catalog.as_deref().unwrap_or(context.catalog);
        let entry = current.api_key(id, fingerprint);
        let entry = entry.ok_or_else(|| Failure::not_found("the user has no such key"))?;
        context.check_if_match(entry.revision)?;
        let row = rows::api_key(id, fingerprint);
        let batch =
            Batch::new().require(row.clone(), Require::Revision(entry.revision)).delete(row);
        let (user, revision) = found::<User>(current, id)?;
        let batch = replace(batch, rows::user(id), revision, rows::encode(user)?);
        let is_last = current.api_keys_of(id).count() == 1;
        let batch = if is_last { keep_an_administrator(batch, current, id)? } else { batch };
        match context.shared.commit(batch, context.record).await {
            Ok(_) => return Ok(Reply::nothing().recorded()),
            Err(StoreError::Conflict { .. }) => {
                catalog = Some(still_judged_alike::<User>(context, id).await?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended())
}
