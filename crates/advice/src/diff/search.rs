//! Every kind of request that two sets tell apart, tried on both.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use strongroom_model::Permission;
use strongroom_policy::ast::Condition;
use strongroom_policy::{Semantics, operation_names, required_by_name};

use super::atoms::Uses;
use super::attempt::Attempt;
use super::callers::{Caller, Callers};
use super::domains::{Cache, Domains};
use super::places::Place;
use super::sides::{Side, Sides};
use super::trial::{Carried, Outcome, Trial};

/// Requests that are tried for one principal, place, permission and operation.
const EACH_MAX: u64 = 20_000;

/// Requests that are tried in all.
const ALL_MAX: u64 = 500_000;

/// What the outcome of an attempt depends on: the statements, and of the rest what their conditions
/// ask about.
type Key = (Reaching, Option<usize>, Option<usize>, Option<Permission>, Option<&'static str>);

/// Tells what an outcome depends on.
fn telling(
    uses: &Uses,
    trial: &Trial<'_>,
    (caller, place): (usize, usize),
    about: &Reaching,
) -> Key {
    let of_caller = ["request.user.", "request.principal.", "request.groups."];
    let of_place = ["target.compartment.", "target.resource.compartment."];
    let mention = |starts: &[&str]| starts.iter().any(|start| uses.mention(start));
    (
        about.clone(),
        mention(&of_caller).then_some(caller),
        mention(&of_place).then_some(place),
        mention(&["request.permission"]).then_some(trial.permission),
        (mention(&["request.operation"]) || mention(&of_place)).then_some(trial.operation),
    )
}

/// A difference: all that one principal can do otherwise with one permission in one place.
pub(super) struct Found {
    pub(super) caller: usize,
    pub(super) place: usize,
    pub(super) permission: Permission,
    pub(super) operation: &'static str,
    /// Whether it is allowed now; else it was.
    pub(super) is_allowed: bool,
    /// What a request that shows it carries: what does not matter is left out.
    pub(super) carried: Carried,
    pub(super) outcomes: [Outcome; 2],
    /// How many of the requests that were tried differ in this way, and how many were tried.
    pub(super) cases: (u64, u64),
}

/// Goes through all kinds of requests.
pub(super) struct Search<'a> {
    sides: &'a Sides,
    semantics: Semantics,
    pub(super) operations: BTreeMap<Permission, Vec<&'static str>>,
    uses: BTreeMap<Vec<String>, Rc<Uses>>,
    values: Cache,
    attempts: BTreeMap<Key, Rc<Attempt>>,
    pub(super) found: Vec<Found>,
    pub(super) compared: u64,
    pub(super) classes: u64,
    tried: u64,
    budget: Budget,
    pub(super) cut: BTreeSet<String>,
}

/// How many requests may be tried.
#[derive(Clone, Copy)]
struct Budget {
    /// For one principal, place, permission and operation.
    each: u64,
    all: u64,
}

impl Budget {
    const MOST: Self = Self { each: EACH_MAX, all: ALL_MAX };

    /// What there is for each of so many, if all cannot be tried: the small ones are tried whole, the
    /// others get what is left in equal parts, one request at least.
    fn shared(self, sizes: impl Iterator<Item = u64>) -> Self {
        let mut sizes: Vec<u64> = sizes.map(|size| size.min(self.each)).collect();
        sizes.sort_unstable();
        let mut left = self.all;
        let mut waiting = u64::try_from(sizes.len()).unwrap_or(u64::MAX);
        for size in sizes {
            let part = left / waiting.max(1);
            if size > part {
                return Self { each: part.max(1), all: u64::MAX };
            }
            left -= size;
            waiting -= 1;
        }
        Self { all: u64::MAX, ..self }
    }
}

/// Statements of each side.
type Reaching = [Vec<usize>; 2];

impl<'a> Search<'a> {
    pub(super) fn new(sides: &'a Sides, semantics: Semantics) -> Self {
        Self {
            sides,
            semantics,
            operations: operations(sides, semantics),
            uses: BTreeMap::new(),
            values: Cache::default(),
            attempts: BTreeMap::new(),
            found: Vec::new(),
            compared: 0,
            classes: 0,
            tried: 0,
            budget: Budget::MOST,
            cut: BTreeSet::new(),
        }
    }

