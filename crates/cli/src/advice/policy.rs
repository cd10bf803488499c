use clap::{Args, Subcommand, ValueEnum};
use strongroom_advice::Semantics;

use super::check::{CheckArguments, check};
use super::diff::{DiffArguments, diff};
use super::export::{ExportArguments, export};
use super::simulate::{SimulateArguments, simulate};
use super::suggest::{SuggestArguments, suggest};
use crate::environment::Environment;
use crate::failure::Failure;

/// Arguments of `policy`.
#[derive(Debug, Args)]
pub(crate) struct PolicyArguments {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Check that statements are in OCI's policy language
    ///
    /// Prints every refused statement as LINE:COL: message, and how many were accepted. Ends with 5
    /// if one was refused.
    Check(CheckArguments),
    /// Decide one request and explain it, or decide the cases of a file
    ///
    /// With --as, --do and --on one request is decided, of the tenancy that a file describes
    /// (--world) or of the one that the connection leads to, which is read then. Prints the verdict,
    /// each permission with the statement that grants or denies it or those that came nearest, and
    /// the smallest statement that would allow it. Ends with 5 if it is denied.
    ///
    /// With --cases every case of a file is decided and compared with what is expected. Prints those
    /// that differ. Ends with 5 if one does.
    Simulate(Box<SimulateArguments>),
    /// Say what one set of policies allows and another does not, with a request that shows it
    ///
    /// OLD and NEW are files that describe a tenancy and its policies (`policy export` writes one),
    /// or have one statement a line: those are attached to the tenancy, that of the other file if it
    /// describes one. Ends with 5 if there is a difference.
    Diff(DiffArguments),
    /// Write the tenancy that the connection leads to, with its policies, to a file
    ///
    /// The file is for `policy simulate --world` and `policy diff`. It has mode 0600.
    Export(ExportArguments),
    /// Find the least statements that allow what a principal was seen to do
    ///
    /// Reads the audit log, of the service or of files, and the policies. The statements are
    /// narrowed by compartment, by the names of targets and by verb, and are proved by the
    /// evaluator: they allow every call that was seen, and nothing that is not allowed now. Shows
    /// what the policies at hand grant and was never used.
    Suggest(Box<SuggestArguments>),
}

/// How policies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SemanticsArgument {
    /// Reading a secret needs the use of its key too; a star in a quoted name is a wildcard
    Strict,
    /// As Oracle documents it
    Oracle,
}

impl From<SemanticsArgument> for Semantics {
    fn from(argument: SemanticsArgument) -> Self {
        match argument {
            SemanticsArgument::Strict => Self::Strict,
            SemanticsArgument::Oracle => Self::Oracle,
        }
    }
}

/// Runs a `policy` command.
pub(crate) async fn run(
    arguments: &PolicyArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    match &arguments.command {
        PolicyCommand::Check(arguments) => check(arguments),
        PolicyCommand::Simulate(arguments) => simulate(arguments, environment).await,
        PolicyCommand::Diff(arguments) => diff(arguments),
        PolicyCommand::Export(arguments) => export(arguments, environment).await,
        PolicyCommand::Suggest(arguments) => suggest(arguments, environment).await,
    }
}
