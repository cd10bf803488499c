use super::Finding;
use super::code::has_word;
use super::tree::Tree;

/// Lints are set once, for all crates, and never switched off.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("", "Cargo.toml") {
        if source.text.contains("[package]") && !source.text.contains("[lints]\nworkspace = true\n")
        {
            let what = "add `[lints]` with `workspace = true`: it has lints of its own";
            findings.push(Finding::new(&source.path, 1, what));
        }
        for (line, _) in source.lines().filter(|(_, text)| text.contains("\"allow\"")) {
            let what =
                "switches a lint off for all code: use #[expect(lint, reason = \"…\")] there";
            findings.push(Finding::new(&source.path, line, what));
        }
    }
    for source in tree.within("", ".rs") {
        let attribute = |text: &str| {
            let text = text.trim_start();
            (text.starts_with("#[") || text.starts_with("#![")) && has_word(text, "allow")
        };
        for (line, _) in source.lines().filter(|(_, text)| attribute(text)) {
            let what = "switches a lint off: write #[expect(lint, reason = \"…\")]";
            findings.push(Finding::new(&source.path, line, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lint_that_is_switched_off_is_found() {
        for text in ["\n#[allow(x)]", "\n    #![allow(x)]", "\n#[cfg_attr(test, allow(x))]"] {
            assert_eq!(check(&Tree::of(&[("a.rs", text)])).first().unwrap().place, "a.rs:2");
        }
        assert_eq!(check(&Tree::of(&[("a.rs", "#[expect(x)]\nallow();")])), []);
    }

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        let good = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n";
        let own = "[package]\nname = \"a\"\n\n[lints.clippy]\nx = \"allow\"\n";
        let tree = Tree::of(&[("a/Cargo.toml", good), ("b/Cargo.toml", own)]);
        let places: Vec<String> = check(&tree).into_iter().map(|found| found.place).collect();
        assert_eq!(places, ["b/Cargo.toml:1", "b/Cargo.toml:5"]);
    }
}
