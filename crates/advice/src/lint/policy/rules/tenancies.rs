//! Statements between tenancies.

use std::ops::Range;

use strongroom_policy::ast::{Action, Scope, Spanned, Statement, Tenancy};

use super::super::stated::Stated;
use crate::lint::catalogue::HALF_OF_A_PAIR;
use crate::lint::finding::{Finding, Level};

pub(in super::super) fn check(stated: &Stated<'_>, all: &[Stated<'_>]) -> Vec<Finding> {
    let same: Vec<&Stated<'_>> = all
        .iter()
        .filter(|other| {
            other.file == stated.file && other.piece.home.policy == stated.piece.home.policy
        })
        .collect();
    match &stated.statement {
        Statement::Define(define) => unused(stated, &define.name.span, &same).into_iter().collect(),
        Statement::Admit(admit) if !admit.denies => {
            let named = admit.tenancy.as_ref();
            let wide = named.filter(|one| one.value == Tenancy::Any);
            let wide = wide.map(|one| any_tenancy(stated, &one.span));
            let missing = named.and_then(|one| match &one.value {
                Tenancy::Named(name) => undefined(stated, &one.span, name, &same),
                Tenancy::Any => None,
            });
            let lonely = lonely(stated, &admit.action, all, true);
            wide.into_iter().chain(missing).chain(lonely).collect()
        }
        Statement::Endorse(endorse) if !endorse.denies => {
            let wide = matches!(endorse.scope.value, Scope::AnyTenancy)
                .then(|| any_tenancy(stated, &endorse.scope.span));
            let name = match &endorse.scope.value {
                Scope::Tenancy(name) | Scope::Compartment(_, name) => name.as_ref(),
                Scope::AnyTenancy => None,
            };
            let missing = name.and_then(|name| undefined(stated, &endorse.scope.span, name, &same));
            let lonely = lonely(stated, &endorse.action, all, false);
            wide.into_iter().chain(missing).chain(lonely).collect()
        }
        _ => Vec::new(),
    }
}

fn any_tenancy(stated: &Stated<'_>, span: &Range<usize>) -> Finding {
    let why = "every tenancy of Oracle's cloud is meant, those of strangers too";
    stated
        .finding(&HALF_OF_A_PAIR, span, "any tenancy is let in or gone to", why)
        .labelled("anybody's")
        .advise("name the tenancy: `define tenancy <name> as <ocid>`, and `tenancy <name>` here")
}

fn undefined(
    stated: &Stated<'_>,
    span: &Range<usize>,
    name: &str,
    same: &[&Stated<'_>],
) -> Option<Finding> {
    let defines = |other: &&&Stated<'_>| matches!(&other.statement, Statement::Define(define) if define.name.value.name.eq_ignore_ascii_case(name));
    if same.iter().any(|other| defines(&other)) {
        return None;
    }
    let message = format!("the tenancy `{name}` is not defined");
    let why = "a name of another tenancy holds only within the policy that defines it";
    let finding =
        stated.finding(&HALF_OF_A_PAIR, span, &message, why).labelled("no `define` in this policy");
    Some(stated.advised(finding, &format!("Define tenancy {name} as '<its OCID>'")))
}

fn unused(stated: &Stated<'_>, span: &Range<usize>, same: &[&Stated<'_>]) -> Option<Finding> {
    let Statement::Define(define) = &stated.statement else { return None };
    let name = define.name.value.name.to_lowercase();
    let mentions = |other: &&&Stated<'_>| {
        let text = other.piece.text.to_lowercase();
        let is_end =
            |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || "_-.".contains(c)));
        let mut found = text.match_indices(&name);
        let whole = found.any(|(at, word)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
            is_end(before) && is_end(after)
        });
        whole && !matches!(other.statement, Statement::Define(_))
    };
    if same.iter().any(|other| mentions(&other)) {
        return None;
    }
    let message = format!("`{}` is defined and not used", define.name.value);
    let why = "a name that is defined holds only within its policy, and no statement there uses it";
    let finding = stated.finding(&HALF_OF_A_PAIR, span, &message, why).labelled("not used");
    Some(
        finding.at_level(Level::Warning).advise("drop it, or define it in the policy that uses it"),
    )
}

/// An `endorse` without an `admit` of the same, or the other way round, where both kinds are looked at.
fn lonely(
    stated: &Stated<'_>,
    action: &Spanned<Action>,
    all: &[Stated<'_>],
    admits: bool,
) -> Option<Finding> {
    let mut others = all.iter().filter_map(|other| match &other.statement {
        Statement::Admit(admit) if !admits && !admit.denies => Some(&admit.action.value),
        Statement::Endorse(endorse) if admits && !endorse.denies => Some(&endorse.action.value),
        _ => None,
    });
    let mut others = others.by_ref().peekable();
    others.peek()?;
    if others.any(|other| are_of_one(other, &action.value)) {
        return None;
    }
    let (own, other) = if admits { ("admit", "endorse") } else { ("endorse", "admit") };
    let message = format!("no `{other}` goes with this `{own}`");
    let why = "access between tenancies needs both: `endorse` where the caller is, `admit` where the target is";
    let finding =
        stated.finding(&HALF_OF_A_PAIR, &action.span, &message, why).labelled("half of a pair");
    Some(finding.advise(format!("{other} the same in the other tenancy")))
}

/// Tells whether two actions are about one resource-type.
fn are_of_one(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (Action::Verb(_, a) | Action::Associate(a), Action::Verb(_, b) | Action::Associate(b)) => {
            a == b
        }
        (Action::Permissions(a, _), Action::Permissions(b, _)) => {
            a.iter().any(|one| b.iter().any(|other| one.value == other.value))
        }
        _ => true,
    }
}
