//! How many statements there are, and which are there twice.

use std::collections::BTreeMap;

use super::super::stated::{Stated, who};
use crate::lint::catalogue::REPEATED_GRANT;
use crate::lint::finding::Finding;

/// Statements of a policy, and of all along a path of compartments.
///
/// Source: OCI documentation, "Service Limits", "IAM Limits".
const POLICY_MAX: usize = 50;
const PATH_MAX: usize = 500;

/// Returns findings with the number of the file that each is in.
pub(in super::super) fn check(all: &[Stated<'_>]) -> Vec<(usize, Finding)> {
    let mut found = repeated(all);
    found.extend(long(all));
    found.extend(many(all));
    found
}

/// The same grant for others, in another policy.
fn repeated(all: &[Stated<'_>]) -> Vec<(usize, Finding)> {
    let mut seen: BTreeMap<String, &Stated<'_>> = BTreeMap::new();
    let mut found = Vec::new();
    for stated in all.iter().filter(|one| one.grant().is_some() && !one.piece.has_holes()) {
        let home = &stated.piece.home;
        let text = stated.statement.to_string().to_lowercase();
        let key = format!("{} {:?} {text}", stated.file, home.attachment);
        let Some(first) = seen.get(&key) else {
            seen.insert(key, stated);
            continue;
        };
        // Files often stand for one another: environments, examples.
        if first.piece.home.policy == home.policy {
            continue;
        }
        let Some(allow) = stated.grant() else { continue };
        let place = first.piece.place(first.source);
        let message = format!("`{}` is given the same by another policy", allow.subject.value);
        let why = format!(
            "{place} says the same; a tenancy has room for {PATH_MAX} statements along a path of compartments, a policy for {POLICY_MAX}"
        );
        let finding =
            stated.finding(&REPEATED_GRANT, &allow.action.span, &message, &why).labelled("twice");
        let finding = finding.and_at(first.piece.whole(), "here first");
        let names = who(&allow.subject.value).join(", ");
        found.push((stated.file, finding.advise(format!("one statement for {names}, in one policy; groups can be named one after the other, with commas"))));
    }
    found
}

/// A policy that is nearly full.
fn long(all: &[Stated<'_>]) -> Vec<(usize, Finding)> {
    let mut policies: BTreeMap<(usize, usize), Vec<&Stated<'_>>> = BTreeMap::new();
    for stated in all.iter().filter(|one| one.piece.home.is_in_policy) {
        policies.entry((stated.file, stated.piece.home.policy)).or_default().push(stated);
    }
    let full = policies.into_values().filter(|policy| policy.len() * 5 > POLICY_MAX * 4);
    full.filter_map(|policy| {
        let last = policy.last()?;
        let message = format!("the policy has {} statements of {POLICY_MAX}", policy.len());
        let why = "a policy takes 50 statements; what is above is refused when it is applied";
        let finding = last
            .finding(&REPEATED_GRANT, &(0..last.piece.text.len()), &message, why)
            .labelled(format!("number {}", policy.len()));
        Some((
            last.file,
            finding.advise("split the policy, or name several groups in one statement"),
        ))
    })
    .collect()
}

/// More than a tenancy takes along one path; which path is not known, so that all of a file count.
fn many(all: &[Stated<'_>]) -> Vec<(usize, Finding)> {
    let mut files: BTreeMap<usize, Vec<&Stated<'_>>> = BTreeMap::new();
    for stated in all.iter().filter(|one| one.piece.home.is_in_policy) {
        files.entry(stated.file).or_default().push(stated);
    }
    let full = files.into_iter().filter(|(_, file)| file.len() * 5 > PATH_MAX * 4);
    full.filter_map(|(file, statements)| {
        let last = statements.last()?;
        let message = format!("the file has {} statements of {PATH_MAX}", statements.len());
        let why = "the statements along any path from the tenancy down to a compartment are 500 at most; all of the file are counted";
        let finding = last.finding(&REPEATED_GRANT, &(0..last.piece.text.len()), &message, why);
        Some((file, finding.advise("merge what differs only in the group")))
    })
    .collect()
}
