use strongroom_model::Permission;
use strongroom_policy::ast::{Action, Allow, ResourceName, Statement};
use strongroom_policy::{Verb, parse, permissions_of};

use super::fault::Fault;
use super::groups::group_for;
use super::report::{Finding, Outcome};

/// Statements that are shown.
const STATEMENTS_MAX: usize = 3;

/// Why a vault refused a request, as it tells those who may know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explained {
    /// What was wrong, in a sentence.
    pub reason: String,
    /// `user`, `instance`, ….
    pub caller_kind: String,
    /// OCID of the caller.
    pub caller_id: String,
    /// OCID of the caller's compartment, if it is a machine's and known.
    pub caller_compartment_id: Option<String>,
    /// Groups and dynamic groups of the caller.
    pub groups: Vec<String>,
    /// Dynamic groups that the caller is not in, with the clause that does not hold.
    pub other_groups: Vec<(String, String)>,
    /// What the request needed.
    pub needs: Vec<ExplainedNeed>,
    /// Statements that would allow it.
    pub suggestions: Vec<String>,
    /// Whether it would be allowed now.
    pub is_allowed_now: bool,
}

/// A permission that a request needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExplainedNeed {
    /// The permission.
    pub permission: String,
    /// Where.
    pub place: String,
    /// `granted`, `not granted`, `denied` or `absent`.
    pub verdict: String,
    /// The statement that denies it.
    pub decided_by: Option<ExplainedStatement>,
    /// Statements that came nearest, the nearest first.
    pub nearest: Vec<ExplainedStatement>,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExplainedStatement {
    /// Policy and number.
    pub place: String,
    /// The statement.
    pub text: String,
    /// `subject`, `location`, `action` or `condition`.
    pub failing: String,
    /// The words that do not hold.
    pub failing_text: String,
}

/// Judges a refusal that the vault explained.
#[must_use]
pub fn judge_explained(label: &str, explained: &Explained) -> Outcome {
    if explained.is_allowed_now {
        return Outcome::Open("the same request would be allowed now: policies changed".to_owned());
    }
    let missing = |need: &&ExplainedNeed| need.verdict != "granted";
    match explained.needs.iter().find(missing) {
        Some(need) => Outcome::Found(judge_need(label, explained, need)),
        None => judge_reason(label, &explained.reason),
    }
}

/// Judges a refusal that no policy is the reason of.
fn judge_reason(label: &str, reason: &str) -> Outcome {
    let found = |fault, message: String| {
        Outcome::Found(Finding::certain(fault, message).because(format!("the vault: {reason}")))
    };
    if reason.contains("PENDING_DELETION") && reason.starts_with("the secret is") {
        return found(Fault::SecretPendingDeletion, format!("secret `{label}` is to be deleted"));
    }
    if reason.contains("version") {
        let message = format!("secret `{label}` has no such version, or it is to be deleted");
        return found(Fault::VersionAbsent, message);
    }
    Outcome::Open(format!("not a matter of policies: {reason}"))
}

