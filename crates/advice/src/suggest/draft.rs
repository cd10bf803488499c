use std::collections::{BTreeMap, BTreeSet};

use strongroom_model::{Ocid, Permission, Principal, PrincipalKind};
use strongroom_policy::ast::{
    Action, Allow, Condition, ResourceName, Spanned, Statement, Subject, Value,
};
use strongroom_policy::wording::{called, can_be_quoted, is, least, location, target, written};
use strongroom_policy::{Asked, ResourceType, Verb, explain, parse};

use super::Matter;
use super::observed::{Call, Observed, conditional};

/// A name that is compared with a variable.
type Compared = (String, String);

/// Fewest names that become a pattern.
const PATTERN_NAMES_MIN: usize = 3;

/// One permission that one operation needed on one target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    permission: Permission,
    path: Vec<Ocid>,
    target: Option<Compared>,
    operation: String,
    /// The group by which it is held; none if everybody holds it.
    group: Option<Ocid>,
    /// The statement that grants it now.
    pub(super) held_by: usize,
}

/// How narrowly a statement is written. What is wider is shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Width {
    /// Names that begin alike are one pattern.
    Pattern,
    /// By a verb.
    Verb,
    /// By permissions.
    Permissions,
    /// For these operations alone.
    Operations,
    /// The statement that grants it now.
    Kept,
}

/// A statement in the making: what it has to allow, and how it is written.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) width: Width,
    pub(super) atoms: Vec<Atom>,
}

/// Splits what was observed into drafts, none of which covers another.
pub(super) fn drafts(
    matter: &Matter<'_>,
    principal: &Principal,
    observed: &Observed,
) -> Vec<Draft> {
    let mut open = Vec::new();
    let mut kept = Vec::new();
    for call in &observed.calls {
        for found in atoms(matter, principal, call) {
            match found {
                Found::Granted(atom, groups) => open.push((atom, groups)),
                Found::Conditional(atom) => kept.push(atom),
            }
        }
    }
    let mut atoms = with_few_groups(open);
    atoms.sort_unstable();
    atoms.dedup();
    let width = match (matter.ask.exact, matter.ask.patterns) {
        (true, _) => Width::Permissions,
        (false, true) => Width::Pattern,
        (false, false) => Width::Verb,
    };
    let mut drafts = split(width, atoms);
    drafts.extend(split(Width::Kept, kept));
    drafts
}

enum Found {
    /// With the groups that hold it; none if everybody does.
    Granted(Atom, BTreeSet<Ocid>),
    /// By a statement with a condition of which the log tells nothing.
    Conditional(Atom),
}

fn atoms(matter: &Matter<'_>, principal: &Principal, call: &Call) -> Vec<Found> {
    let reasons = call.asked(matter, principal, |question| explain(matter.set, question));
    let each = reasons.iter().zip(&call.needs).filter_map(|(reason, need)| {
        let facts = need.facts();
        let asked = Asked { target: &facts, ..Asked::at(need.permission, &need.path) };
        let atom = Atom {
            permission: need.permission,
            path: need.path.clone(),
            target: target(&asked),
            operation: call.operation.clone(),
            group: None,
            held_by: 0,
        };
        let holding = reason.considered.iter().filter(|one| one.failing.is_none() && !one.denies);
        let holding: Vec<usize> = holding
            .filter_map(|one| {
                let mut all = matter.set.all_parts();
                all.position(|parts| *parts.reference == one.statement)
            })
            .collect();
        let Some(first) = holding.first() else {
            let mut near = conditional(matter, principal, need.permission, &need.path);
            return near.next().map(|held_by| Found::Conditional(Atom { held_by, ..atom }));
        };
        let groups = holding.iter().filter_map(|index| matter.set.parts(*index));
        let groups: BTreeSet<Ocid> = groups
            .flat_map(|parts| parts.groups)
            .filter(|group| principal.group_ids.contains(group))
            .cloned()
            .collect();
        // What everybody holds is given to a group of the principal's, if it is in one.
        let groups =
            if groups.is_empty() { principal.group_ids.iter().cloned().collect() } else { groups };
        Some(Found::Granted(Atom { held_by: *first, ..atom }, groups))
    });
    each.collect()
}

/// Gives each atom to one of the groups that hold it, and few groups have any.
fn with_few_groups(open: Vec<(Atom, BTreeSet<Ocid>)>) -> Vec<Atom> {
    let mut done = Vec::new();
    let mut open = open;
    loop {
        let mut counts: BTreeMap<&Ocid, usize> = BTreeMap::new();
        for group in open.iter().flat_map(|(_, groups)| groups) {
            *counts.entry(group).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let Some(group) = most.map(|(group, _)| group.clone()) else { break };
        let (now, later): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, groups)| groups.contains(&group));
        done.extend(now.into_iter().map(|(atom, _)| Atom { group: Some(group.clone()), ..atom }));
        open = later;
    }
    done.extend(open.into_iter().map(|(atom, _)| atom));
    done
}

