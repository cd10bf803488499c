//! Names that a tenancy does not have, or that lead elsewhere.

use std::ops::Range;

use strongroom_policy::ast::{GroupName, Location, QualifiedName, Spanned, Subject};

use super::super::inventory::Inventory;
use super::super::piece::Piece;
use super::super::stated::Stated;
use crate::lint::catalogue::{UNKNOWN_NAME, UNQUOTED_NAME, UNREACHABLE_COMPARTMENT};
use crate::lint::finding::{Finding, Level};

pub(in super::super) fn check(
    stated: &Stated<'_>,
    all: &[Stated<'_>],
    inventory: Option<&Inventory<'_>>,
) -> Vec<Finding> {
    let Some(allow) = stated.allow() else { return Vec::new() };
    let Some(inventory) = inventory else {
        return beside(stated, all).into_iter().collect();
    };
    let mut found = Vec::new();
    let (groups, dynamic): (&[Spanned<GroupName>], bool) = match &allow.subject.value {
        Subject::Groups(groups) => (groups, false),
        Subject::DynamicGroups(groups) => (groups, true),
        _ => (&[], false),
    };
    for group in groups {
        found.extend(self::group(stated, group, dynamic, inventory));
    }
    found.extend(place(stated, &allow.location, inventory));
    found
}

fn group(
    stated: &Stated<'_>,
    group: &Spanned<GroupName>,
    dynamic: bool,
    inventory: &Inventory<'_>,
) -> Option<Finding> {
    let kind = if dynamic { "dynamic group" } else { "group" };
    let name = match &group.value {
        GroupName::Id(id) => {
            let is_known = Piece::is_open(id) || inventory.has_group_id(id, dynamic);
            let message = format!("there is no {kind} with this OCID");
            let why = "the tenancy has none: it was deleted, or made anew under another OCID";
            return (!is_known).then(|| {
                stated.finding(&UNKNOWN_NAME, &group.span, &message, why).labelled("not there")
            });
        }
        GroupName::Named(name) => name,
    };
    if Piece::is_open(&name.name) || name.domain.as_deref().is_some_and(Piece::is_open) {
        return None;
    }
    let domains = inventory.domains(name, dynamic);
    if inventory.has_group(name, dynamic) {
        return two_domains(stated, group, name, &domains);
    }
    let message = format!("there is no {kind} `{name}`");
    let in_other = domains.first().map(|domain| {
        let domain = domain.to_string();
        QualifiedName { domain: Some(domain), name: name.name.clone() }.to_string()
    });
    let why = match &in_other {
        Some(other) => format!(
            "the domain `{}` has none of this name; there is `{other}`",
            name.domain.as_deref().unwrap_or("Default")
        ),
        None => {
            format!("the tenancy has no {kind} of this name; a policy that names it is refused")
        }
    };
    let near = in_other.or_else(|| inventory.similar_group(&name.name, dynamic));
    let finding = stated.finding(&UNKNOWN_NAME, &group.span, &message, &why).labelled("not there");
    Some(match near {
        Some(near) => stated.advised(finding, &stated.with(&group.span, &near)),
        None => finding,
    })
}

fn two_domains(
    stated: &Stated<'_>,
    group: &Spanned<GroupName>,
    name: &QualifiedName,
    domains: &[&str],
) -> Option<Finding> {
    let other = domains.first().filter(|_| name.domain.is_none())?;
    let message = format!("`{}` is in more than one domain", name.name);
    let why = format!(
        "without a domain the group of `Default` is meant; `{other}` has one of this name too"
    );
    let finding =
        stated.finding(&UNQUOTED_NAME, &group.span, &message, &why).labelled("of which domain?");
    let qualified = QualifiedName { domain: Some("Default".to_owned()), name: name.name.clone() };
    Some(stated.repaired(finding, &stated.with(&group.span, &qualified.to_string())))
}

fn place(
    stated: &Stated<'_>,
    location: &Spanned<Location>,
    inventory: &Inventory<'_>,
) -> Option<Finding> {
    let path = match &location.value {
        Location::Tenancy => return None,
        Location::Id(id) => {
            let is_known = Piece::is_open(id) || inventory.has_compartment_id(id);
            let why = "the tenancy has none: it was deleted, or made anew under another OCID";
            return (!is_known).then(|| {
                stated
                    .finding(
                        &UNKNOWN_NAME,
                        &location.span,
                        "there is no compartment with this OCID",
                        why,
                    )
                    .labelled("not there")
            });
        }
        Location::Path(path) => path,
    };
    let is_id = path.iter().any(|name| name.starts_with("ocid1."));
    if is_id || path.iter().any(|name| Piece::is_open(name)) {
        return None;
    }
    let attachment = stated.piece.home.attachment.as_deref();
    if inventory.leads(attachment, path) {
        return None;
    }
    let shown = path.join(":");
    let last = path.last()?;
    let paths = inventory.paths_of(last);
    if paths.is_empty() {
        let message = format!("there is no compartment `{shown}`");
        let why = "the tenancy has no compartment of this name; a policy that names it is refused";
        let finding =
            stated.finding(&UNKNOWN_NAME, &location.span, &message, why).labelled("not there");
        return Some(match inventory.similar_compartment(last) {
            Some(near) => {
                let mut right = path.clone();
                right.pop();
                right.push(near);
                stated.advised(
                    finding,
                    &stated.with(&location.span, &Location::Path(right).to_string()),
                )
            }
            None => finding,
        });
    }
    // Where a policy in code is attached is often not known: then this is a guess.
    let is_sure = attachment.is_some_and(|key| inventory.file.world.compartments.contains_key(key));
    let finding = elsewhere(stated, &location.span, &shown, &paths);
    if !is_sure {
        let finding = finding.at_level(Level::Info);
        return Some(with_path(stated, finding, &location.span, &paths));
    }
    Some(match paths.as_slice() {
        [path] => led(stated, finding, &location.span, path, inventory),
        _ => finding,
    })
}

/// Repairs a name by the path to the only compartment that has it, from where the policy is.
fn led(
    stated: &Stated<'_>,
    finding: Finding,
    span: &Range<usize>,
    path: &str,
    inventory: &Inventory<'_>,
) -> Finding {
    let attachment = stated.piece.home.attachment.as_deref();
    let names: Vec<String> = path.split(':').map(str::to_owned).collect();
    let ends = (0..names.len()).filter_map(|from| names.get(from..));
    match ends.into_iter().find(|end| inventory.leads(attachment, end)) {
        Some(end) => {
            let new = stated.with(span, &Location::Path(end.to_vec()).to_string());
            stated.repaired(finding, &new)
        }
        None => finding,
    }
}

fn elsewhere(stated: &Stated<'_>, span: &Range<usize>, shown: &str, paths: &[String]) -> Finding {
    let message = format!("`{shown}` does not lead to a compartment from where the policy is");
    let why = format!(
        "a bare name is a child of the compartment that the policy is attached to; there is `{}`",
        paths.join("`, `")
    );
    stated.finding(&UNREACHABLE_COMPARTMENT, span, &message, &why).labelled("would be refused")
}

/// Offers the only path. Whether it is meant is for somebody to say: where the policy is attached is
/// not known, and another compartment could have the name.
fn with_path(
    stated: &Stated<'_>,
    finding: Finding,
    span: &Range<usize>,
    paths: &[String],
) -> Finding {
    match paths {
        [path] => {
            let names = path.split(':').map(str::to_owned).collect();
            stated.advised(finding, &stated.with(span, &Location::Path(names).to_string()))
        }
        _ => finding,
    }
}

/// Without an inventory: a bare name that another statement of the policy reaches by a path.
fn beside(stated: &Stated<'_>, all: &[Stated<'_>]) -> Option<Finding> {
    let location = &stated.allow()?.location;
    let Location::Path(path) = &location.value else { return None };
    let [name] = path.as_slice() else { return None };
    if Piece::is_open(name) {
        return None;
    }
    let paths: Vec<&Vec<String>> = all
        .iter()
        .filter(|other| {
            other.file == stated.file && other.piece.home.policy == stated.piece.home.policy
        })
        .filter_map(|other| match &other.allow()?.location.value {
            Location::Path(path) => Some(path),
            _ => None,
        })
        .collect();
    let is_above = paths.iter().any(|path| {
        path.len() > 1 && path.first().is_some_and(|one| one.eq_ignore_ascii_case(name))
    });
    let longer = paths.iter().find(|path| {
        path.len() > 1 && path.last().is_some_and(|last| last.eq_ignore_ascii_case(name))
    })?;
    if is_above || longer.iter().any(|name| Piece::is_open(name)) {
        return None;
    }
    let paths = [longer.join(":")];
    let finding = elsewhere(stated, &location.span, name, &paths);
    Some(with_path(stated, finding, &location.span, &paths))
}
