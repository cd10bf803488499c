use super::{Finding, Tree};

/// Places and words that must not be in the tree. Written in two halves, so as not to find itself.
const BANNED: [(&str, &str, &str, &str); 4] = [
    ("", "/wo", "rk/", "is a path of one machine"),
    (".rs", "#[al", "low(", "exceptions are #[expect(lint, reason = \"…\")]"),
    (".rs", "to", "do!(", "leave nothing unfinished in the tree"),
    (".rs", "#[ig", "nore", "a test that does not run proves nothing"),
];

/// Crates that may touch the file system without `model::private_file`.
const TOOLS: [&str; 3] = ["xtask/", "bench/", "crates/model/src/private_file.rs"];

/// Looks for banned words, and for files opened past the one door.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("", "") {
        let tool = TOOLS.iter().any(|tool| source.path.starts_with(tool));
        for (number, line) in (1..).zip(source.text.lines()) {
            let place = || format!("{}:{number}", source.path);
            for (end, first, second, why) in BANNED {
                if source.path.ends_with(end) && line.contains(&format!("{first}{second}")) {
                    findings.push(Finding::new(place(), format!("{first}{second}: {why}")));
                }
            }
            let rust = source.path.starts_with("crates/") && source.path.contains("/src/");
            if rust && !tool && line.contains("std::fs") {
                findings
                    .push(Finding::new(place(), "the one door for files is model::private_file"));
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
        let bypass = [("crates/x/src/a.rs", "use std::fs;"), ("xtask/src/a.rs", "use std::fs;")];
        assert_eq!(check(&Tree::of(&bypass)).len(), 1);
    }
}