/// Makes the drafts of atoms that are to be written so narrowly.
fn split(width: Width, atoms: Vec<Atom>) -> Vec<Draft> {
    let mut drafts: BTreeMap<_, Vec<Atom>> = BTreeMap::new();
    let verbs = verbs(&atoms);
    let sets = sets(&atoms, width);
    for atom in atoms {
        let place = (atom.group.clone(), atom.path.clone());
        let variable = atom.target.as_ref().map(|(variable, _)| variable.clone());
        let key = match width {
            Width::Pattern | Width::Verb => {
                let granted = verbs.get(&thing(&atom)).copied();
                (place, variable, granted, Vec::new(), String::new(), 0)
            }
            Width::Permissions => {
                let set = sets.get(&part(&atom, width)).cloned().unwrap_or_default();
                (place, variable, None, set, String::new(), 0)
            }
            Width::Operations => {
                let set = sets.get(&part(&atom, width)).cloned().unwrap_or_default();
                (place, variable, None, set, atom.operation.clone(), 0)
            }
            Width::Kept => (place, None, None, Vec::new(), String::new(), atom.held_by),
        };
        drafts.entry(key).or_default().push(atom);
    }
    let drafts = drafts.into_values().map(|atoms| Draft { width, atoms }).collect();
    if matches!(width, Width::Pattern | Width::Verb) { uncovered(drafts) } else { drafts }
}

/// What a verb is granted on.
type Thing = (Option<Ocid>, Vec<Ocid>, Option<Compared>, ResourceType);

fn thing(atom: &Atom) -> Thing {
    let resource_type = least(atom.permission).map_or(ResourceType::AllResources, |(_, one)| one);
    (atom.group.clone(), atom.path.clone(), atom.target.clone(), resource_type)
}

/// The least verb for each thing.
fn verbs(atoms: &[Atom]) -> BTreeMap<Thing, (Verb, ResourceType)> {
    let mut verbs: BTreeMap<Thing, (Verb, ResourceType)> = BTreeMap::new();
    for atom in atoms {
        let Some(granted) = least(atom.permission) else { continue };
        let held = verbs.entry(thing(atom)).or_insert(granted);
        held.0 = held.0.max(granted.0);
    }
    verbs
}

type Part = (Option<Ocid>, Vec<Ocid>, Option<Compared>, String);

fn part(atom: &Atom, width: Width) -> Part {
    let operation = if width == Width::Operations { atom.operation.clone() } else { String::new() };
    (atom.group.clone(), atom.path.clone(), atom.target.clone(), operation)
}

/// The permissions that each target needs, or each operation on it.
fn sets(atoms: &[Atom], width: Width) -> BTreeMap<Part, Vec<Permission>> {
    let mut sets: BTreeMap<Part, BTreeSet<Permission>> = BTreeMap::new();
    for atom in atoms {
        sets.entry(part(atom, width)).or_default().insert(atom.permission);
    }
    sets.into_iter().map(|(part, set)| (part, set.into_iter().collect())).collect()
}

/// Leaves out what another draft allows too.
fn uncovered(drafts: Vec<Draft>) -> Vec<Draft> {
    let covered = |one: &Draft| drafts.iter().any(|other| other.covers(one));
    let keep: Vec<bool> = drafts.iter().map(|one| !covered(one)).collect();
    drafts.into_iter().zip(keep).filter_map(|(draft, keep)| keep.then_some(draft)).collect()
}

impl Draft {
    /// Writes the same more narrowly; the last way is to keep what is there.
    pub(super) fn narrower(self) -> Vec<Self> {
        let width = match self.width {
            Width::Pattern => Width::Verb,
            Width::Verb => Width::Permissions,
            Width::Permissions => Width::Operations,
            Width::Operations | Width::Kept => Width::Kept,
        };
        split(width, self.atoms)
    }

    fn granted(&self) -> Option<(Verb, ResourceType)> {
        let each = self.atoms.iter().filter_map(|atom| least(atom.permission));
        each.max_by_key(|(verb, _)| *verb)
    }

    fn names(&self) -> BTreeSet<&str> {
        let all = self.atoms.iter().filter_map(|atom| atom.target.as_ref());
        all.map(|(_, name)| name.as_str()).collect()
    }

    fn covers(&self, other: &Self) -> bool {
        let (Some(own), Some(its)) = (self.granted(), other.granted()) else { return false };
        let (Some(atom), Some(there)) = (self.atoms.first(), other.atoms.first()) else {
            return false;
        };
        let same_names = atom.target.as_ref().map(|(variable, _)| variable)
            == there.target.as_ref().map(|(variable, _)| variable)
            && other.names().is_subset(&self.names());
        let is_same = own == its && atom.path == there.path && self.names() == other.names();
        !is_same
            && atom.group == there.group
            && own.1 == its.1
            && own.0 >= its.0
            && atom.path.first().is_some_and(|place| there.path.contains(place))
            && (atom.target.is_none() || same_names)
    }

