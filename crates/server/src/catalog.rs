//! What every node keeps in memory: identities, policies, vaults and keys, as of the last commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use strongroom_keyring::pkcs11::Token;
use strongroom_keyring::{Binding, RootKey, TokenKey, VaultKey, VersionKey};
use strongroom_model::{
    ApiKey, Compartment, Group, Key, KeyVersion, KeyVersionState, Ocid, Policy, ProtectionMode,
    Tags, Tenancy, User, Vault,
};
use strongroom_policy::{CompartmentFacts, Directory, PolicySet, Semantics, Source};
use strongroom_signing::PublicKey;
use strongroom_store::{
    Change, Cursor, Delta, Order, Revision, Store, StoreError, Versioned, prefix_range,
};

use crate::feed::Feed;
use crate::rows::{self, KeyRow, KeyVersionRow, VaultRow};
use crate::secret_cache::SecretCache;

const SCAN_ROWS: usize = 1024;

/// What opens everything: the root key, and the token of HSM keys.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) root: RootKey,
    pub(crate) token: Option<Token>,
}

/// A vault, open unless it was deleted.
#[derive(Debug)]
pub(crate) struct VaultEntry {
    pub(crate) vault: Vault,
    pub(crate) port: u16,
    pub(crate) replica_port: Option<u16>,
    pub(crate) key: Option<VaultKey>,
    pub(crate) revision: Revision,
}

/// A key.
#[derive(Debug)]
pub(crate) struct KeyEntry {
    pub(crate) key: Key,
    pub(crate) revision: Revision,
}

/// A key version, open unless it was deleted.
#[derive(Debug)]
pub(crate) struct KeyVersionEntry {
    pub(crate) version: KeyVersion,
    pub(crate) key: Option<VersionKey>,
    pub(crate) revision: Revision,
}

/// A user's key that signs requests.
#[derive(Debug)]
pub(crate) struct ApiKeyEntry {
    pub(crate) user_id: Ocid,
    pub(crate) public_key: PublicKey,
}

/// The projection. Maps are ordered by OCID so that whatever walks them does so in one order.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) compartments: BTreeMap<Ocid, (Arc<Compartment>, Revision)>,
    pub(crate) users: BTreeMap<Ocid, (Arc<User>, Revision)>,
    pub(crate) vaults: Arc<BTreeMap<Ocid, Arc<VaultEntry>>>,
    pub(crate) keys: Arc<BTreeMap<Ocid, Arc<KeyEntry>>>,
    pub(crate) key_versions: Arc<BTreeMap<Ocid, Arc<KeyVersionEntry>>>,
    /// The versions of each key, oldest first.
    versions_by_key: Arc<HashMap<Ocid, Vec<Ocid>>>,
    pub(crate) policy_set: Arc<PolicySet>,
    groups: BTreeMap<Ocid, Arc<Group>>,
    policies: BTreeMap<Ocid, Arc<Policy>>,
    api_keys: HashMap<(Ocid, String), Arc<ApiKeyEntry>>,
    paths: HashMap<Ocid, Arc<[Ocid]>>,
    semantics: Semantics,
}

impl Catalog {
    fn empty(tenancy: Tenancy, semantics: Semantics) -> Self {
        Self {
            tenancy: Arc::new(tenancy),
            compartments: BTreeMap::new(),
            users: BTreeMap::new(),
            vaults: Arc::default(),
            keys: Arc::default(),
            key_versions: Arc::default(),
            versions_by_key: Arc::default(),
            policy_set: Arc::new(PolicySet::default()),
            groups: BTreeMap::new(),
            policies: BTreeMap::new(),
            api_keys: HashMap::new(),
            paths: HashMap::new(),
            semantics,
        }
    }

    /// Returns a compartment's identifier and those of its ancestors, the tenancy last.
    pub(crate) fn path(&self, compartment: &Ocid) -> Option<Arc<[Ocid]>> {
        self.paths.get(compartment).map(Arc::clone)
    }

    /// Returns the key that a user registered under a fingerprint.
    pub(crate) fn api_key(&self, user: &Ocid, fingerprint: &str) -> Option<&Arc<ApiKeyEntry>> {
        self.api_keys.get(&(user.clone(), fingerprint.to_owned()))
    }

