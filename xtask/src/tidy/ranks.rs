use super::{Finding, Tree};

/// Each crate and those of the workspace that it may import.
const MAY_IMPORT: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("policy", &["model"]),
    ("signing", &["model"]),
    ("wire", &["model"]),
    ("keyring", &["model"]),
    ("store", &["model"]),
    ("client", &["model", "signing", "wire"]),
    ("server", &["model", "policy", "signing", "wire", "keyring", "store"]),
    ("cli", &["model", "signing", "wire", "keyring", "store", "client", "server"]),
];

/// Crates import downwards only; rooms of one rank do not know each other.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.within("crates/", "/Cargo.toml") {
        let name = source.path.split('/').nth(1).unwrap_or_default();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == name) else {
            findings.push(Finding::new(source.path.clone(), "give the new crate a rank in tidy"));
            continue;
        };
        for (number, line) in (1..).zip(source.text.lines()) {
            let Some(rest) = line.strip_prefix("strongroom-") else { continue };
            let imported = rest.split(['.', ' ', '=']).next().unwrap_or_default();
            if !allowed.contains(&imported) {
                let place = format!("{}:{number}", source.path);
                findings.push(Finding::new(place, format!("{name} must not import {imported}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_sideways_or_upwards_is_found() {
        let tree = Tree::of(&[
            (
                "crates/policy/Cargo.toml",
                "strongroom-model.workspace = true\nstrongroom-wire.workspace = true\n",
            ),
            ("crates/client/Cargo.toml", "strongroom-server.workspace = true\n"),
            ("crates/novelty/Cargo.toml", ""),
        ]);
        assert_eq!(check(&tree).len(), 3);
    }
}
