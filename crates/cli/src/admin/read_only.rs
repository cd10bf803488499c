//! An installation that takes no changes for a while.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::hand::output::{refused, write, write_json};
use crate::hand::settings::Connection;

/// Arguments of `admin read-only`.
#[derive(Debug, Args)]
pub(crate) struct ReadOnlyArguments {
    /// Whether changes are refused
    #[arg(value_enum)]
    state: State,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    On,
    Off,
}

/// Runs `admin read-only`.
pub(super) async fn run(
    arguments: ReadOnlyArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let session = arguments.connection.open(environment).await?;
    let updated = session.client.update_read_only(arguments.state == State::On).await;
    let is_read_only = updated.map_err(|error| refused(&error, "change what is taken"))?;
    if arguments.json {
        return write_json(&json!({ "isReadOnly": is_read_only }));
    }
    let said = if is_read_only {
        "read-only: reads are answered and recorded, changes are refused\n"
    } else {
        "changes are taken\n"
    };
    write(said.as_bytes())
}
