use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use strongroom_client::{NewContent, NewSecret};
use strongroom_model::{Sensitive, private_file};

use super::change::Metadata;
use super::output::{refused, write, write_json};
use super::reference::{Place, Reference};
use super::session::Session;
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};

/// Arguments of `put`. There is none for the value: arguments are seen by every user of a machine.
#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// The secret: `secret://VAULT/NAME`, or an OCID
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Read the value from a file instead of standard input
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Leave out one line break at the end of the value
    #[arg(long)]
    trim_newline: bool,
    /// Put the new version into use, or let it wait for promotion
    #[arg(long, value_name = "STAGE", value_enum, default_value_t = NewStage::Current, ignore_case = true)]
    stage: NewStage,
    /// Compartment to make a new secret in
    #[arg(long, value_name = "OCID")]
    compartment_id: Option<String>,
    /// Key to make a new secret with
    #[arg(long, value_name = "OCID")]
    key_id: Option<String>,
    /// Print what was stored as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Where a new version starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NewStage {
    /// In use at once
    Current,
    /// Waiting for `strongroom promote`
    Pending,
}

impl NewStage {
    /// Returns OCI's name.
    const fn name(self) -> &'static str {
        match self {
            Self::Current => "CURRENT",
            Self::Pending => "PENDING",
        }
    }
}

/// What was stored.
struct Stored {
    secret_id: String,
    name: String,
    version: u64,
    /// The description before, if it was there and could be read.
    before: Option<Metadata>,
}

/// Stores a value: as a new version if the secret is there, else as a new secret.
pub(crate) async fn run(
    arguments: &PutArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference: Reference = arguments.reference.parse()?;
    if reference.pointer.is_some() || reference.selector != strongroom_client::Selector::Current {
        return Err(Failure::new(Exit::Usage, "bad-reference", "cannot store at this reference")
            .because("a new version has no stage, number or pointer yet")
            .fix("strongroom put secret://VAULT/NAME"));
    }
    let session = arguments.connection.open(environment).await?;
    let value = read_value(arguments)?;
    let stored = match &reference.place {
        Place::Id(id) => update(&session, id.as_str(), &value, arguments).await?,
        Place::Named { vault, name } => {
            let vault_id = session.vault_id(vault)?;
            let compartment_id = session.compartment_id(arguments.compartment_id.as_ref())?;
            match session.find(&compartment_id, &vault_id, name).await? {
                Some(secret_id) => update(&session, &secret_id, &value, arguments).await?,
                None if arguments.stage == NewStage::Pending => {
                    let message = format!("cannot store `{name}` as pending");
                    return Err(Failure::new(Exit::Failed, "nothing-current", message)
                        .because("the secret does not exist; a first version is current at once"));
                }
                None => {
                    let key_id = session.key_id(arguments.key_id.as_ref())?;
                    let new = NewSecret {
                        compartment_id: &compartment_id,
                        vault_id: &vault_id,
                        key_id: &key_id,
                        name,
                        content: NewContent::Given(&value),
                    };
                    let made = session.client.create_secret(&new).await;
                    let made =
                        made.map_err(|error| refused(&error, &format!("create secret `{name}`")))?;
                    Stored { secret_id: made.id, name: made.secret_name, version: 1, before: None }
                }
            }
        }
    };
    if arguments.json {
        let document = serde_json::json!({
            "secretId": stored.secret_id,
            "secretName": stored.name,
            "versionNumber": stored.version,
        });
        return write_json(&document);
    }
    let Stored { secret_id, name, version, before } = stored;
    write(format!("{name}  version {version}  {secret_id}\n").as_bytes())?;
    match (before, Metadata::read(&session, &secret_id).await.ok()) {
        (Some(before), Some(after)) => write(before.changes(&after).as_bytes()),
        _ => Ok(()),
    }
}

/// So much is read of a value: more than any vault takes, which says itself what the most is.
const VALUE_BYTES_MAX: u64 = 512 * 1024;

fn read_value(arguments: &PutArguments) -> Result<Sensitive, Failure> {
    let refuse =
        |why: String| Failure::new(Exit::Failed, "no-value", "cannot read the value").because(why);
    let mut value = Sensitive::new(Vec::new());
    match &arguments.from_file {
        Some(path) => {
            let read = private_file::read_at_most(path, VALUE_BYTES_MAX);
            let why = |error| refuse(format!("{}: {error}", path.display()));
            *value.expose_mut() = read.map_err(why)?;
        }
        None if std::io::stdin().is_terminal() => {
            return Err(refuse("standard input is a terminal, which would show it".to_owned())
                .fix("strongroom put secret://VAULT/NAME < FILE"));
        }
        None => {
            let mut input = std::io::stdin().lock().take(VALUE_BYTES_MAX + 1);
            let read = input.read_to_end(value.expose_mut());
            let read = read.map_err(|error| refuse(error.to_string()))?;
            if u64::try_from(read).is_ok_and(|read| read > VALUE_BYTES_MAX) {
                return Err(refuse(format!("it is larger than {VALUE_BYTES_MAX} bytes")));
            }
        }
    }
    if arguments.trim_newline && value.expose().ends_with(b"\n") {
        value.expose_mut().pop();
    }
    if value.expose().is_empty() {
        return Err(refuse("it is empty; perhaps the command before the pipe failed".to_owned()));
    }
    Ok(value)
}

/// Adds a version.
async fn update(
    session: &Session<'_>,
    secret_id: &str,
    value: &Sensitive,
    arguments: &PutArguments,
) -> Result<Stored, Failure> {
    // Who may write may perhaps not read the description: then there is nothing to compare.
    let before = if arguments.json { None } else { Metadata::read(session, secret_id).await.ok() };
    let updated = session.client.update_secret(secret_id, value, arguments.stage.name()).await;
    let secret =
        updated.map_err(|error| refused(&error, &format!("update secret `{secret_id}`")))?;
    let in_use = arguments.stage == NewStage::Current;
    let current = secret.current_version_number.filter(|_| in_use);
    let version = if let Some(number) = current {
        number
    } else {
        let versions = session.client.secret_versions(&secret.id).await;
        let what = format!("list the versions of secret `{secret_id}`, which was updated");
        let versions = versions.map_err(|error| refused(&error, &what))?;
        versions.iter().map(|version| version.version_number).max().unwrap_or(0)
    };
    Ok(Stored { secret_id: secret.id, name: secret.secret_name, version, before })
}
