use super::Finding;
use super::tree::Tree;

/// Each crate and those of the workspace that it may import.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("testkit", &[]),
    ("policy", &["model", "testkit"]),
    ("signing", &["model", "testkit"]),
    ("wire", &["model"]),
    ("keyring", &["model", "testkit"]),
    ("store", &["model"]),
    ("client", &["model", "signing", "wire", "testkit"]),
    ("server", &["model", "policy", "signing", "wire", "keyring", "store", "testkit"]),
    ("targets", &["model", "signing", "keyring", "server"]),
    ("agent", &["model", "signing", "wire", "client"]),
    ("advice", &["model", "policy", "client", "testkit"]),
    (
        "cli",
        &[
            "model", "signing", "wire", "keyring", "store", "client", "server", "targets", "agent",
            "advice",
        ],
    ),
];

/// Crates import downwards only; rooms of one rank do not know each other.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("crates/", "/Cargo.toml") {
        let Some((name, _)) = source.in_crate() else { continue };
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == name) else {
            let what = format!("tidy knows no rank of `{name}`: add it to xtask/src/tidy/ranks.rs");
            findings.push(Finding::new(&source.path, 1, what));
            continue;
        };
        for (line, text) in source.lines().filter(|(_, text)| !text.starts_with("name = ")) {
            for imported in imported(text).filter(|imported| !allowed.contains(imported)) {
                let what = format!("{name} must not import {imported}: move what it needs down");
                findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
    findings
}

/// Finds the workspace's crates in a line, however the dependency is written.
fn imported(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split('#').next().unwrap_or(line);
    let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    code.split("strongroom-").skip(1).filter_map(move |rest| rest.split(end).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_sideways_or_upwards_is_found() {
        let good = "name = \"strongroom-policy\"\nstrongroom-model.workspace = true\n";
        assert_eq!(check(&Tree::of(&[("crates/policy/Cargo.toml", good)])), []);
        for line in [
            "strongroom-wire.workspace = true",
            "strongroom-server = { path = \"../server\" }",
            "[dependencies.strongroom-server]",
            "other = { package = \"strongroom-client\", path = \"../client\" }",
        ] {
            let found = check(&Tree::of(&[("crates/policy/Cargo.toml", line)]));
            assert_eq!(found.len(), 1, "{line}");
        }
        assert_eq!(check(&Tree::of(&[("crates/novelty/Cargo.toml", "")])).len(), 1);
    }
}
