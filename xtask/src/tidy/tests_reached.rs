use super::{Finding, Tree};

/// Every file of tests is run: Rust's are modules of `main.rs`, Python's are collected by name.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("crates/", ".rs") {
        let Some((krate, name)) = source.path.split_once("/tests/it/") else { continue };
        let module = name.trim_end_matches(".rs");
        let main = tree.text(&format!("{krate}/tests/it/main.rs"));
        if module != "main" && !main.contains(&format!("mod {module};")) {
            findings.push(Finding::new(source.path.clone(), "add it to main.rs: it does not run"));
        }
    }
    for source in tree.within("conformance/", ".py") {
        let name = source.path.trim_start_matches("conformance/");
        if source.text.contains("\ndef test_") && !name.starts_with("test_") {
            findings.push(Finding::new(source.path.clone(), "name it test_….py: it does not run"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_nobody_runs_are_found() {
        let tree = Tree::of(&[
            ("crates/a/tests/it/main.rs", "mod one;"),
            ("crates/a/tests/it/one.rs", ""),
            ("crates/a/tests/it/two.rs", ""),
            ("conformance/more.py", "\ndef test_x():"),
            ("conformance/test_y.py", "\ndef test_x():"),
        ]);
        assert_eq!(check(&tree).len(), 2);
    }
}
