use std::path::Path;

use crate::call;

/// Builds the server and the load generator, and measures; `policy` is a program of its own.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    if let ["policy", rest @ ..] = arguments {
        return policy(root, rest);
    }
    call(root, "cargo", &["build", "--release", "--package", "strongroom"])?;
    let fixed = ["run", "--release", "--quiet", "--package", "strongroom-bench", "--"];
    call(root, "cargo", &[&fixed, arguments].concat())
}

/// Decisions beside `cedar-policy`, which the workspace does not build.
fn policy(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let peer = ["--manifest-path", "bench/policy-peer/Cargo.toml", "--target-dir", "target/peer"];
    let fixed = [&["run", "--release", "--quiet"], peer.as_slice(), &["--"]].concat();
    call(root, "cargo", &[&fixed, arguments].concat())
}
