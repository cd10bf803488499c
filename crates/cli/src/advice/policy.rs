use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use strongroom_advice::{Checked, Semantics, check_lines, check_rules, check_statement, simulate};
use strongroom_model::private_file;

use crate::failure::{Exit, Failure, printable};
use crate::hand::output::write;

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
    /// Decide cases of a file and compare with what is expected
    ///
    /// The file describes a tenancy, requests in it, and what is expected of each. Prints every case
    /// that differs with both answers. Ends with 5 if one does.
    Simulate(SimulateArguments),
}

#[derive(Debug, Args)]
struct CheckArguments {
    /// File with one statement, directory of such files, or - for standard input
    #[arg(value_name = "FILE|DIR|-")]
    path: PathBuf,
    /// Each line is a statement
    #[arg(long, conflicts_with = "rules")]
    lines: bool,
    /// Each line is a matching rule of a dynamic group
    #[arg(long)]
    rules: bool,
}

#[derive(Debug, Args)]
struct SimulateArguments {
    /// File of cases, JSON
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// How policies are read
    #[arg(long, value_enum, default_value_t = SemanticsArgument::Oracle)]
    semantics: SemanticsArgument,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SemanticsArgument {
    /// Reading a secret needs the use of its key too; a star in a quoted name is a wildcard
    Strict,
    /// As Oracle documents it
    Oracle,
}

/// Runs a `policy` command.
pub(crate) fn run(arguments: &PolicyArguments) -> Result<(), Failure> {
    match &arguments.command {
        PolicyCommand::Check(arguments) => check(arguments),
        PolicyCommand::Simulate(arguments) => simulate_cases(arguments),
    }
}

fn check(arguments: &CheckArguments) -> Result<(), Failure> {
    let mut files = files_at(&arguments.path)?;
    files.sort();
    let several = files.len() > 1;
    let (mut accepted, mut refused, mut text) = (0, 0, String::new());
    for file in files {
        let checked = check_text(arguments, &read(&file)?);
        accepted += checked.accepted;
        refused += checked.refused.len();
        for one in checked.refused {
            if several {
                text.push_str(&printable(&file.display().to_string()));
                text.push(':');
            }
            // Writing to a String cannot fail.
            let _written = writeln!(text, "{}:{}: {}", one.line, one.column, one.error);
            if !(arguments.lines || arguments.rules) {
                let _written = writeln!(text, "{}", one.error.render(&one.text));
            } else if let Some(suggestion) = one.error.suggestion {
                let _written = writeln!(text, "  = did you mean `{suggestion}`?");
            }
        }
    }
    let _written = writeln!(text, "{accepted} accepted, {refused} refused");
    write(text.as_bytes())?;
    if refused == 0 { Ok(()) } else { Err(Failure::findings()) }
}

fn check_text(arguments: &CheckArguments, text: &str) -> Checked {
    if arguments.rules {
        return check_rules(text);
    }
    if arguments.lines {
        return check_lines(text);
    }
    match check_statement(text) {
        Ok(()) => Checked { accepted: 1, refused: Vec::new() },
        Err(refused) => Checked { accepted: 0, refused: vec![*refused] },
    }
}

fn simulate_cases(arguments: &SimulateArguments) -> Result<(), Failure> {
    let semantics = match arguments.semantics {
        SemanticsArgument::Strict => Semantics::Strict,
        SemanticsArgument::Oracle => Semantics::Oracle,
    };
    let simulation = simulate(&read(&arguments.cases)?, semantics).map_err(|error| {
        let message = format!("cannot simulate `{}`", arguments.cases.display());
        Failure::new(Exit::Failed, "bad-cases", message).because(error.to_string())
    })?;
    let mut text = String::new();
    for one in &simulation.differ {
        let (id, expected, decided) = (&one.id, &one.expected, &one.decided);
        let line = format!("{id}: expected {expected}, decided {decided}");
        text.push_str(&printable(&line));
        text.push('\n');
    }
    // Writing to a String cannot fail.
    let _written = writeln!(text, "{} agree, {} differ", simulation.agree, simulation.differ.len());
    write(text.as_bytes())?;
    if simulation.differ.is_empty() { Ok(()) } else { Err(Failure::findings()) }
}

fn unreadable(path: &Path, why: &str) -> Failure {
    let message = format!("cannot read `{}`", path.display());
    Failure::new(Exit::Failed, "no-file", message).because(why)
}

/// The file itself, or the files of a directory.
fn files_at(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = path.read_dir().map_err(|error| unreadable(path, &error.to_string()))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| unreadable(path, &error.to_string()))?.path();
        if file.is_file() {
            files.push(file);
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map(|_count| bytes)
    } else {
        private_file::read(path)
    };
    let bytes = bytes.map_err(|error| unreadable(path, &error.to_string()))?;
    String::from_utf8(bytes).map_err(|_error| unreadable(path, "not UTF-8"))
}
