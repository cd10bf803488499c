use super::{Finding, Tree};

const MAP: &str = "ARCHITECTURE.md";

/// A crate's first line of documentation is its line in the map.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let map = tree.text(MAP);
    let mut findings = Vec::new();
    for source in tree.within("crates/", ".rs") {
        let (_, end) = source.path.split_at("crates/".len());
        if !matches!(end.split_once('/'), Some((_, "src/lib.rs" | "src/main.rs"))) {
            continue;
        }
        let first = source.text.lines().next().unwrap_or_default().trim_start_matches("//! ");
        if first.is_empty() || !map.contains(first) {
            let rule = format!("its first line must stand in {MAP} word for word");
            findings.push(Finding::new(source.path.clone(), rule));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_the_map_does_not_know_is_found() {
        let tree = Tree::of(&[
            (MAP, "| `a` | Does a. |"),
            ("crates/a/src/lib.rs", "//! Does a.\n"),
            ("crates/b/src/lib.rs", "//! Does b.\n"),
            ("crates/b/src/part.rs", "//! Elsewhere.\n"),
        ]);
        assert_eq!(check(&tree).len(), 1);
    }
}
