//! How much a statement reaches.

use strongroom_model::Permission;
use strongroom_policy::ast::{Action, Allow, GroupName, ResourceName, Subject};
use strongroom_policy::{ResourceType as R, Verb};

use super::super::clauses::narrows_by;
use super::super::inventory::Inventory;
use super::super::piece::Piece;
use super::super::stated::{Stated, are_administrators, grants, is_tenancy};
use super::super::tables::EVERYBODY;
use crate::lint::catalogue::{
    BROAD_SECRET_MANAGER, DYNAMIC_GROUP_MANAGES, MANAGE_ALL_RESOURCES, TENANCY_WIDE_SECRETS,
    UNNAMED_SECRETS,
};
use crate::lint::finding::Finding;

/// Members from which on a group is one of everybody.
const MEMBERS_MAX: usize = 20;

/// What says which secrets are meant.
const NAMES: [&str; 4] =
    ["target.secret.name", "target.secret.id", "target.secret.ocid", "target.resource.tag."];

/// What says which object is meant, of any kind.
const OBJECTS: [&str; 6] = [
    "target.secret.",
    "target.key.id",
    "target.vault.id",
    "target.resource.tag.",
    "target.resource.compartment.tag.",
    "target.compartment.",
];

pub(in super::super) fn check(
    stated: &Stated<'_>,
    inventory: Option<&Inventory<'_>>,
) -> Vec<Finding> {
    let Some(allow) = stated.grant() else { return Vec::new() };
    if are_administrators(&allow.subject.value) {
        return Vec::new();
    }
    let all = all_resources(stated, allow);
    if all.is_some() {
        return all.into_iter().collect();
    }
    let manager = secret_manager(stated, allow, inventory);
    let is_managed = manager.is_some();
    let wide = if is_managed { None } else { tenancy_wide(stated, allow) };
    let unnamed = unnamed(stated, allow);
    let dynamic = dynamic_group(stated, allow);
    manager.into_iter().chain(wide).chain(unnamed).chain(dynamic).collect()
}

const fn known(allow: &Allow) -> Option<(Verb, R)> {
    match &allow.action.value {
        Action::Verb(verb, ResourceName::Known(known)) => Some((*verb, *known)),
        _ => None,
    }
}

fn all_resources(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    if known(allow) != Some((Verb::Manage, R::AllResources)) {
        return None;
    }
    let message =
        format!("`{}` may do everything in {}", allow.subject.value, allow.location.value);
    let why = "`manage all-resources` takes policies, groups and keys in: whoever has it can give themselves the rest";
    let finding = stated
        .finding(&MANAGE_ALL_RESOURCES, &allow.action.span, &message, why)
        .labelled("everything, the policies too");
    let fix = "one statement for each resource-type that is needed, such as `manage secret-family` and `use keys`";
    Some(finding.advise(fix))
}

/// Who manages secrets, and is too many or everywhere.
fn secret_manager(
    stated: &Stated<'_>,
    allow: &Allow,
    inventory: Option<&Inventory<'_>>,
) -> Option<Finding> {
    if !matches!(known(allow), Some((Verb::Manage, R::SecretFamily | R::Secrets))) {
        return None;
    }
    let narrow = narrows_by(allow.condition.as_ref(), &OBJECTS);
    let (span, why, label) = if is_tenancy(allow) && !narrow {
        (
            &allow.location.span,
            "secrets of every compartment, of those made later too".to_owned(),
            "everywhere",
        )
    } else {
        let (span, why) = crowd(&allow.subject.value, inventory)?;
        (span, why, "many people")
    };
    let message =
        format!("`{}` may {} in {}", allow.subject.value, allow.action.value, allow.location.value);
    let why = format!("{why}; `manage` deletes them and moves them to other compartments");
    let finding = stated.finding(&BROAD_SECRET_MANAGER, span, &message, &why).labelled(label);
    let new = stated.with(
        &(allow.action.span.start..allow.location.span.end),
        "to use secret-family in compartment <AppSecrets>",
    );
    Some(stated.advised(finding, &new))
}

