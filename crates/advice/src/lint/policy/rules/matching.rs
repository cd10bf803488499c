//! Matching rules of dynamic groups.

use std::ops::Range;

use strongroom_policy::ast::Spanned;
use strongroom_policy::{Rule, RuleVariable, similar};

use super::super::inventory::Inventory;
use super::super::piece::Piece;
use super::super::stated::found;
use super::super::tables::PRINCIPAL_TYPES;
use crate::lint::catalogue::{DYNAMIC_GROUP_MANAGES, DYNAMIC_GROUP_TAKES_EVERYTHING};
use crate::lint::finding::{Finding, Level};

pub(in super::super) fn check(
    piece: &Piece,
    rule: &Rule,
    inventory: Option<&Inventory<'_>>,
) -> Vec<Finding> {
    let whole = Spanned { value: rule.clone(), span: 0..piece.text.len() };
    let mut found = Vec::new();
    if !narrows(rule) {
        found.push(everything(piece, rule));
    } else if let Some(span) = any_for_all(&whole) {
        found.push(mixed(piece, &span));
    }
    for (rule, span) in predicates(&whole) {
        found.extend(value(piece, rule, &span, inventory));
    }
    found
}

/// Tells whether a rule says which resources: by identifier, compartment or tag.
fn narrows(rule: &Rule) -> bool {
    match rule {
        Rule::All(rules) => rules.iter().any(|one| narrows(&one.value)),
        Rule::Any(rules) => rules.iter().all(|one| narrows(&one.value)),
        Rule::Compare { variable, differs, value } => {
            !differs && !value.is_empty() && !matches!(variable, RuleVariable::ResourceType)
        }
        Rule::HasTag(_) => true,
    }
}

fn everything(piece: &Piece, rule: &Rule) -> Finding {
    let differs = predicates(&Spanned { value: rule.clone(), span: 0..0 })
        .iter()
        .any(|(rule, _)| matches!(rule, Rule::Compare { differs: true, .. }));
    let why = if differs {
        "`!=` leaves one value out and takes in all that is or will be elsewhere"
    } else {
        "no clause that must hold says which compartment, tag or resource: all of the type are taken in, those made later too"
    };
    let message = "the matching rule takes in resources of the whole tenancy";
    // Whoever may start an instance decides what runs on it; of other types that is rarer.
    let of_instances = predicates(&Spanned { value: rule.clone(), span: 0..0 })
        .iter()
        .any(|(rule, _)| !matches!(rule, Rule::Compare { variable: RuleVariable::ResourceType, differs: false, value } if !value.eq_ignore_ascii_case("instance")));
    let level = if of_instances { Level::Error } else { Level::Warning };
    found(piece, &DYNAMIC_GROUP_TAKES_EVERYTHING, &(0..piece.text.len()), message, why)
        .at_level(level)
        .labelled("all of them")
        .advise("ALL {resource.type = '…', resource.compartment.id = '<ocid of the compartment>'}")
}

const fn is_place(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::Compare {
            variable: RuleVariable::InstanceCompartmentId | RuleVariable::ResourceCompartmentId,
            differs: false,
            ..
        }
    )
}

const fn is_tag(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::HasTag(_) | Rule::Compare { variable: RuleVariable::Tag { .. }, differs: false, .. }
    )
}

/// An `Any` of a compartment and a tag: both were meant.
fn any_for_all(rule: &Spanned<Rule>) -> Option<Range<usize>> {
    match &rule.value {
        Rule::Any(rules) => {
            let place = rules.iter().any(|one| is_place(&one.value));
            let tag = rules.iter().any(|one| is_tag(&one.value));
            if place && tag { Some(rule.span.clone()) } else { rules.iter().find_map(any_for_all) }
        }
        Rule::All(rules) => rules.iter().find_map(any_for_all),
        _ => None,
    }
}

fn mixed(piece: &Piece, span: &Range<usize>) -> Finding {
    let why = "with `Any` one clause is enough: whatever is in the compartment is taken in without the tag, and what has the tag is taken in from everywhere";
    let text = piece.text.get(span.clone()).unwrap_or("");
    let new = text.get(3..).map(|rest| format!("All{rest}")).unwrap_or_default();
    found(
        piece,
        &DYNAMIC_GROUP_TAKES_EVERYTHING,
        span,
        "the rule says `Any` of a compartment and a tag",
        why,
    )
    .labelled("either is enough")
    .advise(piece.shown(&new))
}

fn predicates(rule: &Spanned<Rule>) -> Vec<(&Rule, Range<usize>)> {
    match &rule.value {
        Rule::All(rules) | Rule::Any(rules) => rules.iter().flat_map(predicates).collect(),
        leaf => vec![(leaf, rule.span.clone())],
    }
}

/// A value that nothing has.
fn value(
    piece: &Piece,
    rule: &Rule,
    span: &Range<usize>,
    inventory: Option<&Inventory<'_>>,
) -> Option<Finding> {
    let Rule::Compare { variable, value, .. } = rule else { return None };
    if Piece::is_open(value) {
        return None;
    }
    match variable {
        RuleVariable::ResourceType => {
            let lower = value.to_ascii_lowercase();
            let near = similar(&lower, PRINCIPAL_TYPES.into_iter())
                .filter(|near| !PRINCIPAL_TYPES.contains(&lower.as_str()) && *near != lower)?;
            let message = format!("no resource is a `{value}`");
            let why = format!("perhaps `{near}` is meant; the group stays empty, and says nothing");
            let finding =
                found(piece, &DYNAMIC_GROUP_MANAGES, span, &message, &why).labelled("misspelt");
            let text = piece.text.get(span.clone()).unwrap_or("");
            Some(finding.advise(piece.shown(&text.replace(value.as_str(), near))))
        }
        RuleVariable::InstanceCompartmentId | RuleVariable::ResourceCompartmentId => {
            if value.starts_with("ocid1.tenancy.") {
                let why = "compartments are matched directly: what lies in the tenancy itself is taken in, and nothing below it";
                let message = "the rule names the tenancy as a compartment";
                let finding = found(piece, &DYNAMIC_GROUP_TAKES_EVERYTHING, span, message, why)
                    .labelled("the root");
                return Some(
                    finding.at_level(Level::Warning).advise("the compartment of the application"),
                );
            }
            let is_gone = inventory.is_some_and(|all| !all.has_compartment_id(value));
            let why =
                "the tenancy has none: it was deleted, and a new one of its name has another OCID";
            (is_gone && value.starts_with("ocid1.compartment.")).then(|| {
                found(
                    piece,
                    &DYNAMIC_GROUP_MANAGES,
                    span,
                    "the rule names a compartment that is not there",
                    why,
                )
                .labelled("not there")
            })
        }
        _ => None,
    }
}
