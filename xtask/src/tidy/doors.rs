use super::Finding;
use super::code::paths;
use super::tree::Tree;

const DOOR: [&str; 4] = [
    "crates/model/src/private_file.rs",
    "crates/model/src/private_file/publish.rs",
    "crates/model/src/private_file/beside.rs",
    "crates/model/src/private_file/growing.rs",
];

/// Files are opened by `model::private_file` and by the storage engine, which it hands a file to.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shipping = |path: &str| path.contains("/src/") && !DOOR.contains(&path);
    for source in tree.within("crates/", ".rs").filter(|source| shipping(&source.path)) {
        for named in paths(&source.text, &["std", "tokio", "rustix"]) {
            if named.segments.get(1) == Some(&"fs") {
                let what = "opens files past model::private_file, the one door for them";
                findings.push(Finding::new(&source.path, named.line, what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_around_the_door_is_found() {
        for way in [
            "use std::fs;",
            "use std::{fs::File, io};",
            "fn f() { tokio::fs::read(p) }",
            "use rustix::fs::open;",
        ] {
            let at = |path| check(&Tree::of(&[(path, way)])).len();
            assert_eq!(at("crates/x/src/a.rs"), 1, "{way}");
            assert_eq!(
                at(DOOR[0]) + at(DOOR[1]) + at("xtask/src/a.rs") + at("crates/x/tests/it/a.rs"),
                0
            );
        }
    }
}
