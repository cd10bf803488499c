use clap::Args;

use super::output::{refused, write_json, write_table};
use super::reference::VaultReference;
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::Failure;

/// Arguments of `ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// The vault: `secret://VAULT`, or its alias
    #[arg(value_name = "VAULT", default_value = "secret://dev")]
    vault: String,
    /// Compartment to look in
    #[arg(long, value_name = "OCID")]
    compartment_id: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Lists the secrets of a vault.
pub(crate) async fn run(arguments: &LsArguments, environment: &Environment) -> Result<(), Failure> {
    let VaultReference(vault) = arguments.vault.parse()?;
    let session = arguments.connection.open(environment).await?;
    let vault_id = session.vault_id(&vault)?;
    let compartment_id = session.compartment_id(arguments.compartment_id.as_ref())?;
    let listed = session.client.secrets(&compartment_id, &vault_id, None).await;
    let secrets =
        listed.map_err(|error| refused(&error, &format!("list the secrets of vault `{vault}`")))?;
    if arguments.json {
        let rows = secrets.iter().map(|secret| {
            serde_json::json!({
                "secretId": secret.id,
                "secretName": secret.secret_name,
                "lifecycleState": secret.lifecycle_state,
                "timeCreated": secret.time_created,
            })
        });
        return write_json(&rows.collect());
    }
    let row = |secret: strongroom_client::SecretSummary| {
        vec![secret.secret_name, secret.lifecycle_state, secret.time_created, secret.id]
    };
    let rows: Vec<_> = secrets.into_iter().map(row).collect();
    write_table(&["NAME", "STATE", "CREATED", "OCID"], &rows)
}
