use std::path::PathBuf;

use clap::Args;
use strongroom_advice::lint::{PolicyContext, SourceFile, holds_policies, lint_policies};
use strongroom_advice::{Semantics, TenancyFile};

use super::LintOutput;
use super::conclusion::{Found, conclude};
use super::seen;
use super::walk::{files, shown};
use crate::advice::files::read;
use crate::advice::policy::SemanticsArgument;
use crate::advice::simulate::named_tenancy;
use crate::advice::tenancy::tenancy;
use crate::duration;
use crate::environment::Environment;
use crate::failure::{Exit, Failure, warn};
use crate::hand::settings::Connection;

/// What the tenancy that is looked at live is called in place of a file.
const LIVE: &str = "tenancy";

/// Arguments of `lint policy`.
#[derive(Debug, Args)]
pub(crate) struct LintPolicyArguments {
    #[command(flatten)]
    output: LintOutput,
    /// How policies are read
    #[arg(long, value_enum, default_value_t = SemanticsArgument::Strict)]
    semantics: SemanticsArgument,
    /// File that describes the tenancy that the policies are for: their names are looked up in it
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    world: Option<PathBuf>,
    /// Look at the tenancy that the connection leads to, in place of files
    #[arg(long, conflicts_with_all = ["paths", "fix"])]
    live: bool,
    /// File of audit events, for what a described tenancy's statements were last used: what `oci audit
    /// event list` prints, Logging exports, or rows of a vault; can be given again
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    events: Vec<PathBuf>,
    /// How far back audit events are read with --live: a number and one of s, m, h, d
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = duration::seconds)]
    last: u64,
    #[command(flatten)]
    connection: Connection,
}

/// Looks at policies.
pub(super) async fn run(
    arguments: &LintPolicyArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let semantics = Semantics::from(arguments.semantics);
    let world = arguments.world.as_deref().map(named_tenancy).transpose()?;
    let (sources, seen) = if arguments.live {
        let client = arguments.connection.open(environment).await?.client;
        let tenancy = tenancy(&client).await?;
        let seen = seen::live(&client, &tenancy, arguments.last).await;
        (vec![live(&tenancy)?], Some(seen))
    } else {
        (sources(&arguments.output.paths)?, seen::in_files(&arguments.events)?)
    };
    let context = PolicyContext { semantics, tenancy: world.as_ref(), seen: seen.as_ref() };
    let (found, count) = look(sources, context);
    if count == 0 {
        let why = "files are looked at by their names: Terraform, JSON, YAML and plain text; one that is named itself is always looked at";
        warn("no-statement", "no statement and no matching rule was found", why);
    }
    conclude(&arguments.output, found, &|found| look(found, context).0)
}

fn look(mut found: Vec<Found>, context: PolicyContext<'_>) -> (Vec<Found>, usize) {
    let sources: Vec<&SourceFile> = found.iter().map(|one| &one.file).collect();
    let result = lint_policies(&sources, context);
    for (one, findings) in found.iter_mut().zip(result.findings) {
        one.findings = findings;
    }
    (found, result.count)
}

fn live(tenancy: &TenancyFile) -> Result<Found, Failure> {
    let text = tenancy.written().map_err(|error| {
        Failure::new(Exit::Defect, "bad-tenancy", "cannot write the tenancy down")
            .because(error.to_string())
    })?;
    Ok(Found { path: PathBuf::from(LIVE), file: SourceFile::new(LIVE, text), findings: Vec::new() })
}

/// Reads the files that are named, and of directories those that hold policies by their names.
fn sources(paths: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let mut sources = Vec::new();
    for path in files(paths)? {
        let is_named = paths.contains(&path);
        let shown = shown(&path);
        if !is_named && !holds_policies(&shown) {
            continue;
        }
        let text = match read(&path) {
            Ok(text) => text,
            Err(failure) if is_named => return Err(failure),
            // What is not text holds no statements.
            Err(_failure) => continue,
        };
        sources.push(Found { path, file: SourceFile::new(shown, text), findings: Vec::new() });
    }
    Ok(sources)
}
