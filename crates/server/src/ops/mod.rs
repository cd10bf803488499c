//! The operations. Each takes a permit, so none can run unasked.

mod backups;
mod bundles;
mod changing;
mod consumers;
mod crypto;
mod events;
mod federation;
mod identity;
mod importing;
mod key_versions;
mod keys;
mod listing;
mod replicas;
mod retry;
mod sealing;
mod secret_lifecycle;
mod secrets;
mod tagging;
mod upkeep;
mod vaults;
mod versions;
mod watch;
mod why;

pub(crate) use bundles::binding as content_binding;
pub(crate) use keys::NewVersion;
pub(crate) use sealing::{NewContent, SecretHome, generated};
use strongroom_model::{Key, Moment, Operation, Principal, Timestamp};
use strongroom_signing::{HeaderSource, HeaderValue};
use strongroom_store::Cursor;
use strongroom_wire::{ErrorCode, Etag, Refusal};

use crate::ask::Ask;
use crate::audit::AuditRecord;
use crate::authn::Proof;
use crate::authz::{Permit, Wish};
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
    /// The place in history that the catalog stands for.
    pub(crate) cursor: Cursor,
    pub(crate) call: &'a Call,
    pub(crate) principal: &'a Principal,
    pub(crate) proof: Proof,
    pub(crate) operation: Operation,
    /// The time of lifecycles, which in development can be turned.
    pub(crate) now: Timestamp,
    pub(crate) record: &'a mut AuditRecord,
}

impl Context<'_> {
    /// The bounds of a secret's versions, now.
    const fn moment(&self) -> Moment {
        self.shared.moment(self.now)
    }

    /// What the caller wishes, for decisions on single items.
    fn wish(&self) -> Wish<'_> {
        let (principal, proof, operation) = (self.principal, self.proof, self.operation);
        Wish { principal, proof, operation, facts: &[], now: self.record.time }
    }

    /// Checks `if-match`; an absent one holds.
    fn check_if_match(&self, revision: strongroom_store::Revision) -> Result<(), Failure> {
        let etag = Etag::of_revision(revision.0);
        match HeaderSource::header(self.call, "if-match") {
            HeaderValue::Absent => Ok(()),
            HeaderValue::One(if_match) if etag.matches(if_match) => Ok(()),
            HeaderValue::One(_) | HeaderValue::Many => {
                let message = "if-match: the resource has another etag by now";
                Err(Refusal::new(ErrorCode::NoEtagMatch, message).into())
            }
        }
    }
}

