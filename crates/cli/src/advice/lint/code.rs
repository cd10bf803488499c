//! `lint code`: what code does with secrets that it should not.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use strongroom_advice::lint::{Finding, Fix, SourceFile, concerns_secrets, look_at_code, suppress};
use strongroom_model::private_file;

use super::LintOutput;
use super::conclusion::{Found, conclude};
use super::walk::{shown, unreadable, visit};
use crate::failure::Failure;

/// Arguments of `lint code`.
#[derive(Debug, Args)]
pub(super) struct LintCodeArguments {
    #[command(flatten)]
    output: LintOutput,
}

/// Larger files hold data.
const LARGEST: u64 = 4 * 1024 * 1024;

/// So far is looked for a byte that no text has.
const HEAD: usize = 8 * 1024;

/// Looks at the files, and tells what is found.
pub(super) fn run(arguments: &LintCodeArguments) -> Result<(), Failure> {
    let mut found = visit(&arguments.output.paths, LARGEST, &look_at)?;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found.dedup_by(|one, other| one.path == other.path);
    conclude(&arguments.output, found, &|found| found.into_iter().map(look_again).collect())
}

/// Looks at a file. One that is no text has nothing that could be told.
fn look_at(path: PathBuf) -> Result<Option<Found>, Failure> {
    let bytes = match private_file::read(&path) {
        Ok(bytes) => bytes,
        // It was removed meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&path, &error.to_string())),
    };
    if bytes.iter().take(HEAD).any(|byte| *byte == 0) || !concerns_secrets(&bytes) {
        return Ok(None);
    }
    let name = shown(&path);
    let (text, is_whole) = match String::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), false),
    };
    let file = SourceFile::new(name, text);
    let findings = look_at_code(&file);
    let findings = if is_whole { findings } else { without_edits(findings) };
    let is_quiet = findings.is_empty() && suppress(&file, Vec::new()).findings.is_empty();
    Ok((!is_quiet).then_some(Found { path, file, findings }))
}

fn look_again(found: Found) -> Found {
    let findings = look_at_code(&found.file);
    Found { findings, ..found }
}

/// A file that is not UTF-8 would lose letters if it were written anew.
fn without_edits(findings: Vec<Finding>) -> Vec<Finding> {
    let strip = |fix: Fix| Fix { edits: Vec::new(), ..fix };
    findings
        .into_iter()
        .map(|finding| Finding { fix: finding.fix.clone().map(strip), ..finding })
        .collect()
}