    pub(super) fn run(&mut self, callers: &Callers, places: &[Place]) {
        self.compare_all(callers, places);
        let Budget { each, all } = self.budget;
        let sizes = || self.attempts.values().map(|attempt| attempt.size);
        if sizes().map(|size| size.min(each)).fold(0, u64::saturating_add) > all {
            // Those that came late got nothing: now it is known how many there are.
            self.budget = self.budget.shared(sizes());
            self.attempts.clear();
            self.found.clear();
            (self.compared, self.classes, self.tried) = (0, 0, 0);
            self.compare_all(callers, places);
        }
        let per_place = self.operations.values().map(Vec::len).sum::<usize>();
        let left_out = callers.left_out.saturating_mul(places.len()).saturating_mul(per_place);
        self.classes = self.classes.saturating_add(u64::try_from(left_out).unwrap_or(u64::MAX));
    }

    fn compare_all(&mut self, callers: &Callers, places: &[Place]) {
        for (caller, one) in callers.all.iter().enumerate() {
            for (place, at) in places.iter().enumerate() {
                self.compare(one, at, (caller, place));
            }
        }
    }

    fn compare(&mut self, caller: &Caller, place: &Place, numbers: (usize, usize)) {
        let sides = self.sides;
        let reaching: Reaching = [0, 1].map(|number| reaching(sides, number, caller, place));
        let whole = self.are_alike(&reaching, None);
        let operations = std::mem::take(&mut self.operations);
        for (permission, operations) in &operations {
            let about = [0, 1].map(|number| self.about(&reaching, number, *permission));
            let alike = whole || self.are_alike(&about, Some(*permission));
            for operation in operations {
                let (permission, operation) = (*permission, *operation);
                let trial = Trial { sides, caller, place, permission, operation };
                if alike {
                    self.count(1, 1);
                } else {
                    self.try_all(&trial, &about, numbers);
                }
            }
        }
        self.operations = operations;
    }

    fn count(&mut self, compared: u64, classes: u64) {
        self.compared = self.compared.saturating_add(compared);
        self.classes = self.classes.saturating_add(classes);
    }

    fn about(&self, reaching: &Reaching, number: usize, permission: Permission) -> Vec<usize> {
        let (Some(side), Some(indexes)) = (self.sides.both.get(number), reaching.get(number))
        else {
            return Vec::new();
        };
        let about = |index: &&usize| {
            side.set.parts(**index).is_some_and(|parts| parts.permissions.contains(permission))
        };
        indexes.iter().filter(about).copied().collect()
    }

    /// Tells whether two lists of statements must decide alike: they do the same, or without asking
    /// for anything grant on both sides, or grant on neither.
    fn are_alike(&self, statements: &Reaching, permission: Option<Permission>) -> bool {
        let [old, new] = [0, 1].map(|number| Effects::of(self.sides, statements, number));
        let same = old.all == new.all;
        let conditional = old.asks || new.asks;
        if same && (self.sides.have_one_world || !conditional) {
            return true;
        }
        let neither = !old.allows && !new.allows;
        let both = old.grants_at_once && new.grants_at_once;
        neither || (permission.is_some() && both)
    }

    fn try_all(&mut self, trial: &Trial<'_>, about: &Reaching, (caller, place): (usize, usize)) {
        let uses = self.uses_of(about);
        let key = telling(&uses, trial, (caller, place), about);
        let attempt = match self.attempts.get(&key) {
            Some(attempt) => Rc::clone(attempt),
            None => Rc::new(self.attempt(trial, &uses)),
        };
        self.count(attempt.tries, attempt.size);
        for best in &attempt.best {
            let outcomes = trial.decided(&best.carried);
            let [old, new] = outcomes.map(Outcome::allows);
            if old == new || new != best.is_allowed {
                continue;
            }
            self.found.push(Found {
                caller,
                place,
                permission: trial.permission,
                operation: trial.operation,
                is_allowed: new,
                carried: best.carried.clone(),
                outcomes,
                cases: (best.count, attempt.tries),
            });
        }
        self.attempts.insert(key, attempt);
    }

    fn attempt(&mut self, trial: &Trial<'_>, uses: &Uses) -> Attempt {
        let domains = Domains::of(uses, trial, &mut self.values);
        self.cut.extend(domains.cut.iter().cloned());
        let Budget { each, all } = self.budget;
        let attempt = Attempt::of(trial, &domains, each.min(all.saturating_sub(self.tried)));
        self.tried = self.tried.saturating_add(attempt.tries);
        attempt
    }

    /// What the conditions of these statements compare, read once for each list of them.
    fn uses_of(&mut self, about: &Reaching) -> Rc<Uses> {
        let sides = self.sides;
        let conditions: Vec<&Condition> = sides
            .both
            .iter()
            .zip(about)
            .flat_map(|(side, indexes)| indexes.iter().filter_map(|index| side.condition(*index)))
            .collect();
        let mut key: Vec<String> = conditions.iter().map(ToString::to_string).collect();
        key.sort();
        key.dedup();
        let semantics = self.semantics;
        let read = || Rc::new(Uses::of(conditions.into_iter(), semantics).shared());
        Rc::clone(self.uses.entry(key).or_insert_with(read))
    }
}

