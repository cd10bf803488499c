//! What statements tell principals apart by.

use std::collections::BTreeSet;

use strongroom_model::{Group, Ocid, Principal, PrincipalKind};
use strongroom_policy::Directory;
use strongroom_policy::ast::Subject;

use super::callers::{Caller, Free};
use super::known::of_principal;
use super::sides::{Side, Sides};

const GROUPS: &str = "request.groups.id";
const GROUP_TAG: &str = "request.principal.group.tag.";

/// What tells principals apart: groups, types of resources, variables.
pub(super) struct Kinds {
    /// Groups and dynamic groups of statements that allow.
    pub(super) allowed: BTreeSet<Ocid>,
    /// Those of statements that deny, and the one that nothing is denied to.
    pub(super) denied: BTreeSet<Ocid>,
    /// Those that conditions ask about.
    pub(super) asked: BTreeSet<Ocid>,
    /// Types of resources that statements are for, in lower case.
    pub(super) types: BTreeSet<String>,
    /// Variables of principals that conditions ask about.
    variables: Vec<String>,
    /// Whether a member of several groups can be treated otherwise than members of one.
    pub(super) groups_add: bool,
}

impl Kinds {
    pub(super) fn of(sides: &Sides) -> Self {
        let denies = sides.both.iter().any(Side::denies);
        let mut kinds = Self {
            allowed: BTreeSet::new(),
            denied: BTreeSet::new(),
            asked: asked(sides),
            types: BTreeSet::new(),
            variables: of_principals(sides),
            groups_add: denies,
        };
        kinds.groups_add |= sides.uses.mention(GROUPS) || sides.uses.mention(GROUP_TAG);
        for side in &sides.both {
            for (parts, stated) in side.set.all_parts().zip(&side.statements) {
                let groups = if parts.denies { &mut kinds.denied } else { &mut kinds.allowed };
                groups.extend(parts.groups.iter().cloned());
                if let Subject::Resources(names) = &stated.allow.subject.value {
                    let types = names.iter().skip(1).map(|name| name.value.to_lowercase());
                    kinds.types.extend(types);
                }
            }
            let administrators = side.world.group_named(None, Group::ADMINISTRATORS);
            kinds.denied.extend(administrators.filter(|_| denies));
        }
        kinds.types.extend(sides.uses.texts("request.principal.type").map(str::to_owned));
        kinds
    }

    pub(super) fn groups(&self) -> BTreeSet<&Ocid> {
        self.allowed.iter().chain(&self.denied).chain(&self.asked).collect()
    }

    /// Tells whether membership in a group can matter beside that in another.
    pub(super) fn matters_beside(&self, id: &Ocid) -> bool {
        self.asked.contains(id) || self.denied.contains(id)
    }

    /// What statements see of a principal.
    pub(super) fn of_caller(&self, sides: &Sides, caller: &Caller) -> [Vec<String>; 2] {
        let groups = self.groups();
        [0, 1].map(|number| {
            let principal = caller.principals.get(number).and_then(Option::as_ref);
            let (Some(principal), Some(side)) = (principal, sides.both.get(number)) else {
                return vec!["not there".to_owned()];
            };
            let mut seen = vec![self.sort(principal)];
            let own: BTreeSet<&Ocid> = principal.group_ids.iter().collect();
            seen.extend(groups.intersection(&own).map(ToString::to_string));
            for name in &self.variables {
                let values = of_principal(principal, name, &side.world);
                let open = match caller.free {
                    Free::Nothing => false,
                    Free::User => name.starts_with("request.user.") || name.ends_with("cipal.id"),
                    Free::Resource => values.is_empty(),
                };
                let values = values.iter().map(|value| seen_as(sides, name, value));
                let values: Vec<String> = values.collect();
                seen.push(if open { format!("{name} open") } else { format!("{name} {values:?}") });
            }
            seen
        })
    }

    fn sort(&self, principal: &Principal) -> String {
        match &principal.kind {
            PrincipalKind::User { .. } => "user".to_owned(),
            PrincipalKind::Service { name } => format!("service {}", name.to_lowercase()),
            PrincipalKind::Resource(resource) => {
                let named = resource.resource_type.to_lowercase();
                let told = self.types.contains(&named);
                format!("resource {}", if told { &named } else { "of another type" })
            }
        }
    }
}

/// Values that compare alike are seen alike.
fn seen_as(sides: &Sides, name: &str, value: &str) -> String {
    let value = value.to_lowercase();
    let told = sides.uses.0.get(name).is_none_or(|atoms| {
        atoms.texts.contains(&value)
            || !atoms.patterns.is_empty()
            || !atoms.variables.is_empty()
            || !atoms.sets.is_empty()
    });
    let compared = sides.uses.0.values().any(|atoms| atoms.variables.contains(name));
    if told || compared { value } else { "another".to_owned() }
}

/// The groups that conditions ask about: by identifier, or by a tag that they have.
fn asked(sides: &Sides) -> BTreeSet<Ocid> {
    let atoms = sides.uses.0.get(GROUPS);
    let by_id = |id: &Ocid| {
        let text = id.as_str().to_lowercase();
        atoms.is_some_and(|atoms| {
            atoms.texts.contains(&text)
                || !atoms.patterns.is_empty()
                || !atoms.variables.is_empty()
                || atoms.sets.iter().any(|set| set.contains(&text))
        })
    };
    let mut found = BTreeSet::new();
    for side in &sides.both {
        let file = &side.world.file;
        let groups = file.groups.iter().map(|group| (&group.id, &group.tags));
        let dynamic = file.dynamic_groups.iter().map(|group| (&group.id, &group.tags));
        for (id, tags) in groups.chain(dynamic) {
            let tagged = tags.keys().any(|key| {
                sides.uses.0.contains_key(&format!("{GROUP_TAG}{}", key.to_ascii_lowercase()))
            });
            if tagged || by_id(id) {
                found.insert(id.clone());
            }
        }
    }
    found
}

fn of_principals(sides: &Sides) -> Vec<String> {
    let own = |name: &&String| {
        let of = name.starts_with("request.user.") || name.starts_with("request.principal.");
        of && !name.starts_with(GROUP_TAG)
    };
    sides.uses.0.keys().filter(own).cloned().collect()
}
