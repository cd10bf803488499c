use std::path::Path;

use crate::{build_as_tested, call};

/// Edits with `--smoke`, and how many of them with the program itself.
const SMOKE: [&str; 4] = ["--edits", "300", "--binary", "6"];
const WHOLE: [&str; 4] = ["--edits", "10000", "--binary", "100"];

/// Edits the database of a server in every way that the example of the server crate knows.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    build_as_tested(root)?;
    let (fixed, rest) = match arguments {
        ["--smoke", rest @ ..] => (SMOKE, rest),
        rest => (WHOLE, rest),
    };
    // What is said last counts.
    let words = [&["target/debug/strongroom"], fixed.as_slice(), rest].concat();
    call(root, "target/debug/examples/tamper", &words)
}
