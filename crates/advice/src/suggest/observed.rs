use std::borrow::Cow;
use std::collections::BTreeMap;

use strongroom_model::{Ocid, Permission, Principal, Timestamp};
use strongroom_policy::{
    Asked, Fact, FactName, Question, Request, Target, Verdict, decide, needs_by_name,
};

use super::Matter;
use crate::ask::{Who, is_about_oneself, of_oneself, shared_parent};
use crate::events::AuditEvent;

/// Calls of a principal that were answered, and that the policies allow.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) calls: Vec<Call>,
    /// Calls that were left out, by the reason.
    pub(super) left_out: BTreeMap<String, u64>,
    /// Operations that show only what may be read.
    watches: bool,
}

/// An operation on a target.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: String,
    pub(super) needs: Vec<CallNeed>,
    pub(super) time: Option<Timestamp>,
    /// How often it was seen.
    pub(super) count: u64,
}

/// A permission, and what it was needed on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallNeed {
    pub(super) permission: Permission,
    pub(super) path: Vec<Ocid>,
    /// Variables of the target and their values.
    pub(super) target: Vec<(&'static str, String)>,
}

/// The kinds of OCIDs whose targets have a name that conditions can ask for, and the variables.
const NAMED: [(&str, &str, &str); 7] = [
    ("vaultsecret", "target.secret.id", "target.secret.name"),
    ("key", "target.key.id", ""),
    ("vault", "target.vault.id", ""),
    ("user", "target.user.id", "target.user.name"),
    ("group", "target.group.id", "target.group.name"),
    ("dynamicgroup", "target.dynamicgroup.id", "target.dynamicgroup.name"),
    ("policy", "target.policy.id", "target.policy.name"),
];

impl Observed {
    pub(super) fn gather(matter: &Matter<'_>, who: &Who, events: &[AuditEvent]) -> Self {
        let mut observed = Self::default();
        let mut calls: BTreeMap<(String, Vec<CallNeed>), Call> = BTreeMap::new();
        for event in events.iter().filter(|event| is_by(event, matter, who)) {
            match observed.call(matter, event) {
                Ok(None) => {}
                Ok(Some(call)) => {
                    let key = (call.operation.clone(), call.needs.clone());
                    let held = calls.entry(key).or_insert(Call { count: 0, ..call.clone() });
                    held.count += 1;
                    held.time = held.time.max(call.time);
                }
                Err(reason) => *observed.left_out.entry(reason).or_default() += 1,
            }
        }
        observed.calls = calls.into_values().collect();
        if observed.watches {
            observed.watch(matter);
        }
        let (allowed, others): (Vec<Call>, Vec<Call>) =
            observed.calls.drain(..).partition(|call| may_be_allowed(matter, &who.principal, call));
        observed.calls = allowed;
        for call in others {
            let reason = if call.asked(matter, &who.principal, is_about_oneself) {
                of_oneself(&call.operation)
            } else {
                "the policies at hand do not allow it"
            };
            let reason = format!("{}: {reason}", call.operation);
            *observed.left_out.entry(reason).or_default() += call.count;
        }
        observed
    }

    fn call(&mut self, matter: &Matter<'_>, event: &AuditEvent) -> Result<Option<Call>, String> {
        let Some(operation) = event.operation.as_deref() else {
            return Err("the event has no operation".to_owned());
        };
        if !event.is_answered() {
            return Err(format!("{operation}: refused, or failed"));
        }
        let needs = needs_by_name(operation, matter.ask.semantics)
            .ok_or_else(|| format!("{operation}: not an operation that this version knows"))?;
        if needs.iter().any(|need| need.on == Target::Items) {
            self.watches = true;
        }
        let places = Places::of(matter, event)
            .ok_or_else(|| format!("{operation}: a compartment of it is not there any more"))?;
        let needs: Vec<CallNeed> =
            needs.iter().filter_map(|need| places.need(event, need.permission, need.on)).collect();
        if needs.is_empty() {
            return Ok(None);
        }
        let time = event.time.as_deref().and_then(|time| time.parse().ok());
        Ok(Some(Call { operation: operation.to_owned(), needs, time, count: 1 }))
    }

    /// Whoever waits for changes of secrets is told of those that they may see: of the ones they read.
    fn watch(&mut self, matter: &Matter<'_>) {
        let mut seen: BTreeMap<CallNeed, Call> = BTreeMap::new();
        for need in self.calls.iter().flat_map(|call| &call.needs) {
            if need.permission == Permission::SecretBundleRead {
                let need = CallNeed { permission: Permission::SecretRead, ..need.clone() };
                let (operation, needs) = ("GetSecret".to_owned(), vec![need.clone()]);
                let time = Some(matter.ask.now);
                seen.insert(need, Call { operation, needs, time, count: 0 });
            }
        }
        let known = |call: &Call| self.calls.iter().any(|held| held.needs == call.needs);
        let new: Vec<Call> = seen.into_values().filter(|call| !known(call)).collect();
        self.calls.extend(new);
    }

    pub(super) fn notes(&self) -> Option<String> {
        let of = "WatchSecrets tells of the secrets that the caller may see: `read secrets` is kept \
                  for those it read";
        self.watches.then(|| of.to_owned())
    }
}

