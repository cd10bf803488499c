//! Statements that do not work without others.

use strongroom_model::Permission as P;
use strongroom_policy::ast::{Action, Allow, ResourceName, Subject};
use strongroom_policy::{ResourceType, Semantics, Verb};

use super::super::clauses::mentions;
use super::super::stated::{Stated, grants, includes, who};
use crate::lint::catalogue::{LISTER_WITHOUT_INSPECT, MISSING_KEY_GRANT};
use crate::lint::finding::{Finding, Level};

pub(in super::super) fn check(
    stated: &Stated<'_>,
    all: &[Stated<'_>],
    semantics: Semantics,
) -> Vec<Finding> {
    let Some(allow) = stated.grant() else { return Vec::new() };
    if matches!(
        allow.action.value,
        Action::Verb(_, ResourceName::Known(ResourceType::AllResources))
    ) {
        return Vec::new();
    }
    let writes = grants(allow, P::SecretCreate);
    let key =
        if writes { writer(stated, allow, all) } else { reader(stated, allow, all, semantics) };
    key.into_iter().chain(lister(stated, allow, all)).collect()
}

/// Returns those of a subject to whom no statement gives a permission.
fn without(permission: P, allow: &Allow, all: &[Stated<'_>]) -> Vec<String> {
    let has = |name: &String| {
        let mut others = all.iter().filter_map(Stated::grant);
        others.any(|other| {
            let is_for_some = mentions(other.condition.as_ref(), "request.principal.")
                && matches!(other.subject.value, Subject::AnyUser | Subject::AnyGroup);
            grants(other, permission)
                && includes(&other.subject.value, name)
                && (!is_for_some || other.subject.value == allow.subject.value)
        })
    };
    who(&allow.subject.value).into_iter().filter(|name| !has(name)).collect()
}

fn writer(stated: &Stated<'_>, allow: &Allow, all: &[Stated<'_>]) -> Option<Finding> {
    let needs = [(P::VaultCreateSecret, "vaults"), (P::KeyEncrypt, "keys")];
    let missing: Vec<(P, &str)> = needs
        .into_iter()
        .filter(|(permission, _)| !without(*permission, allow, all).is_empty())
        .collect();
    if missing.is_empty() {
        return None;
    }
    let names: Vec<&str> = missing.iter().map(|(_, name)| *name).collect();
    let message = format!("`{}` cannot create secrets", allow.subject.value);
    let why = format!(
        "CreateSecret needs VAULT_CREATE_SECRET on the vault, and KEY_ENCRYPT and KEY_DECRYPT on the key: no statement here gives the use of {}",
        names.join(" and ")
    );
    let finding = stated
        .finding(&MISSING_KEY_GRANT, &allow.action.span, &message, &why)
        .labelled("creates secrets, with a key of a vault");
    let lines: Vec<String> = names.iter().map(|name| grant(allow, name)).collect();
    Some(stated.advised(finding, &lines.join("\n")))
}

fn grant(allow: &Allow, resource_type: &str) -> String {
    format!("Allow {} to use {resource_type} in {}", allow.subject.value, allow.location.value)
}

fn reader(
    stated: &Stated<'_>,
    allow: &Allow,
    all: &[Stated<'_>],
    semantics: Semantics,
) -> Option<Finding> {
    let of_services = matches!(allow.subject.value, Subject::Services(_));
    if !grants(allow, P::SecretBundleRead) || of_services {
        return None;
    }
    if without(P::KeyDecrypt, allow, all).is_empty() {
        return (semantics == Semantics::Oracle).then(|| needless(stated, allow, all)).flatten();
    }
    if semantics == Semantics::Oracle {
        return None;
    }
    let message = format!("`{}` may read secrets, and not use their keys", allow.subject.value);
    let why = "in strict semantics GetSecretBundle needs KEY_DECRYPT on the secret's key besides SECRET_BUNDLE_READ: it is refused with 403. Oracle's documentation asks for SECRET_BUNDLE_READ alone";
    let finding = stated
        .finding(&MISSING_KEY_GRANT, &allow.action.span, &message, why)
        .labelled("no `use keys` beside it");
    Some(stated.advised(finding, &grant(allow, "keys")))
}

/// In Oracle's cloud readers need no key.
fn needless(stated: &Stated<'_>, allow: &Allow, all: &[Stated<'_>]) -> Option<Finding> {
    let names = who(&allow.subject.value);
    let is_keys = |other: &&Stated<'_>| {
        other.grant().is_some_and(|keys| {
            let of_keys = Action::Verb(Verb::Use, ResourceName::Known(ResourceType::Keys));
            keys.action.value == of_keys && who(&keys.subject.value) == names
        })
    };
    let writes = |other: &Stated<'_>| {
        other
            .grant()
            .is_some_and(|one| grants(one, P::SecretCreate) && who(&one.subject.value) == names)
    };
    let keys = all.iter().filter(|other| other.file == stated.file).find(is_keys)?;
    if all.iter().any(writes) {
        return None;
    }
    let span = &keys.grant()?.action.span;
    let why = "Oracle documents that GetSecretBundle needs SECRET_BUNDLE_READ alone; who only reads needs no key there";
    let finding =
        keys.finding(&MISSING_KEY_GRANT, span, "readers need no key in Oracle's cloud", why);
    Some(
        finding.at_level(Level::Info).advise(
            "drop the statement, unless a Strongroom vault in strict semantics is read too",
        ),
    )
}

/// People who are shown secrets by name see none in a list.
fn lister(stated: &Stated<'_>, allow: &Allow, all: &[Stated<'_>]) -> Option<Finding> {
    let condition = allow.condition.as_ref();
    let by_name = mentions(condition, "target.secret.");
    let inspects = matches!(allow.action.value, Action::Verb(Verb::Inspect, _));
    let of_people = matches!(allow.subject.value, Subject::Groups(_));
    if !by_name || inspects || !of_people || !grants(allow, P::SecretInspect) {
        return None;
    }
    let lists = |name: &String| {
        all.iter().filter_map(Stated::grant).any(|other| {
            grants(other, P::SecretInspect)
                && includes(&other.subject.value, name)
                && !mentions(other.condition.as_ref(), "target.secret.")
        })
    };
    if who(&allow.subject.value).iter().all(lists) {
        return None;
    }
    let message = format!("`{}` cannot list the secrets that they may read", allow.subject.value);
    let why = "a list has no target yet, so that a condition on `target.secret.…` is false on ListSecrets: the console shows nothing";
    let finding = stated
        .finding(&LISTER_WITHOUT_INSPECT, &allow.action.span, &message, why)
        .labelled("its condition is false on lists");
    let new =
        format!("Allow {} to inspect secrets in {}", allow.subject.value, allow.location.value);
    Some(stated.advised(finding, &new))
}