fn judge_need(label: &str, explained: &Explained, need: &ExplainedNeed) -> Finding {
    let of_key = need.permission.starts_with("KEY_");
    match need.verdict.as_str() {
        "absent" if of_key => {
            let message = "the secret's key is not there";
            return Finding::certain(Fault::KeyPendingDeletion, message)
                .because("the vault knows nothing of the key that the secret names");
        }
        "absent" => {
            let message = format!("there is no secret `{label}`");
            return Finding::certain(Fault::SecretAbsent, message).because(
                "the vault knows nothing of this identifier: it was never there, is of another \
                 tenancy, or is deleted",
            );
        }
        "denied" => return denied(label, need),
        _ => {}
    }
    let nearness = nearness(need);
    if explained.groups.is_empty() && nearness == Nearness::None {
        return of_nobody(explained);
    }
    let what = if of_key { "use the secret's key" } else { "read the secret" };
    let (fault, message) = match nearness {
        Nearness::Condition => (
            Fault::ConditionFails,
            format!("a statement would let the caller {what}, if its condition held"),
        ),
        Nearness::Location if of_key => (
            Fault::KeyInOtherCompartment,
            format!("a statement lets the caller use keys, but the key is in {}", need.place),
        ),
        Nearness::Location => (
            Fault::SecretInOtherCompartment,
            format!(
                "a statement lets the caller read secrets, but the secret is in {}",
                need.place
            ),
        ),
        Nearness::Verb => {
            (Fault::VerbTooWeak, format!("the verb of a statement is too weak to {what}"))
        }
        Nearness::None if of_key => (
            Fault::MissingKeyRight,
            "the caller may read the secret, but not use its key".to_owned(),
        ),
        Nearness::None => (
            Fault::MissingSecretRight,
            format!("no statement lets the caller read secret `{label}`"),
        ),
    };
    let finding = Finding::certain(fault, message).because(lacking(explained, need));
    match explained.suggestions.as_slice() {
        [] => finding,
        suggestions => finding.fix(suggestions.join("\n")),
    }
}

/// How near a statement comes to granting what is needed, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    /// It would, if its condition held.
    Condition,
    /// It does, elsewhere.
    Location,
    /// It would with another verb.
    Verb,
    /// It does not.
    None,
}

fn nearness(need: &ExplainedNeed) -> Nearness {
    let permission = Permission::named(&need.permission);
    let all = need.nearest.iter().map(|statement| nearness_of(statement, permission));
    all.min().unwrap_or(Nearness::None)
}

fn nearness_of(statement: &ExplainedStatement, permission: Option<Permission>) -> Nearness {
    let (grants, would) = permission.map_or((false, false), |asked| grants(statement, asked));
    match statement.failing.as_str() {
        "condition" => Nearness::Condition,
        "location" if grants => Nearness::Location,
        "action" if would => Nearness::Verb,
        _ => Nearness::None,
    }
}

fn is_about_secrets_or_keys(statement: &ExplainedStatement) -> bool {
    let Ok(Statement::Allow(Allow { action, .. })) = parse(&statement.text) else { return false };
    let named = statement.text.get(action.span).unwrap_or_default().to_lowercase();
    named.contains("secret") || named.contains("key")
}

/// Tells whether a statement's action grants a permission, and whether its strongest verb would.
fn grants(statement: &ExplainedStatement, asked: Permission) -> (bool, bool) {
    let Ok(Statement::Allow(Allow { action, .. })) = parse(&statement.text) else {
        return (false, false);
    };
    match action.value {
        Action::Verb(verb, ResourceName::Known(of)) => {
            let with = |verb| permissions_of(of, verb).contains(asked);
            (with(verb), with(Verb::Manage))
        }
        Action::Permissions(named, _) => (named.iter().any(|one| one.value == asked.name()), false),
        Action::Verb(..) | Action::Associate(_) => (false, false),
    }
}

fn lacking(explained: &Explained, need: &ExplainedNeed) -> String {
    let ExplainedNeed { permission, place, nearest, .. } = need;
    let Explained { caller_kind, caller_id, groups, .. } = explained;
    let groups = if groups.is_empty() { "no group".to_owned() } else { groups.join(", ") };
    let mut lines = vec![format!(
        "{permission} in {place} is not granted to {caller_kind} {caller_id} (in {groups})"
    )];
    let about = |statement: &&ExplainedStatement| {
        nearness_of(statement, Permission::named(permission)) != Nearness::None
            || is_about_secrets_or_keys(statement)
    };
    lines.extend(nearest.iter().filter(about).take(STATEMENTS_MAX).map(|statement| {
        let ExplainedStatement { place, text, failing, failing_text } = statement;
        format!("{place}: {text} – its {failing} `{failing_text}` does not hold")
    }));
    if lines.len() == 1 {
        lines.push("no statement about the caller is about secrets or keys".to_owned());
    }
    lines.join("\n")
}

