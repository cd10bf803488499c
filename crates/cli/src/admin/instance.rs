//! Machines that authenticate as themselves.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use strongroom_agent::Identity;
use strongroom_client::{Client, IssuedCertificate, NewWorkload};
use strongroom_model::private_file;
use strongroom_signing::PrivateKey;

use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::{refused, write, write_json, write_table};
use crate::hand::settings::Connection;
use crate::serving::dev::shell_quoted;

/// Arguments of `admin instance`.
#[derive(Debug, Args)]
pub(crate) struct InstanceArguments {
    #[command(subcommand)]
    command: InstanceCommand,
}

#[derive(Debug, Subcommand)]
enum InstanceCommand {
    /// Enroll a machine: it gets a name, a certificate, and with both an identity of its own
    ///
    /// Writes the file that `strongroom imds --identity` serves to the machine's processes. The
    /// private key is made here and goes nowhere else; run this on the machine, or take the file
    /// there.
    Add(AddArguments),
    /// List the machines of a compartment
    Ls(LsArguments),
    /// Remove a machine: its certificates and tokens are of no use from then on
    Rm(RmArguments),
    /// Issue another certificate for a machine whose own has run out or was lost
    Issue(IssueArguments),
}

#[derive(Debug, Args)]
struct AddArguments {
    /// Name of the machine, unique in its compartment
    #[arg(value_name = "NAME")]
    name: String,
    /// File to write the identity to, with mode 0600
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// OCID of the compartment that the machine is in
    #[arg(long, value_name = "OCID")]
    compartment_id: Option<String>,
    /// Type of the resource, for what is no compute instance: fnfunc, …
    #[arg(long = "type", value_name = "TYPE", default_value = "instance")]
    resource_type: String,
    /// What the machine is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
struct LsArguments {
    /// OCID of the compartment
    #[arg(long, value_name = "OCID")]
    compartment_id: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
struct RmArguments {
    /// OCID of the machine
    #[arg(value_name = "OCID")]
    id: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
struct IssueArguments {
    /// OCID of the machine
    #[arg(value_name = "OCID")]
    id: String,
    /// File to write the identity to, with mode 0600
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

/// Runs an `admin instance` command.
pub(super) async fn run(
    arguments: InstanceArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    match arguments.command {
        InstanceCommand::Add(arguments) => add(&arguments, environment).await,
        InstanceCommand::Ls(arguments) => ls(&arguments, environment).await,
        InstanceCommand::Rm(arguments) => rm(&arguments, environment).await,
        InstanceCommand::Issue(arguments) => issue(&arguments, environment).await,
    }
}

async fn add(arguments: &AddArguments, environment: &Environment) -> Result<(), Failure> {
    let session = arguments.connection.open(environment).await?;
    if private_file::read(&arguments.identity).is_ok() {
        let message = format!("`{}` is there already", arguments.identity.display());
        return Err(Failure::new(Exit::Failed, "identity-exists", message)
            .because("it may be the identity of another machine")
            .fix("name another file with --identity"));
    }
    let compartment_id = session.compartment_id(arguments.compartment_id.as_ref())?;
    let new = NewWorkload {
        compartment_id: &compartment_id,
        name: &arguments.name,
        description: arguments.description.as_deref().unwrap_or("Enrolled by strongroom"),
        resource_type: &arguments.resource_type,
    };
    let what = format!("enroll machine `{}`", arguments.name);
    let made =
        session.client.create_workload(&new).await.map_err(|error| refused(&error, &what))?;
    let issued = certify(&session.client, &made.id, &arguments.identity).await?;
    if arguments.json {
        return write_json(&json!(made));
    }
    tell(&issued, &arguments.identity)
}

async fn issue(arguments: &IssueArguments, environment: &Environment) -> Result<(), Failure> {
    let session = arguments.connection.open(environment).await?;
    let issued = certify(&session.client, &arguments.id, &arguments.identity).await?;
    tell(&issued, &arguments.identity)
}

/// Makes a key, has it certified, and writes both.
async fn certify(
    client: &Client,
    id: &str,
    path: &std::path::Path,
) -> Result<IssuedCertificate, Failure> {
    let what = format!("certify machine `{id}`");
    let failed = |why: String| {
        Failure::new(Exit::Failed, "not-certified", format!("cannot {what}")).because(why)
    };
    let Some(endpoint) = client.base_url() else {
        return Err(failed("machines are enrolled at a Strongroom vault: give --endpoint".into()));
    };
    let key = PrivateKey::generate().map_err(|error| failed(error.to_string()))?;
    let public = key.public().map_err(|error| failed(error.to_string()))?;
    let issued = client.issue_certificate(id, &public).await;
    let issued = issued.map_err(|error| refused(&error, &what))?;
    let pem = key.to_pem().map_err(|error| failed(error.to_string()))?;
    let identity = Identity::new(endpoint, issued.clone(), pem);
    let written = identity.and_then(|identity| identity.write(path));
    written.map_err(|error| {
        failed(format!("{}: {error}", path.display()))
            .fix(format!("strongroom admin instance issue {id} --identity FILE"))
    })?;
    Ok(issued)
}

fn tell(issued: &IssuedCertificate, path: &std::path::Path) -> Result<(), Failure> {
    let text = format!(
        "{}\n\nIts certificate is valid until {}. On the machine, run\n\n\
         \x20 strongroom imds --identity {}\n\n\
         which renews it, and lets its processes act as the machine.\n",
        issued.workload_id,
        issued.time_of_expiry,
        shell_quoted(path)
    );
    write(text.as_bytes())
}

async fn ls(arguments: &LsArguments, environment: &Environment) -> Result<(), Failure> {
    let session = arguments.connection.open(environment).await?;
    let compartment_id = session.compartment_id(arguments.compartment_id.as_ref())?;
    let listed = session.client.workloads(&compartment_id).await;
    let listed = listed.map_err(|error| refused(&error, "list machines"))?;
    if arguments.json {
        return write_json(&json!(listed));
    }
    let rows: Vec<Vec<String>> =
        listed.into_iter().map(|one| vec![one.name, one.resource_type, one.id]).collect();
    write_table(&["NAME", "TYPE", "OCID"], &rows)
}

async fn rm(arguments: &RmArguments, environment: &Environment) -> Result<(), Failure> {
    let session = arguments.connection.open(environment).await?;
    let what = format!("remove machine `{}`", arguments.id);
    let removed = session.client.delete_workload(&arguments.id).await;
    removed.map_err(|error| refused(&error, &what))
}
