//! Third stage: what the request is about, and where it is. That something is absent is remembered
//! here and told by the next stage, which also knows what the caller may know.

use std::sync::Arc;

use strongroom_model::Ocid;
use strongroom_store::{Cursor, Store};

use crate::ask::Ask;
use crate::catalog::{Catalog, KeyEntry, VaultEntry, View};
use crate::failure::Failure;
use crate::rows::{self, SecretRow};
use crate::secret_cache::SecretAt;
use crate::shared::Shared;

/// Where a request came in: the vault's own authority, or the one of everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Door {
    Main,
    Vault(Ocid),
}

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
    /// Identifier of the target, for the audit record.
    pub(crate) target_id: Option<Ocid>,
}

/// Finds what `ask` is about.
pub(crate) async fn locate(
    ask: &Ask,
    door: &Door,
    shared: &Shared,
    view: &View,
) -> Result<Located, Failure> {
    let finder = Finder { catalog: &view.catalog, door };
    Ok(match ask {
        Ask::CreateVault(details) => finder.compartment(&details.compartment_id),
        Ask::ListVaults(by) | Ask::ListSecrets(by, _) | Ask::ListCompartments(by, _) => {
            finder.compartment(&by.compartment_id)
        }
        Ask::GetCompartment(id) => finder.compartment(id),
        Ask::CreateCompartment(details) => finder.compartment(&details.compartment_id),
        Ask::GetVault(id) => finder.vault(id),
        Ask::CreateKey(details) => finder.in_own_vault(&details.compartment_id),
        Ask::ListKeys(by, _) => finder.in_own_vault(&by.compartment_id),
        Ask::GetKey(id) | Ask::ListKeyVersions(id, _) => finder.key(id),
        Ask::CreateSecret(details) => {
            finder.new_secret(&details.compartment_id, &details.vault_id, &details.key_id)
        }
        Ask::GetSecret(id)
        | Ask::UpdateSecret(id, _)
        | Ask::ListSecretVersions(id, _)
        | Ask::GetSecretVersion(id, _)
        | Ask::GetSecretBundle(id, _)
        | Ask::ListSecretBundleVersions(id, _) => finder.secret(id, shared, view.cursor).await?,
        Ask::GetSecretBundleByName { vault_id, name, .. } => {
            match secret_named(vault_id, name, &*shared.store).await? {
                Some(id) => finder.secret(&id, shared, view.cursor).await?,
                None => Located::default(),
            }
        }
        Ask::GetUser(id) => finder.user(id),
        Ask::ListRegionSubscriptions(id) => finder.tenancy(id),
    })
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

    fn tenancy(&self, id: &Ocid) -> Located {
        if *id == self.catalog.tenancy.id { self.compartment(id) } else { Located::default() }
    }

    fn user(&self, id: &Ocid) -> Located {
        let known = self.catalog.users.contains_key(id);
        let compartment = self.catalog.path(&self.catalog.tenancy.id).filter(|_| known);
        Located { compartment, target_id: Some(id.clone()), ..Located::default() }
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

    /// A key operation that names no vault means the vault whose authority it came to.
    fn in_own_vault(&self, compartment_id: &Ocid) -> Located {
        let Door::Vault(vault_id) = self.door else {
            return Located::default();
        };
        Located {
            compartment: self.catalog.path(compartment_id),
            target_id: None,
            ..self.vault(vault_id)
        }
    }

    /// A key of another vault than the one asked is as absent as one that never was.
    fn key(&self, id: &Ocid) -> Located {
        let reachable = |entry: &&Arc<KeyEntry>| match self.door {
            Door::Main => true,
            Door::Vault(vault_id) => entry.key.vault_id == *vault_id,
        };
        let key = self.catalog.keys.get(id).filter(reachable).map(Arc::clone);
        let path = key.as_ref().and_then(|entry| self.catalog.path(&entry.key.compartment_id));
        Located {
            compartment: path.clone(),
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
            compartment: self.catalog.path(compartment_id),
            vault: vault.vault,
            vault_path: vault.vault_path,
            key_path: key.key_path.filter(|_| same_vault),
            key: key.key.filter(|_| same_vault),
            secret: None,
            target_id: None,
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
    if let Some(kept) = shared.secrets().secret(id) {
        return Ok(Some(kept));
    }
    let key = rows::secret(id);
    let found = shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let Some(row) = found else { return Ok(None) };
    let SecretRow { secret } = rows::decode(&key, &row.value)?;
    let found = Arc::new((secret, row.revision));
    shared.secrets().keep_secret(cursor, &found);
    Ok(Some(found))
}
