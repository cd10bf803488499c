//! The operations. Each takes a permit, so none can run unasked.

mod bundles;
mod identity;
mod keys;
mod listing;
mod retry;
mod secrets;
mod vaults;
mod versions;

pub(crate) use bundles::binding as content_binding;
pub(crate) use secrets::index as index_secret;
use strongroom_model::Principal;
use strongroom_wire::{ErrorCode, Etag, Refusal};

use crate::ask::Ask;
use crate::audit::AuditRecord;
use crate::authz::Permit;
use crate::catalog::Catalog;
use crate::decode::Call;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::shared::Shared;

/// What every operation may look at.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) catalog: &'a Catalog,
    pub(crate) call: &'a Call,
    pub(crate) principal: &'a Principal,
    pub(crate) record: &'a mut AuditRecord,
}

impl Context<'_> {
    /// Checks `if-match`; an absent one holds.
    fn check_if_match(&self, revision: strongroom_store::Revision) -> Result<(), Failure> {
        match self.call.header("if-match") {
            Some(if_match) if !Etag::of_revision(revision.0).matches(if_match) => {
                let message = "if-match: the resource has another etag by now";
                Err(Refusal::new(ErrorCode::NoEtagMatch, message).into())
            }
            _ => Ok(()),
        }
    }
}

/// Runs the operation that `ask` names.
pub(crate) async fn perform(
    context: Context<'_>,
    permit: Permit,
    ask: Ask,
) -> Result<Reply, Failure> {
    match ask {
        Ask::CreateVault(details) => vaults::create(context, &permit, details).await,
        Ask::GetVault(_) => vaults::get(&context, &permit),
        Ask::ListVaults(by) => vaults::list(&context, &by),
        Ask::CreateKey(details) => keys::create(context, &permit, details).await,
        Ask::GetKey(_) => keys::get(&permit),
        Ask::ListKeys(by, filter) => keys::list(&context, &permit, &by, &filter),
        Ask::ListKeyVersions(_, listing) => keys::list_versions(&context, &permit, &listing),
        Ask::CreateSecret(details) => secrets::create(context, &permit, &details).await,
        Ask::GetSecret(_) => secrets::get(&permit),
        Ask::ListSecrets(by, filter) => secrets::list(&context, &by, &filter).await,
        Ask::UpdateSecret(_, details) => secrets::update(context, permit, &details).await,
        Ask::ListSecretVersions(_, listing) => versions::list(&context, &permit, &listing).await,
        Ask::GetSecretVersion(_, number) => versions::get(&context, &permit, number).await,
        Ask::GetSecretBundle(_, selector) | Ask::GetSecretBundleByName { selector, .. } => {
            bundles::get(&context, &permit, &selector).await
        }
        Ask::ListSecretBundleVersions(_, listing) => {
            bundles::list_versions(&context, &permit, &listing).await
        }
        Ask::ListCompartments(by, filter) => identity::list_compartments(&context, &by, &filter),
        Ask::GetCompartment(id) => identity::get_compartment(&context, &id),
        Ask::CreateCompartment(details) => {
            identity::create_compartment(context, &permit, details).await
        }
        Ask::GetUser(id) => identity::get_user(&context, &id),
        Ask::ListRegionSubscriptions(_) => identity::list_region_subscriptions(&context),
    }
}
