//! Whether a condition can hold, and whether it can fail: by the comparison of `policy diff`, with
//! every variable free.

use std::collections::BTreeMap;

use strongroom_policy::Semantics;
use strongroom_policy::ast::{Condition, Spanned, Value};

use super::clauses::{leaves, values, variable};
use super::piece::Piece;
use super::tables::{SETS, is_name};
use crate::diff::{Comparison, Given, diff};

const GRANT: &str = "Allow any-user to {KEY_READ} in tenancy";

const TIME: &str = "request.utc-timestamp";

/// Tells whether nothing can meet a condition. None where that cannot be told.
pub(super) fn is_never(condition: &Spanned<Condition>, semantics: Semantics) -> Option<bool> {
    let free = Free::of(condition)?;
    let with = format!("{GRANT} where {}", free.renamed(&condition.value));
    is_same("", &with, semantics)
}

/// Tells whether whatever carries the variables of a condition meets it.
pub(super) fn is_always(condition: &Spanned<Condition>, semantics: Semantics) -> Option<bool> {
    let free = Free::of(condition)?;
    let there: Vec<&str> = free.names.values().map(String::as_str).collect();
    let (one, both) = if there.is_empty() {
        (GRANT.to_owned(), format!("{GRANT} where {}", free.renamed(&condition.value)))
    } else {
        let there = there.join(", ");
        let renamed = free.renamed(&condition.value);
        (
            format!("{GRANT} where all {{{there}}}"),
            format!("{GRANT} where all {{{there}, {renamed}}}"),
        )
    };
    is_same(&one, &both, semantics)
}

/// A text that one reading of a name's star takes and the other does not.
pub(super) fn reading_apart(condition: &Spanned<Condition>) -> Option<String> {
    let free = Free::of(condition)?;
    let renamed = free.renamed(&condition.value);
    let (quoted, pattern) =
        (format!("{GRANT} where {renamed}"), format!("{GRANT} where {}", patterns(&renamed)));
    let comparison = compare(&quoted, &pattern, Semantics::Oracle)?;
    let change = comparison.changes.first()?;
    let texts = change.witness.variables.values().flatten();
    texts.max_by_key(|text| text.len()).cloned()
}

/// The condition as the strict reading takes it: stars in quotes are wildcards.
fn patterns(condition: &Condition) -> Condition {
    map(condition, &|name, value| match value {
        Value::Text(text) if text.contains('*') && is_name(name) => Value::Pattern(text.clone()),
        other => other.clone(),
    })
}

fn compare(old: &str, new: &str, semantics: Semantics) -> Option<Comparison> {
    let (old, new) = (Given { name: "one", text: old }, Given { name: "other", text: new });
    let comparison = diff(&old, &new, semantics).ok()?;
    (comparison.is_whole && comparison.notes.is_empty()).then_some(comparison)
}

fn is_same(old: &str, new: &str, semantics: Semantics) -> Option<bool> {
    compare(old, new, semantics).map(|comparison| comparison.changes.is_empty())
}

/// Names that bind nothing, in place of the variables of a condition.
struct Free {
    names: BTreeMap<String, String>,
}

impl Free {
    /// None if a variable holds several values, or a value is not known.
    fn of(condition: &Spanned<Condition>) -> Option<Self> {
        let mut free = Self { names: BTreeMap::new() };
        for clause in leaves(condition) {
            free.add(&variable(&clause.value)?.value)?;
            for value in values(&clause.value) {
                if let Value::Variable(other) = &value.value {
                    free.add(other)?;
                } else if Piece::is_open(&value.value.to_string()) {
                    return None;
                }
            }
        }
        Some(free)
    }

    fn add(&mut self, name: &str) -> Option<()> {
        let name = name.to_ascii_lowercase();
        if Piece::is_open(&name) || SETS.contains(&name.as_str()) || name.contains(".group.tag.") {
            return None;
        }
        if !name.starts_with(TIME) {
            let number = self.names.len();
            let end = if is_name(&name) { "name" } else { "text" };
            self.names.entry(name).or_insert_with(|| format!("target.free{number}.{end}"));
        }
        Some(())
    }

