//! Conditions that never hold, that always do, and that two readings read apart.

use std::collections::BTreeMap;
use std::ops::Range;

use strongroom_policy::ast::{Action, Condition, ResourceName, Spanned};
use strongroom_policy::{ResourceType, Semantics, Verb, similar};

use super::super::clauses::{leaves, values, variable};
use super::super::stated::Stated;
use super::super::tables::{self, ALWAYS, REQUESTS, TAGS, TARGETS};
use super::super::truth::{is_always, is_never, reading_apart};
use crate::lint::catalogue::{ALWAYS_TRUE, MISSPELT_WORD, NEVER_TRUE, READ_DIFFERENTLY};
use crate::lint::finding::Finding;

pub(in super::super) fn check(stated: &Stated<'_>, semantics: Semantics) -> Vec<Finding> {
    let Some(condition) = stated.condition() else { return Vec::new() };
    let mut found: Vec<Finding> = Vec::new();
    for clause in leaves(condition) {
        found.extend(name(stated, clause).or_else(|| carried(stated, clause, condition)));
        // A deny asks for absence to be on the safe side.
        if stated.allow().is_none_or(|allow| !allow.denies) {
            found.extend(presence(stated, clause));
        }
    }
    if found.is_empty() {
        found.extend(whole(stated, condition, semantics));
    }
    found.extend(readings(stated, condition));
    found
}

/// A variable that is misspelt or unknown.
fn name(stated: &Stated<'_>, clause: &Spanned<Condition>) -> Option<Finding> {
    let variable = variable(&clause.value)?;
    let lower = variable.value.to_ascii_lowercase();
    if TAGS.iter().any(|start| lower.starts_with(start)) {
        return None;
    }
    let misspelt = |near: &str| {
        let message = format!("`{}` is not a variable", variable.value);
        let why = format!(
            "no request carries it, so that the clause never holds; perhaps `{near}` is meant"
        );
        let finding =
            stated.finding(&MISSPELT_WORD, &variable.span, &message, &why).labelled("not known");
        Some(stated.repaired(finding, &stated.with(&variable.span, near)))
    };
    if lower.starts_with("request.") {
        if REQUESTS.contains(&lower.as_str()) {
            return None;
        }
        return misspelt(near_request(&lower)?);
    }
    let (noun, attribute) = lower.strip_prefix("target.")?.split_once('.')?;
    let Some((_, attributes, _)) = TARGETS.iter().find(|(own, _, _)| *own == noun) else {
        let near = similar(noun, TARGETS.iter().map(|(own, _, _)| *own))?;
        let known =
            TARGETS.iter().any(|(own, names, _)| *own == near && names.contains(&attribute));
        return known.then(|| misspelt(&format!("target.{near}.{attribute}"))).flatten();
    };
    if attributes.contains(&attribute) {
        return None;
    }
    if let Some(near) = similar(attribute, attributes.iter().copied()) {
        return misspelt(&format!("target.{noun}.{near}"));
    }
    let known: Vec<String> =
        attributes.iter().map(|one| format!("`target.{noun}.{one}`")).collect();
    let message = format!("`{}` is not a variable", variable.value);
    let why = format!(
        "no request carries it, so that the clause never holds; there is {}",
        known.join(", ")
    );
    Some(stated.finding(&NEVER_TRUE, &variable.span, &message, &why).labelled("not known"))
}

/// A name that differs in one part, and there in a letter or two.
fn near_request(name: &str) -> Option<&'static str> {
    REQUESTS.into_iter().find(|known| {
        let (own, other): (Vec<&str>, Vec<&str>) =
            (name.split('.').collect(), known.split('.').collect());
        let differing: Vec<(&str, &str)> =
            own.iter().zip(&other).filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)).collect();
        own.len() == other.len()
            && matches!(differing.as_slice(), [(a, b)] if similar(a, std::iter::once(*b)).is_some())
    })
}

/// A variable that no request for the resource-type carries, or none of those that list.
fn carried(
    stated: &Stated<'_>,
    clause: &Spanned<Condition>,
    condition: &Spanned<Condition>,
) -> Option<Finding> {
    let name = variable(&clause.value)?;
    let lower = name.value.to_ascii_lowercase();
    let noun = lower.strip_prefix("target.")?.split('.').next()?.to_owned();
    if matches!(clause.value, Condition::Absent(_)) {
        return None;
    }
    let Action::Verb(verb, ResourceName::Known(known)) = &stated.action()?.value else {
        return None;
    };
    let (verb, known) = (*verb, *known);
    let of_tags = lower.starts_with("target.resource.tag.");
    let carriers =
        TARGETS.iter().find(|(own, _, _)| *own == noun).map(|(_, _, carriers)| *carriers);
    let is_carried = carriers.is_none_or(|carriers| {
        carriers.is_empty() || known == ResourceType::AllResources || carriers.contains(&known)
    });
    let never = |why: String, label: &str| {
        let message = format!("the clause on `{}` never holds", name.value);
        stated.finding(&NEVER_TRUE, &clause.span, &message, &why).labelled(label.to_owned())
    };
    if !is_carried {
        let why = format!("requests for {} do not carry `{}`", known.name(), name.value);
        return Some(never(why, "not of this resource-type"));
    }
    let names_one =
        of_tags || (noun != "compartment" && carriers.is_some_and(|all| !all.is_empty()));
    let lists = verb == Verb::Inspect && only_lists(known) || lists_by_name(condition);
    if !(names_one && lists) || noun == "vault" {
        return None;
    }
    let why =
        "a list has no target yet: what it lists is not told apart, and the comparison is false"
            .to_owned();
    let finding = never(why, "false on every list");
    let place = stated.allow().map(|allow| allow.location.value.to_string()).unwrap_or_default();
    let subject = stated.allow().map(|allow| allow.subject.value.to_string()).unwrap_or_default();
    let fix = format!("Allow {subject} to inspect {} in {place}, without the clause", known.name());
    Some(stated.advised(finding, &fix))
}

