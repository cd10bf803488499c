//! Fourth stage: policy. 401, 403 and 404 are decided here (401 by what comes in) and nowhere else.

use strongroom_model::{Ocid, Operation, Permission, Principal, Secret, Timestamp};
use strongroom_policy::{
    Asked, Decision, Fact, FactName, Question, Request, Semantics, Target, decide, required,
};
use strongroom_wire::{ErrorCode, Refusal};

use crate::authn::Proof;
use crate::catalog::{Catalog, flat_tags};
use crate::denial::DeniedQuestion;
use crate::failure::Failure;
use crate::locate::{Located, NamespaceAt};
use crate::shared::Shared;

/// The right to go on, and what with. Made by [`authorize`] alone.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) located: Located,
    _private: (),
}

/// Who asks for what, and when.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) proof: Proof,
    pub(crate) operation: Operation,
    /// What the request says of itself, for conditions.
    pub(crate) facts: &'a [(FactName, Fact)],
    pub(crate) now: Timestamp,
}

impl Wish<'_> {
    fn request<'a>(&'a self, region: &'a str) -> Request<'a> {
        let operation = self.operation.name();
        Request { operation, region: Some(region), time: Some(self.now), facts: self.facts }
    }
}

/// Decides whether what is wished for may be done on what was located.
pub(crate) fn authorize(
    wish: &Wish<'_>,
    located: Located,
    catalog: &Catalog,
    shared: &Shared,
) -> Result<Permit, Failure> {
    let needs =
        if located.is_left_to_items { &[] } else { required(wish.operation, shared.semantics) };
    let tenancy = [catalog.tenancy.id.clone()];
    let (mut target, target_tags) = (located.facts(), located.tags());
    target.extend(membership(wish.principal, &target));
    let (vault, vault_tags) = (located.vault_facts(), located.vault_tags());
    let (key, key_tags) = (located.key_facts(), located.key_tags());
    let mut asked = Vec::with_capacity(needs.len());
    let mut absent = Vec::with_capacity(needs.len());
    for need in needs.iter().chain(located.needs) {
        let (path, target, tags) = match need.on {
            Target::Compartment => (located.compartment.as_deref(), &target, &target_tags),
            Target::Group => (located.compartment.as_deref(), &target, &located.group_tags),
            Target::Vault => (located.vault_path.as_deref(), &vault, &vault_tags),
            Target::Key => (located.key_path.as_deref(), &key, &key_tags),
            Target::Destination => (located.destination.as_deref(), &target, &target_tags),
            Target::SharedParent => (located.shared_parent.as_deref(), &target, &target_tags),
            Target::Tenancy => (Some(tenancy.as_slice()), &target, &target_tags),
            Target::Items => continue,
        };
        absent.push(path.is_none());
        let (path, permission) = (path.unwrap_or(&tenancy), need.permission);
        asked.push(Asked { permission, path, target, tags });
    }
    for namespace in &located.tag_namespaces {
        absent.push(false);
        asked.push(namespace.asked());
    }
    let left_to_items = needs.iter().all(|need| need.on == Target::Items);
    let request = wish.request(shared.region_key());
    let question = Question { principal: wish.principal, request, needs: &asked };
    // What is absent is decided as well: the time it takes tells nothing.
    let decision = decide(&catalog.policy_set, &question);
    let is_absent = absent.contains(&true);
    let is_free = left_to_items || is_about_oneself(wish, &located);
    if !is_absent && (decision.allowed() || is_free) {
        return Ok(Permit { located, _private: () });
    }
    let kept = DeniedQuestion::keep(&question, &absent);
    if is_absent {
        let reason = "the target, or what it refers to, does not exist";
        return Err(Failure::not_found(reason).asked(kept));
    }
    let of_bundle = needs.iter().any(|need| need.permission == Permission::SecretBundleRead);
    Err(denial(&decision, of_bundle && shared.semantics == Semantics::Strict).asked(kept))
}

/// Whether the caller is a member of the group that the request is about.
///
/// Source: OCI policy reference, "Details for IAM".
fn membership(principal: &Principal, target: &[(FactName, Fact)]) -> Option<(FactName, Fact)> {
    let group = target.iter().find_map(|(name, fact)| match fact {
        Fact::One(id) if name == "target.group.id" => Some(id),
        _ => None,
    })?;
    let is_member = principal.group_ids.iter().any(|id| id.as_str() == group);
    Some(one("target.group.member", if is_member { "true" } else { "false" }))
}

/// Everybody may see themselves and, with an API key, manage their own keys: a token that was stolen
/// must leave no key behind when its session ends.
///
/// Source: OCI documentation, "Managing User Credentials".
fn is_about_oneself(wish: &Wish<'_>, located: &Located) -> bool {
    let is_free = match wish.operation {
        Operation::GetUser | Operation::ListApiKeys => true,
        Operation::UploadApiKey | Operation::DeleteApiKey => wish.proof == Proof::ApiKey,
        _ => false,
    };
    is_free && located.own.is_some() && located.own.as_ref() == wish.principal.id()
}

