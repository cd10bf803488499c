//! What every node keeps in memory: identities, policies, vaults and keys, as of the last commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use strongroom_keyring::pkcs11::Token;
use strongroom_keyring::{Binding, TokenKey, VaultKey, VersionKey};
use strongroom_model::{
    ApiKey, Compartment, CompartmentState, DefinedTags, DynamicGroup, Group, Key, KeyVersion,
    KeyVersionState, Ocid, Policy, Principal, PrincipalKind, ProtectionMode, ResourcePrincipal,
    Tag, TagNamespace, Tags, Tenancy, User, Vault, Workload,
};
use strongroom_policy::{
    CompartmentFacts, Directory, PolicySet, Rule, Semantics, Source, parse_rule,
};
use strongroom_signing::PublicKey;
use strongroom_store::{Change, Revision, StoreError, Versioned};

use crate::authority::{AuthorityEntry, TokenSignerEntry};
use crate::regions::Regions;
use crate::roots::{HeldRoot, Roots};
use crate::rows::{self, KeyRow, KeyVersionRow, VaultRow};

/// What opens everything: the root key, and the token of HSM keys.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) root: HeldRoot,
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
    pub(crate) api_key: ApiKey,
    pub(crate) public_key: PublicKey,
    pub(crate) revision: Revision,
}

/// A dynamic group with its rule, read.
#[derive(Debug)]
pub(crate) struct DynamicGroupEntry {
    pub(crate) group: DynamicGroup,
    pub(crate) rule: Rule,
}

/// Things by OCID, each with the revision of its row.
pub(crate) type Kept<T> = BTreeMap<Ocid, (Arc<T>, Revision)>;

/// The projection. Maps are ordered by OCID so that whatever walks them does so in one order.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) compartments: Kept<Compartment>,
    pub(crate) users: Kept<User>,
    pub(crate) groups: Kept<Group>,
    pub(crate) dynamic_groups: Kept<DynamicGroupEntry>,
    pub(crate) policies: Kept<Policy>,
    pub(crate) tag_namespaces: Kept<TagNamespace>,
    pub(crate) tags: Kept<Tag>,
    pub(crate) workloads: Kept<Workload>,
    /// By name, see [`rows::authority`].
    pub(crate) authorities: BTreeMap<String, Arc<AuthorityEntry>>,
    /// By `kid`.
    pub(crate) token_signers: BTreeMap<String, Arc<TokenSignerEntry>>,
    pub(crate) vaults: Arc<BTreeMap<Ocid, Arc<VaultEntry>>>,
    pub(crate) keys: Arc<BTreeMap<Ocid, Arc<KeyEntry>>>,
    pub(crate) key_versions: Arc<BTreeMap<Ocid, Arc<KeyVersionEntry>>>,
    /// The versions of each key, oldest first.
    versions_by_key: Arc<HashMap<Ocid, Vec<Ocid>>>,
    pub(crate) policy_set: Arc<PolicySet>,
    pub(crate) api_keys: BTreeMap<(Ocid, String), Arc<ApiKeyEntry>>,
    paths: HashMap<Ocid, Arc<[Ocid]>>,
    pub(crate) semantics: Semantics,
    /// This region and the others.
    pub(crate) regions: Arc<Regions>,
    /// Whether nothing may be changed.
    pub(crate) is_read_only: bool,
    pub(crate) roots: Roots,
    /// Name of the root key, once it was rotated.
    pub(crate) root_key_id: Option<String>,
}

