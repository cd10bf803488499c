use std::collections::BTreeSet;

use strongroom_model::Principal;
use strongroom_policy::{Verdict, decide};

use super::Matter;
use super::draft::{Draft, Width};
use super::observed::{Call, Observed};
use crate::ask::{AskError, compiled};
use crate::diff::{Comparison, Given, diff};
use crate::tenancy_file::{PolicyEntry, TenancyFile};

/// Statements that are proved: they allow every call, and nothing that was not allowed before, as far as
/// that was compared.
pub(super) struct Proof {
    pub(super) statements: Vec<String>,
    pub(super) extent: Extent,
    pub(super) notes: Vec<String>,
}

/// What was compared to see that nothing becomes allowed.
pub(super) struct Extent {
    /// Kinds of requests that were compared.
    pub(super) compared: u64,
    /// Kinds of requests that there are.
    pub(super) classes: u64,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

impl Proof {
    /// Writes each draft as wide as it can be, and no wider.
    pub(super) fn find(
        matter: &Matter<'_>,
        principal: &Principal,
        drafts: Vec<Draft>,
        observed: &Observed,
    ) -> Result<Self, AskError> {
        let mut proved = drafts;
        let (mut widens, mut extent) = widens(matter, &written(matter, principal, &proved))?;
        while widens && proved.iter().any(|draft| draft.width != Width::Kept) {
            let mut next = Vec::new();
            for draft in proved {
                let alone = written(matter, principal, std::slice::from_ref(&draft));
                if draft.width == Width::Kept || !self::widens(matter, &alone)?.0 {
                    next.push(draft);
                } else {
                    next.extend(draft.narrower());
                }
            }
            proved = next;
            (widens, extent) = self::widens(matter, &written(matter, principal, &proved))?;
        }
        let statements = written(matter, principal, &proved);
        let kept = proved.iter().filter(|draft| draft.width == Width::Kept).count();
        let mut notes = Vec::new();
        if kept > 0 {
            notes.push(format!(
                "{kept} of them as they are: they have conditions that the log tells nothing of, or \
                 that no narrower statement keeps"
            ));
        }
        let refused = refused(matter, principal, &statements, &observed.calls)?;
        if refused > 0 {
            let message = format!("{refused} calls would not be allowed by the statements found");
            return Err(AskError::new("", message));
        }
        Ok(Self { statements, extent, notes })
    }
}

fn written(matter: &Matter<'_>, principal: &Principal, drafts: &[Draft]) -> Vec<String> {
    let each = drafts.iter().filter_map(|draft| draft.statement(matter, principal));
    each.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Tells whether anything becomes allowed if these statements are added, and how much was compared.
fn widens(matter: &Matter<'_>, statements: &[String]) -> Result<(bool, Extent), AskError> {
    let with = TenancyFile {
        policies: matter
            .file
            .policies
            .iter()
            .cloned()
            .chain([added(matter, statements)?])
            .collect(),
        ..matter.file.clone()
    };
    let text =
        |file: &TenancyFile| file.written().map_err(|error| AskError::new("", error.to_string()));
    let (old, new) = (text(matter.file)?, text(&with)?);
    let old = Given { name: "the policies at hand", text: &old };
    let new = Given { name: "the statements found", text: &new };
    let comparison = diff(&old, &new, matter.ask.semantics)
        .map_err(|error| AskError::new("", error.to_string()))?;
    let widens = comparison.changes.iter().any(|change| change.became == "allowed");
    let Comparison { compared, classes, is_whole, .. } = comparison;
    Ok((widens, Extent { compared, classes, is_whole }))
}

fn added(matter: &Matter<'_>, statements: &[String]) -> Result<PolicyEntry, AskError> {
    let tenancy = &matter.world.file.tenancy_id;
    let attach = matter.world.key_of(tenancy);
    let attach =
        attach.ok_or_else(|| AskError::new("", "the file has no compartment for the tenancy"))?;
    Ok(PolicyEntry {
        name: Some("suggestion".to_owned()),
        attach: attach.clone(),
        statements: statements.to_vec(),
    })
}

/// Counts the calls that the statements alone do not allow, but for what is kept under a condition
/// of which the log tells nothing.
fn refused(
    matter: &Matter<'_>,
    principal: &Principal,
    statements: &[String],
    calls: &[Call],
) -> Result<u64, AskError> {
    let denials = matter.file.policies.iter().cloned();
    let policies: Vec<PolicyEntry> = denials
        .map(|policy| PolicyEntry { statements: only_denying(policy.statements), ..policy })
        .chain([added(matter, statements)?])
        .collect();
    let (sources, _) = matter.world.held(matter.world.sources(&policies)?, matter.ask.semantics);
    let set = compiled(matter.world, &sources, matter.ask.semantics)?;
    let mut refused = 0;
    for call in calls {
        let is_refused = call.asked(matter, principal, |question| {
            let before = decide(matter.set, question);
            let after = decide(&set, question);
            let mut both = before.reasons().zip(after.reasons());
            both.any(|((_, before), (_, after))| {
                matches!(before, Verdict::Granted(_)) && !matches!(after, Verdict::Granted(_))
            })
        });
        refused += if is_refused { call.count.max(1) } else { 0 };
    }
    Ok(refused)
}

fn only_denying(statements: Vec<String>) -> Vec<String> {
    let denies = |text: &String| {
        text.trim_start().get(..4).is_some_and(|word| word.eq_ignore_ascii_case("deny"))
    };
    statements.into_iter().filter(denies).collect()
}
