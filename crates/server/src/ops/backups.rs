//! Backup and restore of vaults and keys. A backup is opened by the installation that made it: it is
//! sealed under the root key, and what it holds stays sealed under the vault's. The file is text:
//! Oracle's command line reads it as such.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use strongroom_keyring::{Binding, Sealed};
use strongroom_model::{KeyState, KeyVersionState, Ocid, ProtectionMode, Vault, VaultState};
use strongroom_signing::{HeaderSource, HeaderValue};
use strongroom_store::{Batch, Order, Require, Revision, StoreError, prefix_range};
use strongroom_wire::{BackupDetails, ErrorCode, Refusal, RestoreDetails};

use super::Context;
use super::changing::{
    KeyPlace, Outcome, commit, read_row, reply_vault, unmovable, vault_of, while_vault,
};
use super::crypto::unused;
use super::keys::check_limit;
use super::retry::{Earlier, Retry};
use super::vaults;
use crate::authz::Permit;
use crate::backup_places::{BackupFile, file_of};
use crate::catalog::{Catalog, KeyEntry, VaultEntry};
use crate::doomed;
use crate::door::Door;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, KeyRow, KeyVersionRow, VaultRow, WrappingKeyRow};
use crate::shared::Shared;

const MAGIC: &[u8] = b"strongroom backup 1\n";
const VERSIONS_MAX: usize = 100_000;

/// A key with all of its versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeyCopy {
    key: KeyRow,
    versions: Vec<KeyVersionRow>,
}

impl KeyCopy {
    /// How many of its versions are not deleted.
    fn living(&self) -> usize {
        let states = self.versions.iter().map(|row| row.key_version.state);
        states.filter(|state| *state != KeyVersionState::Deleted).count()
    }

    /// The key as it was; if its compartment was deleted since, in another one.
    fn placed(mut self, catalog: &Catalog, or_else: &Ocid) -> Self {
        let place = &mut self.key.key.compartment_id;
        if !catalog.is_open(place) {
            place.clone_from(or_else);
        }
        self
    }

    /// The versions of which a token is to hold the material: none, unless it is a token's key.
    fn living_in_token(&self) -> impl Iterator<Item = &Ocid> {
        let Self { key: KeyRow { key }, versions } = self;
        let lives = key.protection_mode == ProtectionMode::Hsm && key.state != KeyState::Deleted;
        let versions = versions.iter().map(|row| &row.key_version).filter(move |_| lives);
        let living = versions.filter(|version| version.state != KeyVersionState::Deleted);
        living.map(|version| &version.id)
    }
}

/// What a backup file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Copy {
    Key { vault_id: Ocid, key: KeyCopy },
    Vault { vault: VaultRow, wrapping_key: Option<WrappingKeyRow>, keys: Vec<KeyCopy> },
}

/// What a backup is bound to: the tenancy.
fn binding(tenancy: &Ocid) -> Binding<'_> {
    Binding { tenancy, vault: tenancy, object: tenancy, version: 1 }
}

fn seal(context: &Context<'_>, copy: &Copy) -> Result<Vec<u8>, Failure> {
    let plain = serde_json::to_vec(copy)
        .map_err(|_error| Failure::internal("a backup cannot be encoded"))?;
    let shared = context.shared;
    let tenancy = &context.catalog.tenancy.id;
    let roots = &context.catalog.roots;
    roots.require_settled()?;
    let sealed = roots.current.seal_backup(&binding(tenancy), &plain, &*shared.random);
    let sealed = sealed.map_err(|_error| Failure::internal("a backup was not sealed"))?;
    let text = STANDARD.encode(sealed.as_bytes());
    Ok([MAGIC, text.as_bytes(), b"\n"].concat())
}

/// Opens a backup. Whatever is wrong with it, the answer is one.
fn open(context: &Context<'_>, bytes: &[u8], field: &str) -> Result<Copy, Failure> {
    let refused = || Refusal::invalid(field, "is not a backup that this installation made");
    let text = bytes.strip_prefix(MAGIC).ok_or_else(refused)?.trim_ascii_end();
    let sealed = STANDARD.decode(text).map_err(|_position| refused())?;
    let tenancy = &context.catalog.tenancy.id;
    let sealed = Sealed::from_bytes(sealed);
    let roots = &context.catalog.roots;
    roots.require_settled()?;
    let plain = roots.current.open_backup(&binding(tenancy), &sealed);
    let plain = plain.map_err(|_error| refused())?;
    serde_json::from_slice(plain.expose()).map_err(|_error| refused().into())
}

