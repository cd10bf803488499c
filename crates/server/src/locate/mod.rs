//! Third stage: what the request is about, and where it is. That something is absent is remembered
//! here and told by the next stage, which also knows what the caller may know.

mod federation;
mod identity;
mod tags;

use std::sync::Arc;

use strongroom_model::Ocid;
use strongroom_policy::{Fact, FactName, Need, REPLICATION};
use strongroom_store::{Cursor, Store};

pub(crate) use self::tags::{NamespaceAt, changed_namespaces};
use crate::ask::Ask;
use crate::catalog::{Catalog, KeyEntry, VaultEntry};
use crate::catalog_cell::View;
use crate::denial::DenialRow;
use crate::door::Door;
use crate::failure::Failure;
use crate::rows::{self, SecretRow};
use crate::secret_cache::{Looked, SecretAt};
use crate::shared::Shared;

/// What a request is about. A path is a compartment and its ancestors, the tenancy last.
#[derive(Debug, Default)]
pub(crate) struct Located {
    /// Where the target is, or is to be.
    pub(crate) compartment: Option<Arc<[Ocid]>>,
    pub(crate) vault: Option<Arc<VaultEntry>>,
    pub(crate) vault_path: Option<Arc<[Ocid]>>,
    pub(crate) key: Option<Arc<KeyEntry>>,
    pub(crate) key_path: Option<Arc<[Ocid]>>,
    pub(crate) secret: Option<Arc<SecretAt>>,
    /// Name of the secret that is to be made.
    pub(crate) new_secret: Option<String>,
    /// What policies can ask of a target of another kind.
    pub(crate) more: Vec<(FactName, Fact)>,
    /// The defined tags of a target of another kind.
    pub(crate) own_tags: Vec<(String, String)>,
    /// The defined tags of the group, where the target is a user as its member.
    pub(crate) group_tags: Vec<(String, String)>,
    /// The defined tags of what is changed, where that is not the target.
    pub(crate) held_tags: Option<Vec<(String, String)>>,
    /// The namespaces of the defined tags that the request changes.
    pub(crate) tag_namespaces: Vec<NamespaceAt>,
    /// The user whom the request is about.
    pub(crate) own: Option<Ocid>,
    /// The refused request that is to be explained.
    pub(crate) denial: Option<Arc<DenialRow>>,
    /// Where the target is to be moved.
    pub(crate) destination: Option<Arc<[Ocid]>>,
    /// The lowest compartment above both the target and its destination.
    pub(crate) shared_parent: Option<Arc<[Ocid]>>,
    /// What the request needs beyond what its operation does.
    pub(crate) needs: &'static [Need],
    /// Whether the request needs nothing itself: of its list each item is judged alone.
    pub(crate) is_left_to_items: bool,
    /// Identifier of the target, for the audit record.
    pub(crate) target_id: Option<Ocid>,
}

impl Located {
    /// Returns the name of the target, as far as it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        let is_target = |id: &Ocid| self.target_id.as_ref() == Some(id);
        let secret = self.secret.as_ref().filter(|at| is_target(&at.0.id));
        let key = self.key.as_ref().filter(|at| is_target(&at.key.id));
        let vault = self.vault.as_ref().filter(|at| is_target(&at.vault.id));
        let secret = secret.map(|at| at.0.name.as_str());
        let key = key.map(|at| at.key.display_name.as_str());
        let vault = vault.map(|at| at.vault.display_name.as_str());
        let other = self.more.iter().find_map(|(name, fact)| match fact {
            Fact::One(text) if name.ends_with(".name") => Some(text.as_str()),
            _ => None,
        });
        secret.or(key).or(vault).or(self.new_secret.as_deref()).or(other)
    }
}