fn denied(label: &str, need: &ExplainedNeed) -> Finding {
    let message = format!("a statement denies reading secret `{label}`");
    let finding = Finding::certain(Fault::DeniedByStatement, message);
    match &need.decided_by {
        Some(by) => finding
            .because(format!(
                "{} in {} is denied by {}: {}",
                need.permission, need.place, by.place, by.text
            ))
            .fix(format!("take the caller out of the statement of {}", by.place)),
        None => finding.because(format!("{} in {} is denied", need.permission, need.place)),
    }
}

fn of_nobody(explained: &Explained) -> Finding {
    let Explained { caller_kind, caller_id, other_groups, .. } = explained;
    if caller_kind == "user" {
        let message = format!("user {caller_id} is in no group, and statements are about groups");
        return Finding::certain(Fault::NoGroup, message)
            .because("no statement is about any-user that would allow it")
            .fix(format!("oci iam group add-user --user-id {caller_id} --group-id <group OCID>"));
    }
    let clauses: Vec<String> = other_groups
        .iter()
        .map(|(name, clause)| format!("not in `{name}`: `{clause}` does not hold"))
        .collect();
    let message = format!("{caller_kind} {caller_id} is in no dynamic group");
    let why = if clauses.is_empty() { "there is none".to_owned() } else { clauses.join("\n") };
    let compartment_id = explained.caller_compartment_id.as_deref();
    let fix = group_for(caller_kind, compartment_id.unwrap_or("<compartment OCID>"));
    Finding::certain(Fault::NoDynamicGroup, message).because(why).fix(fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(need: ExplainedNeed, groups: &[&str]) -> Explained {
        Explained {
            caller_kind: "user".to_owned(),
            caller_id: "u".to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            needs: vec![
                ExplainedNeed { verdict: "granted".to_owned(), ..ExplainedNeed::default() },
                need,
            ],
            suggestions: vec!["Allow".to_owned()],
            ..Explained::default()
        }
    }

    fn need(permission: &str, verdict: &str, nearest: &[(&str, &str)]) -> ExplainedNeed {
        let statement = |(failing, action): &(&str, &str)| ExplainedStatement {
            failing: (*failing).to_owned(),
            text: format!(
                "Allow group keys to {action} in compartment a where request.region = 'x'"
            ),
            ..ExplainedStatement::default()
        };
        ExplainedNeed {
            permission: permission.to_owned(),
            verdict: verdict.to_owned(),
            nearest: nearest.iter().map(statement).collect(),
            ..ExplainedNeed::default()
        }
    }

    fn fault(explained: &Explained) -> Option<Fault> {
        match judge_explained("s", explained) {
            Outcome::Found(finding) => Some(finding.fault),
            _ => None,
        }
    }

    #[test]
    fn what_is_missing_is_told_by_the_nearest_statement() {
        let (key, bundle) = ("KEY_DECRYPT", "SECRET_BUNDLE_READ");
        for (permission, nearest, expected) in [
            (key, vec![("action", "read secret-family")], Fault::MissingKeyRight),
            (key, vec![("action", "inspect keys")], Fault::VerbTooWeak),
            (key, vec![("location", "inspect keys")], Fault::MissingKeyRight),
            (key, vec![("location", "use keys")], Fault::KeyInOtherCompartment),
            (key, vec![("location", "{KEY_DECRYPT}")], Fault::KeyInOtherCompartment),
            (
                key,
                vec![("action", "inspect keys"), ("location", "use keys")],
                Fault::KeyInOtherCompartment,
            ),
            (key, vec![("condition", "use keys")], Fault::ConditionFails),
            (bundle, vec![], Fault::MissingSecretRight),
            (bundle, vec![("subject", "read secret-family")], Fault::MissingSecretRight),
            (bundle, vec![("action", "use keys")], Fault::MissingSecretRight),
            (bundle, vec![("action", "inspect secret-family")], Fault::VerbTooWeak),
            (bundle, vec![("location", "read secret-family")], Fault::SecretInOtherCompartment),
        ] {
            let found = explained(need(permission, "not granted", &nearest), &["g"]);
            assert_eq!(fault(&found), Some(expected), "{permission} {nearest:?}");
        }
        let absent = explained(need("SECRET_BUNDLE_READ", "absent", &[]), &["g"]);
        assert_eq!(fault(&absent), Some(Fault::SecretAbsent));
        let denied = explained(need("KEY_DECRYPT", "denied", &[]), &["g"]);
        assert_eq!(fault(&denied), Some(Fault::DeniedByStatement));
    }

    #[test]
    fn statements_about_something_else_are_not_shown() {
        let nearest = [
            ("action", "read secret-family"),
            ("action", "read denials"),
            ("action", "use buckets"),
        ];
        let found = explained(need("KEY_DECRYPT", "not granted", &nearest), &["secret-keepers"]);
        let Outcome::Found(found) = judge_explained("s", &found) else { panic!("not found") };
        assert!(found.why.contains("secret-family"), "{}", found.why);
        assert!(!found.why.contains("denials") && !found.why.contains("buckets"), "{}", found.why);
        let none =
            explained(need("KEY_DECRYPT", "not granted", &nearest[1..]), &["secret-keepers"]);
        let Outcome::Found(none) = judge_explained("s", &none) else { panic!("not found") };
        assert!(none.why.contains("no statement about the caller"), "{}", none.why);
    }

    #[test]
    fn who_is_in_no_group_has_no_rights() {
        let mut nobody = explained(need("SECRET_BUNDLE_READ", "not granted", &[]), &[]);
        assert_eq!(fault(&nobody), Some(Fault::NoGroup));
        nobody.caller_kind = "instance".to_owned();
        nobody.other_groups = vec![("red".to_owned(), "tag.a.b.value = 'c'".to_owned())];
        let Outcome::Found(found) = judge_explained("s", &nobody) else { panic!("not found") };
        assert_eq!(found.fault, Fault::NoDynamicGroup);
        assert_eq!(found.why, "not in `red`: `tag.a.b.value = 'c'` does not hold");
        nobody.is_allowed_now = true;
        assert_eq!(fault(&nobody), None);
    }

    /// A statement about any-user needs no group.
    #[test]
    fn who_is_in_no_group_is_told_what_keeps_a_statement_about_everybody_from_holding() {
        let everybody = ExplainedStatement {
            failing: "condition".to_owned(),
            text: "Allow any-user to read secret-family in compartment a where \
                   request.principal.type = 'instance'"
                .to_owned(),
            failing_text: "request.principal.type = 'instance'".to_owned(),
            ..ExplainedStatement::default()
        };
        let need = need("SECRET_BUNDLE_READ", "not granted", &[]);
        let need = ExplainedNeed { nearest: vec![everybody], ..need };
        for kind in ["user", "instance"] {
            let nobody = Explained { caller_kind: kind.to_owned(), ..explained(need.clone(), &[]) };
            let Outcome::Found(found) = judge_explained("s", &nobody) else { panic!("not found") };
            assert_eq!(found.fault, Fault::ConditionFails);
            let expected = "(in no group)\n";
            assert!(found.why.contains(expected), "{}", found.why);
            assert!(found.why.contains("`request.principal.type = 'instance'`"), "{}", found.why);
        }
    }

    #[test]
    fn what_is_not_about_policies_is_told_by_the_reason() {
        let because =
            |reason: &str| fault(&Explained { reason: reason.to_owned(), ..Explained::default() });
        assert_eq!(because("the secret is PENDING_DELETION"), Some(Fault::SecretPendingDeletion));
        assert_eq!(because("no version is in this stage"), Some(Fault::VersionAbsent));
        assert_eq!(because("something else"), None);
    }
}
