use std::collections::BTreeSet;

use super::*;
use crate::lint::catalogue::{Rule, rules};
use crate::lint::finding::Level;
use crate::lint::fix::fixed;

/// The tenancy that the pages of rules about names speak of.
const WORLD: &str = r#"{"world": {"tenancy_id": "ocid1.tenancy.oc1..t", "compartments": {
  "root": {"id": "ocid1.tenancy.oc1..t", "name": "t", "parent": null},
  "Apps": {"id": "ocid1.compartment.oc1..apps", "name": "Apps", "parent": "root"},
  "Apps/Prod": {"id": "ocid1.compartment.oc1..prod", "name": "Prod", "parent": "Apps"}},
  "groups": [
    {"id": "ocid1.group.oc1..r", "name": "Readers", "members": []},
    {"id": "ocid1.group.oc1..s", "name": "Secret Readers", "members": []},
    {"id": "ocid1.group.oc1..f", "name": "Operators", "domain": "Fed", "members": []}]},
  "policies": []}"#;

/// The same with Readers in two domains.
fn tenancy(twice: bool) -> TenancyFile {
    let mut file = TenancyFile::read(WORLD).unwrap();
    if twice {
        let mut second = file.world.groups[0].clone();
        (second.domain, second.id) = ("Fed".to_owned(), "ocid1.group.oc1..rf".parse().unwrap());
        file.world.groups.push(second);
    }
    file
}

fn named(text: &str) -> SourceFile {
    let ending = match text.trim_start().chars().next() {
        Some('{') => "json",
        _ if text.starts_with("resource ") => "tf",
        _ => "policy",
    };
    SourceFile::new(format!("example.{ending}"), text)
}

fn lint(file: &SourceFile, context: PolicyContext<'_>) -> Vec<Finding> {
    lint_policies(&[file], context).findings.remove(0)
}

fn ids(text: &str) -> Vec<&'static str> {
    lint(&named(text), PolicyContext::default()).iter().map(|one| one.rule.id).collect()
}

/// The example that stands under a heading of a page.
fn example(rule: &Rule, heading: &str) -> String {
    let part = rule.page.split(&format!("## {heading}\n")).nth(1).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let lines: Vec<&str> = part.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    lines.join("\n") + "\n"
}

/// What a finding underlines.
fn part<'a>(text: &'a str, finding: &Finding) -> &'a str {
    text.get(finding.span.clone()).unwrap()
}

/// The rules of policies, but for the one that needs an audit log.
fn policy_rules() -> impl Iterator<Item = &'static Rule> {
    rules().iter().copied().filter(|rule| rule.id.starts_with('P') && rule.id != "P36")
}

#[test]
fn every_page_shows_what_its_rule_finds_and_what_it_does_not() {
    for rule in policy_rules() {
        let of_names = ["P17", "P18", "P31"].contains(&rule.id);
        let file = tenancy(rule.id == "P18");
        let context =
            PolicyContext { tenancy: of_names.then_some(&file), ..PolicyContext::default() };
        let (bad, good) = (named(&example(rule, "Bad")), named(&example(rule, "Good")));
        let found = lint(&bad, context);
        let own: Vec<&Finding> = found.iter().filter(|one| one.rule == rule).collect();
        assert!(!own.is_empty(), "{}: {found:#?}", rule.code);
        for one in &own {
            assert!(one.level <= rule.level && !part(&bad.text, one).is_empty(), "{one:?}");
        }
        let left: Vec<Finding> =
            lint(&good, context).into_iter().filter(|one| one.rule == rule).collect();
        assert_eq!(left, [], "{}", rule.code);
        let wrong = ["P01", "P02"];
        let refused = lint(&good, context).into_iter().find(|one| wrong.contains(&one.rule.id));
        assert_eq!(refused, None, "{}", rule.code);
    }
}

#[test]
fn each_line_of_a_bad_example_is_found_where_lines_stand_alone() {
    for rule in policy_rules().filter(|rule| {
        ["P01", "P02", "P03", "P05", "P07", "P12", "P14", "P17", "P19"].contains(&rule.id)
    }) {
        let file = tenancy(false);
        let context = PolicyContext {
            tenancy: (rule.id == "P17").then_some(&file),
            ..PolicyContext::default()
        };
        for line in example(rule, "Bad").lines() {
            let found = lint(&named(line), context);
            assert!(found.iter().any(|one| one.rule == rule), "{}: {line}: {found:#?}", rule.code);
        }
    }
}