async fn copy_key(context: &Context<'_>, entry: &KeyEntry) -> Result<KeyCopy, Failure> {
    let range = prefix_range(&rows::key_versions(&entry.key.id));
    let found = context.shared.store.scan(range, Order::Ascending, VERSIONS_MAX).await?;
    let versions: Result<_, StoreError> =
        found.iter().map(|(key, row)| rows::decode(key, &row.value)).collect();
    Ok(KeyCopy { key: KeyRow { key: entry.key.clone() }, versions: versions? })
}

/// Writes beside the requests, since disks are slow.
async fn write(file: BackupFile, bytes: Vec<u8>) -> Result<(), Failure> {
    let writing = tokio::task::spawn_blocking(move || file.write(&bytes));
    let written = writing.await.map_err(|_error| Failure::internal("a backup ended early"))?;
    written.map_err(|error| {
        let message = "The backup could not be written. Ask the operator to look at its place.";
        let refusal = Refusal::new(ErrorCode::ServiceUnavailable, message);
        Failure::new(refusal, format!("a backup was not written: {error}"))
    })
}

async fn read(file: BackupFile) -> Result<Vec<u8>, Failure> {
    let reading = tokio::task::spawn_blocking(move || file.read());
    let bytes = reading.await.map_err(|_error| Failure::internal("a backup ended early"))?;
    bytes.map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return Refusal::invalid("backupLocation", "names no backup that is there").into();
        }
        let message = "The backup could not be read. Ask the operator to look at its place.";
        let refusal = Refusal::new(ErrorCode::ServiceUnavailable, message);
        Failure::new(refusal, format!("a backup was not read: {error}"))
    })
}

/// `BackupKey`: the key and all of its versions.
pub(super) async fn backup_key(
    context: &Context<'_>,
    permit: &Permit,
    details: &BackupDetails,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    if let Earlier::Made(_) = Retry::look(context).await? {
        return place.reply();
    }
    context.check_if_match(place.key.revision)?;
    let file = file_of(&context.shared.backup_places, &details.location)?;
    let state = place.key.key.shown_in(&place.vault.vault).0;
    if !matches!(state, KeyState::Enabled | KeyState::Disabled) {
        return Err(unmovable("key", strongroom_model::LifecycleError::State(state.name())));
    }
    let vault_id = place.vault.vault.id.clone();
    let copy = Copy::Key { vault_id, key: copy_key(context, &place.key).await? };
    write(file, seal(context, &copy)?).await?;
    place.reply()
}

/// `BackupVault`: the vault, and with `isIncludeKeys` its keys.
pub(super) async fn backup_vault(
    context: &Context<'_>,
    permit: &Permit,
    details: &BackupDetails,
) -> Result<Reply, Failure> {
    let entry = vault_of(permit)?;
    let id = &entry.vault.id;
    if let Earlier::Made(_) = Retry::look(context).await? {
        return reply_vault(context, context.catalog, id);
    }
    context.check_if_match(entry.revision)?;
    let file = file_of(&context.shared.backup_places, &details.location)?;
    entry.vault.check_active().map_err(|error| unmovable("vault", error))?;
    let mut keys = Vec::new();
    if details.include_keys {
        for key in context.catalog.keys_in(id) {
            keys.push(copy_key(context, key).await?);
        }
    }
    let row_key = rows::wrapping_key(id);
    let found = context.shared.store.get(&[row_key.as_slice()]).await?.into_iter().next().flatten();
    let wrapping_key = found.map(|row| rows::decode(&row_key, &row.value)).transpose()?;
    let vault: VaultRow = read_row(context, &rows::vault(id)).await?;
    let copy = Copy::Vault { vault, wrapping_key, keys };
    write(file, seal(context, &copy)?).await?;
    reply_vault(context, context.catalog, id)
}

fn lives(what: &str) -> Failure {
    let message = format!("The {what} of this backup exists and is not DELETED.");
    Refusal::new(ErrorCode::Conflict, message).into()
}

/// Puts a row in place of a deleted one, or where there is none.
fn put_over(batch: Batch, key: Vec<u8>, there: Option<Revision>, value: Vec<u8>) -> Batch {
    let require = there.map_or(Require::Absent, Require::Revision);
    batch.require(key.clone(), require).put(key, value)
}

/// `RestoreKeyFromObjectStore`.
pub(super) async fn restore_key_from_store(
    context: Context<'_>,
    permit: &Permit,
    details: &RestoreDetails,
) -> Result<Reply, Failure> {
    let file = file_of(&context.shared.backup_places, &details.location)?;
    let bytes = read(file).await?;
    restore_key(context, permit, &bytes, "backupLocation").await
}