/// Finds what `ask` is about.
#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
pub(crate) async fn locate(
    ask: &Ask,
    door: &Door,
    shared: &Shared,
    view: &View,
) -> Result<Located, Failure> {
    let finder = Finder { catalog: &view.catalog, door };
    Ok(match ask {
        Ask::Identity(ask) => finder.identity(ask),
        Ask::Federation(ask) => finder.federation(ask),
        Ask::Upkeep(_) => finder.tenancy(&view.catalog.tenancy.id),
        Ask::CreateVault(details) => finder.place(&details.compartment_id),
        Ask::ListVaults(by) | Ask::ListSecrets(by, _) => finder.compartment(&by.compartment_id),
        Ask::GetVault(id)
        | Ask::UpdateVault(id, _)
        | Ask::ScheduleVaultDeletion(id, _)
        | Ask::CancelVaultDeletion(id)
        | Ask::GetVaultUsage(id)
        | Ask::BackupVault(id, _)
        | Ask::CreateVaultReplica(id, _)
        | Ask::DeleteVaultReplica(id, _)
        | Ask::UpdateRegisteredVaultForMtls(id)
        | Ask::ListVaultReplicas(id, _) => finder.vault(id),
        Ask::ChangeVaultCompartment(id, to) => finder.moved(finder.vault(id), to),
        Ask::RestoreVaultFromFile(id) | Ask::RestoreVaultFromObjectStore(id, _) => finder.place(id),
        Ask::CreateKey(details) => finder.in_own_vault(&details.compartment_id),
        Ask::ImportKey(details) => finder.in_own_vault(&details.key.compartment_id),
        Ask::ListKeys(by, _) => finder.in_own_vault(&by.compartment_id),
        Ask::GetWrappingKey | Ask::RestoreKeyFromFile | Ask::RestoreKeyFromObjectStore(_) => {
            finder.own_vault()
        }
        Ask::GetReplicationStatus(id) => finder.replication(id),
        Ask::GetKey(id)
        | Ask::UpdateKey(id, _)
        | Ask::EnableKey(id)
        | Ask::DisableKey(id)
        | Ask::ScheduleKeyDeletion(id, _)
        | Ask::CancelKeyDeletion(id)
        | Ask::CreateKeyVersion(id)
        | Ask::GetKeyVersion(id, _)
        | Ask::ListKeyVersions(id, _)
        | Ask::ScheduleKeyVersionDeletion(id, _, _)
        | Ask::CancelKeyVersionDeletion(id, _)
        | Ask::ImportKeyVersion(id, _)
        | Ask::BackupKey(id, _) => finder.key(id),
        Ask::ChangeKeyCompartment(id, to) => finder.moved(finder.key(id), to),
        Ask::Encrypt(details) => finder.key(&details.key_id),
        Ask::Decrypt(details) => finder.key(&details.key_id),
        Ask::GenerateDataEncryptionKey(details) => finder.key(&details.key_id),
        Ask::Sign(details) => finder.key(&details.key_id),
        Ask::Verify(details) => finder.key(&details.signed.key_id),
        Ask::ExportKey(details) => finder.key(&details.key_id),
        Ask::CreateSecret(details) => {
            let located =
                finder.new_secret(&details.compartment_id, &details.vault_id, &details.key_id);
            Located { new_secret: Some(details.secret_name.clone()), ..located }
        }
        Ask::GetSecret(id)
        | Ask::UpdateSecret(id, _)
        | Ask::ScheduleSecretDeletion(id, _)
        | Ask::CancelSecretDeletion(id)
        | Ask::RotateSecret(id)
        | Ask::CancelSecretRotation(id)
        | Ask::ScheduleSecretVersionDeletion(id, _, _)
        | Ask::CancelSecretVersionDeletion(id, _)
        | Ask::ListSecretVersions(id, _)
        | Ask::GetSecretVersion(id, _)
        | Ask::GetSecretBundle(id, _)
        | Ask::ReportSecretVersion(id, _, _)
        | Ask::ListSecretConsumers(id, _)
        | Ask::GetSecretRetirement(id)
        | Ask::UpdateSecretRetirement(id, _)
        | Ask::ListSecretBundleVersions(id, _) => finder.secret(id, shared, view.cursor).await?,
        Ask::ChangeSecretCompartment(id, to) => {
            finder.moved(finder.secret(id, shared, view.cursor).await?, to)
        }
        Ask::GetSecretBundleByName { vault_id, name, .. } => {
            match secret_named(vault_id, name, &*shared.store).await? {
                Some(id) => finder.secret(&id, shared, view.cursor).await?,
                None => Located::default(),
            }
        }
        Ask::ListEvents(ask) => finder.compartment(&ask.compartment_id),
        Ask::WatchSecrets(_) => Located::default(),
        Ask::GetDenial(id) => finder.denial(id, &*shared.store).await?,
    })
}

/// What `ask` needs beyond what its operation does. Who updates a secret may send again where it is
/// replicated to.
pub(crate) fn more_needs(ask: &Ask, located: &Located) -> &'static [Need] {
    let given = ask.replication_targets();
    let changes = match located.secret.as_deref() {
        Some((secret, _)) => secret.replication.is_changed_by(given),
        None => given.is_some(),
    };
    if changes { REPLICATION } else { &[] }
}

async fn secret_named(
    vault_id: &Ocid,
    name: &str,
    store: &dyn Store,
) -> Result<Option<Ocid>, Failure> {
    let key = rows::secret_name(vault_id, name);
    let found = store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    Ok(found.map(|row| rows::decode(&key, &row.value)).transpose()?)
}

struct Finder<'a> {
    catalog: &'a Catalog,
    door: &'a Door,
}

