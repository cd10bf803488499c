//! Statements that change nothing: whatever is asked, the others decide the same without them. Found
//! by the comparison of `policy diff`, which decides every kind of request with the evaluator.

use strongroom_policy::ast::{Action, Allow, Location, ResourceName, Subject};
use strongroom_policy::{ResourceType, Semantics};

use super::clauses::mentions;
use super::stated::{are_administrators, includes, permissions, who};
use crate::diff::{Comparison, Given, diff};
use crate::tenancy_file::{PolicyEntry, TenancyFile, WorldFile};

/// How many statements are looked at beside one.
const BESIDE_MAX: usize = 16;

/// What a deny takes from, where nothing else is allowed.
const EVERYTHING: &str = "Allow any-user to manage all-resources in tenancy";

/// A statement of a set.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) allow: Allow,
    /// Key of the compartment that it is attached to, in the tenancy of the set.
    pub(super) attach: String,
}

/// The tenancy of a set, without its principals; none if names are all that is known.
pub(super) type Around<'a> = Option<&'a WorldFile>;

/// A statement that changes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Idle {
    /// Its number in the set.
    pub(super) number: usize,
    /// Numbers of those that do what it does.
    pub(super) by: Vec<usize>,
    /// Whether that is one, and it does no more.
    pub(super) is_twice: bool,
}

/// Returns the statements that can go, all of them together: of several that do the same the first
/// stays.
pub(super) fn shadowed(entries: &[Entry], around: Around<'_>, semantics: Semantics) -> Vec<Idle> {
    let mut alive: Vec<usize> = (0..entries.len()).collect();
    let mut found = Vec::new();
    let judge = Judge { entries, around, semantics };
    for number in (0..entries.len()).rev() {
        if let Some(by) = judge.covered(number, &alive) {
            alive.retain(|other| *other != number);
            found.push(Idle { number, by, is_twice: false });
        }
    }
    // What was named may have gone since.
    for idle in &mut found {
        if idle.by.iter().any(|one| !alive.contains(one)) {
            idle.by = judge.covered(idle.number, &alive).unwrap_or_default();
        }
        idle.is_twice =
            matches!(idle.by.as_slice(), [one] if judge.covered(*one, &[idle.number]).is_some());
    }
    found.reverse();
    found
}

/// Returns the allows that denials leave nothing of, but perhaps to the administrators, whom nothing
/// is denied.
pub(super) fn denied(entries: &[Entry], around: Around<'_>, semantics: Semantics) -> Vec<Idle> {
    let judge = Judge { entries, around, semantics };
    let mut found = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if entry.allow.denies || are_administrators(&entry.allow.subject.value) {
            continue;
        }
        let all: Vec<usize> = (0..entries.len()).collect();
        let beside = judge.beside(number, &all, true);
        if beside.is_empty() || !is_readable(&entry.allow.action.value) {
            continue;
        }
        let kills = |by: &[usize]| judge.is_dead(number, by);
        if let Some(by) = least(&beside, &kills) {
            found.push(Idle { number, by, is_twice: false });
        }
    }
    found
}

struct Judge<'a> {
    entries: &'a [Entry],
    around: Around<'a>,
    semantics: Semantics,
}

