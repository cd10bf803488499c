use std::io::IsTerminal;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use strongroom_client::{SecretBundle, Selector};
use strongroom_model::Sensitive;

use super::output::{refused, write, write_json};
use super::pointer::select;
use super::reference::{Place, Reference, stage_named};
use super::settings::Connection;
use super::values::hinted;
use crate::environment::Environment;
use crate::failure::Failure;

/// Arguments of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The secret: `secret://VAULT/NAME[?stage=…|version=…][#pointer]`, or an OCID
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Read the version in this stage
    #[arg(long, value_name = "STAGE", conflicts_with = "version")]
    stage: Option<String>,
    /// Read the version with this number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
    /// Print what is known of the version too, as JSON with the value in base64
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Prints a secret's value: exactly its bytes, and a line break only for a person to see.
pub(crate) async fn run(
    arguments: &GetArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let mut reference: Reference = arguments.reference.parse()?;
    if let Some(stage) = &arguments.stage {
        reference.selector = stage_named(stage)?;
    }
    if let Some(number) = arguments.version {
        reference.selector = Selector::Number(number);
    }
    let session = arguments.connection.open(environment).await?;
    let bundle = match &reference.place {
        Place::Id(id) => session.client.secret_bundle(id.as_str(), &reference.selector).await,
        Place::Named { vault, name } => {
            let vault_id = session.vault_id(vault)?;
            session.client.secret_bundle_by_name(&vault_id, name, &reference.selector).await
        }
    };
    let name = match &reference.place {
        Place::Id(id) => id.as_str(),
        Place::Named { name, .. } => name,
    };
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(error) => {
            let failure = refused(&error, &format!("read secret `{name}`"));
            return Err(hinted(&session, &error, &reference.place, failure).await);
        }
    };
    let value = match &reference.pointer {
        Some(pointer) => select(&bundle.content, pointer)?,
        None => bundle.content.clone(),
    };
    if arguments.json {
        return write_json(&document(&bundle, &value));
    }
    write(value.expose())?;
    if std::io::stdout().is_terminal() { write(b"\n") } else { Ok(()) }
}

fn document(bundle: &SecretBundle, value: &Sensitive) -> serde_json::Value {
    serde_json::json!({
        "secretId": bundle.secret_id,
        "versionNumber": bundle.version_number,
        "versionName": bundle.version_name,
        "stages": bundle.stages,
        "timeCreated": bundle.time_created,
        "metadata": bundle.metadata,
        "contentBase64": STANDARD.encode(value.expose()),
    })
}
