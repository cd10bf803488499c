use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use strongroom_advice::{AnswerStatement, Change, Comparison, Given, WitnessSide};
use strongroom_advice::{Semantics, diff as compare};

use super::files::read;
use super::policy::SemanticsArgument;
use crate::failure::{Failure, printable};
use crate::hand::output::{write, write_json};

/// Arguments of `policy diff`.
#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The policies as they were
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policies as they are to be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// How policies are read
    #[arg(long, value_enum, default_value_t = SemanticsArgument::Strict)]
    semantics: SemanticsArgument,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Says what one set of policies allows and another does not.
pub(super) fn diff(arguments: &DiffArguments) -> Result<(), Failure> {
    let (old_text, new_text) = (read(&arguments.old)?, read(&arguments.new)?);
    let [old, new] = [&arguments.old, &arguments.new].map(|path| path.display().to_string());
    let (old, new) = (Given { name: &old, text: &old_text }, Given { name: &new, text: &new_text });
    let comparison = compare(&old, &new, Semantics::from(arguments.semantics));
    let comparison = comparison.map_err(|error| {
        Failure::configuration("bad-policies", format!("cannot compare `{}`", error.file))
            .because(error.message)
    })?;
    if arguments.json {
        write_json(&json!(comparison))?;
    } else {
        let lines = told(&comparison);
        let text: String = lines.iter().map(|line| printable(line) + "\n").collect();
        write(text.as_bytes())?;
    }
    if comparison.changes.is_empty() { Ok(()) } else { Err(Failure::findings()) }
}

fn told(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    for became in ["allowed", "denied"] {
        let changes = comparison.changes.iter().filter(|change| change.became == became);
        for (number, change) in changes.enumerate() {
            lines.extend((number == 0).then(|| format!("became {became}")));
            lines.extend(self::change(change));
        }
    }
    lines.extend(comparison.notes.iter().map(|note| format!("note: {note}")));
    let Comparison { semantics, compared, classes, principals, compartments, .. } = comparison;
    let differences = match comparison.changes.len() {
        0 => "no difference".to_owned(),
        1 => "1 difference".to_owned(),
        several => format!("{several} differences"),
    };
    lines.push(format!(
        "{differences} in {semantics} semantics: compared {compared} of {classes} classes of \
         requests ({principals} principals, {compartments} compartments)"
    ));
    lines
}

fn change(change: &Change) -> Vec<String> {
    let mut lines = vec![format!("  {}", change.principals.join(", "))];
    lines.extend(change.grants.iter().map(|what| format!("    {what}")));
    lines.push(format!("    in {}", change.places.join(", ")));
    if !change.conditions.is_empty() {
        lines.push(format!("    where {}", change.conditions.join(" and ")));
    }
    let witness = &change.witness;
    let asked = match witness.operation {
        "" => witness.permission.to_owned(),
        operation => format!("{} for {operation}", witness.permission),
    };
    let (who, place) = (&witness.principal.label, &witness.compartment);
    lines.push(format!("    such as {asked} by {who} in {place}"));
    if change.tried > 1 {
        let Change { differing, tried, .. } = change;
        lines.push(format!("      so in {differing} of {tried} kinds of such requests"));
    }
    lines.extend(side("old", &witness.old));
    lines.extend(side("new", &witness.new));
    lines
}

fn side(name: &str, side: &WitnessSide) -> Vec<String> {
    let by = |AnswerStatement { policy, number, .. }: &AnswerStatement| {
        format!(" by policy `{policy}`, statement {number}")
    };
    let decided = side.decided_by.as_ref();
    let mut lines =
        vec![format!("      {name}: {}{}", side.verdict, decided.map(by).unwrap_or_default())];
    lines.extend(decided.map(|statement| format!("           {}", statement.text)));
    lines
}
