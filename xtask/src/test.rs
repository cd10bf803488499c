//! The whole test command: installs what the tests need on a fresh machine, then runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::call;

const CARGO_DENY: &str = "0.20.2";

type Step = (&'static str, fn(&Path) -> Result<(), String>);

const ALL: [Step; 10] = [
    ("Debian packages", debian_packages),
    ("Python environment", python_environment),
    ("format", |root| call(root, "cargo", &["fmt", "--all", "--check"])),
    ("clippy", clippy),
    ("licenses, bans and sources", cargo_deny),
    ("release build", release_build),
    ("Rust tests", rust_tests),
    ("oracles", oracles),
    ("conformance", conformance),
    ("bench, a short run", |root| call(root, "target/release/strongroom-bench", &["--smoke"])),
];

/// Runs every step, or with `quick` those that need nothing installed.
pub(crate) fn run(root: &Path, quick: bool) -> Result<(), String> {
    let quick_steps = ["format", "clippy", "Rust tests"];
    let began = Instant::now();
    for (name, step) in ALL.iter().filter(|(name, _)| !quick || quick_steps.contains(name)) {
        println!("== {name}");
        let began = Instant::now();
        step(root).map_err(|why| format!("{name}: {why}"))?;
        println!("== {name}: {} s", began.elapsed().as_secs());
    }
    println!("== everything passed in {} s", began.elapsed().as_secs());
    Ok(())
}

fn there(program: &str, argument: &str) -> bool {
    let quiet = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

/// A C compiler for aws-lc and SQLite, and Python's own virtual environments.
fn debian_packages(root: &Path) -> Result<(), String> {
    let mut missing = Vec::new();
    if !there("cc", "--version") {
        missing.extend(["gcc", "libc6-dev"]);
    }
    if !there("python3", "--version") {
        missing.extend(["python3", "python3-venv"]);
    } else if call(root, "python3", &["-c", "import venv, ensurepip"]).is_err() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let install = [&["install", "--yes", "--no-install-recommends"], missing.as_slice()].concat();
    call(root, "apt-get", &["update", "--quiet"])?;
    call(root, "apt-get", &install)
}

/// Makes `.venv` from `conformance/requirements.txt`, anew if that has changed.
fn python_environment(root: &Path) -> Result<(), String> {
    let stamp = root.join(".venv/requirements.txt");
    let wanted = fs::read_to_string(root.join("conformance/requirements.txt"))
        .map_err(|error| error.to_string())?;
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    call(root, "python3", &["-m", "venv", "--clear", ".venv"])?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let requirements = ["-r", "conformance/requirements.txt"];
    call(root, ".venv/bin/python", &[pip.as_slice(), &requirements].concat())?;
    fs::write(stamp, wanted).map_err(|error| error.to_string())
}

fn clippy(root: &Path) -> Result<(), String> {
    let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
    call(root, "cargo", &arguments)
}

fn cargo_deny(root: &Path) -> Result<(), String> {
    let tools = root.join("target/tools");
    let own = tools.join("bin/cargo-deny");
    let check = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    if there("cargo-deny", "--version") {
        return call(root, "cargo-deny", &check);
    }
    if !own.exists() {
        let tools = tools.display().to_string();
        let install = ["install", "--quiet", "--locked", "--root", &tools, "cargo-deny"];
        call(root, "cargo", &[install.as_slice(), &["--version", CARGO_DENY]].concat())?;
    }
    call(root, &own.display().to_string(), &check)
}

fn release_build(root: &Path) -> Result<(), String> {
    let packages = ["--package", "strongroom", "--package", "strongroom-bench"];
    call(root, "cargo", &[&["build", "--quiet", "--release"], packages.as_slice()].concat())
}

fn rust_tests(root: &Path) -> Result<(), String> {
    call(root, "cargo", &["test", "--quiet", "--workspace"])
}

/// Implementations of others in Python, held against ours.
fn oracles(root: &Path) -> Result<(), String> {
    let examples = ["-p", "strongroom-signing", "-p", "strongroom-keyring"];
    call(root, "cargo", &[&["build", "--quiet", "--examples"], examples.as_slice()].concat())?;
    for (script, example) in [
        ("crates/signing/tests/oracle/compare_signers.py", "target/debug/examples/sign"),
        ("crates/keyring/tests/oracle/open_sealed.py", "target/debug/examples/seal"),
    ] {
        call(root, ".venv/bin/python", &[script, example])?;
    }
    Ok(())
}

fn conformance(root: &Path) -> Result<(), String> {
    call(root, ".venv/bin/python", &["-m", "pytest", "conformance", "-q", "-rA", "--durations=5"])
}
