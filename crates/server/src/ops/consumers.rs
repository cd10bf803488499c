//! Reports of versions held, and what rotations make of them.

use std::time::Duration;

use strongroom_model::{CONSUMERS_MAX, Retirement, RotationStep, Secret, SecretConsumer};
use strongroom_store::{Batch, Order, Require, StoreError, prefix_range};
use strongroom_wire::bodies::{ConsumerBody, RetirementBody};
use strongroom_wire::{ErrorCode, Refusal, ReportDetails};

use super::Context;
use super::changing::TRIES;
use super::listing::page_of;
use super::secret_lifecycle::change_secret;
use super::secrets::{read, secret_of};
use crate::ask::Listing;
use crate::authz::Permit;
use crate::consumers::of_secret;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows;

/// `ReportSecretVersion`: what the consumer holds from now on.
pub(super) async fn report(
    context: &Context<'_>,
    permit: &Permit,
    name: &str,
    details: &ReportDetails,
) -> Result<Reply, Failure> {
    let (secret, _) = secret_of(permit)?;
    if !secret.knows_version(details.version_number) {
        return Err(Refusal::invalid("versionNumber", "the secret has no such version").into());
    }
    let now = context.now;
    let principal_id = context.principal.identifier().to_owned();
    let scope = format!("{principal_id}\n{name}");
    let digest = strongroom_signing::body_digest(scope.as_bytes());
    let live_until = now.checked_add(Duration::from_secs(details.live_for_secs));
    let consumer = SecretConsumer {
        principal_id,
        name: name.to_owned(),
        version: details.version_number,
        time_reported: now,
        live_until: live_until.map_err(|_error| Failure::internal("the end of time"))?,
    };
    let row_key = rows::consumer(&secret.id, &digest);
    write(context, secret, &row_key, &consumer, details.live_for_secs == 0).await?;
    let waits = |secret: &Secret| {
        let run = secret.rotation.run.as_ref();
        run.is_some_and(|run| run.step == RotationStep::RetirePreviousVersion)
    };
    if waits(secret) {
        context.shared.rotations.look_at(&secret.id);
    }
    let body = ConsumerBody::new(secret, &consumer, now);
    Ok(Reply::of(&body)?.with_version(consumer.version).recorded())
}

/// Puts the row of a consumer, or takes it away; the newest report is the one that counts.
async fn write(
    context: &Context<'_>,
    secret: &Secret,
    row_key: &[u8],
    consumer: &SecretConsumer,
    leaves: bool,
) -> Result<(), Failure> {
    let store = &*context.shared.store;
    let guard_key = rows::secret_name(&secret.vault_id, &secret.name);
    for _ in 0..TRIES {
        let mut rows = store.get(&[row_key, guard_key.as_slice()]).await?.into_iter();
        let found = rows.next().flatten();
        let guard = rows.next().flatten();
        let guard = guard.ok_or_else(|| Failure::not_found("the secret was deleted"))?;
        if found.is_none() && !leaves {
            check_room(context, secret).await?;
        }
        let require = found.map_or(Require::Absent, |row| Require::Revision(row.revision));
        // A secret that is deleted meanwhile takes its consumers with it.
        let batch = Batch::new()
            .require(row_key.to_vec(), require)
            .require(guard_key.clone(), Require::Revision(guard.revision));
        let batch = if leaves {
            batch.delete(row_key.to_vec())
        } else {
            batch.put(row_key.to_vec(), rows::encode(consumer)?)
        };
        match context.shared.commit(batch, context.record).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict { key: row_key.to_vec() }.into())
}

async fn check_room(context: &Context<'_>, secret: &Secret) -> Result<(), Failure> {
    let range = prefix_range(&rows::consumers(&secret.id));
    let known = context.shared.store.scan(range, Order::Ascending, CONSUMERS_MAX).await?;
    if known.len() < CONSUMERS_MAX {
        return Ok(());
    }
    let message = format!("The secret has {CONSUMERS_MAX} consumers, which is the limit.");
    Err(Refusal::new(ErrorCode::LimitExceeded, message).into())
}

/// `ListSecretConsumers`.
pub(super) async fn list(
    context: &Context<'_>,
    permit: &Permit,
    listing: &Listing,
) -> Result<Reply, Failure> {
    let (secret, _) = secret_of(permit)?;
    let consumers = of_secret(&*context.shared.store, &secret.id).await?;
    let key = |consumer: &SecretConsumer| format!("{} {}", consumer.name, consumer.principal_id);
    let rows = consumers
        .iter()
        .map(|consumer| (key(consumer), ConsumerBody::new(secret, consumer, context.now)));
    let (page, next) = page_of(rows.collect(), listing);
    Ok(Reply::of(&page)?.with_next_page(next))
}

/// `GetSecretRetirement`.
pub(super) fn retirement(permit: &Permit) -> Result<Reply, Failure> {
    let (secret, revision) = secret_of(permit)?;
    Ok(Reply::of(&RetirementBody::new(secret))?.with_etag(revision))
}

/// `UpdateSecretRetirement`: from the next rotation on.
pub(super) async fn mark(
    context: &Context<'_>,
    permit: &Permit,
    deadline_secs: Option<u32>,
) -> Result<Reply, Failure> {
    let change = |secret: &Secret| {
        secret.check_active()?;
        let mut next = secret.clone();
        next.rotation.retirement = deadline_secs.map(|deadline_secs| Retirement { deadline_secs });
        Ok(next)
    };
    let done = change_secret(context, permit, change).await?;
    let (secret, revision) = read(&*context.shared.store, &secret_of(permit)?.0.id).await?;
    let reply = Reply::of(&RetirementBody::new(&secret))?.with_etag(revision);
    Ok(if done.recorded { reply.recorded() } else { reply })
}