/// `RestoreKeyFromFile`: the request's body is the backup.
pub(super) async fn restore_key_from_file(
    context: Context<'_>,
    permit: &Permit,
) -> Result<Reply, Failure> {
    check_md5(&context)?;
    let bytes = context.call.body.clone();
    restore_key(context, permit, &bytes, "body").await
}

/// `content-md5`, if the caller gives it.
fn check_md5(context: &Context<'_>) -> Result<(), Failure> {
    let md5 = strongroom_signing::content_md5(&context.call.body);
    match HeaderSource::header(context.call, "content-md5") {
        HeaderValue::Absent => return Ok(()),
        HeaderValue::One(given) if given == md5 => return Ok(()),
        HeaderValue::One(_) | HeaderValue::Many => {}
    }
    Err(Refusal::invalid("content-md5", "is not the MD5 of the body in base64").into())
}

async fn restore_key(
    context: Context<'_>,
    permit: &Permit,
    bytes: &[u8],
    field: &str,
) -> Result<Reply, Failure> {
    let Copy::Key { vault_id, key } = open(&context, bytes, field)? else {
        return Err(Refusal::invalid(field, "is a backup of a vault, not of a key").into());
    };
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => {
            return KeyPlace::find(&*context.shared.catalog().await?, &id)?.reply();
        }
    };
    let vault = vault_of(permit)?;
    if vault.vault.id != vault_id {
        return Err(Failure::not_found("the backup is of a key of another vault"));
    }
    vault.vault.check_active().map_err(|error| unmovable("vault", error))?;
    let id = key.key.key.id.clone();
    context.record.target_id = Some(id.clone());
    let batch = put_key(&context, Batch::new(), key.clone())?;
    check_limit(&context, vault, (&key.key.key, key.living()))?;
    check_in_token(&context, &key).await?;
    match commit(&context, &retry, while_vault(batch, vault), &id).await? {
        Outcome::Done(_) | Outcome::Earlier(_) => {
            let reply = KeyPlace::find(&*context.shared.catalog().await?, &id)?.reply()?;
            Ok(reply.recorded())
        }
        Outcome::Overtaken => Err(lives("key")),
    }
}

/// Refuses to bring a key back whose material the token does not hold any more.
async fn check_in_token(context: &Context<'_>, copy: &KeyCopy) -> Result<(), Failure> {
    let living: Vec<&Ocid> = copy.living_in_token().collect();
    // Asked first: what is not doomed now, and is in the token after that, stays there.
    let doomed: Vec<Vec<u8>> = living.iter().map(|version| rows::doomed(version)).collect();
    let doomed: Vec<&[u8]> = doomed.iter().map(Vec::as_slice).collect();
    let is_doomed = context.shared.store.get(&doomed).await?.iter().any(Option::is_some);
    let mut is_held = !is_doomed;
    for version in living {
        let held = context.shared.is_in_token(version).await;
        let held = held.map_err(|error| unused(error.into(), "keyId", "is not in the HSM"))?;
        is_held = is_held && held;
    }
    if is_held {
        return Ok(());
    }
    let message = "The HSM does not hold this key any more: what leaves it does not come back.";
    Err(Refusal::new(ErrorCode::Conflict, message).into())
}

/// Puts a key's rows, unless the key is alive or its compartment is not.
fn put_key(context: &Context<'_>, mut batch: Batch, copy: KeyCopy) -> Result<Batch, Failure> {
    for version in copy.living_in_token() {
        batch = doomed::spare(batch, version);
    }
    let KeyCopy { key: KeyRow { mut key }, versions } = copy;
    let there = context.catalog.keys.get(&key.id);
    if there.is_some_and(|entry| entry.key.state != KeyState::Deleted) {
        return Err(lives("key"));
    }
    if !context.catalog.is_open(&key.compartment_id) {
        let message =
            "The compartment of this key was deleted. Only a backup of its vault brings it back.";
        return Err(Refusal::new(ErrorCode::Conflict, message).into());
    }
    key.restored_from = Some(key.id.clone());
    let row_key = rows::key(&key.id);
    let revision = there.map(|entry| entry.revision);
    batch = put_over(batch, row_key, revision, rows::encode(&KeyRow { key: key.clone() })?);
    for mut version in versions {
        version.key_version.restored_from = Some(version.key_version.id.clone());
        let row_key = rows::key_version(&key.id, &version.key_version.id);
        batch = batch.put(row_key, rows::encode(&version)?);
    }
    Ok(batch)
}

