//! `lint`: what should not be there in code and policies.

mod code;
mod conclusion;
mod policy;
mod seen;
mod walk;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use strongroom_advice::lint::{Format, Level};

use self::code::LintCodeArguments;
use self::policy::LintPolicyArguments;
use crate::environment::Environment;
use crate::failure::Failure;

/// Arguments of `lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    #[command(subcommand)]
    command: LintCommand,
}

#[derive(Debug, Subcommand)]
enum LintCommand {
    /// Find in code what should not be done with secrets
    ///
    /// Programs in Python, JavaScript, TypeScript, Go, Java and Rust are read, and shell wherever it
    /// stands: scripts, workflows, container files, Terraform, Markdown. Ends with 5 if something is
    /// found at or above --level. `strongroom explain CODE` explains a finding; a comment
    /// `strongroom-lint: allow CODE -- reason` on its line or the one before suppresses it.
    Code(Box<LintCodeArguments>),
    /// Find in policies and matching rules what should not be there
    ///
    /// Statements are found in plain text, Terraform, JSON, YAML and Markdown, and in what `policy
    /// export` writes. Ends with 5 if something is found at or above --level. `strongroom explain CODE`
    /// explains a finding.
    Policy(Box<LintPolicyArguments>),
}

/// Runs a `lint` command.
pub(crate) async fn run(
    arguments: &LintArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    match &arguments.command {
        LintCommand::Code(arguments) => code::run(arguments),
        LintCommand::Policy(arguments) => policy::run(arguments, environment).await,
    }
}

/// What both kinds of `lint` take.
#[derive(Debug, Args)]
pub(crate) struct LintOutput {
    /// Files and directories; what .gitignore names is left out
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Who reads the findings
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = FormatArgument::People)]
    format: FormatArgument,
    /// The least level that ends the command with 5
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LevelArgument::Warning)]
    level: LevelArgument,
    /// Change the files where nobody has to choose, and tell what is left
    #[arg(long)]
    fix: bool,
    /// Leave out what this file names
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what is found to the baseline, and end with 0
    #[arg(long, requires = "baseline", conflicts_with = "fix")]
    write_baseline: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArgument {
    /// A person
    People,
    /// A program: a list of objects
    Json,
    /// A code-scanning service: SARIF 2.1.0
    Sarif,
    /// A workflow of GitHub
    Github,
    /// A build server
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelArgument {
    Info,
    Warning,
    Error,
}

impl From<FormatArgument> for Format {
    fn from(argument: FormatArgument) -> Self {
        match argument {
            FormatArgument::People => Self::People,
            FormatArgument::Json => Self::Json,
            FormatArgument::Sarif => Self::Sarif,
            FormatArgument::Github => Self::Github,
            FormatArgument::Junit => Self::Junit,
        }
    }
}

impl From<LevelArgument> for Level {
    fn from(argument: LevelArgument) -> Self {
        match argument {
            LevelArgument::Info => Self::Info,
            LevelArgument::Warning => Self::Warning,
            LevelArgument::Error => Self::Error,
        }
    }
}
