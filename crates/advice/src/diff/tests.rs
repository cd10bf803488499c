use super::*;

fn compared(old: &str, new: &str, semantics: Semantics) -> Comparison {
    let old = Given { name: "old", text: old };
    let new = Given { name: "new", text: new };
    diff(&old, &new, semantics).unwrap()
}

/// One line for each change.
fn lines(old: &str, new: &str) -> Vec<String> {
    let comparison = compared(old, new, Semantics::Oracle);
    assert_eq!(comparison.compared, comparison.classes);
    let line = |change: &Change| {
        let mut line = format!(
            "{}: {}: {} in {}",
            change.became,
            change.principals.join(", "),
            change.grants.join(", "),
            change.places.join(", ")
        );
        if !change.conditions.is_empty() {
            line = format!("{line} where {}", change.conditions.join(", "));
        }
        line
    };
    comparison.changes.iter().map(line).collect()
}

#[test]
fn equal_sets_do_not_differ() {
    let text =
        "Allow group A to read secret-family in compartment X where target.secret.name = /db-*/";
    assert_eq!(lines(text, text), Vec::<String>::new());
    assert_eq!(lines("", ""), Vec::<String>::new());
    let split = "Allow group A to read secrets in tenancy\nAllow group A to read secret-versions in tenancy\n\
                 Allow group A to read secret-bundles in tenancy";
    assert_eq!(
        lines("allow group a to read secret-family in tenancy", split),
        Vec::<String>::new()
    );
    let one = "Allow any-user to read keys in tenancy where any {target.key.id = 'a', target.key.id = 'b'}";
    let other = "Allow any-user to read keys in tenancy where target.key.id in ('b', 'a')";
    assert_eq!(lines(one, other), Vec::<String>::new());
}

#[test]
fn a_statement_that_is_new_is_said_in_its_own_words() {
    assert_eq!(
        lines("", "Allow group A to read secret-family in compartment X:Y"),
        ["allowed: group A: read secret-family in compartment X:Y and below"]
    );
    assert_eq!(
        lines("Allow any-user to use keys in tenancy", "Allow any-user to read keys in tenancy"),
        [
            "denied: any-user: KEY_ENCRYPT, KEY_DECRYPT, KEY_EXPORT, KEY_SIGN, KEY_VERIFY (of use keys) in tenancy and below"
        ]
    );
    assert_eq!(
        lines("", "Allow dynamic-group D to read keys in compartment X"),
        ["allowed: dynamic group D: read keys in compartment X and below"]
    );
    assert_eq!(
        lines("", "Allow service S to use keys in tenancy"),
        ["allowed: service s: use keys in tenancy and below"]
    );
}

#[test]
fn conditions_are_shown_by_a_value_that_differs() {
    let bundles = |value: &str| {
        format!(
            "Allow group A to {{SECRET_BUNDLE_READ}} in tenancy where target.secret.name = {value}"
        )
    };
    assert_eq!(
        lines(&bundles("'a'"), &bundles("'b'")),
        [
            "allowed: group A: SECRET_BUNDLE_READ (of read secret-bundles) in tenancy and below where target.secret.name = 'b'",
            "denied: group A: SECRET_BUNDLE_READ (of read secret-bundles) in tenancy and below where target.secret.name = 'a'",
        ]
    );
    let narrowed = lines(&bundles("/db-*/"), &bundles("/db-prod-*/"));
    assert_eq!(narrowed.len(), 1);
    assert!(narrowed[0].ends_with("where target.secret.name = 'db-another'"), "{narrowed:?}");
    let opened = lines(&bundles("'a'"), "Allow group A to {SECRET_BUNDLE_READ} in tenancy");
    assert!(opened[0].ends_with("where target.secret.name = 'another'"), "{opened:?}");
}

#[test]
fn a_quoted_star_differs_by_semantics() {
    let (old, new) = (
        "Allow any-user to read keys in tenancy where target.secret.name = 'db-*'",
        "Allow any-user to read keys in tenancy where target.secret.name = /db-*/",
    );
    assert_eq!(compared(old, new, Semantics::Strict).changes.len(), 0);
    assert_eq!(compared(old, new, Semantics::Oracle).changes.len(), 1);
}

