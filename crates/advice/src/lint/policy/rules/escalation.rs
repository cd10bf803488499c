//! Statements by which somebody can get more than they were given.

use strongroom_model::Permission;
use strongroom_policy::ast::{Action, Allow, Condition, ResourceName, Subject, Value};
use strongroom_policy::{ResourceType as R, Verb};

use super::super::clauses::{leaves, mentions, values, variable};
use super::super::stated::{Stated, are_administrators, grants, includes, is_tenancy, who};
use crate::lint::catalogue::{KEYS_AND_SECRETS_TOGETHER, PRIVILEGE_ESCALATION};
use crate::lint::finding::{Finding, Level};

/// What a statement's subject can do to get everything.
struct Way {
    permission: Permission,
    /// What it needs besides, from any statement.
    besides: Option<Permission>,
    says: &'static str,
    /// The variable by which the administrators are left out; none if nothing helps.
    spares: Option<&'static str>,
}

const WAYS: [Way; 4] = [
    Way {
        permission: Permission::PolicyCreate,
        besides: None,
        says: "writes policies, and so can allow themselves everything",
        spares: None,
    },
    Way {
        permission: Permission::PolicyUpdate,
        besides: None,
        says: "changes policies, and so can allow themselves everything",
        spares: None,
    },
    Way {
        permission: Permission::DynamicGroupUpdate,
        besides: Some(Permission::DynamicGroupCreate),
        says: "changes which machines are in a dynamic group, and so can put their own in",
        spares: Some("target.dynamicgroup.name"),
    },
    Way {
        permission: Permission::GroupUpdate,
        besides: Some(Permission::UserUpdate),
        says: "puts users into groups, themselves into `Administrators` too",
        spares: Some("target.group.name"),
    },
];

pub(in super::super) fn check(stated: &Stated<'_>, all: &[Stated<'_>]) -> Vec<Finding> {
    let Some(allow) = stated.grant() else { return Vec::new() };
    let of_all =
        matches!(allow.action.value, Action::Verb(_, ResourceName::Known(R::AllResources)));
    if are_administrators(&allow.subject.value) || of_all {
        return Vec::new();
    }
    let way = WAYS.iter().find(|way| opens(way, allow, all));
    let found = way.map(|way| told(way, stated, allow));
    found.into_iter().chain(tags(stated, allow, all)).chain(duties(stated, allow, all)).collect()
}

