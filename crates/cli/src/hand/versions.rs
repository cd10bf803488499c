use clap::Args;

use super::output::{refused, write_json, write_table};
use super::reference::Reference;
use super::session::Session;
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::Failure;

/// Arguments of `versions`.
#[derive(Debug, Args)]
pub(crate) struct VersionsArguments {
    /// The secret: `secret://VAULT/NAME`, or an OCID
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Show which applications hold which version, by their own reports
    #[arg(long)]
    consumers: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Lists the versions of a secret, the newest first.
pub(crate) async fn run(
    arguments: &VersionsArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference: Reference = arguments.reference.parse()?;
    let session = arguments.connection.open(environment).await?;
    let secret_id = session.secret_id(&reference).await?;
    if arguments.consumers {
        return consumers(&session, &secret_id, arguments.json).await;
    }
    let listed = session.client.secret_versions(&secret_id).await;
    let versions = listed
        .map_err(|error| refused(&error, &format!("list the versions of secret `{secret_id}`")))?;
    if arguments.json {
        let rows = versions.iter().map(|version| {
            serde_json::json!({
                "versionNumber": version.version_number,
                "name": version.name,
                "stages": version.stages,
                "timeCreated": version.time_created,
            })
        });
        return write_json(&rows.collect());
    }
    let row = |version: strongroom_client::SecretVersionSummary| {
        let name = version.name.unwrap_or_else(|| "-".to_owned());
        let number = version.version_number.to_string();
        vec![number, version.stages.join(","), name, version.time_created]
    };
    let rows: Vec<_> = versions.into_iter().map(row).collect();
    write_table(&["NUMBER", "STAGES", "NAME", "CREATED"], &rows)
}

/// Lists who holds what, those who lag behind first.
async fn consumers(session: &Session<'_>, secret_id: &str, json: bool) -> Result<(), Failure> {
    let listed = session.client.secret_consumers(secret_id).await;
    let mut consumers = listed
        .map_err(|error| refused(&error, &format!("list the consumers of secret `{secret_id}`")))?;
    consumers.sort_by_key(|consumer| (consumer.version_number, consumer.consumer_name.clone()));
    if json {
        let rows = consumers.iter().map(|consumer| {
            serde_json::json!({
                "consumerName": consumer.consumer_name,
                "principalId": consumer.principal_id,
                "versionNumber": consumer.version_number,
                "stages": consumer.stages,
                "isLive": consumer.is_live,
                "timeReported": consumer.time_reported,
                "timeLiveUntil": consumer.time_live_until,
            })
        });
        return write_json(&rows.collect());
    }
    let row = |consumer: strongroom_client::SecretConsumer| {
        let live = if consumer.is_live { "live" } else { "silent" };
        vec![
            consumer.version_number.to_string(),
            consumer.stages.join(","),
            consumer.consumer_name,
            live.to_owned(),
            consumer.time_reported,
            consumer.principal_id,
        ]
    };
    let rows: Vec<_> = consumers.into_iter().map(row).collect();
    write_table(&["HOLDS", "STAGES", "CONSUMER", "STATE", "REPORTED", "PRINCIPAL"], &rows)
}
