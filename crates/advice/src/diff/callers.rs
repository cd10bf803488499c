//! Principals, one of each kind that statements tell apart.

use std::collections::BTreeSet;

use strongroom_model::{Ocid, Principal, PrincipalKind};
use strongroom_policy::ast::Subject;

use super::kinds::Kinds;
use super::resources::resources;
use super::sides::Sides;
use super::users::users;
use crate::tenancy_file::PrincipalEntry;

/// How many principals are looked at.
const CALLERS_MAX: usize = 3000;

/// A principal, on both sides.
pub(super) struct Caller {
    pub(super) label: String,
    /// None where it is not there.
    pub(super) principals: [Option<Principal>; 2],
    pub(super) free: Free,
}

/// What of a principal is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    /// Nothing: it is in a file.
    Nothing,
    /// A user's identifier and name.
    User,
    /// What a resource tells of itself beyond type, compartment and identifier.
    Resource,
}

impl Caller {
    pub(super) fn groups(&self, number: usize) -> BTreeSet<&Ocid> {
        let principal = self.principals.get(number).and_then(Option::as_ref);
        principal.into_iter().flat_map(|one| &one.group_ids).collect()
    }

    pub(super) fn kind(&self) -> Option<&PrincipalKind> {
        self.principals.iter().flatten().map(|principal| &principal.kind).next()
    }
}

/// The principals to try, and how many kinds were left out.
pub(super) struct Callers {
    pub(super) all: Vec<Caller>,
    pub(super) left_out: usize,
}

/// Returns one principal of each kind: users who are in groups that occur, alone and together where
/// that can matter, resources that matching rules take in, services, and those of the files.
pub(super) fn callers(sides: &Sides) -> Callers {
    let kinds = Kinds::of(sides);
    let (assumed_users, users_left_out) = users(sides, &kinds);
    let (resources, resources_left_out) = resources(sides, &kinds);
    let left_out = users_left_out.saturating_add(resources_left_out);
    let mut callers = Callers { all: Vec::new(), left_out };
    let mut seen = BTreeSet::new();
    let all = assumed_users.into_iter().chain(resources);
    for caller in all.chain(services(sides)).chain(known(sides)) {
        if !seen.insert(kinds.of_caller(sides, &caller)) {
            continue;
        }
        if callers.all.len() < CALLERS_MAX {
            callers.all.push(caller);
        } else {
            callers.left_out += 1;
        }
    }
    callers
}

/// Makes a principal of both tenancies, where `group_ids` says of which groups on each side.
pub(super) fn of_both(
    sides: &Sides,
    kind: &PrincipalKind,
    group_ids: impl Fn(usize) -> Vec<Ocid>,
) -> [Option<Principal>; 2] {
    [0, 1].map(|number| {
        let tenancy_id = sides.both.get(number)?.world.file.tenancy_id.clone();
        Some(Principal { tenancy_id, kind: kind.clone(), group_ids: group_ids(number) })
    })
}

fn services(sides: &Sides) -> Vec<Caller> {
    let statements = sides.both.iter().flat_map(|side| &side.statements);
    let mut names: BTreeSet<String> = statements
        .filter_map(|stated| match &stated.allow.subject.value {
            Subject::Services(services) => Some(services),
            _ => None,
        })
        .flatten()
        .map(|name| name.value.to_lowercase())
        .collect();
    names.insert("another-service".to_owned());
    let caller = |name: String| {
        let kind = PrincipalKind::Service { name: name.clone() };
        let principals = of_both(sides, &kind, |_| Vec::new());
        Caller { label: format!("service {name}"), principals, free: Free::Nothing }
    };
    names.into_iter().map(caller).collect()
}

/// The principals of the files, each as it is on either side.
fn known(sides: &Sides) -> Vec<Caller> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for side in &sides.both {
        for (key, entry) in &side.world.file.principals {
            let id = identifier(entry);
            if !seen.insert(id.to_owned()) {
                continue;
            }
            let principals = [0, 1].map(|number| {
                let world = &sides.both.get(number)?.world;
                let own = |(_, entry): &(&String, &PrincipalEntry)| identifier(entry) == id;
                let (key, _) = world.file.principals.iter().find(own)?;
                world.principal(key).ok()
            });
            let label = match entry {
                PrincipalEntry::User { name, .. } => format!("user {name}"),
                PrincipalEntry::Resource { resource_type, .. } => format!("{resource_type} {key}"),
                PrincipalEntry::Service { name } => format!("service {name}"),
            };
            all.push(Caller { label, principals, free: Free::Nothing });
        }
    }
    all
}

fn identifier(entry: &PrincipalEntry) -> &str {
    match entry {
        PrincipalEntry::User { id, .. } | PrincipalEntry::Resource { id, .. } => id.as_str(),
        PrincipalEntry::Service { name } => name,
    }
}
