use strongroom_model::{Permission, Timestamp};
use strongroom_policy::{Fact, FactName, Target};

use super::AskError;

type Facts = Vec<(FactName, Fact)>;

/// What a request carries.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Of the target.
    pub(super) target: Facts,
    /// Of the request.
    pub(super) request: Facts,
    /// Defined tags of the target.
    pub(super) tags: Vec<(String, String)>,
    pub(super) region: Option<String>,
    pub(super) time: Option<Timestamp>,
    pub(super) operation: Option<String>,
}

/// What follows from principal, permission, target and time, and how its variables begin.
const DERIVED: [(&str, &str); 10] = [
    ("request.permission", "the operation"),
    ("request.user.", "the principal"),
    ("request.groups.", "the principal"),
    ("request.principal.", "the principal"),
    ("request.utc-timestamp.", "request.utc-timestamp"),
    ("target.compartment.", "the target"),
    ("target.resource.compartment.", "the target"),
    ("request.operation.", "the operation"),
    ("request.region.", "request.region"),
    ("request.groups", "the principal"),
];

/// Variables that a request may carry. Source: OCI policy reference.
const KNOWN: [&str; 31] = [
    "request.ad",
    "request.includeplaintextkey",
    "request.kms-key.id",
    "request.networksource.name",
    "request.operation",
    "request.region",
    "request.user.mfatotpverified",
    "request.utc-timestamp",
    "target.boot-volume.kms-key.id",
    "target.credential.type",
    "target.domain.id",
    "target.domain.name",
    "target.dynamicgroup.id",
    "target.dynamicgroup.name",
    "target.group.id",
    "target.group.member",
    "target.group.name",
    "target.key.id",
    "target.policy.autoupdate",
    "target.policy.id",
    "target.policy.name",
    "target.policy.type",
    "target.secret.id",
    "target.secret.name",
    "target.tag-namespace.id",
    "target.tag-namespace.name",
    "target.user.id",
    "target.user.name",
    "target.vault.id",
    "target.workrequest.type",
    "target.workloadtype",
];

const TARGET_TAG: &str = "target.resource.tag.";

impl Variables {
    pub(super) fn read(given: &[(String, String)], what: &str) -> Result<Self, AskError> {
        let mut variables = Self::default();
        for (name, value) in given {
            let name = name.trim().to_ascii_lowercase();
            let name = if name == "target.secret.ocid" { "target.secret.id" } else { &name };
            variables.take(name, value, Permission::named(what).is_some())?;
        }
        Ok(variables)
    }

    fn take(&mut self, name: &str, value: &str, alone: bool) -> Result<(), AskError> {
        check(name)?;
        if let Some(key) = name.strip_prefix(TARGET_TAG) {
            self.tags.push((key.to_owned(), value.to_owned()));
            return Ok(());
        }
        match name {
            "request.region" => self.region = Some(value.to_owned()),
            "request.utc-timestamp" => {
                let time = value.parse().map_err(|_error| {
                    let message = format!("`{value}` is not a time such as 2026-01-01T00:00:00Z");
                    AskError::new("var", message)
                })?;
                self.time = Some(time);
            }
            "request.operation" if alone => self.operation = Some(value.to_owned()),
            "request.operation" => {
                let message = "`request.operation` follows from the operation that is asked for";
                return Err(AskError::new("var", message));
            }
            _ if name.starts_with("target.") => add(&mut self.target, name, value),
            _ => add(&mut self.request, name, value),
        }
        Ok(())
    }

    /// What is known of what a permission is checked on.
    pub(super) fn on(&self, on: Target) -> Facts {
        let begins: &[&str] = match on {
            Target::Key => &["target.key.", "target.vault."],
            Target::Vault => &["target.vault."],
            _ => &["target."],
        };
        let of = |(name, _): &&(FactName, Fact)| begins.iter().any(|start| name.starts_with(start));
        self.target.iter().filter(of).cloned().collect()
    }
}

fn check(name: &str) -> Result<(), AskError> {
    if let Some((start, what)) = DERIVED.iter().find(|(start, _)| name.starts_with(start))
        && name != "request.user.mfatotpverified"
    {
        let message = format!("`{name}` follows from {what}: `{start}` cannot be given");
        return Err(AskError::new("var", message));
    }
    let rooted = name.starts_with("request.") || name.starts_with("target.");
    if !rooted || name.split('.').any(str::is_empty) {
        let message =
            format!("`{name}` is not a variable: they begin with `request.` or `target.`");
        return Err(AskError::new("var", message).near(name, KNOWN.into_iter()));
    }
    if KNOWN.contains(&name) || name.starts_with(TARGET_TAG) {
        return Ok(());
    }
    let error = AskError::new("var", format!("no request carries `{name}`"));
    let error = error.near(name, KNOWN.into_iter());
    if error.similar.is_some() { Err(error) } else { Ok(()) }
}

/// A variable that is given again is a set.
fn add(facts: &mut Facts, name: &str, value: &str) {
    let held = facts.iter_mut().find(|(known, _)| known == name).map(|(_, fact)| fact);
    match held {
        None => facts.push((FactName::Owned(name.to_owned()), Fact::One(value.to_owned()))),
        Some(Fact::Set(values)) => values.push(value.to_owned()),
        Some(fact) => {
            let first = match fact {
                Fact::One(first) => std::mem::take(first),
                Fact::Set(_) => String::new(),
            };
            *fact = Fact::Set(vec![first, value.to_owned()]);
        }
    }
}
