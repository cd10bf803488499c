//! Key material that comes from outside, under the vault's wrapping key.

use std::sync::Arc;

use strongroom_keyring::{Material, wrapping};
use strongroom_model::{KeyShape, Ocid, RsaLength};
use strongroom_store::{Batch, Require, StoreError};
use strongroom_wire::bodies::WrappingKeyBody;
use strongroom_wire::{ImportKeyDetails, Refusal, WrappedImportKey};

use super::changing::{KeyPlace, unmovable, vault_of};
use super::{Context, key_versions, keys};
use crate::authz::Permit;
use crate::catalog::{VaultEntry, key_version_binding};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, WrappingKeyRow};

const WRAPPING_SHAPE: KeyShape = KeyShape::Rsa(RsaLength::Rsa4096);

/// `GetWrappingKey`: the key is made when it is first asked for, which takes a second or two.
pub(super) async fn wrapping_key(context: &Context<'_>, permit: &Permit) -> Result<Reply, Failure> {
    let entry = vault_of(permit)?;
    let row = match find(context, &entry.vault.id).await? {
        Some(row) => row,
        None => make(context, entry).await?,
    };
    Reply::of(&WrappingKeyBody::new(&entry.vault, &row.public_key, row.time_created))
}

async fn find(context: &Context<'_>, vault_id: &Ocid) -> Result<Option<WrappingKeyRow>, Failure> {
    let key = rows::wrapping_key(vault_id);
    let found = context.shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    Ok(found.map(|row| rows::decode(&key, &row.value)).transpose()?)
}

async fn make(context: &Context<'_>, entry: &VaultEntry) -> Result<WrappingKeyRow, Failure> {
    let (shared, vault) = (context.shared, &entry.vault);
    vault.check_active().map_err(|error| unmovable("vault", error))?;
    let material = keys::generate(shared, WRAPPING_SHAPE).await?;
    let Material::Asymmetric(pair) = &material else {
        return Err(Failure::internal("a wrapping key that is not asymmetric"));
    };
    let public_key = pair.public().to_pem();
    let id = vault.wrapping_key_id();
    let binding = key_version_binding(&context.catalog.tenancy.id, &vault.id, &id);
    let vault_key = entry.key.as_ref().ok_or_else(|| Failure::internal("a vault without key"))?;
    let material = vault_key
        .seal_material(&binding, &material, &*shared.random)
        .map_err(|_error| Failure::internal("a wrapping key was not sealed"))?;
    let row = WrappingKeyRow { public_key, time_created: context.now, material };
    let key = rows::wrapping_key(&vault.id);
    let batch = Batch::new().require(key.clone(), Require::Absent).put(key, rows::encode(&row)?);
    match shared.commit_unrecorded(batch).await {
        Ok(_) => Ok(row),
        Err(StoreError::Conflict { .. }) => {
            let found = find(context, &vault.id).await?;
            found.ok_or_else(|| Failure::internal("a wrapping key came and went"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `ImportKey`.
pub(super) async fn import_key(
    context: Context<'_>,
    permit: &Permit,
    details: ImportKeyDetails,
) -> Result<Reply, Failure> {
    let vault = vault_of(permit)?;
    let material = unwrap(&context, vault, details.wrapped, details.key.shape).await?;
    keys::create_with(context, permit, details.key, Some(material)).await
}

/// `ImportKeyVersion`.
pub(super) async fn import_version(
    context: &Context<'_>,
    permit: &Permit,
    wrapped: WrappedImportKey,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let material = unwrap(context, &place.vault, wrapped, place.key.key.shape).await?;
    key_versions::create(context, permit, Some(material)).await
}

/// Takes material out of its wrapping. Whatever is wrong with it, the answer is one.
async fn unwrap(
    context: &Context<'_>,
    entry: &Arc<VaultEntry>,
    wrapped: WrappedImportKey,
    shape: KeyShape,
) -> Result<Material, Failure> {
    let vault = &entry.vault;
    vault.check_active().map_err(|error| unmovable("vault", error))?;
    let refused = || {
        let rule = "must be material of keyShape, wrapped with wrappingAlgorithm under the public \
                    key that GetWrappingKey tells (asymmetric material as PKCS#8 DER)";
        Refusal::invalid("wrappedImportKey.keyMaterial", rule)
    };
    let row = find(context, &vault.id).await?.ok_or_else(refused)?;
    let id = vault.wrapping_key_id();
    let binding = key_version_binding(&context.catalog.tenancy.id, &vault.id, &id);
    let vault_key = entry.key.as_ref().ok_or_else(|| Failure::internal("a vault without key"))?;
    let opened = vault_key.open_material(&binding, WRAPPING_SHAPE, &row.material);
    let Ok(Material::Asymmetric(wrapping)) = opened else {
        return Err(Failure::internal("a wrapping key does not open"));
    };
    let WrappedImportKey { material, algorithm } = wrapped;
    let unwrapping = tokio::task::spawn_blocking(move || {
        wrapping::unwrap(&wrapping, algorithm, &material, shape)
    });
    let opened = unwrapping.await.map_err(|_error| Failure::internal("unwrapping ended early"))?;
    Ok(opened.map_err(|_error| refused())?)
}
