use strongroom_keyring::pkcs11::TokenError;
use strongroom_keyring::{KeyError, Material, PublicKey, token_id};
use strongroom_model::{
    Key, KeyAlgorithm, KeyShape, KeyState, KeyVersion, KeyVersionState, Ocid, OcidKind, Origin,
    ProtectionMode, Timestamp, VaultType,
};
use strongroom_store::Batch;
use strongroom_wire::bodies::{KeyBody, KeySummary};
use strongroom_wire::{CreateKeyDetails, ErrorCode, Refusal, UpdateKeyDetails};

use super::Context;
use super::changing::{
    KeyPlace, Outcome, change_key, commit, surely_not, unmovable, vault_of, while_vault,
};
use super::crypto::unused;
use super::listing::{page_of, sort_key};
use super::retry::{Earlier, Retry};
use crate::ask::{ByCompartment, KeyFilter, Listing};
use crate::authz::Permit;
use crate::catalog::{Catalog, VaultEntry, key_version_binding};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows::{self, KeyRow, KeyVersionRow};

/// `CreateKey`: the key and its first version, ENABLED at once.
pub(super) async fn create(
    context: Context<'_>,
    permit: &Permit,
    details: CreateKeyDetails,
) -> Result<Reply, Failure> {
    create_with(context, permit, details, None).await
}

/// Makes a key, with new material or with what was imported.
pub(super) async fn create_with(
    context: Context<'_>,
    permit: &Permit,
    details: CreateKeyDetails,
    imported: Option<Material>,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => {
            return KeyPlace::find(&*context.shared.catalog().await?, &id)?.reply();
        }
    };
    let vault = vault_of(permit)?;
    vault.vault.check_active().map_err(|error| unmovable("vault", error))?;
    let (mut key, id) = new_key(&context, vault, details)?;
    check_limit(&context, vault, (&key, 1))?;
    let made = NewVersion::of(vault, &context, imported.is_some());
    let version = made.make_in(context.shared, context.catalog, vault, (&key, imported)).await?;
    key.current_key_version.clone_from(&version.key_version.id);
    let batch = Batch::new()
        .put(rows::key(&id), rows::encode(&KeyRow { key: key.clone() })?)
        .put(rows::key_version(&id, &version.key_version.id), rows::encode(&version)?);
    context.record.target_id = Some(id.clone());
    let outcome = commit(&context, &retry, while_vault(batch, vault), &id).await;
    if surely_not(&outcome) {
        context.shared.destroy_in_token(&version.key_version.id).await;
    }
    match outcome? {
        Outcome::Done(revision) => {
            let body = KeyBody::new(&key, &vault.vault);
            Ok(Reply::of(&body)?.with_etag(revision).recorded())
        }
        Outcome::Earlier(id) => KeyPlace::find(&*context.shared.catalog().await?, &id)?.reply(),
        Outcome::Overtaken => Err(vault_moved()),
    }
}

pub(super) fn vault_moved() -> Failure {
    let message = "The vault was changed by another request. Try again.";
    Refusal::new(ErrorCode::IncorrectState, message).into()
}

fn new_key(
    context: &Context<'_>,
    vault: &VaultEntry,
    details: CreateKeyDetails,
) -> Result<(Key, Ocid), Failure> {
    let shared = context.shared;
    let id = Ocid::in_vault(OcidKind::Key, shared.region, &vault.vault.tag, &*shared.random);
    let auto_rotation = details.rotation.apply(None, context.now).map_err(|error| {
        let field = "autoKeyRotationDetails.rotationIntervalInDays";
        Refusal::invalid(field, &error.to_string())
    })?;
    let key = Key {
        id: id.clone(),
        compartment_id: details.compartment_id,
        vault_id: vault.vault.id.clone(),
        display_name: details.display_name,
        shape: details.shape,
        protection_mode: shared.protection_mode(details.protection_mode)?,
        current_key_version: id.clone(),
        state: KeyState::Enabled,
        time_created: context.now,
        time_of_deletion: None,
        state_before_deletion: None,
        auto_rotation,
        restored_from: None,
        tags: details.tags,
    };
    Ok((key, id))
}

