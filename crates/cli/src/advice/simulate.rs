use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use strongroom_advice::{
    Answer, AnswerNeed, AnswerStatement, Ask, AskError, Semantics, TenancyFile, answer,
};
use strongroom_model::{Clock, SystemClock};

use super::cases::simulate_cases;
use super::files::read;
use super::policy::SemanticsArgument;
use super::tenancy::{tenancy, warn_of_left_out};
use crate::environment::Environment;
use crate::failure::{Exit, Failure, printable};
use crate::hand::output::{write, write_json};
use crate::hand::settings::Connection;

/// Arguments of `policy simulate`.
#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// File of cases to decide, JSON, in place of one request
    #[arg(long, value_name = "FILE", conflicts_with_all = ["who", "what", "target", "world", "both",
        "json", "key_in", "vault_in", "to", "variables", "who_in", "who_tags"])]
    cases: Option<PathBuf>,
    /// Who asks: a user by name or OCID, a principal of the file, group:NAME for a member of no other
    /// group, dynamic-group:NAME, instance:OCID, service:NAME, or any-user for a user in no group
    #[arg(long = "as", value_name = "PRINCIPAL", required_unless_present = "cases")]
    who: Option<String>,
    /// Compartment of a resource that is not in the file; its dynamic groups follow from the rules
    #[arg(long = "as-in", value_name = "COMPARTMENT")]
    who_in: Option<String>,
    /// Defined tag of such a resource; can be given again
    #[arg(long = "as-tag", value_name = "NAMESPACE.KEY=VALUE", value_parser = pair)]
    who_tags: Vec<(String, String)>,
    /// Operation, such as GetSecretBundle, or one permission by its name
    #[arg(long = "do", value_name = "OPERATION", required_unless_present = "cases")]
    what: Option<String>,
    /// Compartment of the target: a name, a path a:b:c, an OCID, or tenancy
    #[arg(long = "on", value_name = "COMPARTMENT", required_unless_present = "cases")]
    target: Option<String>,
    /// Compartment of the key, if it is another one
    #[arg(long, value_name = "COMPARTMENT")]
    key_in: Option<String>,
    /// Compartment of the vault, if it is another one
    #[arg(long, value_name = "COMPARTMENT")]
    vault_in: Option<String>,
    /// Compartment that the target is moved to
    #[arg(long, value_name = "COMPARTMENT")]
    to: Option<String>,
    /// What the request carries, such as target.secret.name=db-password; one that is given again is
    /// a set
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// File that describes the tenancy and its policies, in place of a server
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// How policies are read [default: strict for one request, oracle for cases]
    #[arg(long, value_enum)]
    semantics: Option<SemanticsArgument>,
    /// Decide in both ways and say where they differ
    #[arg(long, conflicts_with = "semantics")]
    both: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Decides one request, or the cases of a file.
pub(super) async fn simulate(
    arguments: &SimulateArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let semantics = arguments.semantics.map(Semantics::from);
    if let Some(cases) = &arguments.cases {
        return simulate_cases(cases, semantics.unwrap_or(Semantics::Oracle));
    }
    let file = match &arguments.world {
        Some(path) => named_tenancy(path)?,
        None => tenancy(&arguments.connection.open(environment).await?.client).await?,
    };
    let ask = arguments.ask();
    let semantics = semantics.unwrap_or_default();
    let other = match semantics {
        Semantics::Strict => Semantics::Oracle,
        Semantics::Oracle => Semantics::Strict,
    };
    let decide = |semantics| answer(&file, &ask, semantics).map_err(|error| wrong(&error));
    let (first, second) = (decide(semantics)?, decide(other)?);
    show(arguments, &first, &second)?;
    if first.allowed { Ok(()) } else { Err(Failure::findings()) }
}

/// Reads the file that describes a tenancy and its policies.
pub(super) fn named_tenancy(path: &Path) -> Result<TenancyFile, Failure> {
    let text = read(path)?;
    let file = TenancyFile::read(&text).map_err(|error| {
        let message = format!("cannot read `{}` as a tenancy", path.display());
        Failure::configuration("bad-world", message).because(error.to_string())
    })?;
    warn_of_left_out(&file);
    Ok(file)
}

impl SimulateArguments {
    fn ask(&self) -> Ask {
        Ask {
            who: self.who.clone().unwrap_or_default(),
            who_in: self.who_in.clone(),
            who_tags: self.who_tags.clone(),
            what: self.what.clone().unwrap_or_default(),
            target: self.target.clone().unwrap_or_default(),
            key_in: self.key_in.clone(),
            vault_in: self.vault_in.clone(),
            to: self.to.clone(),
            variables: self.variables.clone(),
            now: SystemClock.now(),
        }
    }
}