    /// Returns the versions of a key, oldest first.
    pub(crate) fn versions_of(&self, key: &Ocid) -> Vec<Arc<KeyVersionEntry>> {
        let ids = self.versions_by_key.get(key).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.key_versions.get(id).map(Arc::clone)).collect()
    }

    /// Returns the version `id` of a key.
    pub(crate) fn version_of(&self, key: &Ocid, id: &Ocid) -> Option<&Arc<KeyVersionEntry>> {
        self.key_versions.get(id).filter(|entry| entry.version.key_id == *key)
    }

    /// Returns the keys of a vault.
    pub(crate) fn keys_in(&self, vault: &Ocid) -> impl Iterator<Item = &Arc<KeyEntry>> {
        self.keys.values().filter(move |entry| entry.key.vault_id == *vault)
    }

    fn apply(&mut self, change: &Change, keys: &Keys) -> Result<(), StoreError> {
        let key = change.key.as_slice();
        let kind = key.split(|byte| *byte == b'/').next().unwrap_or_default();
        match (kind, &change.value) {
            (b"t", Some(row)) => self.tenancy = Arc::new(rows::decode(key, &row.value)?),
            (b"c", Some(row)) => {
                let compartment: Compartment = rows::decode(key, &row.value)?;
                let entry = (Arc::new(compartment.clone()), row.revision);
                self.compartments.insert(compartment.id, entry);
            }
            (b"u", Some(row)) => {
                let user: User = rows::decode(key, &row.value)?;
                self.users.insert(user.id.clone(), (Arc::new(user), row.revision));
            }
            (b"g", Some(row)) => {
                let group: Group = rows::decode(key, &row.value)?;
                self.groups.insert(group.id.clone(), Arc::new(group));
            }
            (b"p", Some(row)) => {
                let policy: Policy = rows::decode(key, &row.value)?;
                self.policies.insert(policy.id.clone(), Arc::new(policy));
            }
            (b"a", Some(row)) => self.apply_api_key(key, row)?,
            (b"v", Some(row)) => self.apply_vault(key, row, keys)?,
            (b"k", Some(row)) => {
                let KeyRow { key } = rows::decode(key, &row.value)?;
                let entry = KeyEntry { key, revision: row.revision };
                Arc::make_mut(&mut self.keys).insert(entry.key.id.clone(), Arc::new(entry));
            }
            (b"kv", Some(row)) => self.apply_key_version(key, row, keys)?,
            _ => {
                return Err(StoreError::Corrupt("a row of an unknown kind changed".to_owned()));
            }
        }
        Ok(())
    }

    fn apply_api_key(&mut self, key: &[u8], row: &Versioned) -> Result<(), StoreError> {
        let api_key: ApiKey = rows::decode(key, &row.value)?;
        let public_key = PublicKey::from_pem(&api_key.public_key_pem)
            .map_err(|error| StoreError::Corrupt(format!("an API key cannot be read: {error}")))?;
        let entry = ApiKeyEntry { user_id: api_key.user_id.clone(), public_key };
        self.api_keys.insert((api_key.user_id, api_key.fingerprint), Arc::new(entry));
        Ok(())
    }

    fn apply_vault(&mut self, key: &[u8], row: &Versioned, keys: &Keys) -> Result<(), StoreError> {
        let row_read: VaultRow = rows::decode(key, &row.value)?;
        let VaultRow { vault, port, replica_port, vault_key } = row_read;
        let binding = vault_binding(&self.tenancy.id, &vault.id);
        let open = |sealed| keys.root.open_vault_key(&binding, &sealed);
        let key = vault_key.map(open).transpose().map_err(|_error| {
            StoreError::Corrupt(format!("the key of vault {} does not open", vault.id))
        })?;
        let entry = VaultEntry { vault, port, replica_port, key, revision: row.revision };
        Arc::make_mut(&mut self.vaults).insert(entry.vault.id.clone(), Arc::new(entry));
        Ok(())
    }

    fn apply_key_version(
        &mut self,
        key: &[u8],
        row: &Versioned,
        keys: &Keys,
    ) -> Result<(), StoreError> {
        let KeyVersionRow { key_version: version, material } = rows::decode(key, &row.value)?;
        let orphan = || StoreError::Corrupt(format!("key version {} has no vault", version.id));
        let key = &self.keys.get(&version.key_id).ok_or_else(orphan)?.key;
        let vault = self.vaults.get(&key.vault_id).ok_or_else(orphan)?;
        let opened = match (key.protection_mode, material, &vault.key) {
            (ProtectionMode::Software, Some(material), Some(vault_key)) => {
                let binding = key_version_binding(&self.tenancy.id, &key.vault_id, &version.id);
                let opened = vault_key.open_material(&binding, key.shape, &material);
                Some(VersionKey::Software(opened.map_err(|_error| {
                    StoreError::Corrupt(format!("key version {} does not open", version.id))
                })?))
            }
            (ProtectionMode::Hsm, _, Some(_)) if version.state != KeyVersionState::Deleted => {
                Some(VersionKey::Hsm(TokenKey::new(keys.token.clone(), &version.id)))
            }
            _ => None,
        };
        let entry = KeyVersionEntry { version, key: opened, revision: row.revision };
        let (key_id, id) = (entry.version.key_id.clone(), entry.version.id.clone());
        let versions = Arc::make_mut(&mut self.key_versions);
        versions.insert(id.clone(), Arc::new(entry));
        let of_key = Arc::make_mut(&mut self.versions_by_key).entry(key_id).or_default();
        if !of_key.contains(&id) {
            of_key.push(id);
            of_key.sort_by_key(|id| {
                let created = versions.get(id).map(|entry| entry.version.time_created);
                (created, id.clone())
            });
        }
        Ok(())
    }

    /// Recomputes what is derived: compartment paths and compiled policies.
    fn derive(&mut self) -> Result<(), StoreError> {
        let root: Arc<[Ocid]> = Arc::from([self.tenancy.id.clone()]);
        let mut paths = HashMap::from([(self.tenancy.id.clone(), root)]);
        for id in self.compartments.keys() {
            paths.insert(id.clone(), self.ancestors(id).into());
        }
        self.paths = paths;
        let sources: Vec<_> = self.policies.values().map(|policy| source(policy)).collect();
        let compiled = PolicySet::compile(&sources, self, self.semantics);
        let broken =
            |error| StoreError::Corrupt(format!("a stored policy does not compile: {error}"));
        self.policy_set = Arc::new(compiled.map_err(broken)?);
        Ok(())
    }

    fn ancestors(&self, compartment: &Ocid) -> Vec<Ocid> {
        let mut path = vec![compartment.clone()];
        let mut at = compartment;
        while let Some((compartment, _)) = self.compartments.get(at)
            && path.len() <= self.compartments.len()
        {
            at = &compartment.compartment_id;
            path.push(at.clone());
        }
        path
    }
}