#[test]
fn denials_count_and_spare_administrators() {
    let allow = "Allow any-user to read keys in tenancy";
    let denied = format!("{allow}\nDeny group B to read keys in compartment X");
    assert_eq!(
        lines(allow, &denied),
        ["denied: group B: KEY_READ (of read keys) in compartment X and below"]
    );
    let grants = "Allow group A to read keys in tenancy";
    let takes = "Allow group A to read keys in tenancy\nDeny group B to inspect keys in tenancy";
    assert_eq!(lines(grants, takes), ["denied: groups A and B: read keys in tenancy and below"]);
    let spared = lines(
        "Deny any-user to inspect keys in tenancy",
        "Deny any-user to inspect keys in tenancy\nAllow group A to read keys in tenancy",
    );
    assert_eq!(spared, ["allowed: groups A and Administrators: read keys in tenancy and below"]);
}

#[test]
fn places_times_groups_and_operations_are_told_apart() {
    let with =
        |condition: &str| format!("Allow any-user to read keys in compartment X where {condition}");
    let plain = "Allow any-user to read keys in compartment X";
    for condition in [
        "target.compartment.name = 'x'",
        "target.compartment.id = 'ocid1.compartment.oc1..new'",
        "target.resource.compartment.tag.Ops.Env = 'prod'",
        "target.resource.tag.Ops.Env = 'prod'",
        "request.utc-timestamp before '2026-03-01T00:00:00Z'",
        "request.utc-timestamp.time-of-day between '09:00:00' and '17:00:00'",
        "request.operation = 'GetKey'",
        "request.permission = 'KEY_READ'",
        "request.region = 'phx'",
        "request.groups.id = 'ocid1.group.oc1..g'",
        "request.user.name = 'alice'",
        "request.principal.type = 'instance'",
        "request.principal.id = target.user.id",
        "request.principal.namespace = 'web'",
        "request.networkSource.name = 'office'",
        "target.policy.type = 'deny'",
        "sets-equal(target.policy.type, ('allow', 'deny'))",
        "not target.secret.name",
    ] {
        assert!(!lines(&with(condition), plain).is_empty(), "{condition}");
        if condition != "request.groups.id = 'ocid1.group.oc1..g'" {
            assert!(!lines("", &with(condition)).is_empty(), "{condition}");
        }
        assert!(
            lines(&with(condition), &with(&format!("all {{{condition}, {condition}}}"))).is_empty(),
            "{condition}"
        );
    }
}

#[test]
fn what_cannot_be_compared_is_named() {
    let wrong = |old: &str, new: &str| {
        let (old, new) = (Given { name: "old", text: old }, Given { name: "new", text: new });
        diff(&old, &new, Semantics::Oracle).unwrap_err().to_string()
    };
    assert!(wrong("Allow any-user to raed keys in tenancy", "").starts_with("old: 1:"));
    assert!(wrong("", "{").starts_with("new: EOF"));
    let world = |id: &str| {
        format!(
            r#"{{"world":{{"tenancy_id":"{id}","compartments":{{"root":{{"id":"{id}","name":"t","parent":null}}}}}},"policies":[]}}"#
        )
    };
    let unknown = wrong(&world("ocid1.tenancy.oc1..a"), "Allow group A to read keys in tenancy");
    assert_eq!(unknown, "new: statement 1: the group `A` does not exist");
    let two = wrong(&world("ocid1.tenancy.oc1..a"), &world("ocid1.tenancy.oc1..b"));
    assert!(two.contains("it is of tenancy ocid1.tenancy.oc1..b"), "{two}");
}

