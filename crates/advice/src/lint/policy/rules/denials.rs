//! Statements that deny.

use strongroom_policy::Verb;
use strongroom_policy::ast::{Action, Condition, Value};

use super::super::clauses::{leaves, variable};
use super::super::stated::Stated;
use super::super::tables::ALWAYS;
use crate::lint::catalogue::{DENY_FAILS_OPEN, DENY_MANAGE_ONLY};
use crate::lint::finding::Finding;

pub(in super::super) fn check(stated: &Stated<'_>) -> Vec<Finding> {
    let Some(deny) = stated.allow().filter(|allow| allow.denies) else { return Vec::new() };
    let mut found: Vec<Finding> = Vec::new();
    if let Action::Verb(Verb::Manage, resource_type) = &deny.action.value {
        let message =
            format!("the statement leaves inspect, read and use of `{resource_type}` allowed");
        let why = "deny takes a verb and those above it: `manage` blocks only what `manage` adds, `inspect` blocks everything";
        let finding = stated
            .finding(&DENY_MANAGE_ONLY, &deny.action.span, &message, why)
            .labelled("the least that can be denied");
        let new = stated.with(&deny.action.span, &format!("to inspect {resource_type}"));
        found.push(stated.advised(finding, &new));
    }
    let clauses = deny.condition.as_ref().map(leaves).unwrap_or_default();
    let absences: Vec<String> = clauses
        .iter()
        .filter_map(|clause| match &clause.value {
            Condition::Absent(variable) => Some(variable.value.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    for clause in clauses {
        let negated = matches!(
            clause.value,
            Condition::Compare { differs: true, .. } | Condition::In { negated: true, .. }
        );
        let Some(name) = variable(&clause.value).filter(|_| negated) else { continue };
        let lower = name.value.to_ascii_lowercase();
        if ALWAYS.contains(&lower.as_str())
            || absences.contains(&lower)
            || is_of_itself(&clause.value)
        {
            continue;
        }
        let message = format!("requests without `{}` are not denied", name.value);
        let why = "a variable that the request does not carry makes its comparison false, also for `!=` and `not in`: the deny does not apply then";
        let finding = stated
            .finding(&DENY_FAILS_OPEN, &clause.span, &message, why)
            .labelled("false where there is no such variable");
        let inner = stated.text(&clause.span);
        let new = stated.with(&clause.span, &format!("any {{not {}, {inner}}}", name.value));
        found.push(stated.advised(finding, &new));
    }
    found
}

/// A comparison of two variables has no value that could be wrong.
fn is_of_itself(clause: &Condition) -> bool {
    matches!(clause, Condition::Compare { value, .. } if matches!(value.value, Value::Variable(_)))
}
