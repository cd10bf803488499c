use std::path::Path;

use crate::{build_as_tested, call};

/// Builds the server and the program that tries what it promises, and runs that. They are built one
/// after the other: the simulation has a runtime whose time it turns, which the server does not ship.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    build(root)?;
    call(root, "target/release/strongroom-proofs", arguments)
}

/// Runs each of them for a moment: as the Rust tests are built, since nothing has to be compiled for
/// it again.
pub(crate) fn smoke(root: &Path) -> Result<(), String> {
    build_as_tested(root)?;
    let proofs = "target/debug/strongroom-proofs";
    call(root, proofs, &["simulate", "--smoke", "--seeds", "450"])?;
    call(root, proofs, &["linearize", "--smoke"])?;
    call(root, proofs, &["faults", "--smoke"])
}

fn build(root: &Path) -> Result<(), String> {
    for package in ["strongroom", "strongroom-disk", "strongroom-proofs"] {
        call(root, "cargo", &["build", "--quiet", "--release", "--package", package])?;
    }
    Ok(())
}
