use std::fmt::Write;
use std::path::Path;

use strongroom_advice::{Semantics, simulate};

use super::files::read;
use crate::failure::{Exit, Failure, printable};
use crate::hand::output::write;

/// Decides the cases of a file and compares with what is expected.
pub(super) fn simulate_cases(path: &Path, semantics: Semantics) -> Result<(), Failure> {
    let simulation = simulate(&read(path)?, semantics).map_err(|error| {
        let message = format!("cannot simulate `{}`", path.display());
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