/// A tenancy with a dynamic group D0, D1, … for each rule.
fn with_dynamic_groups(rules: &[String], statements: &[String]) -> String {
    let group = |(number, rule): (usize, &String)| {
        let id = format!("ocid1.dynamicgroup.oc1..d{number}");
        serde_json::json!({ "id": id, "name": format!("D{number}"), "rule": rule })
    };
    let groups: Vec<_> = rules.iter().enumerate().map(group).collect();
    let root = "ocid1.tenancy.oc1..t";
    serde_json::json!({
        "world": {
            "tenancy_id": root,
            "compartments": { "root": { "id": root, "name": "t", "parent": null } },
            "groups": [{ "id": "ocid1.group.oc1..b", "name": "B", "members": [] }],
            "dynamic_groups": groups,
        },
        "policies": [{ "name": "p", "attach": "root", "statements": statements }],
    })
    .to_string()
}

fn each<T>(count: usize, made: impl Fn(usize) -> T) -> Vec<T> {
    (0..count).map(made).collect()
}

#[test]
fn many_dynamic_groups_leave_room_for_the_resources_that_conditions_name() {
    let rules = each(60, |number| format!("tag.Ops.Role.value = 'r{number}'"));
    let mut statements =
        each(60, |number| format!("Allow dynamic-group D{number} to inspect keys in tenancy"));
    statements.push("Deny group B to inspect vaults in tenancy".to_owned());
    let new = with_dynamic_groups(&rules, &statements);
    for (number, statement) in [
        "Allow any-user to read secret-family in tenancy where all {request.principal.type = 'fnfunc', request.principal.id = 'ocid1.fnfunc.oc1.iad.x'}",
        "Allow dynamic-group D7 to read secret-family in tenancy where request.principal.id = 'ocid1.fnfunc.oc1.iad.x'",
    ]
    .iter()
    .enumerate()
    {
        let mut before = statements.clone();
        before.push((*statement).to_owned());
        let old = with_dynamic_groups(&rules, &before);
        let comparison = compared(&old, &new, Semantics::Oracle);
        assert_eq!(comparison.changes.len(), 1, "{number}: {comparison:#?}");
        assert_eq!(comparison.compared, comparison.classes, "{number}");
    }
}

#[test]
fn kinds_of_resources_that_are_left_out_are_counted() {
    let ids = |count: usize| {
        format!(
            "Any {{{}}}",
            each(count, |n| format!("instance.id = 'ocid1.instance.oc1.iad.{n}'")).join(", ")
        )
    };
    let statements = ["Allow dynamic-group D0 to read keys in tenancy".to_owned()];
    let taken = |count: usize| with_dynamic_groups(&[ids(count)], &statements);
    let comparison = compared(&taken(30), &taken(29), Semantics::Oracle);
    assert_eq!((comparison.changes.len(), comparison.compared), (1, comparison.classes));
    let comparison = compared(&taken(500), &taken(499), Semantics::Oracle);
    assert!(comparison.compared < comparison.classes, "{comparison:?}");

    let rules = each(60, |number| format!("tag.Ops.Role{number}.value = 'r'"));
    let denials =
        each(60, |number| format!("Deny dynamic-group D{number} to inspect keys in tenancy"));
    let comparison = compared(
        &with_dynamic_groups(&rules, &denials),
        &with_dynamic_groups(&rules, &[]),
        Semantics::Oracle,
    );
    assert!(comparison.compared < comparison.classes, "{comparison:?}");
}

#[test]
fn a_file_without_all_policies_is_not_taken_as_whole() {
    let whole = with_dynamic_groups(&[], &["Allow group B to read keys in tenancy".to_owned()]);
    let mut part: serde_json::Value = serde_json::from_str(&whole).unwrap();
    part["policies_left_out"] = serde_json::json!(["Apps", "Apps/Prod"]);
    let part = part.to_string();
    for (old, new, is_whole) in
        [(&whole, &whole, true), (&part, &whole, false), (&whole, &part, false)]
    {
        let comparison = compared(old, new, Semantics::Oracle);
        assert_eq!((comparison.changes.len(), comparison.is_whole), (0, is_whole));
        let told = comparison.notes.iter().any(|note| {
            note.ends_with(" is not whole: it has no policies of compartments `Apps`, `Apps/Prod`")
        });
        assert_eq!(told, !is_whole, "{:?}", comparison.notes);
    }
}