/// Runs the operation that `ask` names.
#[expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "one arm for each operation"
)]
pub(crate) async fn perform(
    context: Context<'_>,
    permit: Permit,
    ask: Ask,
) -> Result<Reply, Failure> {
    if let Some(tags) = ask.defined_tags() {
        tagging::check(tags, &permit.located.held_tags(), context.catalog)?;
    }
    match ask {
        Ask::CreateVault(details) => vaults::create(context, &permit, details).await,
        Ask::GetVault(_) => vaults::get(&context, &permit),
        Ask::ListVaults(by) => vaults::list(&context, &by),
        Ask::UpdateVault(_, details) => vaults::update(&context, &permit, &details).await,
        Ask::ScheduleVaultDeletion(_, at) => vaults::schedule_deletion(&context, &permit, at).await,
        Ask::CancelVaultDeletion(_) => vaults::cancel_deletion(&context, &permit).await,
        Ask::ChangeVaultCompartment(_, to) => vaults::move_to(&context, &permit, &to).await,
        Ask::GetVaultUsage(_) => vaults::usage(&context, &permit),
        Ask::BackupVault(_, details) => backups::backup_vault(&context, &permit, &details).await,
        Ask::RestoreVaultFromFile(to) => backups::restore_vault_from_file(context, &to).await,
        Ask::RestoreVaultFromObjectStore(to, details) => {
            backups::restore_vault_from_store(context, &to, &details).await
        }
        Ask::CreateVaultReplica(_, details) => replicas::create(&context, &permit, &details).await,
        Ask::DeleteVaultReplica(_, details) => replicas::delete(&context, &permit, &details).await,
        Ask::ListVaultReplicas(_, listing) => replicas::list(&context, &permit, &listing),
        Ask::UpdateRegisteredVaultForMtls(_) => {
            let message = "External key management is not part of this server.";
            Err(Refusal::new(ErrorCode::MethodNotImplemented, message).into())
        }
        Ask::GetReplicationStatus(_) => replicas::status(&context, &permit),
        Ask::CreateKey(details) => keys::create(context, &permit, details).await,
        Ask::GetKey(_) => keys::get(&permit),
        Ask::ListKeys(by, filter) => keys::list(&context, &permit, &by, &filter),
        Ask::UpdateKey(_, details) => keys::update(&context, &permit, &details).await,
        Ask::EnableKey(_) => keys::transition(&context, &permit, Key::enable).await,
        Ask::DisableKey(_) => keys::transition(&context, &permit, Key::disable).await,
        Ask::ScheduleKeyDeletion(_, at) => {
            let now = context.now;
            keys::transition(&context, &permit, |key| key.schedule_deletion(at, now)).await
        }
        Ask::CancelKeyDeletion(_) => {
            keys::transition(&context, &permit, Key::cancel_deletion).await
        }
        Ask::ChangeKeyCompartment(_, to) => keys::move_to(&context, &permit, &to).await,
        Ask::CreateKeyVersion(_) => key_versions::create(&context, &permit, None).await,
        Ask::GetKeyVersion(_, id) => key_versions::get(&context, &permit, &id),
        Ask::ListKeyVersions(_, listing) => key_versions::list(&context, &permit, &listing),
        Ask::ScheduleKeyVersionDeletion(_, id, at) => {
            key_versions::schedule_deletion(&context, &permit, &id, at).await
        }
        Ask::CancelKeyVersionDeletion(_, id) => {
            key_versions::cancel_deletion(&context, &permit, &id).await
        }
        Ask::GetWrappingKey => importing::wrapping_key(&context, &permit).await,
        Ask::ImportKey(details) => importing::import_key(context, &permit, details).await,
        Ask::ImportKeyVersion(_, wrapped) => {
            importing::import_version(&context, &permit, wrapped).await
        }
        Ask::BackupKey(_, details) => backups::backup_key(&context, &permit, &details).await,
        Ask::RestoreKeyFromFile => backups::restore_key_from_file(context, &permit).await,
        Ask::RestoreKeyFromObjectStore(details) => {
            backups::restore_key_from_store(context, &permit, &details).await
        }
        Ask::Encrypt(details) => crypto::encrypt(&context, &permit, &details).await,
        Ask::Decrypt(details) => crypto::decrypt(&context, &permit, &details).await,
        Ask::GenerateDataEncryptionKey(details) => {
            crypto::generate(&context, &permit, &details).await
        }
        Ask::Sign(details) => crypto::sign(&context, &permit, &details).await,
        Ask::Verify(details) => crypto::verify(&context, &permit, &details),
        Ask::ExportKey(details) => crypto::export(&context, &permit, &details),
        Ask::CreateSecret(details) => secrets::create(context, &permit, &details).await,
        Ask::GetSecret(_) => secrets::get(&permit),
        Ask::ScheduleSecretDeletion(_, at) => {
            secret_lifecycle::schedule_deletion(&context, &permit, at).await
        }
        Ask::CancelSecretDeletion(_) => secret_lifecycle::cancel_deletion(&context, &permit).await,
        Ask::ScheduleSecretVersionDeletion(_, number, at) => {
            secret_lifecycle::schedule_version_deletion(&context, &permit, number, at).await
        }
        Ask::CancelSecretVersionDeletion(_, number) => {
            secret_lifecycle::cancel_version_deletion(&context, &permit, number).await
        }
        Ask::ChangeSecretCompartment(_, to) => {
            secret_lifecycle::move_to(&context, &permit, &to).await
        }
        Ask::ListSecrets(by, filter) => secrets::list(&context, &by, &filter).await,
        Ask::UpdateSecret(_, details) => secrets::update(context, permit, &details).await,
        Ask::RotateSecret(_) => secret_lifecycle::rotate(&context, &permit).await,
        Ask::CancelSecretRotation(_) => secret_lifecycle::cancel_rotation(&context, &permit).await,
        Ask::ListSecretVersions(_, listing) => versions::list(&context, &permit, &listing).await,
        Ask::GetSecretVersion(_, number) => versions::get(&context, &permit, number).await,
        Ask::GetSecretBundle(_, selector) | Ask::GetSecretBundleByName { selector, .. } => {
            bundles::get(&context, &permit, &selector).await
        }
        Ask::ListSecretBundleVersions(_, listing) => {
            bundles::list_versions(&context, &permit, &listing).await
        }
        Ask::Identity(ask) => identity::run(context, &permit, ask).await,
        Ask::Federation(ask) => federation::run(context, ask).await,
        Ask::Upkeep(ask) => upkeep::run(&context, ask).await,
        Ask::ReportSecretVersion(_, name, details) => {
            consumers::report(&context, &permit, &name, &details).await
        }
        Ask::ListSecretConsumers(_, listing) => consumers::list(&context, &permit, &listing).await,
        Ask::GetSecretRetirement(_) => consumers::retirement(&permit),
        Ask::UpdateSecretRetirement(_, deadline_secs) => {
            consumers::mark(&context, &permit, deadline_secs).await
        }
        Ask::ListEvents(ask) => events::list(&context, &ask).await,
        Ask::GetDenial(_) => why::explain(&context, &permit),
        Ask::WatchSecrets(ask) => watch::watch(&context, &ask).await,
    }
}
