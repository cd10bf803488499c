//! The other regions of the tenancy.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;
use strongroom_keyring::RegionKeys;
use strongroom_model::{SystemClock, private_file};
use strongroom_server::{OPERATOR_TIME, RegionCommand as Command, RegionIdentity};
use strongroom_targets::{HttpLine, NoReply};
use tokio::time::timeout;

use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::{write, write_json, write_table};
use crate::serving::serve::Configuration;

/// Arguments of `admin region`.
#[derive(Debug, Args)]
pub(crate) struct RegionArguments {
    #[command(subcommand)]
    command: RegionCommand,
}

#[derive(Debug, Subcommand)]
enum RegionCommand {
    /// Print what this region is known by, for `init --join` or `admin region add` elsewhere
    Identity(ServerArguments),
    /// Pair this region with another, or learn where that one answers now
    Add(AddArguments),
    /// Forget another region: nothing goes there or comes from there any more
    Rm(NamedArguments),
    /// Show how the other regions are doing, and how far they and this one are behind
    Status(StatusArguments),
    /// Let the replicas of a lost region be this one's own
    ///
    /// What the lost region has not sent is lost. When it is back, what it still sends is refused,
    /// and it takes over what happened here meanwhile.
    Promote(PromoteArguments),
}

#[derive(Debug, Args)]
struct ServerArguments {
    /// Configuration file of the server, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the server answers [default: as its configuration says]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

#[derive(Debug, Args)]
struct AddArguments {
    /// What the other region is known by: what `admin region identity` or `init --join` prints there
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Where the other region answers
    #[arg(long, value_name = "URL")]
    url: String,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
struct NamedArguments {
    /// Name of the region
    #[arg(value_name = "REGION")]
    region: String,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
struct StatusArguments {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
struct PromoteArguments {
    /// Name of the lost region
    #[arg(value_name = "REGION")]
    region: String,
    /// Make this region the home region, where identities are changed, in place of the lost one
    #[arg(long)]
    home: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Runs an `admin region` command.
pub(super) async fn run(
    arguments: RegionArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    match arguments.command {
        RegionCommand::Identity(server) => {
            write_json(&ask(&server, environment, Command::Identity).await?)
        }
        RegionCommand::Add(arguments) => add(&arguments, environment).await,
        RegionCommand::Rm(arguments) => {
            let command = Command::Remove { region: arguments.region };
            let report = ask(&arguments.server, environment, command).await?;
            write(format!("{} is forgotten\n", text(&report, "region")).as_bytes())
        }
        RegionCommand::Status(arguments) => {
            let report = ask(&arguments.server, environment, Command::Status).await?;
            if arguments.json { write_json(&report) } else { show(&report) }
        }
        RegionCommand::Promote(arguments) => promote(arguments, environment).await,
    }
}

async fn add(arguments: &AddArguments, environment: &Environment) -> Result<(), Failure> {
    let identity = Box::new(read_identity(&arguments.identity)?);
    let command = Command::Add { identity, url: arguments.url.clone() };
    let report = ask(&arguments.server, environment, command).await?;
    let text = format!(
        "paired with {}\ncompare with what `strongroom admin region status` shows there: {}\n",
        text(&report, "region"),
        text(&report, "fingerprint")
    );
    write(text.as_bytes())
}

async fn promote(arguments: PromoteArguments, environment: &Environment) -> Result<(), Failure> {
    let command = Command::Promote { region: arguments.region, home: arguments.home };
    let report = ask(&arguments.server, environment, command).await?;
    let count = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or_default();
    let home = if arguments.home { "\nthis region is the home region now" } else { "" };
    let text = format!("{} replicas are this region's own now{home}\n", count("promoted"));
    write(text.as_bytes())?;
    if count("left") == 0 {
        return Ok(());
    }
    let message = format!("{} replicas changed meanwhile and were not promoted", count("left"));
    Err(Failure::new(Exit::Failed, "not-promoted", message).fix("run the command again"))
}

/// Reads what another region is known by.
pub(crate) fn read_identity(path: &Path) -> Result<RegionIdentity, Failure> {
    let refused = |why: String| {
        let message = format!("cannot read the identity of a region from `{}`", path.display());
        Failure::configuration("bad-region-identity", message)
            .because(why)
            .fix("strongroom admin region identity --config FILE")
    };
    let bytes = private_file::read(path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))
}

/// Has the server of a configuration run a command.
async fn ask(
    server: &ServerArguments,
    environment: &Environment,
    command: Command,
) -> Result<Value, Failure> {
    let configuration = Configuration::read(&server.config)?;
    let token = configuration.token()?;
    let seal = configuration.unseal.seal(token.as_ref(), environment)?;
    let root_key = seal.open(&configuration.data_dir.join("root.key")).await?;
    let url = server.base_url.clone().unwrap_or_else(|| configuration.base_url());
    let ended = |exit: Exit, why: String| {
        Failure::new(exit, "region-command-failed", "the server did not do it").because(why)
    };
    let failed = |why: String| ended(Exit::Failed, why);
    let keys = RegionKeys::of_operator(&root_key).map_err(|error| failed(error.to_string()))?;
    let signed = command.sign(&keys, &SystemClock);
    let (path, message) = signed.ok_or_else(|| failed("the command was not signed".to_owned()))?;
    let line = HttpLine::new().map_err(failed)?;
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let silent = |_elapsed| ended(Exit::Unreachable, format!("{url}: it does not answer in time"));
    let answer = timeout(OPERATOR_TIME, line.send(&url, message)).await.map_err(silent)?;
    let answer = answer.map_err(|error| {
        let exit = match error {
            NoReply::Unreached(_) => Exit::Unreachable,
            NoReply::Refused(_) => Exit::Failed,
        };
        ended(exit, format!("{url}: {error}"))
    })?;
    Command::report(&keys, &answer)
        .ok_or_else(|| failed(format!("{url}: the answer is not this region's")))
}

fn text<'a>(report: &'a Value, name: &str) -> &'a str {
    report.get(name).and_then(Value::as_str).unwrap_or("-")
}

fn show(report: &Value) -> Result<(), Failure> {
    let head = format!(
        "region {} ({}), home region {}\n\n",
        text(report, "region"),
        text(report, "fingerprint"),
        text(report, "homeRegion")
    );
    write(head.as_bytes())?;
    let empty = Vec::new();
    let regions = report.get("regions").and_then(Value::as_array).unwrap_or(&empty);
    let number = |of: &Value, name: &str| of.get(name).map_or_else(String::new, Value::to_string);
    let seconds = |of: &Value, name: &str| {
        format!("{:.1} s", of.get(name).and_then(Value::as_f64).unwrap_or_default())
    };
    let rows: Vec<Vec<String>> = regions
        .iter()
        .map(|region| {
            vec![
                text(region, "region").to_owned(),
                number(region, "outgoingChanges"),
                seconds(region, "outgoingLagSeconds"),
                number(region, "incomingChanges"),
                seconds(region, "incomingLagSeconds"),
                text(region, "fingerprint").to_owned(),
            ]
        })
        .collect();
    write_table(&["REGION", "TO SEND", "LAG", "TO TAKE", "LAG", "FINGERPRINT"], &rows)?;
    for region in regions {
        let name = text(region, "region");
        if let Some(fault) = region.get("fault").and_then(Value::as_str) {
            write(format!("\n{name} cannot be pulled from: {fault}\n").as_bytes())?;
        }
        let fenced = region.get("fencedChanges").and_then(Value::as_u64).unwrap_or_default();
        if fenced > 0 {
            let line = format!("\n{name} sent {fenced} changes of an earlier term, not taken\n");
            write(line.as_bytes())?;
        }
        for item in region.get("notTaken").and_then(Value::as_array).unwrap_or(&empty) {
            let (object, reason) = (text(item, "object"), text(item, "reason"));
            write(format!("\nnot taken from {name}: {object}: {reason}\n").as_bytes())?;
        }
    }
    Ok(())
}
