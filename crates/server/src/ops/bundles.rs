use std::sync::Arc;

use strongroom_keyring::{Binding, UseError, VersionKey};
use strongroom_model::{Ocid, Secret, SecretState, SecretVersion, Stage, Timestamp, rfc3339};
use strongroom_wire::bodies::{SecretBundleBody, SecretBundleVersion};
use strongroom_wire::{ErrorCode, Refusal};

use super::changing::{KeyPlace, unmovable, vault_of};
use super::crypto::unused;
use super::secrets::secret_of;
use super::{Context, versions};
use crate::ask::{Listing, Selector};
use crate::authz::Permit;
use crate::catalog::{Catalog, KeyVersionEntry};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows;

/// What the content of a secret version is bound to.
pub(crate) fn binding<'a>(tenancy: &'a Ocid, secret: &'a Secret, number: u64) -> Binding<'a> {
    Binding { tenancy, vault: &secret.vault_id, object: &secret.id, version: number }
}

/// The version of the secret's key that `id` names, if it and the key are ENABLED.
pub(super) fn usable_version(
    catalog: &Catalog,
    place: &KeyPlace,
    id: &Ocid,
) -> Result<Arc<KeyVersionEntry>, Failure> {
    let enabled = place.key.key.check_enabled(&place.vault.vault);
    enabled.map_err(|error| unmovable("secret's key", error))?;
    let found = catalog.version_of(&place.key.key.id, id);
    let found = found.ok_or_else(|| Failure::internal("a version's key version is not there"))?;
    let enabled = found.version.check_enabled();
    enabled.map_err(|error| unmovable("version of the secret's key", error))?;
    Ok(Arc::clone(found))
}

/// The key of an enabled version.
pub(super) fn material(entry: &KeyVersionEntry) -> Result<&VersionKey, Failure> {
    let missing = || Failure::internal("an enabled key version without material");
    entry.key.as_ref().ok_or_else(missing)
}

/// `GetSecretBundle` and `GetSecretBundleByName`: the one place where content leaves.
pub(super) async fn get(
    context: &Context<'_>,
    permit: &Permit,
    selector: &Selector,
) -> Result<Reply, Failure> {
    let (secret, revision) = secret_of(permit)?;
    let (state, _) = secret.shown_in(&vault_of(permit)?.vault);
    if state != SecretState::Active {
        return Err(Failure::not_found(format!("the secret is {}", state.name())));
    }
    let number = number_of(context, secret, selector).await?;
    if !secret.has_version(number) {
        return Err(Failure::not_found("the version is not there, or PENDING_DELETION"));
    }
    let row = versions::read(context, permit, number).await?;
    check_expiry(secret, &row.secret_version, context.now)?;
    let place = KeyPlace::of(permit)?;
    let key_version = usable_version(context.catalog, &place, &row.key_version_id)?;
    let binding = binding(&context.catalog.tenancy.id, secret, number);
    let opened = material(&key_version)?.open_secret(&binding, row.sealed()).await;
    let opened = opened.map_err(|error| match error {
        UseError::Input => Failure::internal("a secret version does not open"),
        error => unused(error, "keyId", "cannot decrypt"),
    })?;
    let request = (context.record.request_id.as_str(), context.record.time);
    let principal = context.principal.identifier();
    context.shared.sightings.note(request, principal, &secret.id);
    let body = SecretBundleBody::new(secret, &row.secret_version, opened.expose());
    Ok(Reply::sized(&body, opened.expose().len().saturating_mul(2))?
        .with_etag(revision)
        .with_version(number))
}

/// Refuses expired content, if the secret's rules say so.
fn check_expiry(secret: &Secret, version: &SecretVersion, now: Timestamp) -> Result<(), Failure> {
    let blocks = secret.rules.expiry.is_some_and(|rule| rule.blocks_retrieval);
    let expiry = secret.expiry_of(version.number, version.time_created);
    match expiry.filter(|expiry| blocks && *expiry <= now) {
        None => Ok(()),
        Some(expiry) => {
            let message = format!(
                "The content of version {} expired at {}, and the secret's SECRET_EXPIRY_RULE \
                 blocks its retrieval. Make a new version, or change the rule.",
                version.number,
                rfc3339(expiry)
            );
            Err(Refusal::new(ErrorCode::Conflict, message).into())
        }
    }
}

async fn number_of(
    context: &Context<'_>,
    secret: &Secret,
    selector: &Selector,
) -> Result<u64, Failure> {
    let number = match selector {
        Selector::Number(number) => Some(*number),
        Selector::Stage(stage) => number_at(secret, *stage),
        Selector::Name(name) => {
            let key = rows::version_name(&secret.id, name);
            let found = context.shared.store.get(&[key.as_slice()]).await?;
            let row = found.into_iter().next().flatten();
            row.map(|row| rows::decode(&key, &row.value)).transpose()?
        }
    };
    number.ok_or_else(|| Failure::not_found("no version is in this stage or has this name"))
}

/// The version in a stage; of several deprecated ones the newest.
fn number_at(secret: &Secret, stage: Stage) -> Option<u64> {
    let stages = &secret.stages;
    match stage {
        Stage::Current => Some(stages.current),
        Stage::Latest => Some(stages.latest),
        Stage::Pending => stages.pending,
        Stage::Previous => stages.previous,
        Stage::Deprecated => {
            let deprecated = |number: &u64| {
                secret.has_version(*number) && stages.of(*number).contains(&Stage::Deprecated)
            };
            (1..=stages.latest).rev().find(deprecated)
        }
    }
}

/// `ListSecretBundleVersions`.
pub(super) async fn list_versions(
    context: &Context<'_>,
    permit: &Permit,
    listing: &Listing,
) -> Result<Reply, Failure> {
    let (secret, _) = secret_of(permit)?;
    let (page, next) = versions::page(context, permit, listing).await?;
    let bodies: Vec<_> =
        page.iter().map(|version| SecretBundleVersion::new(secret, version)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}
