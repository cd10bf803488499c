//! The key that signs tokens.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::hand::output::{refused, write, write_json};
use crate::hand::settings::Connection;

/// Arguments of `admin signer`.
#[derive(Debug, Args)]
pub(crate) struct SignerArguments {
    #[command(subcommand)]
    command: SignerCommand,
}

#[derive(Debug, Subcommand)]
enum SignerCommand {
    /// Let another key sign tokens from now on
    ///
    /// Happens by itself every 30 days. Tokens of earlier keys hold until they expire, which for
    /// none of them is longer than an hour.
    Rotate(RotateArguments),
}

#[derive(Debug, Args)]
struct RotateArguments {
    /// Let no token of an earlier key hold any longer: every machine and session gets a new one
    #[arg(long)]
    revoke: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs an `admin signer` command.
pub(super) async fn run(
    arguments: SignerArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let SignerCommand::Rotate(arguments) = arguments.command;
    let session = arguments.connection.open(environment).await?;
    let rotated = session.client.rotate_token_signer(arguments.revoke).await;
    let signer = rotated.map_err(|error| refused(&error, "rotate the key that signs tokens"))?;
    if arguments.json {
        return write_json(&json!(signer));
    }
    let earlier = match signer.earlier {
        0 => "no earlier one holds".to_owned(),
        1 => "one earlier one holds until its tokens have expired".to_owned(),
        many => format!("{many} earlier ones hold until their tokens have expired"),
    };
    write(format!("{} signs tokens now, {earlier}\n", signer.kid).as_bytes())
}