impl Catalog {
    pub(crate) fn empty(tenancy: Tenancy, semantics: Semantics, keys: &Keys) -> Self {
        Self {
            is_read_only: false,
            roots: Roots::begin(&keys.root),
            root_key_id: None,
            tenancy: Arc::new(tenancy),
            compartments: Kept::new(),
            users: Kept::new(),
            groups: Kept::new(),
            dynamic_groups: Kept::new(),
            policies: Kept::new(),
            tag_namespaces: Kept::new(),
            tags: Kept::new(),
            workloads: Kept::new(),
            authorities: BTreeMap::new(),
            token_signers: BTreeMap::new(),
            vaults: Arc::default(),
            keys: Arc::default(),
            key_versions: Arc::default(),
            versions_by_key: Arc::default(),
            policy_set: Arc::new(PolicySet::default()),
            api_keys: BTreeMap::new(),
            paths: HashMap::new(),
            semantics,
            regions: Arc::default(),
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

    /// Returns the keys of a user.
    pub(crate) fn api_keys_of(&self, user: &Ocid) -> impl Iterator<Item = &Arc<ApiKeyEntry>> {
        let first = (user.clone(), String::new());
        let keys = self.api_keys.range(first..).map(|(_, entry)| entry);
        keys.take_while(move |entry| entry.api_key.user_id == *user)
    }

    /// Returns the members of a group.
    pub(crate) fn members_of(&self, group: &Ocid) -> impl Iterator<Item = &Arc<User>> {
        let users = self.users.values().map(|(user, _)| user);
        users.filter(move |user| user.group_ids.contains(group))
    }

    /// Returns the user and the group that a membership joins.
    pub(crate) fn membership(&self, id: &Ocid) -> Option<(&Arc<User>, &Ocid)> {
        let joins = |user: &Arc<User>, group: &Ocid| user.membership_id(group) == *id;
        self.users.values().find_map(|(user, _)| {
            let group = user.group_ids.iter().find(|group| joins(user, group))?;
            Some((user, group))
        })
    }

    /// Returns the tag of a name in a namespace.
    pub(crate) fn tag_named(&self, namespace: &Ocid, name: &str) -> Option<&(Arc<Tag>, Revision)> {
        self.tags.values().find(|(tag, _)| {
            tag.tag_namespace_id == *namespace && tag.name.eq_ignore_ascii_case(name)
        })
    }

    /// Returns the dynamic groups that a resource is a member of.
    pub(crate) fn dynamic_groups_of(&self, resource: &ResourcePrincipal) -> Vec<Ocid> {
        let groups = self.dynamic_groups.values().map(|(entry, _)| entry);
        let members = groups.filter(|entry| entry.rule.matches(resource).is_ok());
        members.map(|entry| entry.group.id.clone()).collect()
    }

    /// Returns the principal that a workload acts as.
    pub(crate) fn principal_of(&self, workload: &Workload) -> Principal {
        let resource = ResourcePrincipal {
            id: workload.id.clone(),
            resource_type: workload.resource_type.clone(),
            compartment_id: workload.compartment_id.clone(),
            tags: flat_tags(&workload.tags).into_iter().collect(),
            attributes: BTreeMap::new(),
        };
        let group_ids = self.dynamic_groups_of(&resource);
        let kind = PrincipalKind::Resource(resource);
        Principal { tenancy_id: self.tenancy.id.clone(), kind, group_ids }
    }

    /// Returns the principal that a user is.
    pub(crate) fn principal_of_user(&self, user: &User) -> Principal {
        Principal {
            tenancy_id: self.tenancy.id.clone(),
            kind: PrincipalKind::User { id: user.id.clone(), name: user.name.clone() },
            group_ids: user.group_ids.clone(),
        }
    }

    /// The policies, to be compiled.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> {
        self.policies.values().map(|(policy, _)| source(policy))
    }

    /// Tells whether a compartment, which may be the tenancy, can take something in.
    pub(crate) fn is_open(&self, compartment: &Ocid) -> bool {
        let found = self.compartments.get(compartment);
        found.is_none_or(|(compartment, _)| compartment.state == CompartmentState::Active)
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

    /// Returns the last commit that changed a vault, one of its keys or one of their versions.
    pub(crate) fn vault_revision(&self, vault: &Ocid) -> Revision {
        let own = self.vaults.get(vault).map(|entry| entry.revision);
        let keys = self.keys_in(vault).flat_map(|key| {
            let versions = self.versions_of(&key.key.id).into_iter().map(|entry| entry.revision);
            versions.chain([key.revision])
        });
        keys.chain(own).max().unwrap_or_default()
    }

    pub(crate) fn apply(&mut self, change: &Change, keys: &Keys) -> Result<(), StoreError> {
        let key = change.key.as_slice();
        let kind = key.split(|byte| *byte == b'/').next().unwrap_or_default();
        match (kind, &change.value) {
            (b"t", Some(row)) => self.tenancy = Arc::new(rows::decode(key, &row.value)?),
            (b"c", row) => keep(&mut self.compartments, key, row.as_ref())?,
            (b"u", row) => keep(&mut self.users, key, row.as_ref())?,
            (b"g", row) => keep(&mut self.groups, key, row.as_ref())?,
            (b"p", row) => keep(&mut self.policies, key, row.as_ref())?,
            (b"tn", row) => keep(&mut self.tag_namespaces, key, row.as_ref())?,
            (b"td", row) => keep(&mut self.tags, key, row.as_ref())?,
            (b"dg", row) => {
                let read = |group: DynamicGroup| {
                    let rule = parse_rule(&group.matching_rule).map_err(|error| {
                        StoreError::Corrupt(format!("a stored matching rule: {error}"))
                    })?;
                    Ok(DynamicGroupEntry { group, rule })
                };
                keep_as(&mut self.dynamic_groups, key, row.as_ref(), read)?;
            }
            (b"w", row) => keep(&mut self.workloads, key, row.as_ref())?,
            (b"ca" | b"ts", row) => self.apply_signer(key, row.as_ref())?,
            (b"a", row) => self.apply_api_key(key, row.as_ref())?,
            (b"v", Some(row)) => self.apply_vault(key, row)?,
            (b"k", Some(row)) => {
                let KeyRow { key } = rows::decode(key, &row.value)?;
                let entry = KeyEntry { key, revision: row.revision };
                Arc::make_mut(&mut self.keys).insert(entry.key.id.clone(), Arc::new(entry));
            }
            (b"rg", row) => Arc::make_mut(&mut self.regions).apply(key, row.as_ref())?,
            (b"kv", Some(row)) => self.apply_key_version(key, row, keys)?,
            (b"mode" | b"rk", row) => self.apply_state(key, row.as_ref(), keys)?,
            _ => {
                return Err(StoreError::Corrupt("a row of an unknown kind changed".to_owned()));
            }
        }
        Ok(())
    }

    /// Takes rows that tell of the store itself.
    fn apply_state(
        &mut self,
        key: &[u8],
        row: Option<&Versioned>,
        keys: &Keys,
    ) -> Result<(), StoreError> {
        match key {
            b"mode/restoring" if row.is_some() => return Err(rows::incomplete()),
            b"mode/read-only" => self.is_read_only = row.is_some(),
            b"rk/next" => self.roots.apply(row, &keys.root)?,
            b"rk/id" => {
                self.roots.named(row);
                self.root_key_id = row.map(|row| rows::decode(key, &row.value)).transpose()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_api_key(&mut self, key: &[u8], row: Option<&Versioned>) -> Result<(), StoreError> {
        let Some(row) = row else {
            let (user, fingerprint) = user_and_fingerprint(key)?;
            self.api_keys.remove(&(user, fingerprint));
            return Ok(());
        };
        let api_key: ApiKey = rows::decode(key, &row.value)?;
        let public_key = PublicKey::from_pem(&api_key.public_key_pem)
            .map_err(|error| StoreError::Corrupt(format!("an API key cannot be read: {error}")))?;
        let place = (api_key.user_id.clone(), api_key.fingerprint.clone());
        let entry = ApiKeyEntry { api_key, public_key, revision: row.revision };
        self.api_keys.insert(place, Arc::new(entry));
        Ok(())
    }

    fn apply_signer(&mut self, key: &[u8], row: Option<&Versioned>) -> Result<(), StoreError> {
        let name = std::str::from_utf8(key).ok().and_then(|key| key.split_once('/'));
        let unnamed = || StoreError::Corrupt("a signer's row has no name".to_owned());
        let (kind, name) = name.ok_or_else(unnamed)?;
        let tenancy = self.tenancy.id.clone();
        match (kind, row) {
            ("ca", Some(row)) => {
                let entry = AuthorityEntry::read(&self.roots, (&tenancy, name), row)?;
                self.authorities.insert(name.to_owned(), Arc::new(entry));
            }
            ("ca", None) => drop(self.authorities.remove(name)),
            (_, Some(row)) => {
                let entry = TokenSignerEntry::read(&self.roots, (&tenancy, name), row)?;
                self.token_signers.insert(name.to_owned(), Arc::new(entry));
            }
            (_, None) => drop(self.token_signers.remove(name)),
        }
        Ok(())
    }

    fn apply_vault(&mut self, key: &[u8], row: &Versioned) -> Result<(), StoreError> {
        let row_read: VaultRow = rows::decode(key, &row.value)?;
        let VaultRow { vault, port, replica_port, vault_key } = row_read;
        let binding = vault_binding(&self.tenancy.id, &vault.id);
        let open = |sealed| self.roots.open(|root| root.open_vault_key(&binding, &sealed));
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
    pub(crate) fn derive(&mut self) -> Result<(), StoreError> {
        let root: Arc<[Ocid]> = Arc::from([self.tenancy.id.clone()]);
        let mut paths = HashMap::from([(self.tenancy.id.clone(), root)]);
        for id in self.compartments.keys() {
            paths.insert(id.clone(), self.ancestors(id).into());
        }
        self.paths = paths;
        let sources: Vec<_> = self.sources().collect();
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

/// The identifier that is a row's key after its kind.
fn id_of(key: &[u8]) -> Result<Ocid, StoreError> {
    let text = std::str::from_utf8(key).ok().and_then(|key| key.split_once('/'));
    let id = text.and_then(|(_, id)| id.parse().ok());
    id.ok_or_else(|| StoreError::Corrupt("a row whose key is no OCID".to_owned()))
}

fn user_and_fingerprint(key: &[u8]) -> Result<(Ocid, String), StoreError> {
    let text = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix("a/"));
    let parts = text.and_then(|text| text.split_once('/'));
    let read = parts.and_then(|(user, print)| Some((user.parse().ok()?, print.to_owned())));
    read.ok_or_else(|| StoreError::Corrupt("an API key's row has a key of no user".to_owned()))
}

/// Keeps what a row holds, or forgets it if the row is gone.
fn keep<T: DeserializeOwned>(
    kept: &mut Kept<T>,
    key: &[u8],
    row: Option<&Versioned>,
) -> Result<(), StoreError> {
    keep_as(kept, key, row, Ok)
}

fn keep_as<R: DeserializeOwned, T>(
    kept: &mut Kept<T>,
    key: &[u8],
    row: Option<&Versioned>,
    read: impl FnOnce(R) -> Result<T, StoreError>,
) -> Result<(), StoreError> {
    let id = id_of(key)?;
    match row {
        Some(row) => {
            let thing = read(rows::decode(key, &row.value)?)?;
            kept.insert(id, (Arc::new(thing), row.revision));
        }
        None => {
            kept.remove(&id);
        }
    }
    Ok(())
}

/// Tells whether what is derived depends on the row.
pub(crate) fn is_of_identity(key: &[u8]) -> bool {
    let others: [&[u8]; 7] = [b"v/", b"k/", b"kv/", b"w/", b"ca/", b"ts/", b"rg/"];
    !others.iter().any(|kind| key.starts_with(kind))
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

/// A defined tag by `namespace.key`; what is not a text is written as JSON.
pub(crate) fn flat_tag(namespace: &str, key: &str, value: &serde_json::Value) -> (String, String) {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    (format!("{namespace}.{key}"), text)
}

/// Defined tags by `namespace.key`.
pub(crate) fn flat_tags(tags: &Tags) -> Vec<(String, String)> {
    flat_defined_tags(&tags.defined)
}

/// Defined tags by `namespace.key`, of what is asked for.
pub(crate) fn flat_defined_tags(tags: &DefinedTags) -> Vec<(String, String)> {
    let flat = |(namespace, keys): (&String, &BTreeMap<String, serde_json::Value>)| {
        let named = keys.iter().map(|(key, value)| flat_tag(namespace, key, value));
        named.collect::<Vec<_>>()
    };
    tags.iter().flat_map(flat).collect()
}

impl Directory for Catalog {
    fn tenancy(&self) -> &Ocid {
        &self.tenancy.id
    }

    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        if domain.is_some_and(|domain| !domain.eq_ignore_ascii_case("Default")) {
            return None;
        }
        let found = self.groups.values().find(|(group, _)| group.name.eq_ignore_ascii_case(name));
        found.map(|(group, _)| group.id.clone())
    }

    fn dynamic_group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        if domain.is_some_and(|domain| !domain.eq_ignore_ascii_case("Default")) {
            return None;
        }
        let mut groups = self.dynamic_groups.values().map(|(entry, _)| &entry.group);
        groups.find(|group| group.name.eq_ignore_ascii_case(name)).map(|group| group.id.clone())
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
        let groups =
            self.groups.values().map(|(group, _)| (group.id.clone(), flat_tags(&group.tags)));
        let dynamic = self.dynamic_groups.values().map(|(entry, _)| &entry.group);
        groups.chain(dynamic.map(|group| (group.id.clone(), flat_tags(&group.tags)))).collect()
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
                compartment.compartment_id == at
                    && compartment.name.eq_ignore_ascii_case(name)
                    && compartment.state == CompartmentState::Active
            });
            at = child?.0.id.clone();
        }
        Some(at)
    }
}
