//! Statements for everybody, for workloads and for services.

use strongroom_policy::Verb;
use strongroom_policy::ast::{Action, Allow, Subject};

use super::super::clauses::{leaves, mentions, narrows_by, values, variable};
use super::super::stated::Stated;
use crate::lint::catalogue::{
    ANY_USER_FOR_ANY_GROUP, ANY_USER_UNBOUNDED, SERVICE_WITHOUT_REGION, UNNAMED_WORKLOAD,
};
use crate::lint::finding::Finding;

/// What tells principals apart.
const OF_PRINCIPALS: [&str; 3] = ["request.principal.", "request.user.", "request.groups."];

/// What names one workload of a cluster.
const OF_WORKLOADS: [&str; 3] = [
    "request.principal.namespace",
    "request.principal.service_account",
    "request.principal.cluster_id",
];

pub(in super::super) fn check(stated: &Stated<'_>) -> Vec<Finding> {
    let Some(allow) = stated.grant() else { return Vec::new() };
    let mut found = Vec::new();
    if matches!(allow.subject.value, Subject::AnyUser | Subject::AnyGroup) {
        let unbounded = unbounded(stated, allow);
        if unbounded.is_none() && allow.subject.value == Subject::AnyUser {
            found.extend(services_too(stated, allow));
        }
        found.extend(unbounded);
        found.extend(workload(stated, allow));
    }
    found.extend(service(stated, allow));
    found
}

fn unbounded(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    let inspects = matches!(allow.action.value, Action::Verb(Verb::Inspect, _));
    if inspects || narrows_by(allow.condition.as_ref(), &OF_PRINCIPALS) {
        return None;
    }
    let (subject, action, place) =
        (&allow.subject.value, &allow.action.value, &allow.location.value);
    let why = match &allow.condition {
        None => {
            "every user, instance and function of the tenancy has it, and there is no condition"
        }
        Some(_) => {
            "no clause of the condition says who: every user, instance and function that meets it has it"
        }
    };
    let message = format!("`{subject}` may {action} in {place}");
    let finding = stated
        .finding(&ANY_USER_UNBOUNDED, &allow.subject.span, &message, why)
        .labelled("everybody");
    let new = stated.with(&allow.subject.span, "dynamic-group <name of the application>");
    Some(stated.advised(finding, &new))
}

/// `any-user` takes services in, unless the condition leaves them out.
fn services_too(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    if narrows_by(allow.condition.as_ref(), &OF_PRINCIPALS) {
        return None;
    }
    let finding = stated
        .finding(
            &ANY_USER_FOR_ANY_GROUP,
            &allow.subject.span,
            "`any-user` takes Oracle's services in too",
            "`any-user` is users, resources and services; `any-group` is the same without services",
        )
        .labelled("users, resources and services");
    Some(stated.advised(finding, &stated.with(&allow.subject.span, "any-group")))
}

fn workload(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    let condition = allow.condition.as_ref()?;
    let is_workload = |value: &str| value.trim_matches('\'').eq_ignore_ascii_case("workload");
    let clause = leaves(condition).into_iter().find(|clause| {
        let of_type = variable(&clause.value)
            .is_some_and(|name| name.value.eq_ignore_ascii_case("request.principal.type"));
        of_type && values(&clause.value).iter().any(|value| is_workload(&value.value.to_string()))
    })?;
    let missing: Vec<&str> =
        OF_WORKLOADS.into_iter().filter(|name| !mentions(Some(condition), name)).collect();
    if missing.is_empty() {
        return None;
    }
    let names = missing.join("`, `");
    let message = format!("any workload that differs only in `{names}` has it too");
    let why = "a workload is told from others by its cluster, its namespace and its service account, all three";
    let finding = stated
        .finding(&UNNAMED_WORKLOAD, &clause.span, &message, why)
        .labelled("workloads of every cluster");
    let clauses: Vec<String> = missing.iter().map(|name| format!("{name} = '…'")).collect();
    Some(stated.advised(finding, &format!("add {} to the `all {{…}}`", clauses.join(", "))))
}

fn service(stated: &Stated<'_>, allow: &Allow) -> Option<Finding> {
    let Subject::Services(names) = &allow.subject.value else { return None };
    let name = names.iter().find(|name| name.value.eq_ignore_ascii_case("objectstorage"))?;
    let finding = stated
        .finding(
            &SERVICE_WITHOUT_REGION,
            &name.span,
            "the service `objectstorage` is called by its region",
            "the principal of Object Storage is `objectstorage-<region>` in each region; no request comes from `objectstorage`",
        )
        .labelled("no region");
    Some(stated.advised(finding, &stated.with(&name.span, "objectstorage-<region>")))
}
