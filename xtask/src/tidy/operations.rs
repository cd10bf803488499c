use std::collections::BTreeSet;

use super::Finding;
use super::code::{has_word, uncommented};
use super::tree::Tree;

const DECLARED: &str = "crates/model/src/operation.rs";
const ROUTES: &str = "crates/wire/src/route.rs";
const NEEDS: &str = "crates/policy/src/required.rs";
const PERMISSIONS: &str = "crates/model/src/permission.rs";
const DOCS: &str = "docs/operations.md";

/// Code that must know every operation.
const KNOW_ALL: [(&str, &str); 3] = [
    (ROUTES, "give it a route"),
    (NEEDS, "say which permissions it needs"),
    (MATRIX, "put it into the authorization matrix"),
];

/// The matrix; a part of it may be in a file whose name begins alike.
const MATRIX: &str = "crates/server/tests/it/matrix.rs";

/// Every operation has a route, permissions, a row of the matrix, a conformance case, and a line of
/// documentation that says what route and permissions are.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let operations = declared(tree.text(DECLARED));
    if operations.is_empty() {
        return vec![Finding::new(DECLARED, 1, "lists no operation that tidy can read")];
    }
    let cases: String = tree.within("conformance/test_", ".py").map(|s| s.text.as_str()).collect();
    let mut findings = Vec::new();
    for (service, name) in operations {
        for (path, what) in KNOW_ALL {
            let own = format!("Operation::{name}");
            let known =
                |line: &str| uncommented(line).contains(&own) && has_word(uncommented(line), name);
            let mut files = tree.within(path.trim_end_matches(".rs"), ".rs");
            if !files.any(|file| file.text.lines().any(known)) {
                findings.push(Finding::new(path, 1, format!("{name} is missing: {what}")));
            }
        }
        if !has_word(&cases, name) {
            let what = format!("{name} is missing: call it with one of Oracle's clients");
            findings.push(Finding::new("conformance/test_python_sdk.py", 1, what));
        }
        findings.extend(undocumented(tree, service, name));
    }
    findings
}

/// Reads the services and their operations from the macro that declares them.
fn declared(text: &str) -> Vec<(&str, &str)> {
    let (_, list) = text.rsplit_once("\noperations! {").unwrap_or_default();
    let mut operations = Vec::new();
    for (service, names) in list.split('}').filter_map(|service| service.split_once('{')) {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        operations.extend(names.map(|name| (service.trim(), name)));
    }
    operations
}

/// Compares the row "| name | service | METHOD `path` | permissions |" with the code.
fn undocumented(tree: &Tree, service: &str, name: &str) -> Option<Finding> {
    let start = format!("| {name} | ");
    let mut rows = (1..).zip(tree.text(DOCS).lines());
    let (line, row) = rows.find(|(_, row)| row.starts_with(&start)).unwrap_or((1, ""));
    let Some((route, needed)) = route(tree, name).zip(needed(tree, name)) else {
        let what = format!("tidy cannot read route and permissions of {name}: teach it their form");
        return Some(Finding::new(DOCS, line, what));
    };
    let documented = format!("{start}{service} | {route}");
    if !row.starts_with(&documented) {
        return Some(Finding::new(DOCS, line, format!("must have a row `{documented}… |`")));
    }
    let column = row.rsplit(" | ").next().unwrap_or_default();
    let words = column.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let said: BTreeSet<&str> = words.filter(|word| word.contains('_')).collect();
    let names = || needed.iter().copied().collect::<Vec<_>>().join(", ");
    let what = || format!("the row of {name} must name {} and no other permission", names());
    (needed != said).then(|| Finding::new(DOCS, line, what()))
}

fn route(tree: &Tree, name: &str) -> Option<String> {
    let (method, rest) = arm(tree.text(ROUTES), name)?.split_once('(')?.1.split_once(',')?;
    let path = rest.split('"').nth(1)?;
    Some(format!("{} `{path}`", method.trim().to_uppercase()))
}