/// The group of a subject that is one of everybody, and why.
fn crowd<'a>(
    subject: &'a Subject,
    inventory: Option<&Inventory<'_>>,
) -> Option<(&'a std::ops::Range<usize>, String)> {
    let Subject::Groups(groups) = subject else { return None };
    groups.iter().find_map(|group| {
        let GroupName::Named(name) = &group.value else { return None };
        if Piece::is_open(&name.name) {
            return None;
        }
        let lower = name.name.to_lowercase();
        let members = inventory.and_then(|all| all.members(name)).unwrap_or(0);
        if members > MEMBERS_MAX {
            return Some((&group.span, format!("the group `{name}` has {members} members")));
        }
        let is_all =
            lower == "all" || ["all-", "all_", "all "].iter().any(|start| lower.starts_with(start));
        let is_crowd = is_all || EVERYBODY.contains(&lower.as_str());
        is_crowd
            .then(|| (&group.span, format!("the group `{name}` is one of everybody, by its name")))
    })
}

fn tenancy_wide(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    let (verb, resource_type) = known(allow)?;
    let of_vaults = matches!(
        resource_type,
        R::SecretFamily
            | R::KeyFamily
            | R::Vaults
            | R::Keys
            | R::KeyDelegate
            | R::Secrets
            | R::SecretVersions
            | R::SecretBundles
    );
    let narrow = narrows_by(allow.condition.as_ref(), &OBJECTS);
    if !of_vaults || verb == Verb::Inspect || !is_tenancy(allow) || narrow {
        return None;
    }
    let message = format!("`{}` may {} everywhere", allow.subject.value, allow.action.value);
    let why = "the tenancy is every compartment, of those made later too: one stolen credential opens all of them";
    let finding = stated
        .finding(&TENANCY_WIDE_SECRETS, &allow.location.span, &message, why)
        .labelled("every compartment");
    Some(stated.advised(finding, &stated.with(&allow.location.span, "compartment <AppSecrets>")))
}

/// Reading of secrets that are not named.
fn unnamed(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    let manages = matches!(known(allow), Some((Verb::Manage, _)));
    let all = matches!(known(allow), Some((_, R::AllResources)));
    if manages || all || !grants(allow, Permission::SecretBundleRead) {
        return None;
    }
    if narrows_by(allow.condition.as_ref(), &NAMES) {
        return None;
    }
    let message =
        format!("`{}` may read every secret in {}", allow.subject.value, allow.location.value);
    let why = "no clause names the secrets, so that those of other applications in the compartment are read too";
    let finding = stated
        .finding(&UNNAMED_SECRETS, &allow.action.span, &message, why)
        .labelled("whatever they are called");
    let text = stated.piece.text.trim_end();
    let new = match &allow.condition {
        None => format!("{text} where target.secret.name = /<app>-*/"),
        Some(condition) => {
            let inner = stated.text(&condition.span);
            let new = format!("all {{{inner}, target.secret.name = /<app>-*/}}");
            stated.with(&condition.span, &new)
        }
    };
    Some(stated.advised(finding, &new))
}

fn dynamic_group(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    let (Verb::Manage, resource_type) = known(allow)? else { return None };
    if !matches!(allow.subject.value, Subject::DynamicGroups(_)) || resource_type == R::AuditEvents
    {
        return None;
    }
    let message = format!("machines may {}: `{}`", allow.action.value, allow.subject.value);
    let why = format!(
        "whoever enters one of the machines may create and delete {} there",
        resource_type.name()
    );
    let finding = stated
        .finding(&DYNAMIC_GROUP_MANAGES, &allow.action.span, &message, &why)
        .labelled("machines rarely need more than `use`");
    let new = stated.with(&allow.action.span, &format!("to use {}", resource_type.name()));
    Some(stated.advised(finding, &new))
}