pub(super) fn wrong(error: &AskError) -> Failure {
    if error.field.is_empty() {
        return Failure::configuration("bad-world", "cannot use the description of the tenancy")
            .because(error.message.clone());
    }
    let message = format!("cannot decide the request: --{}: {}", error.field, error.message);
    let failure = Failure::new(Exit::Usage, "bad-request", message);
    match &error.similar {
        Some(similar) => failure.fix(format!("did you mean `{similar}`?")),
        None => failure,
    }
}

fn show(arguments: &SimulateArguments, first: &Answer, second: &Answer) -> Result<(), Failure> {
    let differences = differences(first, second);
    if arguments.json {
        let document = if arguments.both {
            json!({ first.semantics: first, second.semantics: second, "differences": differences })
        } else {
            json!(first)
        };
        return write_json(&document);
    }
    let mut lines = told(first);
    if arguments.both {
        lines.push(String::new());
        lines.extend(told(second));
        lines.push(String::new());
        lines.push(match differences.len() {
            0 => "both decide alike".to_owned(),
            _ => "where they differ:".to_owned(),
        });
        lines.extend(differences.iter().map(|difference| format!("  {difference}")));
    } else if first.allowed != second.allowed {
        let (verdict, semantics) = (verdict(second), second.semantics);
        lines.push(format!("  note:  {verdict} in {semantics} semantics: see --both"));
    }
    let text: String = lines.iter().map(|line| printable(line) + "\n").collect();
    write(text.as_bytes())
}

fn verdict(answer: &Answer) -> &'static str {
    if answer.allowed { "allowed" } else { "denied" }
}

fn differences(first: &Answer, second: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    if first.allowed != second.allowed {
        let (one, other) = (verdict(first), verdict(second));
        lines.push(format!("{}: {one}; {}: {other}", first.semantics, second.semantics));
    }
    for (one, other) in [(first, second), (second, first)] {
        for need in &one.required {
            let same = |there: &&AnswerNeed| {
                (&there.permission, &there.place) == (&need.permission, &need.place)
            };
            match other.required.iter().find(same) {
                None => lines.push(format!(
                    "{} in {}: needed in {} semantics only",
                    need.permission, need.place, one.semantics
                )),
                Some(there) if there.verdict != need.verdict && one.semantics == "strict" => {
                    lines.push(format!(
                        "{} in {}: strict: {}; oracle: {}",
                        need.permission, need.place, need.verdict, there.verdict
                    ));
                }
                Some(_) => {}
            }
        }
    }
    lines
}

fn told(answer: &Answer) -> Vec<String> {
    let operation = answer.operation.as_deref();
    let asked: String = operation.map_or_else(
        || answer.required.iter().map(|need| need.permission.clone()).collect(),
        str::to_owned,
    );
    let within = match answer.groups.as_slice() {
        [] => "in no group".to_owned(),
        groups => format!("in {}", groups.join(", ")),
    };
    let mut lines = vec![
        format!("{}: {asked} in {} semantics", verdict(answer), answer.semantics),
        format!("  who:   {}, {within}", answer.principal),
        format!("  when:  {}, region {}", answer.time, answer.region),
    ];
    lines.extend(answer.required.iter().flat_map(need));
    lines.extend(answer.suggestions.iter().map(|statement| format!("  fix:   {statement}")));
    lines.extend(answer.notes.iter().map(|note| format!("  note:  {note}")));
    lines
}

fn need(need: &AnswerNeed) -> Vec<String> {
    let decided = need.decided_by.as_ref();
    let by = decided.map(|one| format!(" by policy `{}`, statement {}", one.policy, one.number));
    let by = by.unwrap_or_default();
    let mut lines =
        vec![format!("  needs: {} in {}: {}{by}", need.permission, need.place, need.verdict)];
    lines.extend(decided.map(|one| format!("           {}", one.text)));
    lines.extend(need.considered.iter().flat_map(considered));
    if need.verdict == "not granted" && need.others > 0 {
        let others = match need.others {
            1 => "1 other statement is for others, or denies".to_owned(),
            others => format!("{others} other statements are for others, or deny"),
        };
        lines.push(format!("         {others}"));
    }
    lines
}

fn considered(statement: &AnswerStatement) -> [String; 2] {
    let failing = match (statement.failing, statement.failing_text.as_deref()) {
        (Some("action"), Some(text)) => format!("`{text}` does not grant it"),
        (Some("location"), Some(text)) => format!("`{text}` is another place"),
        (Some(what), Some(text)) => format!("the {what} `{text}` does not hold"),
        _ => "it holds".to_owned(),
    };
    let (policy, number) = (&statement.policy, statement.number);
    [
        format!("         policy `{policy}`, statement {number}: {failing}"),
        format!("           {}", statement.text),
    ]
}
