use std::path::{Path, PathBuf};

use strongroom_advice::lint::{Baseline, Finding, Level, SourceFile, fixed, report, suppress};
use strongroom_keyring::SystemRandom;
use strongroom_model::private_file;

use super::LintOutput;
use crate::failure::{Exit, Failure, warn};
use crate::hand::output::write;

/// What was found in a file.
pub(super) struct Found {
    /// Where it lies.
    pub(super) path: PathBuf,
    pub(super) file: SourceFile,
    pub(super) findings: Vec<Finding>,
}

/// Takes away what is suppressed and known, repairs what can be if that is asked for, and tells the
/// rest. `look` looks at a file again that was repaired.
pub(super) fn conclude(
    output: &LintOutput,
    found: Vec<Found>,
    look: &dyn Fn(Vec<Found>) -> Vec<Found>,
) -> Result<(), Failure> {
    let found = if output.fix { repair(found, look)? } else { found };
    let mut found: Vec<(SourceFile, Vec<Finding>)> = found
        .into_iter()
        .map(|one| {
            let left = suppress(&one.file, one.findings).findings;
            (one.file, left)
        })
        .collect();
    if output.write_baseline {
        return write_baseline(output.baseline.as_deref(), &found);
    }
    if let Some(path) = &output.baseline {
        let mut baseline = read_baseline(path)?;
        for (file, findings) in &mut found {
            findings.retain(|finding| !baseline.take(file, finding));
        }
    }
    write(report(output.format.into(), &found).as_bytes())?;
    let least: Level = output.level.into();
    let is_bad = |(_, findings): &(SourceFile, Vec<Finding>)| {
        findings.iter().any(|finding| finding.level >= least)
    };
    if found.iter().any(is_bad) { Err(Failure::findings()) } else { Ok(()) }
}

/// How often a file is repaired: a repair may lay open what another rule finds.
const ROUNDS: usize = 10;

fn repair(
    mut found: Vec<Found>,
    look: &dyn Fn(Vec<Found>) -> Vec<Found>,
) -> Result<Vec<Found>, Failure> {
    for _round in 0..ROUNDS {
        let mut has_changed = false;
        for one in &mut found {
            let findings = suppress(&one.file, std::mem::take(&mut one.findings)).findings;
            let (text, count) = fixed(&one.file.text, &findings);
            if count == 0 {
                one.findings = findings;
                continue;
            }
            rewrite(&one.path, text.as_bytes())?;
            one.file = SourceFile::new(one.file.path.clone(), text);
            has_changed = true;
        }
        if !has_changed {
            break;
        }
        found = look(found);
    }
    Ok(found)
}

/// Writes a file anew, whole, with the mode that it had.
fn rewrite(path: &Path, content: &[u8]) -> Result<(), Failure> {
    private_file::rewrite(path, content, &SystemRandom).map_err(|error| {
        Failure::new(Exit::Failed, "no-output", format!("cannot change `{}`", path.display()))
            .because(error.to_string())
    })
}

fn read_baseline(path: &Path) -> Result<Baseline, Failure> {
    let refused = |why: String| {
        Failure::configuration("bad-baseline", format!("cannot use `{}`", path.display()))
            .because(why)
    };
    let bytes = private_file::read(path).map_err(|error| refused(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
    Baseline::from_json(&text).map_err(|error| refused(error.to_string()))
}

fn write_baseline(
    path: Option<&Path>,
    found: &[(SourceFile, Vec<Finding>)],
) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let mut baseline = Baseline::default();
    let mut count = 0;
    for (file, findings) in found {
        for finding in findings {
            baseline.add(file, finding);
            count += 1;
        }
    }
    private_file::replace(path, baseline.to_json().as_bytes()).map_err(|error| {
        Failure::new(Exit::Failed, "no-output", format!("cannot write `{}`", path.display()))
            .because(error.to_string())
    })?;
    if count > 0 {
        warn(
            "baseline-written",
            &format!("{count} findings are known from now on"),
            "the baseline names them",
        );
    }
    Ok(())
}
