//! Differences that are alike, in one row.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_model::{Permission, PermissionSet, PrincipalKind};

use super::callers::{Caller, Free};
use super::places::Place;
use super::search::{Found, Search};
use super::sides::Sides;
use super::trial::Carried;
use super::values::Value;

/// Differences that are alike but for who, where and which permission.
pub(super) struct Row<'a> {
    pub(super) is_allowed: bool,
    pub(super) callers: Vec<usize>,
    pub(super) places: Vec<usize>,
    pub(super) permissions: PermissionSet,
    pub(super) conditions: Vec<String>,
    /// One of them.
    pub(super) shown: &'a Found,
}

/// What is compared, for names.
pub(super) struct Compared<'a> {
    pub(super) sides: &'a Sides,
    pub(super) callers: &'a [Caller],
    pub(super) places: &'a [Place],
}

/// What differs for one principal in one place.
type OfOne<'a> = BTreeMap<(bool, usize, usize, Vec<String>), Vec<&'a Found>>;

/// What rows differ in: whether it was allowed, what, where and when.
type KeyOfRow = (bool, Vec<Permission>, Vec<usize>, Vec<String>);

/// Puts differences together, those by which more became allowed first.
pub(super) fn rows<'a>(search: &'a Search<'_>, compared: &Compared<'_>) -> Vec<Row<'a>> {
    let mut wider: BTreeMap<_, Vec<(usize, &Found)>> = BTreeMap::new();
    for ((is_allowed, caller, place, conditions), found) in of_one(search) {
        let permissions: BTreeSet<Permission> = found.iter().map(|one| one.permission).collect();
        let permissions: Vec<Permission> = permissions.into_iter().collect();
        let key = (is_allowed, caller, conditions, permissions);
        wider.entry(key).or_default().extend(most_telling(&found).map(|shown| (place, shown)));
    }
    let mut rows: BTreeMap<KeyOfRow, Vec<(usize, &Found)>> = BTreeMap::new();
    for ((is_allowed, caller, conditions, permissions), places) in wider {
        let numbers: Vec<usize> = places.iter().map(|(place, _)| *place).collect();
        let key = (!is_allowed, permissions, numbers, conditions);
        let shown = places.first().map(|(_, shown)| (caller, *shown));
        rows.entry(key).or_default().extend(shown);
    }
    let row = |(key, callers): (KeyOfRow, Vec<(usize, &'a Found)>)| {
        let (is_not_allowed, permissions, places, conditions) = key;
        let numbers: Vec<usize> = callers.iter().map(|(caller, _)| *caller).collect();
        Some(Row {
            is_allowed: !is_not_allowed,
            callers: compared.widest(&numbers),
            places,
            permissions: permissions.into_iter().collect(),
            conditions,
            shown: callers.first().map(|(_, shown)| *shown)?,
        })
    };
    let rows: Vec<Row<'a>> = rows.into_iter().filter_map(row).collect();
    let told = |number: usize, row: &Row<'a>| {
        let mut others = rows.iter().enumerate().filter(|(other, _)| *other != number);
        others.any(|(_, other)| compared.says(other, row))
    };
    let told: Vec<bool> = rows.iter().enumerate().map(|(at, row)| told(at, row)).collect();
    rows.into_iter().zip(told).filter(|(_, told)| !told).map(|(row, _)| row).collect()
}

/// The one that is most like what is done: a list carries nothing of a target.
fn most_telling<'a>(found: &[&'a Found]) -> Option<&'a Found> {
    let telling = |one: &&&Found| {
        let lists = one.operation.starts_with("List");
        let of_target = one.carried.iter().any(|(name, _)| name.starts_with("target."));
        (lists && of_target, one.operation.is_empty())
    };
    found.iter().min_by_key(telling).copied()
}

/// Operations that ask for one permission count as one if all of them differ.
fn of_one<'a>(search: &'a Search<'_>) -> OfOne<'a> {
    let mut by_operation: BTreeMap<_, Vec<&Found>> = BTreeMap::new();
    for one in &search.found {
        let key = (one.is_allowed, one.caller, one.place, one.permission, said(&one.carried));
        by_operation.entry(key).or_default().push(one);
    }
    let mut of_one: OfOne<'a> = BTreeMap::new();
    for ((is_allowed, caller, place, permission, mut conditions), found) in by_operation {
        let all = search.operations.get(&permission).map_or(1, Vec::len);
        if found.len() < all {
            let names: Vec<&str> = found.iter().map(|one| one.operation).collect();
            conditions.insert(0, format!("the operation is {}", names.join(" or ")));
        }
        of_one.entry((is_allowed, caller, place, conditions)).or_default().extend(found);
    }
    of_one
}

