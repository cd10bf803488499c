use super::*;
use crate::lint::policy::piece::Kind;

fn texts(path: &str, text: &str) -> Vec<String> {
    let file = SourceFile::new(path, text);
    let pieces = pieces(&file);
    for piece in &pieces {
        let whole = piece.whole();
        assert!(file.text.get(whole.clone()).is_some_and(|part| !part.is_empty()), "{whole:?}");
    }
    pieces.into_iter().map(|piece| piece.shown(&piece.text)).collect()
}

const ONE: &str = "Allow group A to read keys in tenancy";
const TWO: &str = "Deny group B to use keys in compartment X:Y";
const RULE: &str = "ALL {instance.compartment.id = 'ocid1.compartment.oc1..a'}";

#[test]
fn lines_are_statements_that_may_go_on() {
    let text = format!(
        "# policies\n{ONE}\n- \"{TWO}\",\n\nAllow group A\n  to read\n  vaults in tenancy\n{RULE}\nnot one\n"
    );
    let found = texts("a.txt", &text);
    assert_eq!(
        found,
        [ONE, TWO, "Allow group A\nto read\nvaults in tenancy", &format!("{RULE}\nnot one")]
    );
    assert_eq!(
        texts("README.txt", "Allow users to log in to the site\nand more\n"),
        Vec::<String>::new()
    );
    assert_eq!(texts("a.policy", "Allow users to log in\n").len(), 1);
}

#[test]
fn terraform_has_strings_heredocs_and_conditions() {
    let text = r#"
# "Allow group Comment to read keys in tenancy"
resource "oci_identity_policy" "p" {
  description    = "Allow group Described to read keys in tenancy"
  compartment_id = var.compartment_id
  statements = var.is_on ? [
    "Allow group A to read keys in tenancy",
    "Allow group ${var.names["x"]} to use keys in compartment 'B C' where target.key.id = \"${var.id}\"",
  ] : []
}
locals {
  text = <<-EOT
    Allow group H
      to read vaults in tenancy
    Allow group ${local.h} to use vaults in tenancy
  EOT
  each = [for g in var.groups : "Allow group ${g} to read users in tenancy"]
}
resource "oci_identity_dynamic_group" "d" {
  matching_rule = "ANY {instance.compartment.id = '${var.compartment_id}'}"
}
"#;
    let found = texts("main.tf", text);
    let expected = [
        "Allow group A to read keys in tenancy",
        "Allow group ${var.names[\"x\"]} to use keys in compartment 'B C' where target.key.id = \"${var.id}\"",
        "Allow group H\nto read vaults in tenancy",
        "Allow group ${local.h} to use vaults in tenancy",
        "Allow group ${g} to read users in tenancy",
        "ANY {instance.compartment.id = '${var.compartment_id}'}",
    ];
    assert_eq!(found, expected);
    let pieces = pieces(&SourceFile::new("main.tf", text));
    assert_eq!(pieces[0].home.attachment.as_deref(), Some("var.compartment_id"));
    assert!(!pieces[0].home.is_whole && !pieces[4].home.is_whole);
    assert_eq!(pieces[5].kind, Kind::Rule);
}

#[test]
fn json_has_policies_with_what_they_are_attached_to() {
    let text = format!(
        r#"{{"data": [{{"compartment-id": "ocid1.tenancy.oc1..a", "description": "{ONE}", "name": "p", "statements": ["{ONE}", "{TWO}"]}},
        {{"attach": "Apps", "statements": ["Allow group \u0041 to use\nkeys in tenancy"]}}], "rule": "{RULE}"}}"#
    );
    let file = SourceFile::new("a.json", text);
    let pieces = pieces(&file);
    let homes: Vec<_> = pieces.iter().map(|piece| piece.home.attachment.as_deref()).collect();
    assert_eq!(
        homes,
        [Some("ocid1.tenancy.oc1..a"), Some("ocid1.tenancy.oc1..a"), Some("Apps"), None]
    );
    assert_eq!(pieces[2].text, "Allow group A to use\nkeys in tenancy");
    assert_eq!(pieces[0].home.policy, pieces[1].home.policy);
    assert_ne!(pieces[1].home.policy, pieces[2].home.policy);
    let removed = |number: usize| {
        let mut text = file.text.clone();
        text.replace_range(pieces[number].home.removal.clone().unwrap(), "");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["data"][0]["statements"].clone()
    };
    assert_eq!(removed(0), serde_json::json!([TWO]));
    assert_eq!(removed(1), serde_json::json!([ONE]));
    assert_eq!(pieces[2].home.removal, None);
}

#[test]
fn yaml_has_plain_quoted_and_block_texts() {
    let text = format!(
        "policy:\n  name: p\n  statements:\n  - {ONE} # why\n  - \"{TWO}\"\n  - 'Allow group ''A B'' to read keys in tenancy'\n  - Allow group C\n    to read vaults in tenancy\n  more: |\n    Allow group D to read users in tenancy\n    Allow group E to read users in tenancy\n  description: Allow group F to read users in tenancy\n  flow: [\"Allow group G to read users in tenancy\"]\nrule: {RULE}\n"
    );
    let expected = [
        ONE,
        TWO,
        "Allow group 'A B' to read keys in tenancy",
        "Allow group C\nto read vaults in tenancy",
        "Allow group D to read users in tenancy",
        "Allow group E to read users in tenancy",
        "Allow group G to read users in tenancy",
        RULE,
    ];
    assert_eq!(texts("a.yaml", &text), expected);
}

#[test]
fn bad_examples_of_a_page_are_left_alone() {
    let text = format!(
        "# Policies\n\n{ONE}\n\n```\n{ONE}\n```\n\nWRONG:\n\n```\n{TWO}\n```\n\nRIGHT:\n\n    {TWO}\n"
    );
    assert_eq!(texts("a.md", &text), [ONE, TWO]);
}

#[test]
fn nothing_that_is_cut_off_stops_the_reader() {
    let whole =
        format!("a = [\"{ONE}\", <<EOT\n{TWO}\nEOT\n, \"x ${{y(\"{{\")}} \\u00\", /* \"]\n");
    for end in 0..whole.len() {
        for path in ["a.tf", "a.yaml", "a.md", "a.txt"] {
            let file = SourceFile::new(path, whole.get(..end).unwrap_or(""));
            assert!(pieces(&file).len() <= 4);
        }
    }
}
