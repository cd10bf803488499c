//! Conditions, clause by clause.

use strongroom_policy::ast::{Condition, Spanned, Value};

use super::piece::Piece;

/// Returns the clauses that compare, in order.
pub(super) fn leaves(condition: &Spanned<Condition>) -> Vec<&Spanned<Condition>> {
    match &condition.value {
        Condition::All(clauses) | Condition::Any(clauses) => {
            clauses.iter().flat_map(leaves).collect()
        }
        _ => vec![condition],
    }
}

/// The variable that a clause asks for.
pub(super) const fn variable(clause: &Condition) -> Option<&Spanned<String>> {
    match clause {
        Condition::All(_) | Condition::Any(_) => None,
        Condition::Compare { variable, .. }
        | Condition::In { variable, .. }
        | Condition::Before(variable, _)
        | Condition::After(variable, _)
        | Condition::Between(variable, _, _)
        | Condition::SetsIntersect(variable, _)
        | Condition::SetsEqual(variable, _)
        | Condition::Absent(variable)
        | Condition::Present(variable) => Some(variable),
    }
}

/// What a clause compares with.
pub(super) fn values(clause: &Condition) -> &[Spanned<Value>] {
    match clause {
        Condition::Compare { value, .. } => std::slice::from_ref(value),
        Condition::In { values, .. }
        | Condition::SetsIntersect(_, values)
        | Condition::SetsEqual(_, values) => values,
        _ => &[],
    }
}

/// Tells whether a clause says what something is, not what it is not.
pub(super) const fn is_positive(clause: &Condition) -> bool {
    matches!(
        clause,
        Condition::Compare { differs: false, .. }
            | Condition::In { negated: false, .. }
            | Condition::SetsIntersect(..)
            | Condition::SetsEqual(..)
    )
}

/// Tells whether whatever a condition lets through has passed a clause that `narrows`.
pub(super) fn narrows(condition: &Condition, is_narrow: &dyn Fn(&Condition) -> bool) -> bool {
    match condition {
        Condition::All(clauses) => clauses.iter().any(|one| narrows(&one.value, is_narrow)),
        Condition::Any(clauses) => clauses.iter().all(|one| narrows(&one.value, is_narrow)),
        clause => is_narrow(clause),
    }
}

/// The same for a condition that may not be there, by what the variable's name begins with.
pub(super) fn narrows_by(condition: Option<&Spanned<Condition>>, starts: &[&str]) -> bool {
    let is_narrow = |clause: &Condition| {
        let is_of = |variable: &str| {
            let name = variable.to_ascii_lowercase();
            starts.iter().any(|start| name.starts_with(start))
        };
        let compared =
            |value: &Spanned<Value>| matches!(&value.value, Value::Variable(name) if is_of(name));
        // What is interpolated may be whatever narrows.
        let is_open = variable(clause).is_some_and(|name| Piece::is_open(&name.value));
        is_open
            || is_positive(clause)
                && !takes_all(clause)
                && (variable(clause).is_some_and(|name| is_of(&name.value))
                    || values(clause).iter().any(compared))
    };
    condition.is_some_and(|condition| narrows(&condition.value, &is_narrow))
}

/// Tells whether a clause compares with a pattern that everything is like.
fn takes_all(clause: &Condition) -> bool {
    let is_all = |value: &Spanned<Value>| matches!(&value.value, Value::Pattern(text) if !text.is_empty() && text.chars().all(|c| c == '*'));
    values(clause).iter().any(is_all)
}

/// Tells whether any clause asks for a variable of such a beginning.
pub(super) fn mentions(condition: Option<&Spanned<Condition>>, start: &str) -> bool {
    let is_of = |variable: &Spanned<String>| variable.value.to_ascii_lowercase().starts_with(start);
    condition.is_some_and(|condition| {
        leaves(condition).iter().any(|clause| variable(&clause.value).is_some_and(is_of))
    })
}
