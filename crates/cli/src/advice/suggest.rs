use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use strongroom_advice::{
    AuditEvent, EventsError, HeldStatement, SuggestAsk, Suggestion, TenancyFile, each_event,
    suggest as find,
};
use strongroom_client::Client;
use strongroom_model::{Clock, SystemClock};

use super::files::read;
use super::policy::SemanticsArgument;
use super::simulate::{named_tenancy, pair, wrong};
use super::tenancy::tenancy;
use crate::duration;
use crate::environment::Environment;
use crate::failure::{Failure, printable};
use crate::hand::output::{refused, write, write_json};
use crate::hand::settings::Connection;

/// Permissions, or verbs on resource-types, that are printed in one line.
const WORDS_MAX: usize = 6;

/// Arguments of `policy suggest`.
#[derive(Debug, Args)]
pub(super) struct SuggestArguments {
    /// Whose calls: a user by name or OCID, group:NAME for all its members, instance:OCID, or
    /// service:NAME
    #[arg(long = "as", value_name = "PRINCIPAL")]
    who: String,
    /// Compartment of a resource that is not in the file; its dynamic groups follow from the rules
    #[arg(long = "as-in", value_name = "COMPARTMENT")]
    who_in: Option<String>,
    /// Defined tag of such a resource; can be given again
    #[arg(long = "as-tag", value_name = "NAMESPACE.KEY=VALUE", value_parser = pair)]
    who_tags: Vec<(String, String)>,
    /// File of audit events, in place of the service's: what `oci audit event list` prints, Logging
    /// exports, or rows of a vault; can be given again
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// How far back the service's events are read: a number and one of s, m, h, d
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = duration::seconds,
          conflicts_with = "events")]
    last: u64,
    /// File that describes the tenancy and its policies (`policy export`), in place of the service's
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Grant permissions one by one, where a verb would grant more than was needed
    #[arg(long, conflicts_with = "patterns")]
    exact: bool,
    /// Write three names and more that begin alike as a pattern, if all of it is held already
    #[arg(long)]
    patterns: bool,
    /// How policies are read
    #[arg(long, value_enum, default_value_t = SemanticsArgument::Strict)]
    semantics: SemanticsArgument,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Finds the least statements that allow what a principal was seen to do.
pub(super) async fn suggest(
    arguments: &SuggestArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let now = SystemClock.now();
    let client = if arguments.world.is_none() || arguments.events.is_empty() {
        Some(arguments.connection.open(environment).await?.client)
    } else {
        None
    };
    let file = match (&arguments.world, &client) {
        (Some(path), _) => named_tenancy(path)?,
        (None, Some(client)) => tenancy(client).await?,
        (None, None) => return Err(Failure::configuration("bad-world", "no tenancy is given")),
    };
    let mut events = Vec::new();
    match &client {
        Some(client) if arguments.events.is_empty() => {
            events = events_of(client, &file, arguments.last).await?;
        }
        _ => {
            for path in &arguments.events {
                let text = read(path)?;
                taken(&text, &mut events).map_err(|error| {
                    let message = format!("cannot read `{}` as audit events", path.display());
                    Failure::configuration("bad-events", message).because(error.to_string())
                })?;
            }
        }
    }
    let ask = SuggestAsk {
        who: arguments.who.clone(),
        who_in: arguments.who_in.clone(),
        who_tags: arguments.who_tags.clone(),
        semantics: arguments.semantics.into(),
        exact: arguments.exact,
        patterns: arguments.patterns,
        now,
    };
    let suggestion = find(&file, &ask, &events).map_err(|error| wrong(&error))?;
    if arguments.json {
        return write_json(&json!(suggestion));
    }
    let lines = told(&suggestion, events.len());
    let text: String = lines.iter().map(|line| printable(line) + "\n").collect();
    write(text.as_bytes())
}

/// Reads the events of every compartment.
pub(super) async fn events_of(
    client: &Client,
    file: &TenancyFile,
    last: u64,
) -> Result<Vec<AuditEvent>, Failure> {
    let end = SystemClock.now();
    let span = SignedDuration::from_secs(i64::try_from(last).unwrap_or(i64::MAX));
    let start = end.checked_sub(span).unwrap_or_default();
    let mut events = Vec::new();
    for compartment in file.world.compartments.values() {
        let listed = client.events(compartment.id.as_str(), start, end).await;
        let listed = listed.map_err(|error| refused(&error, "read the audit events"))?;
        taken(&json!(listed).to_string(), &mut events).map_err(|error| {
            Failure::configuration("bad-answer", "cannot read the audit events")
                .because(error.to_string())
        })?;
    }
    Ok(events)
}

pub(super) fn taken(text: &str, events: &mut Vec<AuditEvent>) -> Result<(), EventsError> {
    each_event(text, |_number, _kind, event| {
        events.push(event);
        Ok(())
    })
}

fn told(suggestion: &Suggestion, events: usize) -> Vec<String> {
    let Suggestion { principal, calls, kinds, statements, held, .. } = suggestion;
    let kinds = if *kinds == 1 { "1 kind".to_owned() } else { format!("{kinds} kinds") };
    let seen = format!("{calls} calls of {kinds} by {principal}, of {events} events");
    let mut lines = Vec::new();
    if statements.is_empty() {
        lines.push(format!("nothing to allow: {seen}"));
    } else {
        let many = match statements.len() {
            1 => "1 statement allows".to_owned(),
            several => format!("{several} statements allow"),
        };
        lines.push(format!("{many} {seen}"));
        lines.extend(statements.iter().map(|statement| format!("  {statement}")));
        lines.push(format!("  {}", shown(suggestion)));
    }
    if !held.is_empty() {
        lines.push("held now".to_owned());
        lines.extend(held.iter().flat_map(self::held));
    }
    let left_out = suggestion.left_out.iter();
    lines.extend(left_out.map(|(reason, count)| format!("note: left out {count}: {reason}")));
    lines.extend(suggestion.notes.iter().map(|note| format!("note: {note}")));
    lines
}

/// What shows that the statements are right, and how far it goes.
fn shown(suggestion: &Suggestion) -> String {
    let Suggestion { compared, classes, is_proved, .. } = suggestion;
    let calls = "each of these calls is allowed by them alone";
    if *is_proved {
        return format!(
            "proof: {calls}; of {compared} kinds of requests that were compared none becomes allowed"
        );
    }
    format!(
        "{calls}; none becomes allowed of {compared} kinds of requests that were compared, of \
         {classes} that there are: not everything could be tried"
    )
}

fn held(statement: &HeldStatement) -> Vec<String> {
    let HeldStatement { policy, number, text, calls, used, unused } = statement;
    let use_ = if used.is_empty() {
        "never used".to_owned()
    } else if unused.is_empty() {
        format!("used whole, by {calls} calls")
    } else {
        format!("{} used, by {calls} calls; not: {}", listed_words(used), listed_words(unused))
    };
    vec![format!("  policy `{policy}`, statement {number}: {use_}"), format!("    {text}")]
}

/// What fits a line; the JSON has all.
fn listed_words(words: &[String]) -> String {
    let shown = words.get(..WORDS_MAX).unwrap_or(words).join(", ");
    match words.len().saturating_sub(WORDS_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
