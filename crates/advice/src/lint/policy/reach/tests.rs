use super::*;
use crate::events::each_event;
use crate::lint::policy::{PolicyContext, lint_policies};
use crate::lint::source::SourceFile;

const TENANCY: &str = r#"{"world": {"tenancy_id": "ocid1.tenancy.oc1..t", "compartments": {
  "root": {"id": "ocid1.tenancy.oc1..t", "name": "t", "parent": null},
  "Apps": {"id": "ocid1.compartment.oc1..apps", "name": "Apps", "parent": "root"}},
  "groups": [{"id": "ocid1.group.oc1..a", "name": "A", "members": ["ann", "bob"]}],
  "dynamic_groups": [{"id": "ocid1.dynamicgroup.oc1..d", "name": "D", "rule": "instance.compartment.id = 'ocid1.compartment.oc1..apps'"}],
  "principals": {"ann": {"kind": "user", "id": "ocid1.user.oc1..ann", "name": "ann"},
                 "bob": {"kind": "user", "id": "ocid1.user.oc1..bob", "name": "bob"}}},
  "policies": [{"name": "p", "attach": "root", "statements": [
    "Allow group A to read secret-family in tenancy where target.secret.name = /db-*/",
    "Allow dynamic-group D to read secret-bundles in compartment Apps",
    "Allow group A to read vaults in tenancy",
    "Allow group A to use keys in tenancy",
    "Allow dynamic-group D to use keys in tenancy",
    "Deny group A to inspect secret-bundles in tenancy where target.secret.name = 'db-denied'"]}]}"#;

const NOW: &str = "2026-11-26T12:00:00Z";

fn secret(name: &str, compartment: &str) -> SeenSecret {
    SeenSecret {
        id: format!("ocid1.vaultsecret.oc1..{name}"),
        name: name.to_owned(),
        vault_id: "ocid1.vault.oc1..v".to_owned(),
        compartment_id: compartment.to_owned(),
    }
}

fn event(operation: &str, caller: &str, time: &str, name: &str) -> String {
    format!(
        r#"{{"requestId": "r", "operation": "{operation}", "time": "{time}", "principalId": "{caller}",
        "compartmentId": "ocid1.compartment.oc1..apps", "targetId": "ocid1.vaultsecret.oc1..{name}",
        "resourceName": "{name}", "keyId": "ocid1.key.oc1..k", "status": 200}}"#
    )
}

fn found(events: Option<&str>) -> Vec<(&'static str, String, String)> {
    let mut read = Vec::new();
    let taken = each_event(events.unwrap_or(""), |_, _, event| {
        read.push(event);
        Ok::<(), crate::events::EventsError>(())
    });
    taken.unwrap();
    let apps = "ocid1.compartment.oc1..apps";
    let secrets = vec![
        secret("db-a", apps),
        secret("db-denied", apps),
        secret("db-root", "ocid1.tenancy.oc1..t"),
        secret("other", apps),
    ];
    let seen = Seen {
        secrets: Some(secrets),
        events: events.map(|_| read),
        since: Some("2026-11-01T00:00:00Z".parse().unwrap()),
        now: NOW.parse().unwrap(),
    };
    let file = SourceFile::new("tenancy.json", TENANCY);
    let context = PolicyContext { seen: Some(&seen), ..PolicyContext::default() };
    let findings = lint_policies(&[&file], context).findings.remove(0);
    let of_reach = findings.into_iter().filter(|one| ["P35", "P36"].contains(&one.rule.id));
    of_reach
        .map(|one| {
            let line = file.text.get(one.span.clone()).unwrap().to_owned();
            let about = if one.rule.id == "P35" { one.message } else { line };
            (one.rule.id, about, one.why)
        })
        .collect()
}

#[test]
fn principals_and_secrets_are_counted() {
    let shown = found(None);
    let expected = [
        (
            "P35",
            "2 known principals read 2 secrets by the statement",
            "principals: ann, bob\nsecrets: db-a, db-root",
        ),
        (
            "P35",
            "machines, which identity does not list, read 3 secrets by the statement",
            "secrets: db-a, db-denied, other",
        ),
    ];
    let shown: Vec<_> =
        shown.iter().map(|(id, about, why)| (*id, about.as_str(), why.as_str())).collect();
    assert_eq!(shown, expected);
}

#[test]
fn the_log_says_what_was_used_and_what_was_not() {
    let ann = "ocid1.user.oc1..ann";
    let events = [
        event("GetSecretBundle", ann, "2026-11-20T08:00:00Z", "db-a"),
        event("GetSecretBundle", ann, "2026-11-21T08:00:00Z", "db-a"),
        event("GetSecretBundle", "ocid1.instance.oc1..unknown", "2026-11-22T08:00:00Z", "other"),
    ];
    let shown = found(Some(&format!("[{}]", events.join(","))));
    let last: Vec<&str> = shown
        .iter()
        .filter(|(id, _, _)| *id == "P35")
        .map(|(_, _, why)| why.lines().last().unwrap())
        .collect();
    assert_eq!(
        last,
        [
            "last used at 2026-11-21T08:00:00.000Z, 2 calls in the log",
            "last used at 2026-11-22T08:00:00.000Z, 1 call in the log",
        ]
    );
    let unused: Vec<&str> =
        shown.iter().filter(|(id, _, _)| *id == "P36").map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(unused, ["Allow group A to read vaults in tenancy"]);
    let nothing = found(Some("[]"));
    assert_eq!(nothing.iter().filter(|(id, _, _)| *id == "P36").count(), 5);
}
