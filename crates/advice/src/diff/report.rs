use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_model::{PrincipalKind, rfc3339};
use strongroom_policy::{Semantics, Verdict};

use super::assumed::Assumed;
use super::callers::Free;
use super::rows::{Compared, Row, rows};
use super::search::{Found, Search};
use super::trial::{Outcome, REGION, Trial};
use super::values::Value;
use super::words::words;
use crate::ask::{AnswerStatement, named, statement};

/// What became of two sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// How the policies were read.
    pub semantics: &'static str,
    /// What differs; what became allowed first.
    pub changes: Vec<Change>,
    /// Kinds of requests that were compared.
    pub compared: u64,
    /// Kinds of requests that the two tell apart.
    pub classes: u64,
    /// Whether every kind of request was compared, every way in which a variable can compare was
    /// tried, and both files have all policies.
    pub is_whole: bool,
    /// Principals and compartments of each kind.
    pub principals: usize,
    /// Compartments of each kind.
    pub compartments: usize,
    /// What was added to both tenancies to tell them apart.
    pub assumed: Assumed,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Differences that are alike, and a request that shows one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `allowed` or `denied`.
    pub became: &'static str,
    /// Who, as statements name them.
    pub principals: Vec<String>,
    /// What, as statements name it.
    pub grants: Vec<String>,
    /// The permissions.
    pub permissions: Vec<String>,
    /// Where, as statements name it.
    pub places: Vec<String>,
    /// When: what the request that shows it carries, if that matters.
    pub conditions: Vec<String>,
    /// How many kinds of requests by the one who is shown differ so.
    pub differing: u64,
    /// How many were tried.
    pub tried: u64,
    /// A request that shows it.
    pub witness: Witness,
}

/// A request that is decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Witness {
    /// Who makes it.
    pub principal: WitnessPrincipal,
    /// The operation; empty for a permission that no known operation asks for.
    pub operation: &'static str,
    /// The permission.
    pub permission: &'static str,
    /// OCID of the target's compartment.
    pub compartment_id: String,
    /// The compartment as statements name it.
    pub compartment: String,
    /// What it carries, by variable; a set has several values.
    pub variables: BTreeMap<String, Vec<String>>,
    /// Key of the region that it is made in.
    pub region: String,
    /// When it is made, if that matters.
    pub time: Option<String>,
    /// What the old set decides.
    pub old: WitnessSide,
    /// What the new set decides.
    pub new: WitnessSide,
}

/// Who makes a request that is decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WitnessPrincipal {
    /// As statements name it.
    pub label: String,
    /// Whether a file has it; else it is assumed.
    pub is_known: bool,
    /// What it is.
    #[serde(flatten)]
    pub kind: PrincipalKind,
    /// OCIDs of its groups, on both sides.
    pub group_ids: [Vec<String>; 2],
}

/// What one set decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WitnessSide {
    /// `granted`, `not granted`, `denied`, or `absent` where principal or compartment are not there.
    pub verdict: &'static str,
    /// The statement that decides.
    pub decided_by: Option<AnswerStatement>,
}

impl Comparison {
    pub(super) fn of(search: &Search<'_>, compared: &Compared<'_>, semantics: Semantics) -> Self {
        let rows = rows(search, compared);
        let sides = compared.sides;
        let mut notes = sides.notes.clone();
        notes.extend(search.cut.iter().map(|name| {
            format!(
                "not every way in which `{name}` can compare was tried: it meets too many patterns"
            )
        }));
        if sides.assumed.is_cut {
            notes.push("more new compartments or groups could be told apart".to_owned());
        }
        Self {
            semantics: named(semantics),
            changes: rows.iter().filter_map(|row| change(row, compared)).collect(),
            compared: search.compared,
            classes: search.classes,
            is_whole: search.compared == search.classes
                && search.cut.is_empty()
                && !sides.assumed.is_cut
                && sides.are_whole,
            principals: compared.callers.len(),
            compartments: compared.places.len(),
            assumed: sides.assumed.clone(),
            notes,
        }
    }
}

fn change(row: &Row<'_>, compared: &Compared<'_>) -> Option<Change> {
    let (differing, tried) = row.shown.cases;
    Some(Change {
        became: if row.is_allowed { "allowed" } else { "denied" },
        principals: compared.who(&row.callers),
        grants: words(row.permissions),
        permissions: row.permissions.iter().map(|one| one.name().to_owned()).collect(),
        places: compared.places(&row.places),
        conditions: row.conditions.clone(),
        differing,
        tried,
        witness: witness(row.shown, compared)?,
    })
}

fn witness(found: &Found, compared: &Compared<'_>) -> Option<Witness> {
    let caller = compared.callers.get(found.caller)?;
    let place = compared.places.get(found.place)?;
    let Found { permission, operation, carried, .. } = found;
    let (permission, operation) = (*permission, *operation);
    let trial = Trial { sides: compared.sides, caller, place, permission, operation };
    let kind = [0, 1].iter().find_map(|number| trial.principal(*number, carried))?.kind;
    let groups = |number| caller.groups(number).into_iter().map(ToString::to_string).collect();
    let mut witness = Witness {
        principal: WitnessPrincipal {
            label: caller.label.clone(),
            is_known: caller.free == Free::Nothing
                && !matches!(kind, PrincipalKind::Service { .. }),
            kind,
            group_ids: [groups(0), groups(1)],
        },
        operation,
        permission: permission.name(),
        compartment_id: place.id.to_string(),
        compartment: compared.sides.place_name(&place.id),
        variables: BTreeMap::new(),
        region: REGION.to_owned(),
        time: None,
        old: side(found, compared, 0)?,
        new: side(found, compared, 1)?,
    };
    for (name, value) in carried {
        match value {
            Value::One(text) if name == "request.region" => witness.region.clone_from(text),
            Value::One(text) => {
                witness.variables.insert(name.clone(), vec![text.clone()]);
            }
            Value::Many(texts) => {
                witness.variables.insert(name.clone(), texts.clone());
            }
            Value::At(time) => witness.time = Some(rfc3339(*time)),
            Value::Absent => {}
        }
    }
    Some(witness)
}

fn side(found: &Found, compared: &Compared<'_>, number: usize) -> Option<WitnessSide> {
    let set = &compared.sides.both.get(number)?.set;
    let (verdict, decided_by) = match found.outcomes.get(number)? {
        Outcome::Decided(Verdict::Granted(index)) => ("granted", statement(set, *index)),
        Outcome::Decided(Verdict::Denied(index)) => ("denied", statement(set, *index)),
        Outcome::Decided(Verdict::NotGranted) => ("not granted", None),
        Outcome::Absent => ("absent", None),
    };
    Some(WitnessSide { verdict, decided_by })
}