/// What a request carries, in the words of conditions.
pub(super) fn said(carried: &Carried) -> Vec<String> {
    let one = |(name, value): &(String, Value)| match value {
        Value::One(text) => format!("{name} = '{text}'"),
        Value::Many(texts) => format!("{name} = ('{}')", texts.join("', '")),
        Value::At(time) => format!("the time is {time}"),
        Value::Absent => format!("there is no {name}"),
    };
    carried.iter().map(one).collect()
}

impl Compared<'_> {
    /// Leaves out principals who differ only because of groups that differ by themselves.
    fn widest(&self, numbers: &[usize]) -> Vec<usize> {
        let one = |number: &usize| self.callers.get(*number);
        let spared = |number: &usize| {
            let caller = one(number);
            numbers.iter().filter(|other| *other != number).any(|other| {
                caller.zip(one(other)).is_some_and(|(caller, other)| covers(other, caller))
            })
        };
        numbers.iter().filter(|number| !spared(number)).copied().collect()
    }

    /// Tells whether one row says more of the same than another.
    fn says(&self, wide: &Row<'_>, narrow: &Row<'_>) -> bool {
        let same = wide.is_allowed == narrow.is_allowed && wide.conditions == narrow.conditions;
        let places = narrow.places.iter().all(|place| wide.places.contains(place));
        let permissions = narrow.permissions.iter().all(|one| wide.permissions.contains(one));
        let one = |number: &usize| self.callers.get(*number);
        let covered = |narrow: &usize| {
            let same = wide.callers.contains(narrow);
            let mut others = wide.callers.iter();
            let covers = |wide: &usize| {
                one(wide).zip(one(narrow)).is_some_and(|(wide, narrow)| covers(wide, narrow))
            };
            same || others.any(covers)
        };
        same && places && permissions && narrow.callers.iter().all(covered)
    }

    /// Who the principals are, in the words of statements where they have some.
    pub(super) fn who(&self, numbers: &[usize]) -> Vec<String> {
        let mut labels: Vec<String> = numbers
            .iter()
            .filter_map(|number| self.callers.get(*number))
            .map(|caller| caller.label.clone())
            .collect();
        let has = |labels: &[String], name: &str| labels.iter().any(|label| label == name);
        if has(&labels, "any user") && has(&labels, "any resource") {
            let services = has(&labels, "service another-service");
            let named = |label: &str| services && label.starts_with("service ");
            labels.retain(|label| {
                !(["any user", "any resource"].contains(&&**label) || named(label))
            });
            labels.insert(0, (if services { "any-user" } else { "any-group" }).to_owned());
        }
        labels.dedup();
        labels
    }

    /// Where, in the words of statements: a compartment with all that are below it, if all differ.
    pub(super) fn places(&self, numbers: &[usize]) -> Vec<String> {
        let within = |inner: &Place, outer: &Place| {
            inner.id != outer.id && inner.paths.iter().any(|path| path.contains(&outer.id))
        };
        let at = |number: &usize| self.places.get(*number);
        let is_whole = |outer: &Place| {
            let below = self.places.iter().enumerate().filter(|(_, inner)| within(inner, outer));
            below.into_iter().all(|(number, _)| numbers.contains(&number))
        };
        let whole: Vec<&Place> =
            numbers.iter().filter_map(at).filter(|place| is_whole(place)).collect();
        let shown = numbers.iter().filter_map(at);
        let shown = shown.filter(|place| !whole.iter().any(|outer| within(place, outer)));
        let named = |place: &Place| {
            let name = self.sides.place_name(&place.id);
            let assumed = self.sides.assumed.has(&place.id);
            match (is_whole(place), assumed) {
                (true, false) => format!("{name} and below"),
                (false, false) => format!("{name}, but not all below"),
                (_, true) => format!("{name} (a new one)"),
            }
        };
        shown.map(named).collect()
    }
}

/// Tells whether what holds for members of the groups of one principal says all of another.
fn covers(wide: &Caller, narrow: &Caller) -> bool {
    let same_sort = matches!(
        (wide.kind(), narrow.kind(), wide.free),
        (Some(PrincipalKind::User { .. }), Some(PrincipalKind::User { .. }), Free::User)
            | (Some(PrincipalKind::Resource(_)), Some(PrincipalKind::Resource(_)), Free::Resource)
    );
    let fewer = [0, 1].iter().all(|number| {
        narrow.principals.get(*number).is_some_and(Option::is_some)
            && wide.groups(*number).is_subset(&narrow.groups(*number))
    });
    let differ = [0, 1].iter().any(|number| wide.groups(*number) != narrow.groups(*number));
    same_sort && fewer && !wide.label.contains('(') && (differ || narrow.free == Free::Nothing)
}