/// `RestoreVaultFromObjectStore`.
pub(super) async fn restore_vault_from_store(
    context: Context<'_>,
    compartment_id: &Ocid,
    details: &RestoreDetails,
) -> Result<Reply, Failure> {
    let file = file_of(&context.shared.backup_places, &details.location)?;
    let bytes = read(file).await?;
    restore_vault(context, compartment_id, &bytes, "backupLocation").await
}

/// `RestoreVaultFromFile`: the request's body is the backup.
pub(super) async fn restore_vault_from_file(
    context: Context<'_>,
    compartment_id: &Ocid,
) -> Result<Reply, Failure> {
    check_md5(&context)?;
    let bytes = context.call.body.clone();
    restore_vault(context, compartment_id, &bytes, "body").await
}

async fn restore_vault(
    context: Context<'_>,
    compartment_id: &Ocid,
    bytes: &[u8],
    field: &str,
) -> Result<Reply, Failure> {
    let Copy::Vault { vault, wrapping_key, keys } = open(&context, bytes, field)? else {
        return Err(Refusal::invalid(field, "is a backup of a key, not of a vault").into());
    };
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => {
            return reply_vault(&context, &*context.shared.catalog().await?, &id);
        }
    };
    let there = context.catalog.vaults.get(&vault.vault.id);
    if there.is_some_and(|entry| entry.vault.state != VaultState::Deleted) {
        return Err(lives("vault"));
    }
    let shared = context.shared;
    check_emptied(shared, &vault.vault.id).await?;
    vaults::check_limit(context.catalog, shared.limits, vault.vault.vault_type)?;
    let listener = shared.endpoints.reserve(&*shared.random).await;
    let listener = listener.map_err(|error| vaults::no_port(&error))?;
    let port = listener.local_addr().map_err(|error| vaults::no_port(&error))?.port();
    let row = restored_row(vault, compartment_id, port);
    let id = row.vault.id.clone();
    let batch = put_vault(&row, there.map(|entry| &**entry), wrapping_key)?;
    for key in &keys {
        check_in_token(&context, key).await?;
    }
    let mut keys = keys.into_iter().map(|key| key.placed(context.catalog, compartment_id));
    let batch = keys.try_fold(batch, |batch, key| put_key(&context, batch, key))?;
    // What is sealed under a root key that goes meanwhile could never be opened.
    let batch = context.catalog.roots.require_current(batch);
    context.record.target_id = Some(id.clone());
    match commit(&context, &retry, batch, &id).await? {
        Outcome::Done(_) => {
            shared.endpoints.serve(Door::Vault(id.clone()), listener);
            Ok(reply_vault(&context, &*shared.catalog().await?, &id)?.recorded())
        }
        Outcome::Earlier(id) => reply_vault(&context, &*shared.catalog().await?, &id),
        Outcome::Overtaken => Err(lives("vault")),
    }
}

/// Refuses to bring a vault back while secrets of it are still being deleted: they would be there
/// again, without those that were deleted before. A vault that is gone gets no new ones.
async fn check_emptied(shared: &Shared, vault_id: &Ocid) -> Result<(), Failure> {
    let range = prefix_range(&rows::secret_names(vault_id));
    if shared.store.scan(range, Order::Ascending, 1).await?.is_empty() {
        return Ok(());
    }
    let message = "The secrets of this vault are still being deleted. Try again.";
    Err(Refusal::new(ErrorCode::IncorrectState, message).into())
}

/// The vault as it was, in the compartment that the request names, without its replica.
fn restored_row(row: VaultRow, compartment_id: &Ocid, port: u16) -> VaultRow {
    let vault = Vault {
        compartment_id: compartment_id.clone(),
        restored_from: Some(row.vault.id.clone()),
        replica: None,
        source: None,
        ..row.vault
    };
    VaultRow { vault, port, replica_port: None, ..row }
}

fn put_vault(
    row: &VaultRow,
    there: Option<&VaultEntry>,
    wrapping_key: Option<WrappingKeyRow>,
) -> Result<Batch, Failure> {
    let id = &row.vault.id;
    let revision = there.map(|entry| entry.revision);
    let batch = put_over(Batch::new(), rows::vault(id), revision, rows::encode(row)?);
    Ok(match wrapping_key {
        Some(wrapping_key) => batch.put(rows::wrapping_key(id), rows::encode(&wrapping_key)?),
        None => batch,
    })
}
