//! What a request can carry that statements would tell apart.

use std::collections::BTreeMap;

use super::atoms::{Atoms, Uses};
use super::callers::Free;
use super::known::{of_place, of_principal};
use super::moments::{TIME, have_patterns, moments};
use super::trial::{REGION, Trial};
use super::users::{USER_ID, USER_NAME};
use super::values::{Candidates, Value, candidates};

/// Values that were found before, by variable and what it is compared with.
#[derive(Default)]
pub(super) struct Cache {
    values: BTreeMap<(String, Atoms), Candidates>,
    moments: BTreeMap<Vec<(String, Atoms)>, Vec<Value>>,
}

/// The values to try for each variable that is open.
pub(super) struct Domains {
    pub(super) variables: Vec<(String, Vec<Value>)>,
    /// Variables of which not every way to compare has a value.
    pub(super) cut: Vec<String>,
}

/// What follows from who asks, for what and where, or is said of it elsewhere.
const FIXED: [&str; 9] = [
    "request.operation",
    "request.permission",
    "request.groups.id",
    "request.principal.group.tag.",
    "request.principal.compartment.",
    "request.principal.type",
    "target.compartment.",
    "target.resource.compartment.tag.",
    "request.utc-timestamp",
];

impl Domains {
    /// The values that conditions, which use variables so, tell apart in a trial.
    pub(super) fn of(uses: &Uses, trial: &Trial<'_>, cache: &mut Cache) -> Self {
        let mut uses = uses.clone();
        let of_user = trial.caller.free == Free::User;
        if let Some(atoms) = uses.0.remove("request.principal.id") {
            let name = if of_user { "request.user.id" } else { "request.principal.id" };
            merge(uses.0.entry(name.to_owned()).or_default(), atoms);
        }
        let mut domains = Self { variables: Vec::new(), cut: Vec::new() };
        for (name, atoms) in &uses.0 {
            if is_open(name, trial.caller.free) {
                let atoms = with_compared(atoms, trial);
                let key = (name.clone(), atoms);
                let found =
                    cache.values.entry(key).or_insert_with_key(|(name, atoms)| values(name, atoms));
                domains.variables.push((name.clone(), found.values.clone()));
                domains.cut.extend((!found.are_all).then(|| name.clone()));
            }
        }
        if uses.mention(TIME) {
            let of_time = uses.0.iter().filter(|(name, _)| name.starts_with(TIME));
            let key = of_time.map(|(name, atoms)| (name.clone(), atoms.clone())).collect();
            let values = cache.moments.entry(key).or_insert_with(|| moments(&uses));
            domains.variables.push((TIME.to_owned(), values.clone()));
            domains.cut.extend(have_patterns(&uses).then(|| TIME.to_owned()));
        }
        domains
    }

    /// Returns how many requests the values make.
    pub(super) fn size(&self) -> u64 {
        let sizes = self.variables.iter().map(|(_, values)| u64::try_from(values.len()));
        sizes.fold(1, |product, size| product.saturating_mul(size.unwrap_or(u64::MAX)))
    }
}

fn merge(into: &mut Atoms, other: Atoms) {
    into.texts.extend(other.texts);
    into.patterns.extend(other.patterns);
    into.sets.extend(other.sets);
    into.variables.extend(other.variables);
}

fn is_open(name: &str, free: Free) -> bool {
    if FIXED.iter().any(|start| name.starts_with(start)) {
        return false;
    }
    match name {
        "request.user.id" | "request.user.name" => free == Free::User,
        "request.principal.id" => false,
        _ if name.starts_with("request.principal.") => free == Free::Resource,
        _ => true,
    }
}

/// What is compared with another variable is compared with what that one is.
fn with_compared(atoms: &Atoms, trial: &Trial<'_>) -> Atoms {
    let mut atoms = atoms.clone();
    for other in atoms.variables.clone() {
        match other.as_str() {
            "request.operation" => atoms.texts.extend([trial.operation.to_lowercase()]),
            "request.permission" => atoms.texts.extend([trial.permission.name().to_lowercase()]),
            "request.region" => atoms.texts.extend([REGION.to_lowercase()]),
            _ => atoms.texts.extend(fixed(&other, trial).iter().map(|text| text.to_lowercase())),
        }
    }
    atoms
}

fn fixed(name: &str, trial: &Trial<'_>) -> Vec<String> {
    let mut values = Vec::new();
    for (number, side) in trial.sides.both.iter().enumerate() {
        let principal = trial.caller.principals.get(number).and_then(Option::as_ref);
        let of_principal = principal.map(|one| of_principal(one, name, &side.world));
        values.extend(of_principal.unwrap_or_default());
        values.extend(of_place(&trial.place.id, name, &side.world));
    }
    values
}

fn values(name: &str, atoms: &Atoms) -> Candidates {
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    match name {
        "target.policy.type" => {
            let [allow, deny] = ["allow", "deny"].map(|text| Value::One(text.to_owned()));
            let both = Value::Many(set(&["allow", "deny"]));
            Candidates { values: vec![allow, deny, both, Value::Absent], are_all: true }
        }
        "request.region" => {
            let mut found = candidates(atoms, &["iad", "phx", "fra"]);
            found.values.retain(|value| *value != Value::Absent);
            for value in &mut found.values {
                if let Value::One(text) = value {
                    *text = text.to_uppercase();
                }
            }
            found
        }
        "request.user.id" => {
            let mut found = candidates(atoms, &[USER_ID, "ocid1.user.oc1..another-2"]);
            let is_id = |text: &String| text.parse::<strongroom_model::Ocid>().is_ok();
            found.values.retain(|value| matches!(value, Value::One(text) if is_id(text)));
            found
        }
        "request.user.name" => {
            let mut found = candidates(atoms, &[USER_NAME]);
            found.values.retain(|value| matches!(value, Value::One(_)));
            found
        }
        _ => candidates(atoms, &[]),
    }
}
