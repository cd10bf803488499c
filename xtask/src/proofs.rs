use std::path::Path;

use crate::call;

/// Builds the server and the program that tries what it promises, and runs that. They are built one
/// after the other: the simulation has a runtime whose time it turns, which the server does not ship.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    build(root)?;
    call(root, "target/release/strongroom-proofs", arguments)
}

pub(crate) fn build(root: &Path) -> Result<(), String> {
    for package in ["strongroom", "strongroom-proofs"] {
        call(root, "cargo", &["build", "--quiet", "--release", "--package", package])?;
    }
    Ok(())
}
