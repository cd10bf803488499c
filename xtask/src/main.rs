//! The workspace's own commands: `tidy`, `test`, `bench`, and the proofs.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tool for developers: it prints, reads the tree and runs programs"
)]

mod bench;
mod proofs;
mod tamper;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask tidy | test [--quick] | bench [ARGUMENT…] | \
                     faults kill|syscalls|power | linearize | simulate | tamper [ARGUMENT…]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["test"] => test::run(&root(), false),
        ["test", "--quick"] => test::run(&root(), true),
        ["tamper", rest @ ..] => tamper::run(&root(), rest),
        ["bench", rest @ ..] => bench::run(&root(), rest),
        ["faults" | "linearize" | "simulate", ..] => proofs::run(&root(), &words),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Builds all programs and examples as the Rust tests build them. Parts of the workspace by themselves
/// would have other features of their dependencies, and be compiled anew.
fn build_as_tested(root: &Path) -> Result<(), String> {
    call(root, "cargo", &["build", "--quiet", "--workspace", "--bins", "--examples"])
}

/// Runs a program in the workspace and fails if it does.
fn call(root: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program).args(arguments).current_dir(root).status();
    let shown = format!("{program} {}", arguments.join(" "));
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("`{shown}` did not start: {error}")),
    }
}