#[test]
fn repairs_can_be_read_and_leave_nothing_to_repair() {
    let mut repaired = BTreeSet::new();
    for rule in policy_rules() {
        let world = tenancy(rule.id == "P18");
        let of_names = ["P17", "P18", "P31"].contains(&rule.id);
        let context =
            PolicyContext { tenancy: of_names.then_some(&world), ..PolicyContext::default() };
        let mut file = named(&example(rule, "Bad"));
        let before = file.text.clone();
        for _ in 0..10 {
            let findings = lint(&file, context);
            let (text, count) = fixed(&file.text, &findings);
            if count == 0 {
                break;
            }
            repaired.extend(
                findings
                    .iter()
                    .filter(|one| one.fix.as_ref().is_some_and(|fix| !fix.edits.is_empty()))
                    .map(|one| one.rule.id),
            );
            file = SourceFile::new(file.path.clone(), text);
        }
        let left = lint(&file, context);
        let open =
            left.iter().find(|one| one.fix.as_ref().is_some_and(|fix| !fix.edits.is_empty()));
        assert!(open.is_none(), "{}: {open:?}", rule.code);
        assert!(
            left.iter().all(|one| !["P01", "P02"].contains(&one.rule.id)),
            "{}: {}",
            rule.code,
            file.text
        );
        // P31 is repaired where the file says what a policy is attached to, which lines do not.
        if rule.page.contains("`--fix`") && rule.id != "P31" {
            assert_ne!(file.text, before, "{}", rule.code);
            let of_rule = |all: &[Finding]| all.iter().filter(|one| one.rule == rule).count();
            let fewer = of_rule(&left) < of_rule(&lint(&named(&before), context));
            assert!(fewer, "{}: {left:#?}", rule.code);
        }
    }
    let expected = ["P01", "P02", "P07", "P13", "P15", "P18", "P27", "P28"];
    assert_eq!(repaired.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn interpolations_are_no_words_of_a_statement() {
    let text = r#"resource "oci_identity_policy" "p" {
  compartment_id = var.tenancy_ocid
  statements = [
    "Allow group ${var.group} to read secret-family in compartment ${var.where} where target.secret.name = '${var.app}-*'",
    "Allow ${var.subject} to use keys in compartment id ${oci_identity_compartment.keys.id}",
    "Allow group ${var.group} to use keys in ${var.scope}",
  ]
}
"#;
    let found = lint(&named(text), PolicyContext::default());
    let shown: Vec<(&str, &str)> = found.iter().map(|one| (one.rule.id, part(text, one))).collect();
    assert_eq!(shown, [("P09", "to read secret-family"), ("P07", "'${var.app}-*'")]);
    assert!(found.iter().all(|one| !format!("{one:?}").contains("interpolated")), "{found:#?}");
    let (text, count) = fixed(text, &found);
    assert_eq!(count, 1);
    assert!(text.contains("target.secret.name = /${var.app}-*/\""), "{text}");
}

#[test]
fn a_repair_never_lets_everything_through() {
    let found = lint(
        &named("Allow group A to use keys in compartment X where target.resource.tag.a.b = '*'"),
        PolicyContext::default(),
    );
    let star = found.iter().find(|one| one.rule.id == "P07").unwrap();
    assert!(star.fix.as_ref().is_some_and(|fix| fix.edits.is_empty()), "{star:?}");
}

#[test]
fn what_is_interpolated_as_a_whole_is_let_be() {
    for statement in [
        "Allow group A to ${var.verb} keys in tenancy",
        "Allow group A to use ${var.type} in compartment X",
        "Allow group A to inspect users in tenancy ${var.condition}",
        "Allow group A to inspect users in compartment id ${var.id} ${var.condition}",
        "Allow any-user to use keys in compartment X where ${var.condition}",
        "Allow any-user to use keys in compartment X where all {target.key.id = ${var.key}, ${join(\",\", local.more)}}",
        "Allow any-user to use keys in compartment X where any {request.principal.id in (${var.ids}), ${var.a} = '${var.b}'}",
        "${var.effect} group A to use keys in compartment X",
        "Allow ${join(\", \", var.subjects)} to use keys in ${var.scope}",
        "${local.statement}",
    ] {
        let text = format!("statements = [\"{}\"]\n", statement.replace('"', "\\\""));
        let file = SourceFile::new("a.tf", text.replace("\\\"", "\""));
        let found = lint(&file, PolicyContext::default());
        assert_eq!(found, [], "{statement}");
    }
}

#[test]
fn what_everybody_knows_to_be_fine_is_left_alone() {
    for fine in [
        "Allow group Administrators to manage all-resources in tenancy",
        "Allow group Security to manage vaults in compartment Security",
        "Allow group Security to manage keys in compartment Security",
        "Allow any-group to inspect users in tenancy",
        "Allow group A to manage virtual-network-family in compartment Network",
        "Allow any-user to manage objects in compartment X where all {request.principal.type = 'serviceconnector', request.principal.id = 'ocid1.serviceconnector.oc1..a'}",
        "Allow service blockstorage, objectstorage-us-ashburn-1 to use keys in compartment Keys",
        "Allow group A to use users in tenancy where target.group.name != 'Administrators'",
        "Allow any-user to use keys in compartment X where request.principal.id = target.user.id",
    ] {
        let found = lint(&named(fine), PolicyContext::default());
        let bad: Vec<_> = found.iter().filter(|one| one.level > Level::Info).collect();
        assert!(bad.is_empty(), "{fine}: {bad:#?}");
    }
}

#[test]
fn a_described_tenancy_is_looked_at_as_a_whole() {
    let text = WORLD.replace(
        "\"policies\": []",
        r#""policies": [
  {"name": "a", "attach": "root", "statements": ["Allow group Readers to use keys in compartment Apps"]},
  {"name": "b", "attach": "Apps", "statements": [
    "Allow group Readers to read keys in compartment Prod", "Allow group Readers to read vaults in compartment Prud"]}]"#,
    );
    let found = lint(&SourceFile::new("tenancy.json", text.clone()), PolicyContext::default());
    let shown: Vec<(&str, &str)> =
        found.iter().map(|one| (one.rule.id, part(&text, one))).collect();
    assert_eq!(
        shown,
        [
            ("P15", "Allow group Readers to read keys in compartment Prod"),
            ("P17", "compartment Prud"),
        ]
    );
    assert_eq!(
        ids("{\"statements\": [\"Allow group A to use keys in compartment B\"]}"),
        Vec::<&str>::new()
    );
}