/// A key version that is about to be made.
pub(crate) struct NewVersion {
    pub(crate) id: Ocid,
    pub(crate) origin: Origin,
    pub(crate) is_auto_rotated: bool,
    pub(crate) now: Timestamp,
}

impl NewVersion {
    pub(super) fn of(vault: &VaultEntry, context: &Context<'_>, is_imported: bool) -> Self {
        let origin = if is_imported { Origin::External } else { Origin::Internal };
        let id = context.shared.new_version_id(&vault.vault.tag);
        Self { id, origin, is_auto_rotated: false, now: context.now }
    }

    /// Makes the material, or takes the imported one, and seals it.
    pub(crate) async fn make_in(
        self,
        shared: &crate::shared::Shared,
        catalog: &Catalog,
        vault: &VaultEntry,
        (key, imported): (&Key, Option<Material>),
    ) -> Result<KeyVersionRow, Failure> {
        let mut key_version = KeyVersion {
            id: self.id,
            key_id: key.id.clone(),
            state: KeyVersionState::Enabled,
            time_created: self.now,
            time_of_deletion: None,
            origin: self.origin,
            is_auto_rotated: self.is_auto_rotated,
            public_key: None,
            restored_from: None,
        };
        if key.protection_mode == ProtectionMode::Hsm {
            let public = in_token(shared, &key_version.id, (key.shape, imported)).await?;
            key_version.public_key = public.map(|public| public.to_pem());
            return Ok(KeyVersionRow { key_version, material: None });
        }
        let material = match imported {
            Some(material) => material,
            None => generate(shared, key.shape).await?,
        };
        if let Material::Asymmetric(pair) = &material {
            key_version.public_key = Some(pair.public().to_pem());
        }
        let vault_key =
            vault.key.as_ref().ok_or_else(|| Failure::internal("a vault without its key"))?;
        let binding = key_version_binding(&catalog.tenancy.id, &key.vault_id, &key_version.id);
        let sealed = vault_key
            .seal_material(&binding, &material, &*shared.random)
            .map_err(|_error| Failure::internal("key material was not sealed"))?;
        Ok(KeyVersionRow { key_version, material: Some(sealed) })
    }
}

/// Makes a key in the token, or takes an imported one in, and returns its public half.
async fn in_token(
    shared: &crate::shared::Shared,
    version: &Ocid,
    (shape, imported): (KeyShape, Option<Material>),
) -> Result<Option<PublicKey>, Failure> {
    let absent = || Failure::internal("an HSM key without a token");
    let token = shared.keys.token.as_ref().ok_or_else(absent)?;
    let id = token_id(version);
    let refused = |error: TokenError| {
        let rule = "is not material that the HSM takes";
        unused(error.into(), "wrappedImportKey.keyMaterial", rule)
    };
    match imported {
        None => {
            let public = token.generate(id, shape).await.map_err(refused)?;
            Ok(public.map(PublicKey::from_der))
        }
        Some(material) => {
            let public = match &material {
                Material::Symmetric(_) => None,
                Material::Asymmetric(pair) => Some(pair.public().clone()),
            };
            token.import(id, shape, material.copied()).await.map_err(refused)?;
            Ok(public)
        }
    }
}

/// Makes material. RSA keys take long, so that they are made beside the requests.
pub(super) async fn generate(
    shared: &crate::shared::Shared,
    shape: KeyShape,
) -> Result<Material, Failure> {
    let refused = |_error: KeyError| Failure::internal("key material was not made");
    if shape.algorithm() != KeyAlgorithm::Rsa {
        return Material::generate(shape, &*shared.random).map_err(refused);
    }
    let random = std::sync::Arc::clone(&shared.random);
    let making = tokio::task::spawn_blocking(move || Material::generate(shape, &*random));
    let made = making.await.map_err(|_error| Failure::internal("making a key ended early"))?;
    made.map_err(refused)
}

/// Counts the versions of a key that are not deleted.
pub(super) fn living_versions(catalog: &Catalog, key: &Ocid) -> usize {
    let versions = catalog.versions_of(key);
    versions.iter().filter(|entry| entry.version.state != KeyVersionState::Deleted).count()
}