/// Strict semantics tell the one who may read the bundle, and only lacks the key, that a right is
/// missing. Everybody else learns nothing.
fn denial(decision: &Decision, of_bundle: bool) -> Failure {
    let missing: Vec<Permission> = decision.missing().collect();
    let names: Vec<&str> = missing.iter().map(|permission| permission.name()).collect();
    let reason = format!("no policy grants {}", names.join(", "));
    if of_bundle && missing == [Permission::KeyDecrypt] {
        let message = "User not authorized to perform this operation.";
        return Failure::new(Refusal::new(ErrorCode::NotAuthorized, message), reason);
    }
    Failure::not_found(reason)
}

/// Tells whether `principal` may read the description of `secret`, as `GetSecret` does.
pub(crate) fn may_read_secret(
    wish: &Wish<'_>,
    secret: &Secret,
    catalog: &Catalog,
    shared: &Shared,
) -> bool {
    let Some(path) = catalog.path(&secret.compartment_id) else { return false };
    let (target, tags) = (secret_facts(secret), flat_tags(&secret.tags));
    let permission = Permission::SecretRead;
    let needs = [Asked { permission, path: &path, target: &target, tags: &tags }];
    let request = wish.request(shared.region_key());
    decide(&catalog.policy_set, &Question { principal: wish.principal, request, needs: &needs })
        .allowed()
}

/// Tells whether `permission` is granted in the compartment at the start of `path`, as for a list.
pub(crate) fn is_granted(
    wish: &Wish<'_>,
    permission: Permission,
    path: &[Ocid],
    catalog: &Catalog,
    shared: &Shared,
) -> bool {
    let needs = [Asked::at(permission, path)];
    let request = wish.request(shared.region_key());
    decide(&catalog.policy_set, &Question { principal: wish.principal, request, needs: &needs })
        .allowed()
}

fn one(name: &'static str, text: &str) -> (FactName, Fact) {
    (FactName::Borrowed(name), Fact::One(text.to_owned()))
}

fn secret_facts(secret: &Secret) -> Vec<(FactName, Fact)> {
    vec![
        one("target.secret.id", secret.id.as_str()),
        one("target.secret.name", &secret.name),
        one("target.vault.id", secret.vault_id.as_str()),
        one("target.key.id", secret.key_id.as_str()),
    ]
}

impl NamespaceAt {
    /// Whoever sets a namespace's tags on anything must be let use it: policies go by them.
    ///
    /// Source: OCI documentation, "Managing Tags and Tag Namespaces", required IAM policy.
    fn asked(&self) -> Asked<'_> {
        let permission = Permission::TagNamespaceUse;
        Asked { permission, path: &self.path, target: &self.facts, tags: &self.tags }
    }
}

impl Located {
    /// What policies can ask of the target. A list has none.
    fn facts(&self) -> Vec<(FactName, Fact)> {
        if let Some(secret) = &self.secret {
            return secret_facts(&secret.0);
        }
        let mut facts = self.vault_facts();
        facts.extend(self.key.as_ref().map(|entry| one("target.key.id", entry.key.id.as_str())));
        facts.extend(self.new_secret.as_deref().map(|name| one("target.secret.name", name)));
        facts.extend(self.more.iter().cloned());
        facts
    }

    fn vault_facts(&self) -> Vec<(FactName, Fact)> {
        let vault = self.vault.as_ref();
        vault.map(|entry| one("target.vault.id", entry.vault.id.as_str())).into_iter().collect()
    }

    fn key_facts(&self) -> Vec<(FactName, Fact)> {
        let key = self.key.as_ref().map(|entry| one("target.key.id", entry.key.id.as_str()));
        self.vault_facts().into_iter().chain(key).collect()
    }

    /// The defined tags of what is changed, by `namespace.key`.
    pub(crate) fn held_tags(&self) -> Vec<(String, String)> {
        self.held_tags.clone().unwrap_or_else(|| self.tags())
    }

    fn vault_tags(&self) -> Vec<(String, String)> {
        self.vault.as_ref().map(|entry| flat_tags(&entry.vault.tags)).unwrap_or_default()
    }

    fn key_tags(&self) -> Vec<(String, String)> {
        self.key.as_ref().map(|entry| flat_tags(&entry.key.tags)).unwrap_or_default()
    }

    /// The target's defined tags, by `namespace.key`.
    fn tags(&self) -> Vec<(String, String)> {
        if let Some(secret) = &self.secret {
            return flat_tags(&secret.0.tags);
        }
        match (&self.key, &self.vault, &self.target_id) {
            (Some(entry), _, Some(id)) if entry.key.id == *id => self.key_tags(),
            (_, Some(entry), Some(id)) if entry.vault.id == *id => self.vault_tags(),
            _ => self.own_tags.clone(),
        }
    }
}
