use std::path::Path;

use crate::call;

/// Builds the server and the load generator, and measures.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    call(root, "cargo", &["build", "--release", "--package", "strongroom"])?;
    let fixed = ["run", "--release", "--quiet", "--package", "strongroom-bench", "--"];
    call(root, "cargo", &[&fixed, arguments].concat())
}