/// To another compartment a grant is moved only where it is sure which one is meant.
#[test]
fn a_path_is_written_where_the_attachment_is_known_and_offered_elsewhere() {
    let inspects = "Allow group Readers to inspect keys in compartment";
    let attached = |attach: &str| {
        let policies = format!(
            r#""policies": [{{"name": "a", "attach": "{attach}", "statements": ["{inspects} Deep", "{inspects} Apps"]}}]"#
        );
        let deep = r#""Apps/Prod": {"id": "ocid1.compartment.oc1..deep", "name": "Deep", "parent": "Apps/P"},
            "Other": {"id": "ocid1.compartment.oc1..o", "name": "Other", "parent": "root"},
            "Apps/P":"#;
        WORLD.replace("\"policies\": []", &policies).replace("\"Apps/Prod\":", deep)
    };
    let text_of = |attach: &str| {
        let text = attached(attach);
        let findings = lint(&named(&text), PolicyContext::default());
        let findings: Vec<Finding> =
            findings.into_iter().filter(|one| one.rule.id == "P31").collect();
        assert!(!findings.is_empty(), "{attach}");
        fixed(&text, &findings).0
    };
    assert!(text_of("root").contains("compartment Apps:Prod:Deep\""), "{}", text_of("root"));
    assert!(text_of("Apps").contains("compartment Prod:Deep\""), "{}", text_of("Apps"));
    assert_eq!(text_of("Other"), attached("Other"));

    let world = tenancy(false);
    let beside = format!("{inspects} Prod\n{inspects} Apps:Prod\n");
    for tenancy in [None, Some(&world)] {
        let context = PolicyContext { tenancy, ..PolicyContext::default() };
        let found = lint(&named(&beside), context);
        let one = found.iter().find(|one| one.rule.id == "P31").unwrap();
        let fix = one.fix.as_ref().unwrap();
        assert_eq!(fix.text, format!("{inspects} Apps:Prod"));
        assert!(fix.edits.is_empty(), "{fix:?}");
    }
}

#[test]
fn what_the_tenancy_holds_already_counts() {
    let reads = "Allow group Readers to read secret-bundles in compartment Apps where target.secret.id = 'ocid1.vaultsecret.oc1..a'";
    let mut world = tenancy(false);
    let ids = |world: &TenancyFile| {
        let context = PolicyContext { tenancy: Some(world), ..PolicyContext::default() };
        let found = lint_policies(&[&named(reads)], context);
        assert_eq!((found.count, found.findings.len()), (1, 1));
        found.findings.concat().iter().map(|one| one.rule.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&world), ["P08"]);
    world.policies.push(crate::tenancy_file::PolicyEntry {
        name: None,
        attach: "root".to_owned(),
        statements: vec!["Allow group Readers to use keys in tenancy".to_owned()],
    });
    assert_eq!(ids(&world), Vec::<&str>::new());
}

#[test]
fn semantics_say_what_reading_needs() {
    let reads = "Allow group A to read secret-bundles in compartment X where target.secret.id = 'ocid1.vaultsecret.oc1..a'";
    let both = format!("{reads}\nAllow group A to use keys in compartment X");
    for (text, semantics, expected) in [
        (reads, Semantics::Strict, vec!["P08"]),
        (reads, Semantics::Oracle, vec![]),
        (both.as_str(), Semantics::Strict, vec![]),
        (both.as_str(), Semantics::Oracle, vec!["P08"]),
    ] {
        let context = PolicyContext { semantics, ..PolicyContext::default() };
        let found: Vec<_> = lint(&named(text), context).iter().map(|one| one.rule.id).collect();
        assert_eq!(found, expected, "{text} {semantics:?}");
    }
}