fn opens(way: &Way, allow: &Allow, all: &[Stated<'_>]) -> bool {
    let spared = way.spares.is_some_and(|name| spares(allow, name));
    if !grants(allow, way.permission) || spared {
        return false;
    }
    // `manage groups` counts by itself: it makes and deletes the groups that others trust.
    let manages = matches!(allow.action.value, Action::Verb(Verb::Manage, _));
    way.besides.is_none_or(|besides| manages || is_granted(besides, allow, all))
}

/// Tells whether any statement gives somebody of the subject a permission.
fn is_granted(permission: Permission, allow: &Allow, all: &[Stated<'_>]) -> bool {
    let names = who(&allow.subject.value);
    all.iter().filter_map(Stated::grant).any(|other| {
        grants(other, permission) && names.iter().any(|name| includes(&other.subject.value, name))
    })
}

/// Tells whether the condition says what the target is not to be, or what it is to be.
fn spares(allow: &Allow, name: &str) -> bool {
    let noun = name.trim_end_matches("name");
    allow.condition.as_ref().is_some_and(|condition| {
        leaves(condition).into_iter().any(|clause| {
            let is_of = variable(&clause.value)
                .is_some_and(|variable| variable.value.to_ascii_lowercase().starts_with(noun));
            let is_all = matches!(&clause.value, Condition::Compare { value, .. }
                if matches!(&value.value, Value::Pattern(text) if text == "*"));
            is_of && !is_all && !values(&clause.value).is_empty()
        })
    })
}

fn told(way: &Way, stated: &Stated<'_>, allow: &Allow) -> Finding {
    let message = format!("`{}` {}", allow.subject.value, way.says);
    let why = match way.permission {
        Permission::GroupUpdate => {
            "AddUserToGroup needs GROUP_UPDATE and USER_UPDATE, and no clause leaves `Administrators` out".to_owned()
        }
        _ => format!(
            "the statement grants {} in {}, and no clause says on what",
            way.permission.name(),
            allow.location.value
        ),
    };
    let finding = stated
        .finding(&PRIVILEGE_ESCALATION, &allow.action.span, &message, &why)
        .labelled("a way to everything");
    let level = if is_tenancy(allow) { Level::Error } else { Level::Warning };
    let finding = finding.at_level(level);
    match way.spares {
        Some("target.group.name") if allow.condition.is_none() => stated.advised(
            finding,
            &format!("{} where target.group.name != 'Administrators'", stated.piece.text),
        ),
        _ => finding.advise("leave this to the group `Administrators`, or let a second person approve what is applied"),
    }
}

/// Whoever tags may grant, where statements ask for tags.
fn tags(stated: &Stated<'_>, allow: &Allow, all: &[Stated<'_>]) -> Option<Finding> {
    if !grants(allow, Permission::TagNamespaceUse)
        || mentions(allow.condition.as_ref(), "target.tag-namespace.")
    {
        return None;
    }
    let asks = all.iter().find_map(|other| {
        let condition = other.condition()?;
        let names = leaves(condition).into_iter().filter_map(|clause| variable(&clause.value));
        let starts = [
            "target.resource.tag.",
            "target.resource.compartment.tag.",
            "request.principal.group.tag.",
        ];
        let name = |variable: &str| {
            let lower = variable.to_ascii_lowercase();
            let rest =
                starts.iter().find_map(|start| lower.strip_prefix(start).map(str::to_owned))?;
            rest.split('.').next().map(str::to_owned)
        };
        names
            .map(|variable| variable.value.clone())
            .find_map(|variable| name(&variable))
            .map(|namespace| (other, namespace))
    });
    let (other, namespace) = asks?;
    let message = format!("`{}` sets the tags by which others are granted", allow.subject.value);
    let why = format!(
        "{} grants by tags of the namespace `{namespace}`, and no clause leaves that out here",
        other.piece.place(other.source)
    );
    let finding = stated
        .finding(&PRIVILEGE_ESCALATION, &allow.action.span, &message, &why)
        .labelled("whoever tags, grants");
    let fix = format!("add target.tag-namespace.name != '{namespace}' to the condition");
    Some(stated.advised(finding, &fix))
}

/// One group manages keys and reads the secrets that they protect.
fn duties(stated: &Stated<'_>, allow: &Allow, all: &[Stated<'_>]) -> Option<Finding> {
    let of_all = |allow: &Allow| {
        matches!(allow.action.value, Action::Verb(_, ResourceName::Known(R::AllResources)))
    };
    let of_all_callers = matches!(allow.subject.value, Subject::AnyUser | Subject::AnyGroup);
    if of_all_callers || !grants(allow, Permission::SecretBundleRead) {
        return None;
    }
    let names = who(&allow.subject.value);
    let other = all.iter().find(|other| {
        other.file == stated.file
            && other.grant().is_some_and(|keys| {
                grants(keys, Permission::KeyDelete)
                    && !of_all(keys)
                    && who(&keys.subject.value).iter().any(|name| names.contains(name))
            })
    })?;
    let keys = other.grant()?;
    let message = format!("`{}` manages keys and reads secrets", allow.subject.value);
    let why =
        "who can do both can read everything and destroy it: the duties are one another's check";
    let finding = stated
        .finding(&KEYS_AND_SECRETS_TOGETHER, &allow.action.span, &message, why)
        .labelled("reads secrets")
        .and_at(other.piece.in_file(&keys.action.span), "manages keys");
    Some(finding.advise("give the keys to one group and the secrets to another"))
}