/// Tells whether what is derived depends on the row.
fn is_of_identity(key: &[u8]) -> bool {
    !(key.starts_with(b"v/") || key.starts_with(b"k/") || key.starts_with(b"kv/"))
}

fn source(policy: &Policy) -> Source {
    Source {
        policy_id: policy.id.clone(),
        policy_name: policy.name.clone(),
        attached_to: policy.compartment_id.clone(),
        statements: policy.statements.clone(),
        resolved: policy.resolved.clone(),
    }
}

/// What the key of a vault is bound to.
pub(crate) fn vault_binding<'a>(tenancy: &'a Ocid, vault: &'a Ocid) -> Binding<'a> {
    Binding { tenancy, vault, object: vault, version: 1 }
}

/// What the material of a key version is bound to.
pub(crate) fn key_version_binding<'a>(
    tenancy: &'a Ocid,
    vault: &'a Ocid,
    version: &'a Ocid,
) -> Binding<'a> {
    Binding { tenancy, vault, object: version, version: 1 }
}

/// Defined tags by `namespace.key`; what is not a text is written as JSON.
pub(crate) fn flat_tags(tags: &Tags) -> Vec<(String, String)> {
    let flat = |(namespace, keys): (&String, &BTreeMap<String, serde_json::Value>)| {
        let named = keys.iter().map(|(key, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (format!("{namespace}.{key}"), text)
        });
        named.collect::<Vec<_>>()
    };
    tags.defined.iter().flat_map(flat).collect()
}

impl Directory for Catalog {
    fn tenancy(&self) -> &Ocid {
        &self.tenancy.id
    }

    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        if domain.is_some_and(|domain| !domain.eq_ignore_ascii_case("Default")) {
            return None;
        }
        let found = self.groups.values().find(|group| group.name.eq_ignore_ascii_case(name));
        found.map(|group| group.id.clone())
    }

    fn dynamic_group_named(&self, _domain: Option<&str>, _name: &str) -> Option<Ocid> {
        None
    }

    fn compartments(&self) -> BTreeMap<Ocid, CompartmentFacts> {
        let facts = |name: &str, tags: &Tags| CompartmentFacts {
            name: name.to_owned(),
            tags: flat_tags(tags),
        };
        let tenancy = facts(&self.tenancy.name, &Tags::default());
        let below = self.compartments.values().map(|(compartment, _)| {
            (compartment.id.clone(), facts(&compartment.name, &compartment.tags))
        });
        below.chain([(self.tenancy.id.clone(), tenancy)]).collect()
    }

    fn group_tags(&self) -> BTreeMap<Ocid, Vec<(String, String)>> {
        self.groups.values().map(|group| (group.id.clone(), flat_tags(&group.tags))).collect()
    }

    fn takes_denials(&self) -> bool {
        true
    }

    fn compartment_name(&self, id: &Ocid) -> Option<String> {
        self.compartments.get(id).map(|(compartment, _)| compartment.name.clone())
    }

    fn is_within(&self, id: &Ocid, ancestor: &Ocid) -> bool {
        self.paths.get(id).is_some_and(|path| path.contains(ancestor))
    }

    fn compartment_at(&self, from: &Ocid, path: &[&str]) -> Option<Ocid> {
        let mut at = from.clone();
        for name in path {
            let child = self.compartments.values().find(|(compartment, _)| {
                compartment.compartment_id == at && compartment.name.eq_ignore_ascii_case(name)
            });
            at = child?.0.id.clone();
        }
        Some(at)
    }
}

