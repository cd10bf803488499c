use std::sync::Arc;

use strongroom_model::SecretVersion;
use strongroom_store::{Order, prefix_range};
use strongroom_wire::bodies::SecretVersionBody;
use strongroom_wire::{PageToken, SortOrder};

use super::Context;
use super::secrets::{secret_at, secret_of};
use crate::ask::Listing;
use crate::authz::Permit;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, SecretVersionRow};

/// `GetSecretVersion`: what is known of a version beside its content.
pub(super) async fn get(
    context: &Context<'_>,
    permit: &Permit,
    number: u64,
) -> Result<Reply, Failure> {
    let (secret, revision) = secret_of(permit)?;
    let row = read(context, permit, number).await?;
    let body = SecretVersionBody::new(secret, &row.secret_version);
    Ok(Reply::of(&body)?.with_etag(revision).with_version(number))
}

/// `ListSecretVersions`.
pub(super) async fn list(
    context: &Context<'_>,
    permit: &Permit,
    listing: &Listing,
) -> Result<Reply, Failure> {
    let (secret, _) = secret_of(permit)?;
    let (versions, next) = page(context, permit, listing).await?;
    let bodies: Vec<_> =
        versions.iter().map(|version| SecretVersionBody::new(secret, version)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

/// Reads a version's row; an absent one is 404.
pub(super) async fn read(
    context: &Context<'_>,
    permit: &Permit,
    number: u64,
) -> Result<Arc<SecretVersionRow>, Failure> {
    let at = secret_at(permit)?;
    let secret = &at.0;
    if !secret.knows_version(number) {
        return Err(Failure::not_found("the secret has no such version"));
    }
    let cache = context.shared.secrets();
    if let Some(kept) = cache.version(at, number) {
        return Ok(kept);
    }
    let key = rows::secret_version(&secret.id, number);
    let found = context.shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let row = found.ok_or_else(|| Failure::not_found("the secret has no such version"))?;
    let row = Arc::new(rows::decode(&key, &row.value)?);
    cache.keep_version(context.cursor, at, &row);
    Ok(row)
}

/// One page of a secret's versions, without those that were made since the secret was looked at: what it
/// says of stages is not about them.
pub(super) async fn page(
    context: &Context<'_>,
    permit: &Permit,
    listing: &Listing,
) -> Result<(Vec<SecretVersion>, Option<PageToken>), Failure> {
    let (secret, _) = secret_of(permit)?;
    let prefix = rows::secret_versions(&secret.id);
    let mut range = prefix_range(&prefix);
    range.end = rows::secret_version(&secret.id, secret.stages.latest.saturating_add(1));
    let (order, limit) = (listing.order, listing.paging.limit);
    if let Some(after) = &listing.paging.after {
        let last = [prefix.as_slice(), after.as_bytes()].concat();
        match order {
            SortOrder::Asc => range.start = [last.as_slice(), b"\0"].concat(),
            SortOrder::Desc => range.end = last,
        }
    }
    let order = match order {
        SortOrder::Asc => Order::Ascending,
        SortOrder::Desc => Order::Descending,
    };
    let rows = context.shared.store.scan(range, order, limit.saturating_add(1)).await?;
    let more = rows.len() > limit;
    let mut versions = Vec::new();
    for (key, row) in rows.into_iter().take(limit) {
        let row: SecretVersionRow = rows::decode(&key, &row.value)?;
        versions.push(row.secret_version);
    }
    let last = versions.last().filter(|_| more);
    let next = last.map(|last| PageToken::after(&listing.scope, &format!("{:020}", last.number)));
    Ok((versions, next))
}
