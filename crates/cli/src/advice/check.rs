use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use strongroom_advice::{Checked, check_lines, check_rules, check_statement};

use super::files::{files_at, read};
use crate::failure::{Failure, printable};
use crate::hand::output::write;

/// Arguments of `policy check`.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
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

/// Checks statements or rules.
pub(super) fn check(arguments: &CheckArguments) -> Result<(), Failure> {
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
