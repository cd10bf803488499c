//! The same with the program itself.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::desk::edit_file;
use crate::edits::Edit;
use crate::history::History;

const REFUSED_IN: Duration = Duration::from_secs(20);
const FINDINGS: i32 = 5;

/// Edits a copy of the directory: `audit verify` finds it, and `dev` does not start on it.
pub(crate) fn trial(
    program: &str,
    edit: &Edit,
    history: &History,
    number: usize,
) -> Result<(), String> {
    let copy = history.scratch().join(format!("copy-{number}"));
    copy_directory(&history.data(), &copy);
    edit_file(&copy.join("strongroom.db"), edit);
    let checkpoint = history.scratch().join("checkpoint");
    std::fs::write(&checkpoint, &history.checkpoint).unwrap();
    let (data, checkpoint) = (copy.to_str().unwrap(), checkpoint.to_str().unwrap());
    let words = ["audit", "verify", "--data-dir", data, "--checkpoint", checkpoint];
    let verified = Command::new(program).args(words).output().unwrap();
    if verified.status.code() != Some(FINDINGS) {
        return Err(format!("audit verify: {}", told(&verified)));
    }
    if edit.rolls_back {
        return Ok(());
    }
    let words = ["dev", "--listen", "127.0.0.1:0", "--data-dir", data];
    let mut server = Command::new(program)
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while began.elapsed() < REFUSED_IN {
        if server.try_wait().unwrap().is_some() {
            let output = server.wait_with_output().unwrap();
            let refused = told(&output).contains("error[store-unusable]");
            return if refused { Ok(()) } else { Err(told(&output)) };
        }
        if copy.join("dev.json").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    Err("the server starts".to_owned())
}

fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    format!("{}: {text}", output.status)
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