impl Finder<'_> {
    fn compartment(&self, id: &Ocid) -> Located {
        let compartment = self.catalog.path(id);
        Located { compartment, target_id: Some(id.clone()), ..Located::default() }
    }

    /// A compartment that is to take something in: one that was deleted cannot.
    fn place(&self, id: &Ocid) -> Located {
        if self.catalog.is_open(id) { self.compartment(id) } else { Located::default() }
    }

    fn tenancy(&self, id: &Ocid) -> Located {
        if *id == self.catalog.tenancy.id { self.compartment(id) } else { Located::default() }
    }

    /// A refusal is where what was asked for is, or else in the tenancy.
    async fn denial(&self, request_id: &str, store: &dyn Store) -> Result<Located, Failure> {
        let key = rows::denial(request_id);
        let found = store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
        let Some(row) = found else { return Ok(Located::default()) };
        let denial: DenialRow = rows::decode(&key, &row.value)?;
        let path = denial.compartment_id.as_ref().and_then(|id| self.catalog.path(id));
        let compartment = path.or_else(|| self.catalog.path(&self.catalog.tenancy.id));
        let target_id = denial.target_id.clone();
        Ok(Located { compartment, target_id, denial: Some(Arc::new(denial)), ..Located::default() })
    }

    fn vault(&self, id: &Ocid) -> Located {
        let vault = self.catalog.vaults.get(id).map(Arc::clone);
        let path = vault.as_ref().and_then(|entry| self.catalog.path(&entry.vault.compartment_id));
        Located {
            compartment: path.clone(),
            vault_path: path,
            vault,
            target_id: Some(id.clone()),
            ..Located::default()
        }
    }

    /// The target, to be moved to another compartment. An absent one hides the target.
    fn moved(&self, located: Located, to: &Ocid) -> Located {
        Located { destination: self.place(to).compartment, ..located }
    }

    /// A key operation that names no vault means the vault whose authority it came to.
    fn own_vault(&self) -> Located {
        let located = self.door.vault().map(|vault_id| self.vault(vault_id));
        Located { target_id: None, ..located.unwrap_or_default() }
    }

    fn in_own_vault(&self, compartment_id: &Ocid) -> Located {
        Located { compartment: self.place(compartment_id).compartment, ..self.own_vault() }
    }

    /// The vault that a replication is of.
    fn replication(&self, id: &Ocid) -> Located {
        let of_vault = |entry: &&Arc<VaultEntry>| {
            let replica = entry.vault.replica.as_ref();
            replica.is_some_and(|replica| replica.replication_id == *id)
        };
        let reachable = |entry: &&Arc<VaultEntry>| {
            self.door.vault().is_none_or(|vault_id| *vault_id == entry.vault.id)
        };
        let found = self.catalog.vaults.values().filter(reachable).find(of_vault);
        found.map(|entry| self.vault(&entry.vault.id)).unwrap_or_default()
    }

    /// A key of another vault than the one asked is as absent as one that never was.
    fn key(&self, id: &Ocid) -> Located {
        let reachable = |entry: &&Arc<KeyEntry>| {
            self.door.vault().is_none_or(|vault_id| entry.key.vault_id == *vault_id)
        };
        let key = self.catalog.keys.get(id).filter(reachable).map(Arc::clone);
        let path = key.as_ref().and_then(|entry| self.catalog.path(&entry.key.compartment_id));
        let vault = key.as_ref().and_then(|entry| self.catalog.vaults.get(&entry.key.vault_id));
        Located {
            compartment: path.clone(),
            vault: vault.map(Arc::clone),
            key_path: path,
            key,
            target_id: Some(id.clone()),
            ..Located::default()
        }
    }

    fn new_secret(&self, compartment_id: &Ocid, vault_id: &Ocid, key_id: &Ocid) -> Located {
        let vault = self.vault(vault_id);
        let key = self.key(key_id);
        let same_vault = key.key.as_ref().is_some_and(|entry| entry.key.vault_id == *vault_id);
        Located {
            compartment: self.place(compartment_id).compartment,
            vault: vault.vault,
            vault_path: vault.vault_path,
            key_path: key.key_path.filter(|_| same_vault),
            key: key.key.filter(|_| same_vault),
            ..Located::default()
        }
    }

    async fn secret(&self, id: &Ocid, shared: &Shared, cursor: Cursor) -> Result<Located, Failure> {
        let target_id = Some(id.clone());
        let Some(found) = read_secret(id, shared, cursor).await? else {
            return Ok(Located { target_id, ..Located::default() });
        };
        let secret = &found.0;
        let key = self.catalog.keys.get(&secret.key_id).map(Arc::clone);
        let key_path = key.as_ref().and_then(|entry| self.catalog.path(&entry.key.compartment_id));
        Ok(Located {
            compartment: self.catalog.path(&secret.compartment_id),
            vault: self.catalog.vaults.get(&secret.vault_id).map(Arc::clone),
            key,
            key_path,
            secret: Some(found),
            target_id,
            ..Located::default()
        })
    }
}

async fn read_secret(
    id: &Ocid,
    shared: &Shared,
    cursor: Cursor,
) -> Result<Option<Arc<SecretAt>>, Failure> {
    let kept = shared.secrets().secret(id);
    shared.metrics.note_lookup(kept.is_some());
    if let Some(looked) = kept {
        return Ok(looked.secret());
    }
    let key = rows::secret(id);
    let found = shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let looked = match found {
        Some(row) => {
            let SecretRow { secret, .. } = rows::decode(&key, &row.value)?;
            Looked::There(Arc::new((secret, row.revision)))
        }
        None => Looked::Absent,
    };
    shared.secrets().keep_secret(cursor, id, looked.clone());
    Ok(looked.secret())
}