fn needed<'a>(tree: &'a Tree, name: &str) -> Option<BTreeSet<&'a str>> {
    let variants = arm(tree.text(NEEDS), name)?.split("P::").skip(1);
    let permission = |rest: &str| {
        let variant = rest.split(|c: char| !c.is_alphanumeric()).next()?;
        let (_, rest) = tree.text(PERMISSIONS).split_once(&format!("    {variant} => \""))?;
        rest.split('"').next()
    };
    variants.map(permission).collect()
}

/// Returns the right side of an operation's arm in a match that has one for each.
fn arm<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, arms) = text.split_once("match operation {")?;
    let arms = arms.split("\n}").next()?;
    let mut pieces = arms
        .split("Operation::")
        .skip_while(|piece| piece.split(|c: char| !c.is_alphanumeric()).next() != Some(name));
    pieces.find_map(|piece| piece.split_once("=>").map(|(_, right)| right))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\noperations! {\n    Vault { GetSecret, ListSecrets, }\n}\n";
    const ROUTE: &str = "match operation {\n        Operation::GetSecret => (Get, \"/s/{id}\"),\n        Operation::ListSecrets => {\n            (Get, \"/s\")\n        }\n    }\n}\n";
    const NEED: &str = "match operation {\n        Operation::GetSecret\n        | Operation::ListSecrets => &[P::SecretRead],\n    }\n}\n";
    const NAMES: &str = "    SecretRead => \"SECRET_READ\",\n";
    const ROWS: &str = "| GetSecret | Vault | GET `/s/{id}` | SECRET_READ |\n| ListSecrets | Vault | GET `/s` | SECRET_READ on it |\n";

    fn findings(change: impl Fn(&str, &str) -> String) -> Vec<String> {
        let files = [
            (DECLARED, LIST),
            (ROUTES, ROUTE),
            (NEEDS, NEED),
            (PERMISSIONS, NAMES),
            ("crates/server/tests/it/matrix.rs", "Operation::GetSecret,\nOperation::ListSecrets,"),
            ("conformance/test_x.py", "GetSecret ListSecrets"),
            (DOCS, ROWS),
        ];
        let changed = files.map(|(path, text)| (path, change(path, text)));
        let files: Vec<_> = changed.iter().map(|(path, text)| (*path, text.as_str())).collect();
        check(&Tree::of(&files)).into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn an_operation_that_one_place_forgot_is_found_there() {
        assert!(findings(|_, text| text.to_owned()).is_empty());
        for place in
            [ROUTES, NEEDS, "crates/server/tests/it/matrix.rs", "conformance/test_x.py", DOCS]
        {
            let forget = |path: &str, text: &str| {
                if path == place { text.replace("GetSecret", "Other") } else { text.to_owned() }
            };
            assert!(!findings(forget).is_empty(), "{place}");
        }
    }

    #[test]
    fn documentation_that_has_drifted_is_found() {
        for (from, to) in [
            ("`/s/{id}`", "`/t/{id}`"),
            ("GET `/s` ", "PUT `/s` "),
            ("SECRET_READ |", "SECRET_READ, KEY_DECRYPT |"),
            ("SECRET_READ on it", "nothing"),
            ("| Vault | GET `/s` ", "| Secrets | GET `/s` "),
        ] {
            let drift = |path: &str, text: &str| {
                if path == DOCS { text.replace(from, to) } else { text.to_owned() }
            };
            assert_eq!(findings(drift).len(), 1, "{from}");
        }
    }

    #[test]
    fn a_comment_is_no_row_and_an_empty_list_no_success() {
        let commented = |path: &str, text: &str| match path {
            "crates/server/tests/it/matrix.rs" => {
                text.replace("Operation::Get", "x // Operation::Get")
            }
            _ => text.to_owned(),
        };
        assert_eq!(findings(commented), ["crates/server/tests/it/matrix.rs:1"]);
        assert_eq!(findings(|_, _| String::new()).len(), 1);
    }
}