/// What a list of statements does.
struct Effects<'a> {
    all: BTreeSet<&'a str>,
    allows: bool,
    asks: bool,
    /// Whether one grants without a condition, and none denies.
    grants_at_once: bool,
}

impl<'a> Effects<'a> {
    fn of(sides: &'a Sides, statements: &Reaching, number: usize) -> Self {
        let none: &[usize] = &[];
        let indexes = statements.get(number).map_or(none, Vec::as_slice);
        let side: Option<&Side> = sides.both.get(number);
        let stated = || {
            let one = |index: &usize| side.and_then(|side| side.statements.get(*index));
            indexes.iter().filter_map(one)
        };
        let allows = stated().any(|one| !one.allow.denies);
        let at_once = stated().any(|one| !one.allow.denies && one.allow.condition.is_none());
        let denies = stated().any(|one| one.allow.denies);
        Self {
            all: stated().map(|one| one.effect.as_str()).collect(),
            allows,
            asks: stated().any(|one| one.allow.condition.is_some()),
            grants_at_once: at_once && !denies,
        }
    }
}

fn reaching(sides: &Sides, number: usize, caller: &Caller, place: &Place) -> Vec<usize> {
    let found = sides.both.get(number).and_then(|side| {
        let principal = caller.principals.get(number)?.as_ref()?;
        Some(side.set.reaching(principal, place.paths.get(number)?))
    });
    found.unwrap_or_default()
}

/// For each permission the operations that ask for it, as far as statements tell them apart.
fn operations(sides: &Sides, semantics: Semantics) -> BTreeMap<Permission, Vec<&'static str>> {
    let by_name = sides.uses.mention("request.operation");
    let lists = sides.uses.mention("target.compartment.");
    let mut all: BTreeMap<Permission, Vec<&'static str>> =
        Permission::ALL.iter().map(|permission| (*permission, Vec::new())).collect();
    for name in operation_names() {
        for permission in required_by_name(name, semantics).unwrap_or_default() {
            let names = all.entry(permission).or_default();
            let told = by_name || (lists && permission == Permission::CompartmentInspect);
            if names.is_empty() || (told && !names.contains(&name)) {
                names.push(name);
            }
        }
    }
    all.values_mut().filter(|names| names.is_empty()).for_each(|names| names.push(""));
    all
}

#[cfg(test)]
mod tests {
    use super::super::Given;
    use super::super::callers::callers;
    use super::super::places::places;
    use super::*;

    #[test]
    fn what_may_be_tried_is_shared() {
        let each = |sizes: &[u64]| Budget::MOST.shared(sizes.iter().copied()).each;
        assert_eq!(each(&[]), EACH_MAX);
        assert_eq!(each(&[u64::MAX; 25]), EACH_MAX);
        assert_eq!(each(&[u64::MAX; 50]), ALL_MAX / 50);
        assert_eq!(each(&[[1_000; 100], [u64::MAX; 100]].concat()), ALL_MAX / 100 - 1_000);
        assert_eq!(each(&vec![2; 600_000]), 1);
    }

    #[test]
    fn those_that_come_late_are_tried_too() {
        let statement = |group: usize| {
            let names: Vec<String> =
                (0..8).map(|number| format!("target.v{number}.name = 'a{group}'")).collect();
            let names = names.join(", ");
            format!("Allow group G{group} to {{KEY_READ}} in tenancy where any {{{names}}}")
        };
        let new = (0..30).map(statement).collect::<Vec<_>>().join("\n");
        let (old, new) = (Given { name: "old", text: "" }, Given { name: "new", text: &new });
        let sides = Sides::read(&old, &new, Semantics::Oracle).unwrap();
        let (callers, places) = (callers(&sides), places(&sides));
        let mut search = Search::new(&sides, Semantics::Oracle);
        search.budget = Budget { each: 200, all: 1_000 };
        search.run(&callers, &places);
        let told: BTreeSet<&str> =
            search.found.iter().map(|found| callers.all[found.caller].label.as_str()).collect();
        let missing: Vec<String> = (0..30)
            .map(|group| format!("group G{group}"))
            .filter(|name| !told.contains(name.as_str()))
            .collect();
        assert_eq!(missing, Vec::<String>::new());
        assert!(search.compared < search.classes);
    }
}
