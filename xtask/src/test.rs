//! The whole test command: installs what the tests need on a fresh machine, then runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::{build_as_tested, call};

const CARGO_DENY: &str = "0.20.2";

type Step = (&'static str, fn(&Path) -> Result<(), String>);

const ALL: [Step; 13] = [
    ("Debian packages", debian_packages),
    ("Python environment", python_environment),
    ("format", |root| call(root, "cargo", &["fmt", "--all", "--check"])),
    ("clippy", clippy),
    ("licenses, bans and sources", cargo_deny),
    ("release build", release_build),
    ("Rust tests", rust_tests),
    ("oracles", oracles),
    ("fuzz, a short run", fuzz_smoke),
    ("edits of the database", tamper_smoke),
    ("conformance", conformance),
    ("bench, a short run", bench_smoke),
    ("proofs, a short run", crate::proofs::smoke),
];

/// A step that mostly waits for the network: it runs beside those up to the first that needs it.
const BESIDE: &str = "Python environment";
const NEEDS_BESIDE: &str = "oracles";

/// Runs every step, or with `quick` those that need nothing installed.
pub(crate) fn run(root: &Path, quick: bool) -> Result<(), String> {
    let quick_steps = ["format", "clippy", "Rust tests"];
    let began = Instant::now();
    thread::scope(|scope| {
        let mut beside = None;
        for step in ALL.iter().filter(|(name, _)| !quick || quick_steps.contains(name)) {
            if step.0 == BESIDE {
                beside = Some(scope.spawn(move || timed(root, *step)));
                continue;
            }
            if step.0 == NEEDS_BESIDE
                && let Some(beside) = beside.take()
            {
                beside.join().unwrap_or_else(|_| Err(format!("{BESIDE}: it panicked")))?;
            }
            timed(root, *step)?;
        }
        Ok::<_, String>(())
    })?;
    println!("== everything passed in {} s", began.elapsed().as_secs());
    Ok(())
}

fn timed(root: &Path, (name, step): Step) -> Result<(), String> {
    println!("== {name}");
    let began = Instant::now();
    step(root).map_err(|why| format!("{name}: {why}"))?;
    println!("== {name}: {} s", began.elapsed().as_secs());
    Ok(())
}

/// Returns what a program says of its version, empty if it is not there.
fn version(program: &Path) -> String {
    let said = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default()
}

fn there(program: &str) -> bool {
    !version(Path::new(program)).is_empty()
}

/// A C compiler for aws-lc and SQLite, git for tidy, Python's own virtual environments, a PKCS#11
/// token, a debugger that dumps memory, OpenSSL, curl, systemd's check of units, strace, the network's
/// tools, Prometheus and its check of rules, a database, and a library that lets days pass.
fn debian_packages(root: &Path) -> Result<(), String> {
    let mut missing = Vec::new();
    if !there("cc") {
        missing.extend(["gcc", "libc6-dev"]);
    }
    if !there("git") {
        missing.push("git");
    }
    if !there("python3") {
        missing.extend(["python3", "python3-venv"]);
    } else if call(root, "python3", &["-c", "import venv, ensurepip"]).is_err() {
        missing.push("python3-venv");
    }
    for (program, package) in [
        ("softhsm2-util", "softhsm2"),
        ("gdb", "gdb"),
        ("openssl", "openssl"),
        ("curl", "curl"),
        ("ssh-keygen", "openssh-client"),
        ("systemd-analyze", "systemd"),
        ("strace", "strace"),
        ("promtool", "prometheus"),
    ] {
        if !there(program) {
            missing.push(package);
        }
    }
    // It does not say its version as others do.
    if Command::new("ip").arg("-V").output().is_err() {
        missing.push("iproute2");
    }
    // Its programs are not on the PATH.
    let postgresql = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    if !postgresql.into_iter().any(|version| version.path().join("bin/initdb").exists()) {
        missing.push("postgresql");
    }
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let faketime = |library: fs::DirEntry| library.path().join("faketime").exists();
    if !libraries.into_iter().any(faketime) {
        missing.push("faketime");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let quiet = ["DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let install = ["install", "--yes", "--no-install-recommends"];
    call(root, "env", &[quiet.as_slice(), &["update", "--quiet"]].concat())?;
    call(root, "env", &[quiet.as_slice(), &install, &missing].concat())
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

/// Checks with the one version of cargo-deny that `deny.toml` is written for.
fn cargo_deny(root: &Path) -> Result<(), String> {
    let tools = root.join("target/tools");
    let own = tools.join("bin/cargo-deny");
    let right = |program: &Path| version(program).trim() == format!("cargo-deny {CARGO_DENY}");
    let installed = Path::new("cargo-deny");
    let program = if right(installed) { installed } else { own.as_path() };
    if !right(program) {
        let tools = tools.display().to_string();
        let install = [
            "install",
            "--quiet",
            "--debug",
            "--locked",
            "--force",
            "--root",
            &tools,
            "cargo-deny",
        ];
        call(root, "cargo", &[install.as_slice(), &["--version", CARGO_DENY]].concat())?;
    }
    let check = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    call(root, &program.display().to_string(), &check)
}

fn release_build(root: &Path) -> Result<(), String> {
    let packages = ["--package", "strongroom", "--package", "strongroom-bench"];
    call(root, "cargo", &[&["build", "--quiet", "--release"], packages.as_slice()].concat())
}

/// No documentation has examples that are tests: looking for them would take half a minute.
fn rust_tests(root: &Path) -> Result<(), String> {
    call(root, "cargo", &["test", "--quiet", "--workspace", "--lib", "--bins", "--tests"])
}

/// Implementations of others in Python, held against ours, beside NIST's vectors.
fn oracles(root: &Path) -> Result<(), String> {
    build_as_tested(root)?;
    let compared = || {
        for (script, example) in [
            ("crates/signing/tests/oracle/compare_signers.py", "target/debug/examples/sign"),
            ("crates/keyring/tests/oracle/open_sealed.py", "target/debug/examples/seal"),
            ("crates/client/tests/oracle/endpoints.py", "target/debug/examples/endpoints"),
        ] {
            call(root, ".venv/bin/python", &[script, example])?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let vectors = scope.spawn(|| nist_vectors(root));
        let compared = compared();
        let vectors = vectors.join().unwrap_or_else(|_| Err("the vectors panicked".to_owned()));
        vectors.and(compared)
    })
}

/// NIST's vectors, which come as a Python package.
fn nist_vectors(root: &Path) -> Result<(), String> {
    let place = "import cryptography_vectors as v, os; print(os.path.dirname(v.__file__))";
    let told = Command::new(root.join(".venv/bin/python")).args(["-c", place]).output();
    let told = told.map_err(|error| error.to_string())?;
    let package = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    let directory = format!("STRONGROOM_NIST_GCM={package}/ciphers/AES/GCM");
    let test = ["cargo", "test", "--quiet", "-p", "strongroom-keyring", "--lib"];
    let only = ["--features", "nist-vectors", "nist_"];
    call(root, "env", &[&[directory.as_str()], test.as_slice(), &only].concat())
}

/// Bent ciphertexts and wrapped keys; bent statements and matching rules; bent authorization
/// headers, tokens and certificates: side by side, 18 s each on two cores, in a debug build, so that
/// overflows end it.
fn fuzz_smoke(root: &Path) -> Result<(), String> {
    build_as_tested(root)?;
    let fuzz = |name| move || call(root, &format!("target/debug/examples/{name}"), &["18"]);
    let done = thread::scope(|scope| {
        let begun = ["fuzz", "fuzz_policy", "fuzz_signing"].map(|name| scope.spawn(fuzz(name)));
        begun.map(|one| one.join().unwrap_or_else(|_| Err("it panicked".to_owned())))
    });
    done.into_iter().collect()
}

fn tamper_smoke(root: &Path) -> Result<(), String> {
    crate::tamper::run(root, &["--smoke"])?;
    crate::tamper::run(root, &["--smoke", "--edits", "60", "--binary", "0", "--engine", "postgres"])
}

fn bench_smoke(root: &Path) -> Result<(), String> {
    let bench = |words: &[&str]| call(root, "target/release/strongroom-bench", words);
    bench(&["--smoke"])?;
    bench(&["many", "--smoke"])?;
    bench(&["hidden", "--smoke"])?;
    bench(&["regions", "--smoke"])?;
    bench(&["cache", "--smoke"])?;
    bench(&["nodes", "--smoke"])
}

/// Files side by side, the tests of one in their order: most of them wait more than they work.
fn conformance(root: &Path) -> Result<(), String> {
    let pytest = ["-m", "pytest", "conformance", "-q", "-rA", "--durations=25"];
    let beside = ["--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"];
    call(root, ".venv/bin/python", &[pytest.as_slice(), &beside].concat())
}
