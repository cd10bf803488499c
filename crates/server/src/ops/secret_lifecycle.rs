//! Deletion, restoration and move of secrets and their versions.

use strongroom_model::{Ocid, Secret, SecretError, Timestamp};
use strongroom_store::Batch;
use strongroom_wire::bodies::SecretBody;
use strongroom_wire::{ErrorCode, Refusal};

use super::Context;
use super::changing::{Outcome, TRIES, commit, contended, unmovable, vault_of, while_vault};
use super::retry::{Earlier, Retry};
use super::secrets::{read, read_again, secret_of};
use crate::authz::Permit;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::{rotation, secret_rows};

/// Tells why a secret does not change.
pub(super) fn unchanged(error: SecretError) -> Failure {
    let refusal = match error {
        SecretError::Lifecycle(error) => return unmovable("secret", error),
        SecretError::UnknownVersion => Refusal::invalid("currentVersionNumber", &error.to_string()),
        SecretError::NothingPending => Refusal::invalid("secretContent.stage", &error.to_string()),
        SecretError::AbsoluteExpiry => {
            Refusal::invalid("secretRules.timeOfAbsoluteExpiry", &error.to_string())
        }
        SecretError::MissingGeneration => {
            Refusal::invalid("secretGenerationContext", &error.to_string())
        }
        SecretError::Rotating | SecretError::NotRotatable | SecretError::NothingToCancel => {
            Refusal::new(ErrorCode::Conflict, capitalized(&error.to_string()))
        }
        SecretError::VersionInUse
        | SecretError::VersionPending
        | SecretError::VersionNotPending => {
            Refusal::new(ErrorCode::Conflict, format!("The version {error}."))
        }
        SecretError::ActiveVersions(_) | SecretError::PendingVersions(_) => {
            Refusal::new(ErrorCode::LimitExceeded, capitalized(&error.to_string()))
        }
    };
    refusal.into()
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next()
        .map(|first| first.to_uppercase().chain(rest).chain(['.']).collect())
        .unwrap_or_default()
}

/// `ScheduleSecretDeletion`.
pub(super) async fn schedule_deletion(
    context: &Context<'_>,
    permit: &Permit,
    asked: Option<Timestamp>,
) -> Result<Reply, Failure> {
    let now = context.now;
    let change = |secret: &Secret| Ok(secret.schedule_deletion(asked, now)?);
    Ok(change_secret(context, permit, change).await?.without_body())
}

/// `CancelSecretDeletion`.
pub(super) async fn cancel_deletion(
    context: &Context<'_>,
    permit: &Permit,
) -> Result<Reply, Failure> {
    let change = |secret: &Secret| Ok(secret.cancel_deletion()?);
    Ok(change_secret(context, permit, change).await?.without_body())
}

/// `ScheduleSecretVersionDeletion`.
pub(super) async fn schedule_version_deletion(
    context: &Context<'_>,
    permit: &Permit,
    number: u64,
    asked: Option<Timestamp>,
) -> Result<Reply, Failure> {
    known_version(permit, number)?;
    let moment = context.moment();
    let change = |secret: &Secret| secret.schedule_version_deletion(number, asked, moment);
    Ok(change_secret(context, permit, change).await?.without_body().with_version(number))
}

/// `CancelSecretVersionDeletion`.
pub(super) async fn cancel_version_deletion(
    context: &Context<'_>,
    permit: &Permit,
    number: u64,
) -> Result<Reply, Failure> {
    known_version(permit, number)?;
    let moment = context.moment();
    let change = |secret: &Secret| secret.cancel_version_deletion(number, moment);
    Ok(change_secret(context, permit, change).await?.without_body().with_version(number))
}

/// A version in the path that is not there is 404.
fn known_version(permit: &Permit, number: u64) -> Result<(), Failure> {
    if secret_of(permit)?.0.knows_version(number) {
        return Ok(());
    }
    Err(Failure::not_found("the secret has no such version"))
}

/// `ChangeSecretCompartment`.
pub(super) async fn move_to(
    context: &Context<'_>,
    permit: &Permit,
    to: &Ocid,
) -> Result<Reply, Failure> {
    let change = |secret: &Secret| {
        secret.check_active()?;
        Ok(Secret { compartment_id: to.clone(), ..secret.clone() })
    };
    Ok(change_secret(context, permit, change).await?.without_body())
}

/// `RotateSecret`: begins a rotation, which goes on after the answer.
pub(super) async fn rotate(context: &Context<'_>, permit: &Permit) -> Result<Reply, Failure> {
    let shared = context.shared;
    let id = rotation::new_id(shared);
    let change = |secret: &Secret| {
        secret.check_active()?;
        secret.check_rotatable()?;
        let rotation = rotation::begun(id.clone(), secret, context.now);
        Ok(Secret { rotation, ..secret.clone() })
    };
    let reply = change_secret(context, permit, change).await?;
    if reply.recorded {
        shared.rotations.wake.notify_one();
        return Ok(reply.without_body().accepted(Some(id)));
    }
    // The same request has begun it before; it may be over.
    let (secret, _) = read(&*shared.store, &secret_of(permit)?.0.id).await?;
    let id = secret.rotation.run.map(|run| run.work_request_id);
    Ok(reply.without_body().accepted(id))
}

/// `CancelSecretRotation`: ends a rotation, and the schedule.
pub(super) async fn cancel_rotation(
    context: &Context<'_>,
    permit: &Permit,
) -> Result<Reply, Failure> {
    let change = |secret: &Secret| {
        secret.check_active()?;
        if secret.rotation.status() == "NOT_ENABLED" {
            return Err(SecretError::NothingToCancel);
        }
        Ok(Secret { rotation: secret.rotation.cancelled(), ..secret.clone() })
    };
    Ok(change_secret(context, permit, change).await?.without_body())
}

/// Changes a secret and answers it.
pub(super) async fn change_secret(
    context: &Context<'_>,
    permit: &Permit,
    change: impl Fn(&Secret) -> Result<Secret, SecretError>,
) -> Result<Reply, Failure> {
    let (secret, revision) = secret_of(permit)?;
    let vault = vault_of(permit)?;
    let retry = match Retry::look(context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return answer(context, permit, &id).await,
    };
    let mut current = (secret.clone(), revision);
    for _ in 0..TRIES {
        context.check_if_match(current.1)?;
        vault.vault.check_active().map_err(|error| unmovable("vault", error))?;
        let next = change(&current.0).map_err(unchanged)?;
        let batch = secret_rows::write(Batch::new(), Some((&current.0, current.1)), &next)?;
        match commit(context, &retry, while_vault(batch, vault), &next.id).await? {
            Outcome::Done(revision) => {
                let body = SecretBody::whole(&next, &vault.vault);
                return Ok(Reply::of(&body)?.with_etag(revision).recorded());
            }
            Outcome::Earlier(id) => return answer(context, permit, &id).await,
            Outcome::Overtaken => current = read_again(context, &current.0).await?,
        }
    }
    Err(contended())
}

async fn answer(context: &Context<'_>, permit: &Permit, id: &Ocid) -> Result<Reply, Failure> {
    let (secret, revision) = read(&*context.shared.store, id).await?;
    let body = SecretBody::whole(&secret, &vault_of(permit)?.vault);
    Ok(Reply::of(&body)?.with_etag(revision))
}