/// Resource-types of which `inspect` is nothing but lists.
const fn only_lists(known: ResourceType) -> bool {
    matches!(
        known,
        ResourceType::Secrets
            | ResourceType::SecretFamily
            | ResourceType::SecretVersions
            | ResourceType::SecretBundles
            | ResourceType::Keys
            | ResourceType::Vaults
            | ResourceType::KeyFamily
    )
}

/// Tells whether the condition asks for nothing but operations that list.
fn lists_by_name(condition: &Spanned<Condition>) -> bool {
    let Condition::All(_) = condition.value else { return false };
    leaves(condition).into_iter().any(|clause| {
        let is_operation = variable(&clause.value)
            .is_some_and(|name| name.value.eq_ignore_ascii_case("request.operation"));
        let is_list =
            |value: &str| value.trim_matches('\'').to_ascii_lowercase().starts_with("list");
        let all = values(&clause.value);
        let equals = matches!(
            clause.value,
            Condition::Compare { differs: false, .. } | Condition::In { negated: false, .. }
        );
        is_operation && equals && all.iter().all(|value| is_list(&value.value.to_string()))
    })
}

/// Whether something is there that always is.
fn presence(stated: &Stated<'_>, clause: &Spanned<Condition>) -> Option<Finding> {
    let (name, rule, message) = match &clause.value {
        Condition::Absent(name) => (name, &NEVER_TRUE, "the clause never holds"),
        Condition::Present(name) => (name, &ALWAYS_TRUE, "the clause always holds"),
        _ => return None,
    };
    if !ALWAYS.contains(&name.value.to_ascii_lowercase().as_str()) {
        return None;
    }
    let why = format!("every request carries `{}`", name.value);
    Some(stated.finding(rule, &clause.span, message, &why).labelled("always there"))
}

/// The innermost parts that never hold, or always do.
fn whole(
    stated: &Stated<'_>,
    condition: &Spanned<Condition>,
    semantics: Semantics,
) -> Vec<Finding> {
    if !is_worth_it(condition) {
        return Vec::new();
    }
    if let Condition::All(clauses) | Condition::Any(clauses) = &condition.value {
        let inner: Vec<Finding> =
            clauses.iter().flat_map(|one| whole(stated, one, semantics)).collect();
        if !inner.is_empty() {
            return inner;
        }
    }
    let span = &condition.span;
    if is_never(condition, semantics) == Some(true) {
        return vec![never(stated, condition, span)];
    }
    if is_always(condition, semantics) == Some(true) {
        return vec![always(stated, condition, span)];
    }
    Vec::new()
}

/// Only comparisons of one variable with one another can contradict, and patterns take all.
fn is_worth_it(condition: &Spanned<Condition>) -> bool {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for clause in leaves(condition) {
        if let Some(name) = variable(&clause.value) {
            let name = name.value.to_ascii_lowercase();
            let time = "request.utc-timestamp";
            let name = if name.starts_with(time) { time.to_owned() } else { name };
            *seen.entry(name).or_default() += 1;
        }
        if values(&clause.value)
            .iter()
            .any(|value| matches!(value.value.to_string().as_str(), "/*/" | "/**/"))
        {
            return true;
        }
    }
    seen.values().any(|count| *count > 1)
}

fn never(stated: &Stated<'_>, condition: &Spanned<Condition>, span: &Range<usize>) -> Finding {
    let why = "whatever a request carries, one of the clauses is false: the evaluator finds no request that meets all";
    let finding = stated
        .finding(&NEVER_TRUE, span, "the condition never holds", why)
        .labelled("nothing meets it");
    let Condition::All(clauses) = &condition.value else { return finding };
    let all: Vec<String> = clauses.iter().map(|one| stated.text(&one.span).to_owned()).collect();
    stated.advised(finding, &stated.with(span, &format!("any {{{}}}", all.join(", "))))
}

fn always(stated: &Stated<'_>, condition: &Spanned<Condition>, span: &Range<usize>) -> Finding {
    let why = "whatever value the request carries, the condition is true: the evaluator finds none that fails";
    let finding = stated
        .finding(&ALWAYS_TRUE, span, "the condition always holds", why)
        .labelled("leaves nothing out");
    let Condition::Any(clauses) = &condition.value else { return finding };
    let all: Vec<String> = clauses.iter().map(|one| stated.text(&one.span).to_owned()).collect();
    stated.advised(finding, &stated.with(span, &format!("all {{{}}}", all.join(", "))))
}

/// What the strict reading and Oracle's make of quoted stars.
fn readings(stated: &Stated<'_>, condition: &Spanned<Condition>) -> Option<Finding> {
    let has_star = leaves(condition).into_iter().find(|clause| {
        let is_name = variable(&clause.value).is_some_and(|name| tables::is_name(&name.value));
        let is_quoted = |value: &str| value.starts_with('\'') && value.contains('*');
        is_name && values(&clause.value).iter().any(|value| is_quoted(&value.value.to_string()))
    })?;
    let text = reading_apart(condition)?;
    let message = "Strongroom's strict reading and Oracle's cloud read the condition apart";
    let why = format!(
        "`{text}` is where they differ: in strict semantics a star in a quoted name is a wildcard, in Oracle's a star"
    );
    let finding = stated
        .finding(&READ_DIFFERENTLY, &has_star.span, message, &why)
        .labelled("a star in quotes");
    Some(finding.advise("a pattern between slashes, which both read alike"))
}