impl Judge<'_> {
    /// The statements that do all that one does; none if there is something that only it does.
    fn covered(&self, number: usize, alive: &[usize]) -> Option<Vec<usize>> {
        let entry = self.entries.get(number)?;
        let beside = self.beside(number, alive, entry.allow.denies);
        let same = beside.iter().find(|other| self.is_same(number, **other));
        if let Some(same) = same {
            return Some(vec![*same]);
        }
        if !is_readable(&entry.allow.action.value) || !self.could_cover(&entry.allow, &beside) {
            return None;
        }
        least(&beside, &|by| self.changes_nothing(number, by))
    }

    /// Tells whether others together are for all that a statement is for, and about all that it is
    /// about; most are not, and need no comparison.
    fn could_cover(&self, allow: &Allow, beside: &[usize]) -> bool {
        let others =
            || beside.iter().filter_map(|one| self.entries.get(*one)).map(|one| &one.allow);
        let knows_groups =
            self.around.is_some() && matches!(allow.subject.value, Subject::DynamicGroups(_));
        let are_for = |name: &String| others().any(|other| includes(&other.subject.value, name));
        let are_about = |permission| {
            others().any(|other| {
                permissions(&with_stand_in(other).action.value, other.denies).contains(permission)
            })
        };
        let own = permissions(&with_stand_in(allow).action.value, allow.denies);
        let names = who(&allow.subject.value);
        // A condition on the permission leaves less than the action says.
        let picks = mentions(allow.condition.as_ref(), "request.permission");
        (knows_groups || names.iter().all(are_for)) && (picks || own.iter().all(are_about))
    }

    fn is_same(&self, one: usize, other: usize) -> bool {
        let text = |number: usize| {
            self.entries
                .get(number)
                .map(|entry| (entry.allow.to_string().to_lowercase(), &entry.attach))
        };
        text(one) == text(other)
    }

    /// The statements beside one that could do what it does: of the same effect or of the other, for
    /// some of the same, about some of the same.
    fn beside(&self, number: usize, alive: &[usize], denies: bool) -> Vec<usize> {
        let Some(entry) = self.entries.get(number) else { return Vec::new() };
        let could = |other: &&usize| {
            let Some(one) = self.entries.get(**other) else { return false };
            **other != number
                && one.allow.denies == denies
                && self.meets(&entry.allow.subject.value, &one.allow.subject.value)
                && overlap(&entry.allow, &one.allow)
                && (self.around.is_some()
                    || is_above(&one.allow.location.value, &entry.allow.location.value))
        };
        alive.iter().filter(could).copied().take(BESIDE_MAX).collect()
    }

    /// Tells whether a subject can be in another. Which dynamic groups are in others is known only in
    /// a tenancy.
    fn meets(&self, one: &Subject, other: &Subject) -> bool {
        match (one, other) {
            (_, Subject::AnyUser | Subject::AnyGroup) => true,
            (Subject::DynamicGroups(_), Subject::DynamicGroups(_)) if self.around.is_some() => true,
            _ => {
                let names = who(other);
                who(one).iter().any(|name| names.contains(name))
            }
        }
    }

    fn changes_nothing(&self, number: usize, by: &[usize]) -> bool {
        let Some(entry) = self.entries.get(number) else { return false };
        let base = entry.allow.denies.then_some(EVERYTHING);
        let comparison = self.compare(base, number, by);
        comparison.is_some_and(|comparison| comparison.changes.is_empty())
    }

    /// Tells whether denials leave nothing of an allow but what the administrators have.
    fn is_dead(&self, number: usize, by: &[usize]) -> bool {
        let Some(comparison) = self.compare(None, number, by) else { return false };
        let spares = |name: &String| {
            name.split([' ', ',']).any(|word| word == strongroom_model::Group::ADMINISTRATORS)
        };
        comparison.changes.iter().all(|change| change.principals.iter().all(spares))
    }

    /// What one statement adds to others; none where not everything could be compared.
    fn compare(&self, base: Option<&str>, number: usize, by: &[usize]) -> Option<Comparison> {
        let standing = |numbers: &[usize]| {
            let mut all: Vec<(String, String)> =
                base.map(|text| (text.to_owned(), self.root())).into_iter().collect();
            all.extend(
                numbers
                    .iter()
                    .filter_map(|one| self.entries.get(*one))
                    .map(|entry| (with_stand_in(&entry.allow).to_string(), entry.attach.clone())),
            );
            self.given(&all)
        };
        let with: Vec<usize> = by.iter().copied().chain([number]).collect();
        let (old, new) = (standing(&with)?, standing(by)?);
        let old = Given { name: "with", text: &old };
        let new = Given { name: "without", text: &new };
        let comparison = diff(&old, &new, self.semantics).ok()?;
        let is_whole = comparison.is_whole && comparison.notes.is_empty();
        is_whole.then_some(comparison)
    }

    fn root(&self) -> String {
        let root = self.around.and_then(|world| {
            world.compartments.iter().find(|(_, one)| one.id == world.tenancy_id)
        });
        root.map(|(key, _)| key.clone()).unwrap_or_default()
    }

    fn given(&self, statements: &[(String, String)]) -> Option<String> {
        let Some(world) = self.around else {
            let lines: Vec<&str> = statements.iter().map(|(text, _)| text.as_str()).collect();
            return Some(lines.join("\n"));
        };
        let policy = |(text, attach): &(String, String)| PolicyEntry {
            name: None,
            attach: attach.clone(),
            statements: vec![text.clone()],
        };
        let policies = statements.iter().map(policy).collect();
        let policies_left_out = Vec::new();
        let file = TenancyFile { region: None, world: world.clone(), policies, policies_left_out };
        file.written().ok()
    }
}

