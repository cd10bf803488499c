use super::{Finding, Tree};

const FILE_LINES_MAX: usize = 600;

/// Files stay short; clippy keeps functions below 70 lines.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let long = tree.within("", ".rs").filter(|source| source.text.lines().count() > FILE_LINES_MAX);
    long.map(|source| {
        let rule = format!("is longer than {FILE_LINES_MAX} lines: split it by concern");
        Finding::new(source.path.clone(), rule)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        let text = "x\n".repeat(601);
        let tree = Tree::of(&[("a.rs", &text), ("b.rs", "x\n"), ("c.md", &text)]);
        assert_eq!(check(&tree).len(), 1);
    }
}
