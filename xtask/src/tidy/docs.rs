use super::Finding;
use super::tree::Tree;

const MAP: &str = "ARCHITECTURE.md";

/// A crate's first line of documentation is its line in the map, word for word.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let rows = rows(tree.text(MAP));
    let mut findings = Vec::new();
    let mut crates = Vec::new();
    for source in tree.within("crates/", ".rs") {
        let Some((name, "src/lib.rs" | "src/main.rs")) = source.in_crate() else { continue };
        let first = source.text.lines().next().and_then(|line| line.strip_prefix("//! "));
        let row = rows.iter().find(|row| row.name == name).map(|row| row.says);
        if row.is_none() || first != row {
            let what = format!("its first line and the row of `{name}` in {MAP} must be the same");
            findings.push(Finding::new(&source.path, 1, what));
        }
        crates.push(name);
    }
    for row in rows.iter().filter(|row| !crates.contains(&row.name)) {
        let what = format!("there is no crate `{}`: remove its row", row.name);
        findings.push(Finding::new(MAP, row.line, what));
    }
    findings
}

struct Row<'a> {
    line: usize,
    name: &'a str,
    says: &'a str,
}

/// Reads the rows "| `name` | rank | line |".
fn rows(map: &str) -> Vec<Row<'_>> {
    (1..).zip(map.lines()).filter_map(|(line, text)| row(line, text)).collect()
}

fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let (name, rest) = text.strip_prefix("| `")?.split_once("` | ")?;
    let (rank, says) = rest.strip_suffix(" |")?.split_once(" | ")?;
    let ranked = rank.chars().all(|c| c.is_ascii_digit());
    ranked.then_some(Row { line, name, says })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_and_map_say_the_same() {
        let map = "| `a` | 0 | Does a. |\n| `b` | 1 | Does b. |\n| `gone` | 1 | Was. |\n";
        let with = |a, b| {
            let files = [(MAP, map), ("crates/a/src/lib.rs", a), ("crates/b/src/main.rs", b)];
            check(&Tree::of(&files)).into_iter().map(|found| found.place).collect::<Vec<_>>()
        };
        assert_eq!(with("//! Does a.\n", "//! Does b.\n"), ["ARCHITECTURE.md:3"]);
        assert_eq!(with("//! Does b.\n", "//! Does b.\n").len(), 2);
        assert_eq!(with("//! Does\n", "").len(), 3);
        let unknown = Tree::of(&[("crates/c/src/lib.rs", "//! Does c.\n")]);
        assert_eq!(check(&unknown).len(), 1);
    }
}