/// One that is enough by itself, or else as few as are enough together.
fn least(beside: &[usize], is_enough: &dyn Fn(&[usize]) -> bool) -> Option<Vec<usize>> {
    // What does nothing by itself is not covered by others.
    if !is_enough(beside) || is_enough(&[]) {
        return None;
    }
    if let Some(one) = beside.iter().find(|one| is_enough(&[**one])) {
        return Some(vec![*one]);
    }
    let mut kept = beside.to_vec();
    for one in beside {
        let fewer: Vec<usize> = kept.iter().copied().filter(|other| other != one).collect();
        if is_enough(&fewer) {
            kept = fewer;
        }
    }
    Some(kept)
}

/// Tells whether the evaluator knows what an action grants, or a stand-in can be put for it.
fn is_readable(action: &Action) -> bool {
    match action {
        Action::Verb(..) => true,
        Action::Permissions(names, _) => {
            names.iter().all(|name| strongroom_model::Permission::named(&name.value).is_some())
        }
        Action::Associate(_) => false,
    }
}

/// What is granted on resource-types of other services is not known; that each verb has those before
/// it is. `keys` stands in for them: it adds something at each.
fn with_stand_in(allow: &Allow) -> Allow {
    let mut allow = allow.clone();
    if let Action::Verb(verb, ResourceName::Other(_)) = &allow.action.value {
        allow.action.value = Action::Verb(*verb, ResourceName::Known(ResourceType::Keys));
    }
    allow
}

/// Tells whether two statements are about some of the same.
fn overlap(one: &Allow, other: &Allow) -> bool {
    match (&one.action.value, &other.action.value) {
        (Action::Verb(_, ResourceName::Other(a)), Action::Verb(_, ResourceName::Other(b))) => {
            a == b
        }
        (Action::Verb(_, ResourceName::Other(_)), Action::Verb(_, ResourceName::Known(known))) => {
            *known == ResourceType::AllResources
        }
        (Action::Permissions(a, _), Action::Permissions(b, _)) => {
            a.iter().any(|one| b.iter().any(|other| one.value == other.value))
        }
        (a, b) => {
            let (a, b) = (permissions(a, one.denies), permissions(b, other.denies));
            a.iter().any(|permission| b.contains(permission))
        }
    }
}

/// Tells whether a location can hold another, both from the same compartment.
fn is_above(one: &Location, other: &Location) -> bool {
    match (one, other) {
        (Location::Tenancy, _) => true,
        (Location::Path(above), Location::Path(below)) => {
            above.len() <= below.len()
                && above.iter().zip(below).all(|(a, b)| a.eq_ignore_ascii_case(b))
        }
        (Location::Id(a), Location::Id(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod brute;
#[cfg(test)]
mod tests;