    /// Writes the statement.
    pub(super) fn statement(&self, matter: &Matter<'_>, principal: &Principal) -> Option<String> {
        let atom = self.atoms.first()?;
        if self.width == Width::Kept {
            return kept(matter, atom.held_by);
        }
        let (subject, itself) = subject(matter, principal, atom.group.as_ref());
        let action = self.action()?;
        let place = location(matter.set, &atom.path);
        let clauses: Vec<Spanned<Condition>> = itself
            .into_iter()
            .chain(self.name_clause())
            .chain(self.place_clause(matter))
            .chain(self.operation_clause())
            .collect();
        let text = format!("Allow {subject} to {action} in {place}");
        Some(match clauses.as_slice() {
            [] => text,
            [clause] => format!("{text} where {}", clause.value),
            _ => format!("{text} where {}", Condition::All(clauses)),
        })
    }

    fn action(&self) -> Option<Action> {
        let needed: BTreeSet<Permission> = self.atoms.iter().map(|atom| atom.permission).collect();
        if matches!(self.width, Width::Pattern | Width::Verb) {
            let (verb, resource_type) = self.granted()?;
            return Some(Action::Verb(verb, ResourceName::Known(resource_type)));
        }
        let names = needed.iter().map(|permission| written(permission.name().to_owned()));
        Some(Action::Permissions(names.collect(), None))
    }

    fn name_clause(&self) -> Option<Spanned<Condition>> {
        let (variable, _) = self.atoms.first()?.target.as_ref()?;
        let names = self.names();
        let values = if self.width == Width::Pattern && variable == "target.secret.name" {
            patterns(&names)
        } else {
            names.into_iter().map(|name| Value::Text(name.to_owned())).collect()
        };
        one_of(variable, values)
    }

    /// A statement reaches the compartments below: if it is to be exact, and there are any, it says
    /// which one it means.
    fn place_clause(&self, matter: &Matter<'_>) -> Option<Spanned<Condition>> {
        let place = self.atoms.first()?.path.first()?;
        let key = matter.world.key_of(place);
        let mut all = matter.world.file.compartments.values();
        let is_above = all.any(|one| one.parent.is_some() && one.parent.as_ref() == key);
        (matter.ask.exact && is_above).then(|| is("target.compartment.id", place.as_str()))
    }

    fn operation_clause(&self) -> Option<Spanned<Condition>> {
        let operations: BTreeSet<&str> =
            self.atoms.iter().map(|atom| atom.operation.as_str()).collect();
        let values = operations.into_iter().map(|name| Value::Text(name.to_owned())).collect();
        (self.width == Width::Operations).then(|| one_of("request.operation", values))?
    }
}

/// A statement as it is, for a policy of the tenancy.
fn kept(matter: &Matter<'_>, index: usize) -> Option<String> {
    let parts = matter.set.parts(index)?;
    let text = &parts.reference.text;
    let (Ok(Statement::Allow(allow)), Some(place)) = (parse(text), parts.location) else {
        return Some(text.clone());
    };
    let path = matter.world.key_of(place).and_then(|key| matter.world.path(key).ok())?;
    let location = written(location(matter.set, path));
    Some(Statement::Allow(Allow { location, ..allow }).to_string())
}

fn subject(
    matter: &Matter<'_>,
    principal: &Principal,
    group: Option<&Ocid>,
) -> (Subject, Option<Spanned<Condition>>) {
    let group = group.map(|id| vec![called(id, &|id: &Ocid| matter.world.group_called(id))]);
    match (&principal.kind, group) {
        (PrincipalKind::Service { name }, _) if can_be_quoted(name) => {
            (Subject::Services(vec![written(name.clone())]), None)
        }
        (PrincipalKind::User { .. }, Some(group)) => (Subject::Groups(group), None),
        (PrincipalKind::Resource(_), Some(group)) => (Subject::DynamicGroups(group), None),
        _ => (Subject::AnyUser, Some(is("request.principal.id", principal.identifier()))),
    }
}

fn one_of(variable: &str, values: Vec<Value>) -> Option<Spanned<Condition>> {
    let each = values.into_iter().map(|value| {
        let (variable, value) = (written(variable.to_owned()), written(value));
        written(Condition::Compare { variable, differs: false, value })
    });
    let mut clauses: Vec<Spanned<Condition>> = each.collect();
    match clauses.len() {
        0 => None,
        1 => clauses.pop(),
        _ => Some(written(Condition::Any(clauses))),
    }
}

/// Patterns for names that begin alike up to a separator, and the names that are left.
fn patterns(names: &BTreeSet<&str>) -> Vec<Value> {
    let start = |name: &str| {
        let end = name.rfind(['-', '_', '.'])?;
        (end > 0).then(|| name.get(..=end).map(str::to_owned))?
    };
    let mut by_start: BTreeMap<Option<String>, Vec<&str>> = BTreeMap::new();
    for name in names {
        by_start.entry(start(name)).or_default().push(name);
    }
    let mut values = Vec::new();
    for (start, names) in by_start {
        match start {
            Some(start) if names.len() >= PATTERN_NAMES_MIN => {
                values.push(Value::Pattern(format!("{start}*")));
            }
            _ => values.extend(names.into_iter().map(|name| Value::Text(name.to_owned()))),
        }
    }
    values
}
