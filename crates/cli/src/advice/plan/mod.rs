//! `plan`: what a cache does for reads of secrets, and how long to keep them.

mod live;
mod plot;
mod told;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::json;
use strongroom_advice::{
    Amount, Plan, PlanError, Prices, Trace, Wanted, chart, parse_trace, plan, spell,
};
use strongroom_client::SecurityClass;
use strongroom_model::private_file;

use super::files::read;
use crate::duration::{positive, seconds};
use crate::environment::Environment;
use crate::failure::{Exit, Failure, printable};
use crate::hand::output::{write, write_json};
use crate::hand::settings::Connection;

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("reads").required(true).args(["reads_per_hour", "trace", "live"]))]
pub(crate) struct PlanArguments {
    /// Reads an hour by all consumers together, evenly spaced; at most 1000000
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    reads_per_hour: Option<u32>,
    /// Consumers with a cache each; at most 100000
    #[arg(long, value_name = "NUMBER", default_value_t = 1, conflicts_with_all = ["trace", "live"],
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    consumers: u32,
    /// File of reads: audit records, events of Oracle's Audit, or a table time,consumer,secret; - is
    /// standard input
    #[arg(long, value_name = "FILE|-")]
    trace: Option<PathBuf>,
    /// Take the reads from the audit log that the connection leads to
    #[arg(long)]
    live: bool,
    /// With --live, how far back
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = positive,
        conflicts_with_all = ["reads_per_hour", "trace"])]
    last: u64,
    /// With --live, OCID of the compartment whose secrets are read [default: all of the tenancy]
    #[arg(long, value_name = "OCID", conflicts_with_all = ["reads_per_hour", "trace"])]
    compartment: Option<String>,
    /// TTL to look at, such as 15m; 0s is no cache
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    ttl: Option<u64>,
    /// How often the secrets rotate [default: what the class says]
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    rotation: Option<u64>,
    /// How much the secrets are worth protecting
    #[arg(long, value_enum, default_value_t = ClassArgument::Standard)]
    class: ClassArgument,
    /// Requests a second that the service answers; beyond it answers 429
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// What requests may cost in a month, in dollars: a shorter TTL is worth that much
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = amount,
        allow_negative_numbers = true)]
    budget: Amount,
    /// File of prices, TOML or JSON [default: those of the mission]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// File to draw the plan in, as SVG; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// How much secrets are worth protecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClassArgument {
    /// Rotates daily: 5 to 15 minutes
    High,
    /// Rotates monthly: 30 to 60 minutes
    Standard,
    /// Development and tests: no cache
    #[value(alias = "development")]
    Dev,
}

impl From<ClassArgument> for SecurityClass {
    fn from(argument: ClassArgument) -> Self {
        match argument {
            ClassArgument::High => Self::High,
            ClassArgument::Standard => Self::Standard,
            ClassArgument::Dev => Self::Development,
        }
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    Amount::parse(text)
        .ok_or_else(|| "must be an amount such as 1.50, with six decimals at most".to_owned())
}

/// Plans how long to keep secrets.
pub(crate) async fn run(
    arguments: &PlanArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let wanted = arguments.wanted()?;
    let trace = arguments.reads(environment).await?;
    // The replay has a runtime of its own, on which no other thread runs.
    let planned = tokio::task::spawn_blocking(move || plan(&trace, &wanted)).await;
    let planned = planned.map_err(|error| {
        Failure::new(Exit::Defect, "no-plan", "cannot plan").because(error.to_string())
    })?;
    let plan = planned.map_err(|error| refused(&error))?;
    if let Some(path) = &arguments.svg {
        draw(path, &plan)?;
    }
    if arguments.json {
        return write_json(&json!(plan));
    }
    let lines = told::told(&plan).into_iter().chain(plot::plot(&plan));
    let text: String = lines.map(|line| printable(line.trim_end()) + "\n").collect();
    write(text.as_bytes())
}

impl PlanArguments {
    fn wanted(&self) -> Result<Wanted, Failure> {
        let prices = match &self.prices {
            Some(path) => Prices::parse(&read(path)?).map_err(|error| {
                let message = format!("cannot use the prices in `{}`", path.display());
                Failure::configuration("bad-prices", message).because(error.to_string())
            })?,
            None => Prices::default(),
        };
        Ok(Wanted {
            ttl: self.ttl.map(Duration::from_secs),
            class: self.class.into(),
            rotation: self.rotation.map(Duration::from_secs),
            limit: self.limit,
            prices,
            budget: self.budget,
        })
    }

    async fn reads(&self, environment: &Environment) -> Result<Trace, Failure> {
        if let Some(rate) = self.reads_per_hour {
            return Trace::even(rate, self.consumers).map_err(|error| refused(&error));
        }
        let (text, from) = if let Some(path) = &self.trace {
            (read(path)?, format!("the trace in `{}`", path.display()))
        } else {
            let client = self.connection.open(environment).await?.client;
            let compartment = self.compartment.as_deref();
            let events = live::events(&client, compartment, Duration::from_secs(self.last));
            (events.await?, "the audit log".to_owned())
        };
        parse_trace(&text).map_err(|error| {
            Failure::configuration("bad-trace", format!("cannot use {from}"))
                .because(error.to_string())
        })
    }
}

fn draw(path: &Path, plan: &Plan) -> Result<(), Failure> {
    private_file::replace(path, chart(plan).as_bytes()).map_err(|error| {
        Failure::new(Exit::Failed, "no-file", format!("cannot write `{}`", path.display()))
            .because(error.to_string())
    })
}

fn word(class: SecurityClass) -> &'static str {
    match class {
        SecurityClass::High => "high",
        SecurityClass::Standard => "standard",
        SecurityClass::Development => "dev",
    }
}

fn refused(error: &PlanError) -> Failure {
    let failure = |exit, code| Failure::new(exit, code, error.to_string());
    match error {
        PlanError::TtlExceedsRotation { longest, rotation, class, instead, .. } => failure(
            Exit::Findings,
            "ttl-exceeds-rotation",
        )
        .because(format!(
            "with jitter a value is used for {} at most, and the secret rotates every {}: a \
                 password could be in use after the one that replaced it was replaced",
            spell(*longest),
            spell(*rotation),
        ))
        .fix(format!("--class {} --ttl {}m", word(*class), instead.as_secs() / 60)),
        PlanError::TtlTooLong { .. } => failure(Exit::Usage, "ttl-too-long").fix("--ttl 60m"),
        PlanError::IdleConsumers { .. } => failure(Exit::Usage, "idle-consumers"),
        PlanError::Replay(_) => failure(Exit::Defect, "no-plan"),
        PlanError::Record { .. }
        | PlanError::Trace(_)
        | PlanError::Price { .. }
        | PlanError::Prices(_) => failure(Exit::Configuration, "bad-input"),
    }
}