fn is_by(event: &AuditEvent, matter: &Matter<'_>, who: &Who) -> bool {
    let Some(id) = event.principal_id.as_deref() else { return false };
    if !matter.ask.who.starts_with("group:") {
        return id == who.principal.identifier();
    }
    let member = |group: &Ocid| {
        let groups = matter.world.file.groups.iter().filter(|one| one.id == *group);
        let mut members = groups.flat_map(|group| &group.members);
        members.any(|key| {
            matter.world.principal(key).is_ok_and(|principal| principal.identifier() == id)
        })
    };
    who.principal.group_ids.iter().any(member)
}

/// Where the things are that permissions are checked on.
struct Places<'a> {
    target: &'a [Ocid],
    key: &'a [Ocid],
    vault: &'a [Ocid],
    destination: Option<&'a [Ocid]>,
    tenancy: &'a [Ocid],
}

impl<'a> Places<'a> {
    fn of(matter: &Matter<'a>, event: &AuditEvent) -> Option<Self> {
        let tenancy_id = matter.world.file.tenancy_id.as_str();
        let path = |id: &str| {
            let key = matter.world.key_of(&id.parse().ok()?)?;
            matter.world.path(key).ok()
        };
        let target = path(event.compartment_id.as_deref().unwrap_or(tenancy_id))?;
        let or_target = |id: &Option<String>| id.as_deref().map_or(Some(target), path);
        Some(Self {
            target,
            key: or_target(&event.key_compartment_id)?,
            vault: or_target(&event.vault_compartment_id)?,
            destination: match event.destination_id.as_deref() {
                Some(id) => Some(path(id)?),
                None => None,
            },
            tenancy: path(tenancy_id)?,
        })
    }

    fn need(&self, event: &AuditEvent, permission: Permission, on: Target) -> Option<CallNeed> {
        let key = event.key_id.clone().map(|id| ("target.key.id", id));
        let vault = event.vault_id.clone().map(|id| ("target.vault.id", id));
        let own = || own_facts(event).chain(vault.clone()).collect();
        let (path, target): (Vec<Ocid>, Vec<_>) = match on {
            Target::Items => return None,
            Target::Compartment | Target::Group => (self.target.to_vec(), own()),
            Target::Key => (self.key.to_vec(), vault.clone().into_iter().chain(key).collect()),
            Target::Vault => (self.vault.to_vec(), vault.into_iter().collect()),
            Target::Tenancy => (self.tenancy.to_vec(), own()),
            Target::Destination => (self.destination.unwrap_or(self.target).to_vec(), own()),
            Target::SharedParent => {
                let destination = self.destination.unwrap_or(self.tenancy);
                (shared_parent(self.target, destination).to_vec(), own())
            }
        };
        Some(CallNeed { permission, path, target })
    }
}

fn own_facts(event: &AuditEvent) -> impl Iterator<Item = (&'static str, String)> {
    let id = event.resource_id.as_deref().unwrap_or_default();
    let kind = id.split('.').nth(1).unwrap_or_default();
    let variables = NAMED.iter().find(|(known, _, _)| *known == kind);
    let id = variables.map(|(_, variable, _)| (*variable, id.to_owned()));
    let name = event.resource_name.clone().filter(|name| !name.is_empty());
    let created = event.resource_id.is_none() && event.operation.as_deref() == Some("CreateSecret");
    let name_variable = match variables {
        Some((_, _, "")) => None,
        Some((_, _, variable)) => Some(*variable),
        None => created.then_some("target.secret.name"),
    };
    id.into_iter().chain(name_variable.zip(name))
}

impl Call {
    /// Puts the question that the call was to a server, as far as the log tells it.
    pub(super) fn asked<T>(
        &self,
        matter: &Matter<'_>,
        principal: &Principal,
        put: impl FnOnce(&Question<'_>) -> T,
    ) -> T {
        let facts: Vec<Vec<(FactName, Fact)>> = self.needs.iter().map(CallNeed::facts).collect();
        let needs: Vec<Asked<'_>> = self
            .needs
            .iter()
            .zip(&facts)
            .map(|(need, target)| Asked { target, ..Asked::at(need.permission, &need.path) })
            .collect();
        let request = Request {
            operation: &self.operation,
            region: matter.file.region.as_deref(),
            time: self.time.or(Some(matter.ask.now)),
            facts: &[],
        };
        put(&Question { principal, request, needs: &needs })
    }
}

impl CallNeed {
    pub(super) fn facts(&self) -> Vec<(FactName, Fact)> {
        let fact = |(name, value): &(&'static str, String)| {
            (Cow::Borrowed(*name), Fact::One(value.clone()))
        };
        self.target.iter().map(fact).collect()
    }
}

/// Tells whether each permission is granted, or could be by a statement with a condition about which
/// the log says nothing.
fn may_be_allowed(matter: &Matter<'_>, principal: &Principal, call: &Call) -> bool {
    call.asked(matter, principal, |question| {
        let decision = decide(matter.set, question);
        let mut reasons = decision.reasons().zip(&call.needs);
        reasons.all(|((permission, verdict), need)| match verdict {
            Verdict::Granted(_) => true,
            Verdict::Denied(_) => false,
            Verdict::NotGranted => {
                conditional(matter, principal, permission, &need.path).next().is_some()
            }
        })
    })
}

/// The statements that would grant a permission, if their conditions held.
pub(super) fn conditional<'a>(
    matter: &Matter<'a>,
    principal: &Principal,
    permission: Permission,
    path: &[Ocid],
) -> impl Iterator<Item = usize> + use<'a> {
    let set = matter.set;
    let reaching = set.reaching(principal, path);
    reaching.into_iter().filter(move |index| {
        set.parts(*index)
            .is_some_and(|parts| !parts.denies && parts.permissions.contains(permission))
    })
}