    fn called(&self, name: &str) -> String {
        self.names.get(&name.to_ascii_lowercase()).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn renamed(&self, condition: &Condition) -> Condition {
        let value = |_name: &str, value: &Value| match value {
            Value::Variable(other) => Value::Variable(self.called(other)),
            other => other.clone(),
        };
        let condition = map(condition, &value);
        rename(&condition, &|name| self.called(name))
    }
}

/// A condition with other values.
fn map(condition: &Condition, to: &dyn Fn(&str, &Value) -> Value) -> Condition {
    let several = |clauses: &[Spanned<Condition>]| {
        clauses
            .iter()
            .map(|one| Spanned { value: map(&one.value, to), span: one.span.clone() })
            .collect()
    };
    let list = |name: &Spanned<String>, values: &[Spanned<Value>]| {
        let other = |one: &Spanned<Value>| Spanned {
            value: to(&name.value, &one.value),
            span: one.span.clone(),
        };
        values.iter().map(other).collect()
    };
    match condition {
        Condition::All(clauses) => Condition::All(several(clauses)),
        Condition::Any(clauses) => Condition::Any(several(clauses)),
        Condition::Compare { variable, differs, value } => Condition::Compare {
            variable: variable.clone(),
            differs: *differs,
            value: Spanned { value: to(&variable.value, &value.value), span: value.span.clone() },
        },
        Condition::In { variable, negated, values } => Condition::In {
            variable: variable.clone(),
            negated: *negated,
            values: list(variable, values),
        },
        Condition::SetsIntersect(variable, values) => {
            Condition::SetsIntersect(variable.clone(), list(variable, values))
        }
        Condition::SetsEqual(variable, values) => {
            Condition::SetsEqual(variable.clone(), list(variable, values))
        }
        other => other.clone(),
    }
}

/// A condition with other names of variables.
fn rename(condition: &Condition, to: &dyn Fn(&str) -> String) -> Condition {
    let mut renamed = condition.clone();
    match &mut renamed {
        Condition::All(clauses) | Condition::Any(clauses) => {
            for clause in clauses {
                clause.value = rename(&clause.value, to);
            }
        }
        Condition::Compare { variable, .. }
        | Condition::In { variable, .. }
        | Condition::Before(variable, _)
        | Condition::After(variable, _)
        | Condition::Between(variable, _, _)
        | Condition::SetsIntersect(variable, _)
        | Condition::SetsEqual(variable, _)
        | Condition::Absent(variable)
        | Condition::Present(variable) => variable.value = to(&variable.value),
    }
    renamed
}

#[cfg(test)]
mod tests {
    use strongroom_policy::ast::Statement;
    use strongroom_policy::parse;

    use super::*;

    fn condition(text: &str) -> Spanned<Condition> {
        let text = format!("Allow any-user to read keys in tenancy where {text}");
        let Statement::Allow(allow) = parse(&text).unwrap() else { panic!("{text}") };
        allow.condition.unwrap()
    }

    #[test]
    fn what_can_never_hold_is_told_from_what_always_does() {
        for (text, never, always) in [
            ("target.secret.name = 'a'", false, false),
            ("all {target.secret.name = 'a', target.secret.name = 'b'}", true, false),
            ("all {target.secret.name = /a*/, target.secret.name = /*b/}", false, false),
            ("all {target.secret.name = /a*/, target.secret.name = 'b'}", true, false),
            ("any {target.secret.name != 'a', target.secret.name != 'b'}", false, true),
            ("target.secret.name = /*/", false, true),
            ("all {request.region = 'iad', request.region in ('phx', 'fra')}", true, false),
            (
                "all {request.utc-timestamp before '2026-01-01T00:00:00Z', request.utc-timestamp after '2026-02-01T00:00:00Z'}",
                true,
                false,
            ),
            (
                "all {request.utc-timestamp after '2026-01-01T00:00:00Z', request.utc-timestamp before '2026-02-01T00:00:00Z'}",
                false,
                false,
            ),
            ("all {request.permission = 'A', request.permission = 'B'}", true, false),
            (
                "all {request.principal.id = target.user.id, request.principal.id = 'x'}",
                false,
                false,
            ),
        ] {
            let condition = condition(text);
            for semantics in [Semantics::Strict, Semantics::Oracle] {
                assert_eq!(is_never(&condition, semantics), Some(never), "{text}");
                assert_eq!(is_always(&condition, semantics), Some(always), "{text}");
            }
        }
        assert_eq!(is_never(&condition("request.groups.id = 'a'"), Semantics::Oracle), None);
    }

    #[test]
    fn readings_are_told_apart_by_a_name() {
        let text = reading_apart(&condition("target.secret.name = 'db-*'"));
        assert!(text.as_ref().is_some_and(|text| text.starts_with("db-")), "{text:?}");
        assert_eq!(reading_apart(&condition("target.secret.name = /db-*/")), None);
        assert_eq!(reading_apart(&condition("target.secret.id = 'db-*'")), None);
    }
}