/// A request's view of the store: everything that was acknowledged before it is in it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) cursor: Cursor,
    pub(crate) catalog: Arc<Catalog>,
}

/// The current projection, brought up to date by whoever needs it.
#[derive(Debug)]
pub(crate) struct CatalogCell {
    current: RwLock<View>,
    pub(crate) secrets: SecretCache,
    pub(crate) feed: Feed,
    semantics: Semantics,
}

impl CatalogCell {
    pub(crate) async fn load(
        store: &dyn Store,
        keys: &Keys,
        (secrets, feed): (SecretCache, Feed),
        semantics: Semantics,
    ) -> Result<Self, StoreError> {
        let view = load(store, keys, semantics).await?;
        let cell = Self { current: RwLock::new(view.clone()), secrets, feed, semantics };
        cell.forget_secrets(view.cursor);
        Ok(cell)
    }

    /// Anything may have happened to any secret on the way to `cursor`.
    fn forget_secrets(&self, cursor: Cursor) {
        self.secrets.advance(cursor, None::<std::iter::Empty<&Ocid>>);
        self.feed.advance(cursor, None::<std::iter::Empty<Ocid>>);
    }

    /// Asks the store what has changed, applies it and returns the result. Changed secrets are
    /// forgotten before anyone goes on with the new view.
    pub(crate) async fn fresh(&self, store: &dyn Store, keys: &Keys) -> Result<View, StoreError> {
        let view = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (cursor, delta) = store.fresh(view.cursor).await?;
        let changes = match delta {
            Delta::Changes(changes) if changes.is_empty() => return Ok(view),
            Delta::Changes(changes) => changes,
            Delta::Reset => {
                let view = load(store, keys, self.semantics).await?;
                self.forget_secrets(view.cursor);
                return Ok(self.publish(view));
            }
        };
        let secrets = changes.iter().filter_map(rows::changed_secret).collect::<Vec<_>>();
        self.secrets.advance(cursor, Some(secrets.iter()));
        self.feed.advance(cursor, Some(secrets.into_iter()));
        let of_secret = |change: &&Change| change.key.starts_with(b"s/");
        if changes.iter().all(|change| of_secret(&change)) {
            return Ok(self.publish(View { cursor, catalog: view.catalog }));
        }
        let mut next = Catalog::clone(&view.catalog);
        for change in changes.iter().filter(|change| !of_secret(change)) {
            next.apply(change, keys)?;
        }
        if changes.iter().any(|change| is_of_identity(&change.key)) {
            next.derive()?;
        }
        Ok(self.publish(View { cursor, catalog: Arc::new(next) }))
    }

    /// Puts a newer projection in place; an older one, from a request that was slower, is not.
    fn publish(&self, next: View) -> View {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if next.cursor > current.cursor {
            *current = next.clone();
        }
        next
    }
}

/// Reads everything. Kinds are read in the order in which they refer to each other.
async fn load(store: &dyn Store, keys: &Keys, semantics: Semantics) -> Result<View, StoreError> {
    let (cursor, _) = store.fresh(Cursor::default()).await?;
    let first = store.scan(prefix_range(b"t/"), Order::Ascending, 1).await?;
    let Some((key, row)) = first.into_iter().next() else {
        return Err(StoreError::Corrupt("no tenancy was founded here".to_owned()));
    };
    let mut catalog = Catalog::empty(rows::decode(&key, &row.value)?, semantics);
    for prefix in rows::KEPT {
        let mut range = prefix_range(prefix.as_bytes());
        loop {
            let page = store.scan(range.clone(), Order::Ascending, SCAN_ROWS).await?;
            let full = page.len() == SCAN_ROWS;
            for (key, row) in page {
                range.start = [key.as_slice(), b"\0"].concat();
                catalog.apply(&Change { key, value: Some(row) }, keys)?;
            }
            if !full {
                break;
            }
        }
    }
    catalog.derive()?;
    Ok(View { cursor, catalog: Arc::new(catalog) })
}
