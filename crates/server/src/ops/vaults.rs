use strongroom_model::{Ocid, OcidKind, Vault, VaultState, VaultTag};
use strongroom_store::Batch;
use strongroom_wire::bodies::VaultBody;
use strongroom_wire::{CreateVaultDetails, ErrorCode, Refusal};

use super::Context;
use super::listing::{page_of, sort_key};
use super::retry::{Earlier, Retry};
use crate::ask::ByCompartment;
use crate::authz::Permit;
use crate::catalog::{VaultEntry, vault_binding};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, VaultRow};

/// `CreateVault`: the vault is ACTIVE at once and answers at a port of its own.
pub(super) async fn create(
    context: Context<'_>,
    _permit: &Permit,
    details: CreateVaultDetails,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return existing(&context, &id).await,
    };
    let shared = context.shared;
    let random = &*shared.random;
    let tag = VaultTag::generate(random);
    let vault = Vault {
        id: Ocid::in_vault(OcidKind::Vault, shared.region, &tag, random),
        tag,
        compartment_id: details.compartment_id,
        display_name: details.display_name,
        vault_type: details.vault_type,
        state: VaultState::Active,
        time_created: context.record.time,
        tags: details.tags,
    };
    let binding = vault_binding(&context.catalog.tenancy.id, &vault.id);
    let (_, vault_key) = shared
        .root_key
        .new_vault_key(&binding, random)
        .map_err(|_error| Failure::internal("a vault key was not made"))?;
    let listener = shared.endpoints.reserve(random).await.map_err(|error| no_port(&error))?;
    let port = listener.local_addr().map_err(|error| no_port(&error))?.port();
    let row = VaultRow { vault, port, vault_key };
    let batch = Batch::new().put(rows::vault(&row.vault.id), rows::encode(&row)?);
    let batch = retry.guard(batch, &row.vault.id)?;
    context.record.target_id = Some(row.vault.id.clone());
    match shared.commit(batch, context.record).await {
        Ok(revision) => {
            shared.endpoints.serve(row.vault.id.clone(), listener);
            let url = shared.endpoints.url(port);
            let reply = Reply::of(&VaultBody::new(&row.vault, &url))?;
            Ok(reply.with_etag(revision).recorded())
        }
        Err(error) if retry.lost_to_itself(&error) => match Retry::look(&context).await? {
            Earlier::Made(id) => existing(&context, &id).await,
            Earlier::None(_) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn no_port(error: &std::io::Error) -> Failure {
    let message = "No port is free for the vault's endpoint. Try again.";
    let reason = format!("no port for a vault: {error}");
    Failure::new(Refusal::new(ErrorCode::ServiceUnavailable, message), reason)
}

async fn existing(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let catalog = context.shared.catalog().await?;
    let gone = || Failure::internal("a retry token names a vault that is not there");
    render(context, catalog.vaults.get(id).ok_or_else(gone)?)
}

fn render(context: &Context<'_>, entry: &VaultEntry) -> Result<Reply, Failure> {
    let url = context.shared.endpoints.url(entry.port);
    Ok(Reply::of(&VaultBody::new(&entry.vault, &url))?.with_etag(entry.revision))
}

/// `GetVault`.
pub(super) fn get(context: &Context<'_>, permit: &Permit) -> Result<Reply, Failure> {
    let entry = permit.located.vault.as_deref();
    render(context, entry.ok_or_else(|| Failure::internal("a permit without its vault"))?)
}

/// `ListVaults`.
pub(super) fn list(context: &Context<'_>, by: &ByCompartment) -> Result<Reply, Failure> {
    let of_compartment = context
        .catalog
        .vaults
        .values()
        .filter(|entry| entry.vault.compartment_id == by.compartment_id);
    let rows = of_compartment
        .map(|entry| {
            let vault = &entry.vault;
            let key = sort_key(&by.listing, vault.time_created, &vault.display_name, &vault.id);
            (key, (vault, context.shared.endpoints.url(entry.port)))
        })
        .collect();
    let (page, next) = page_of(rows, &by.listing);
    let bodies: Vec<_> = page.iter().map(|(vault, url)| VaultBody::new(vault, url)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}