/// Refuses so many more versions of a key than the vault may hold; asymmetric ones count double.
pub(super) fn check_limit(
    context: &Context<'_>,
    vault: &VaultEntry,
    (key, more): (&Key, usize),
) -> Result<(), Failure> {
    let weight = |key: &Key| if key.shape.algorithm() == KeyAlgorithm::Aes { 1 } else { 2 };
    let limits = context.shared.limits;
    let (most, one_mode) = match vault.vault.vault_type {
        VaultType::Default => (limits.key_versions, true),
        VaultType::VirtualPrivate => (limits.private_key_versions, false),
    };
    let counted = |other: &Key| !one_mode || other.protection_mode == key.protection_mode;
    let weigh = |other: &Key| weight(other) * living_versions(context.catalog, &other.id);
    let keys = context.catalog.keys_in(&vault.vault.id).map(|entry| &entry.key);
    let held: usize = keys.filter(|other| counted(other)).map(weigh).sum();
    if held + weight(key) * more <= most {
        return Ok(());
    }
    let message = format!("The vault may hold {most} key versions; asymmetric ones count double.");
    Err(Refusal::new(ErrorCode::LimitExceeded, message).into())
}

/// `GetKey`.
pub(super) fn get(permit: &Permit) -> Result<Reply, Failure> {
    KeyPlace::of(permit)?.reply()
}

/// `ListKeys`: the keys of this endpoint's vault.
pub(super) fn list(
    context: &Context<'_>,
    permit: &Permit,
    by: &ByCompartment,
    filter: &KeyFilter,
) -> Result<Reply, Failure> {
    let vault = &vault_of(permit)?.vault;
    let curve_of = |key: &Key| key.shape.curve().map(strongroom_model::Curve::name);
    let wanted = |key: &Key| {
        key.compartment_id == by.compartment_id
            && filter.protection_mode.is_none_or(|mode| mode == key.protection_mode.name())
            && filter.algorithm.is_none_or(|name| name == key.shape.algorithm().name())
            && filter.length.is_none_or(|length| length == u64::from(key.shape.length()))
            && filter.curve_id.is_none_or(|curve| Some(curve) == curve_of(key))
    };
    let keys = context.catalog.keys_in(&vault.id).map(|entry| &entry.key);
    let row = |key| (sort_key_of(&by.listing, key), key);
    let rows = keys.filter(|key| wanted(key)).map(row).collect();
    let (page, next) = page_of(rows, &by.listing);
    let bodies: Vec<_> = page.into_iter().map(|key| KeySummary::new(key, vault)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

fn sort_key_of(listing: &Listing, key: &Key) -> String {
    sort_key(listing, key.time_created, &key.display_name, &key.id)
}

/// `UpdateKey`: name, tags and automatic rotation, of a DISABLED key too: Terraform renames a key
/// before it enables it.
pub(super) async fn update(
    context: &Context<'_>,
    permit: &Permit,
    details: &UpdateKeyDetails,
) -> Result<Reply, Failure> {
    change_key(context, permit, |place| {
        let key = &place.key.key;
        key.check_changeable(&place.vault.vault).map_err(|error| unmovable("key", error))?;
        key.changed(&details.change, context.now).map_err(|error| {
            let field = "autoKeyRotationDetails.rotationIntervalInDays";
            Refusal::invalid(field, &error.to_string()).into()
        })
    })
    .await
}

/// Changes the state of a key whose vault is ACTIVE.
pub(super) async fn transition(
    context: &Context<'_>,
    permit: &Permit,
    to: impl Fn(&Key) -> Result<Key, strongroom_model::LifecycleError>,
) -> Result<Reply, Failure> {
    change_key(context, permit, |place| {
        place.vault.vault.check_active().map_err(|error| unmovable("vault", error))?;
        to(&place.key.key).map_err(|error| unmovable("key", error))
    })
    .await
}

/// `ChangeKeyCompartment`: answers with nothing but an etag.
pub(super) async fn move_to(
    context: &Context<'_>,
    permit: &Permit,
    compartment_id: &Ocid,
) -> Result<Reply, Failure> {
    let moved = change_key(context, permit, |place| {
        let key = &place.key.key;
        key.check_changeable(&place.vault.vault).map_err(|error| unmovable("key", error))?;
        Ok(Key { compartment_id: compartment_id.clone(), ..key.clone() })
    });
    Ok(moved.await?.without_body())
}
