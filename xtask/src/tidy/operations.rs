use super::{Finding, Tree};

const DECLARED: &str = "crates/model/src/operation.rs";

/// Files that must know every operation.
const KNOW_ALL: [(&str, &str); 4] = [
    ("crates/wire/src/route.rs", "give it a route"),
    ("crates/policy/src/required.rs", "say which permissions it needs"),
    ("crates/server/tests/it/matrix.rs", "put it into the authorization matrix"),
    ("docs/operations.md", "describe it"),
];

/// Every operation has a route, permissions, a row of the matrix, a line of documentation and a
/// conformance case.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let conformance: String =
        tree.within("conformance/", ".py").map(|source| source.text.as_str()).collect();
    let mut findings = Vec::new();
    for operation in declared(tree.text(DECLARED)) {
        for (path, what) in KNOW_ALL {
            if !has_word(tree.text(path), operation) {
                findings.push(Finding::new(path, format!("{operation} is missing: {what}")));
            }
        }
        if !has_word(&conformance, operation) {
            let rule = format!("{operation} is missing: call it with one of Oracle's clients");
            findings.push(Finding::new("conformance/", rule));
        }
    }
    findings
}

fn declared(text: &str) -> Vec<&str> {
    let (_, list) = text.rsplit_once("operations! {").unwrap_or_default();
    let words = list.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let services = ["KmsVault", "KmsManagement", "Vault", "Secrets", "Identity"];
    words.filter(|word| !services.contains(word)).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_operation_is_found_everywhere() {
        let tree = Tree::of(&[
            (DECLARED, "operations! { Vault { GetSecret, Forgotten, } }"),
            ("crates/wire/src/route.rs", "Operation::GetSecret"),
            ("crates/policy/src/required.rs", "Operation::GetSecret"),
            ("crates/server/tests/it/matrix.rs", "Operation::GetSecret"),
            ("docs/operations.md", "| GetSecret |"),
            ("conformance/test_x.py", "GetSecret, NotForgotten"),
        ]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 5);
        assert!(findings.iter().all(|finding| finding.rule.starts_with("Forgotten")));
    }
}
