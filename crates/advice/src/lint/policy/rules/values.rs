//! What clauses compare with.

use strongroom_model::Region;
use strongroom_policy::ast::{Action, Condition, Spanned, Value};
use strongroom_policy::{Semantics, parse, required_by_name};

use super::super::clauses::{is_positive, leaves, values, variable};
use super::super::piece::Piece;
use super::super::stated::Stated;
use crate::lint::catalogue::{
    OPERATION_CONDITION, PERMISSION_DENY_LIST, QUOTED_WILDCARD, REGION_NAME,
};
use crate::lint::finding::Finding;

pub(in super::super) fn check(stated: &Stated<'_>) -> Vec<Finding> {
    let Some(condition) = stated.condition() else { return Vec::new() };
    let mut found = Vec::new();
    let mut is_told = false;
    for clause in leaves(condition) {
        for value in values(&clause.value) {
            found.extend(wildcard(stated, clause, value));
            found.extend(region(stated, clause, value));
        }
        if !is_told && stated.grant().is_some() {
            let one = permission(stated, clause).or_else(|| operation(stated, clause));
            is_told = one.is_some();
            found.extend(one);
        }
    }
    found
}

/// A star in quotes is a star.
fn wildcard(
    stated: &Stated<'_>,
    clause: &Spanned<Condition>,
    value: &Spanned<Value>,
) -> Option<Finding> {
    let Value::Text(text) = &value.value else { return None };
    let name = variable(&clause.value)?;
    let in_words = text.replace(['*', '%', '?'], "").chars().any(char::is_alphanumeric);
    let has_star = text.contains('*');
    if !(has_star || (in_words && text.ends_with(['%', '?']))) {
        return None;
    }
    let pattern = format!("/{}/", text.replace(['%', '?'], "*"));
    let message = format!("`'{text}'` is compared as it is, star and all");
    let why = format!(
        "in OCI wildcards live between slashes: no `{}` is called `{text}`. Strongroom's strict reading takes a quoted star in a name for a wildcard, Oracle's cloud does not",
        name.value
    );
    let label = if is_positive(&clause.value) { "matches nothing" } else { "leaves nothing out" };
    let finding = stated.finding(&QUOTED_WILDCARD, &value.span, &message, &why).labelled(label);
    if !in_words {
        // As a pattern it would let everything through: that may not be what was meant.
        return Some(finding.advise("what is meant by name, or the clause left out if all are"));
    }
    let new = stated.with(&value.span, &pattern);
    let is_read = parse(&new).ok().is_some_and(|read| read.to_string().contains(&pattern));
    Some(if is_read { stated.repaired(finding, &new) } else { stated.advised(finding, &pattern) })
}

fn region(
    stated: &Stated<'_>,
    clause: &Spanned<Condition>,
    value: &Spanned<Value>,
) -> Option<Finding> {
    let (Value::Text(text) | Value::Pattern(text)) = &value.value else { return None };
    let name = variable(&clause.value)?;
    if !name.value.eq_ignore_ascii_case("request.region") || Piece::is_open(text) {
        return None;
    }
    let region = Region::named(text).filter(|region| region.name.eq_ignore_ascii_case(text))?;
    let message = format!("`request.region` is never `{text}`");
    let why = format!(
        "the variable holds the region's key, which is `{}` for {}",
        region.key, region.name
    );
    let finding =
        stated.finding(&REGION_NAME, &value.span, &message, &why).labelled("a region's name");
    Some(stated.repaired(finding, &stated.with(&value.span, &format!("'{}'", region.key))))
}

/// What is not listed is granted, also what comes later.
fn permission(stated: &Stated<'_>, clause: &Spanned<Condition>) -> Option<Finding> {
    let name = variable(&clause.value)?;
    let negated = matches!(
        clause.value,
        Condition::Compare { differs: true, .. } | Condition::In { negated: true, .. }
    );
    if !negated || !name.value.eq_ignore_ascii_case("request.permission") {
        return None;
    }
    let action = stated.action()?;
    let message = format!("all of `{}` is granted but for what is listed", action.value);
    let why = "a permission that Oracle adds to the verb later is granted on the day it is added";
    let finding = stated
        .finding(&PERMISSION_DENY_LIST, &clause.span, &message, why)
        .labelled("a list of what is not granted");
    Some(finding.advise("list what is granted: `to {PERMISSION, …}`, or a lower verb"))
}

fn operation(stated: &Stated<'_>, clause: &Spanned<Condition>) -> Option<Finding> {
    let name = variable(&clause.value)?;
    let is_exact = matches!(stated.action()?.value, Action::Permissions(..));
    let of_operation = name.value.eq_ignore_ascii_case("request.operation");
    if is_exact || !of_operation || !is_positive(&clause.value) {
        return None;
    }
    let mut permissions: Vec<&str> = Vec::new();
    for value in values(&clause.value) {
        let Value::Text(operation) = &value.value else { return None };
        for one in required_by_name(operation, Semantics::Oracle)? {
            if !permissions.contains(&one.name()) {
                permissions.push(one.name());
            }
        }
    }
    if permissions.is_empty() {
        return None;
    }
    let list = permissions.join(", ");
    let message = "the condition names operations where permissions would do";
    let why = format!(
        "the operations need {list}; a name that is misspelt or renamed lets nothing through, and says nothing"
    );
    let finding = stated
        .finding(&OPERATION_CONDITION, &clause.span, message, &why)
        .labelled("names of operations");
    Some(stated.advised(finding, &format!("to {{{list}}}, without this clause")))
}
