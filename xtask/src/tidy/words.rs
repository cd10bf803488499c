use super::Finding;
use super::tree::Tree;

/// Words that must not be in the tree, and in which files. Written in two halves, so as not to find
/// themselves.
const BANNED: [(&str, &str, &str, &str); 3] = [
    ("", "/wo", "rk/", "is a path of one machine: name the place from the root"),
    (".rs", "to", "do!(", "is unfinished: finish it, or open an issue"),
    (".rs", "#[ig", "nore", "is a test that does not run: mend or remove it"),
];

/// Looks for banned words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (end, first, second, why) in BANNED {
        let word = format!("{first}{second}");
        for source in tree.within("", end) {
            for (line, _) in source.lines().filter(|(_, text)| text.contains(&word)) {
                findings.push(Finding::new(&source.path, line, format!("{word} {why}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ban_is_found() {
        for (_, first, second, _) in BANNED {
            let text = format!("a\n{first}{second}\n");
            let found = check(&Tree::of(&[("crates/x/src/a.rs", &text)]));
            assert_eq!(found.first().unwrap().place, "crates/x/src/a.rs:2");
        }
    }
}
