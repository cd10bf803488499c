use std::time::Duration;

use clap::{ArgGroup, Args};
use serde_json::json;

use super::output::{refused, write, write_json};
use super::reference::Reference;
use super::settings::Connection;
use crate::duration;
use crate::environment::Environment;
use crate::failure::Failure;

/// Arguments of `retire`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("when").args(["within", "never"])))]
pub(crate) struct RetireArguments {
    /// The secret: `secret://VAULT/NAME`, or an OCID
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Retire the previous version when every live consumer has moved on, and so long after a
    /// rotation at the latest: a number and one of s, m, h, d
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    within: Option<u64>,
    /// Keep the previous version for rollback, until another takes its place
    #[arg(long)]
    never: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Says what rotations do to a secret's previous version, or shows what is said.
pub(crate) async fn run(
    arguments: &RetireArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference = arguments.reference.parse::<Reference>()?.whole()?;
    let session = arguments.connection.open(environment).await?;
    let id = session.secret_id(&reference).await?;
    let deadline = arguments.within.map(Duration::from_secs);
    let said = if arguments.never || deadline.is_some() {
        session.client.set_secret_retirement(&id, deadline).await
    } else {
        session.client.secret_retirement(&id).await
    };
    let what = format!("say when versions of secret `{id}` retire");
    let retirement = said.map_err(|error| refused(&error, &what))?;
    if arguments.json {
        let secs = retirement.deadline_seconds;
        return write_json(&json!({ "secretId": id, "deadlineSeconds": secs }));
    }
    let text = match retirement.deadline_seconds {
        Some(secs) => format!(
            "Rotations retire the previous version when every live consumer has moved on, \
             {secs} s after the promotion at the latest.\n"
        ),
        None => "Rotations keep the previous version.\n".to_owned(),
    };
    write(text.as_bytes())
}
