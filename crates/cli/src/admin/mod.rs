//! What operators do beside serving.

mod backup;
mod instance;
mod read_only;
pub(crate) mod region;
mod root_key;
mod signer;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use strongroom_client::{Authorities, BaseUrl, ClientError, advance_clock};
use strongroom_keyring::pkcs11::MechanismReport;

use crate::duration;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::development::Dev;
use crate::hand::settings::Connection;
use crate::serving::serve::Configuration;
use crate::serving::token;

/// Arguments of `admin`.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Turn the clock of a development server forward: what falls due is done
    Clock(ClockArguments),
    /// Enroll, list and remove machines that authenticate as themselves
    Instance(instance::InstanceArguments),
    /// Rotate the key that signs tokens
    Signer(signer::SignerArguments),
    /// Pair with other regions of the tenancy, watch them, and replace one that is lost
    Region(region::RegionArguments),
    /// Back up a server's store into one sealed file, while it serves
    ///
    /// Reads everything as of one moment and seals it under the root key, which is in the file too,
    /// sealed as the configuration says: with the passphrase, or the token, the file is all that a new
    /// machine needs. Prints how many rows there are, and their digest.
    Backup(backup::BackupArguments),
    /// Restore a backup into an empty store
    ///
    /// Reads the whole file before it changes anything. A store that is not whole yet is marked, and
    /// no server uses it; when the restore was interrupted, run it again.
    Restore(backup::RestoreArguments),
    /// Say whether an installation takes changes: reads are answered either way
    ReadOnly(read_only::ReadOnlyArguments),
    /// Replace the root key, and the passphrase that seals it, while the server runs
    ///
    /// Run it on a server's machine. The server seals everything anew under the new key, beside the
    /// requests; until that is done both keys open what there is, and then the old one is forgotten.
    RotateRootKey(root_key::RotateArguments),
    /// Show what a PKCS#11 token can do
    Hsm(HsmArguments),
}

#[derive(Debug, Args)]
struct ClockArguments {
    /// How far: a number and one of s, m, h, d
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    advance: u64,
    /// URL of the server [default: that of the development server]
    #[arg(long, value_name = "URL")]
    base_url: Option<BaseUrl>,
}

#[derive(Debug, Args)]
struct HsmArguments {
    /// Configuration of a server, with a table [pkcs11]
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs an `admin` command.
pub(crate) async fn run(
    arguments: AdminArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    match arguments.command {
        AdminCommand::Clock(arguments) => clock(arguments, environment).await,
        AdminCommand::Instance(arguments) => instance::run(arguments, environment).await,
        AdminCommand::Signer(arguments) => signer::run(arguments, environment).await,
        AdminCommand::Region(arguments) => region::run(arguments, environment).await,
        AdminCommand::Backup(arguments) => backup::backup(&arguments, environment).await,
        AdminCommand::Restore(arguments) => backup::restore(&arguments, environment).await,
        AdminCommand::ReadOnly(arguments) => read_only::run(arguments, environment).await,
        AdminCommand::RotateRootKey(arguments) => root_key::rotate(arguments, environment).await,
        AdminCommand::Hsm(arguments) => hsm(&arguments),
    }
}

async fn clock(arguments: ClockArguments, environment: &Environment) -> Result<(), Failure> {
    let base_url = match arguments.base_url {
        Some(base_url) => base_url,
        None => usual(environment)?,
    };
    let turned = advance_clock(&base_url, Authorities::System, arguments.advance).await;
    let now = turned.map_err(|error| not_turned(&error))?;
    print(&format!("{now}\n"))
}

fn usual(environment: &Environment) -> Result<BaseUrl, Failure> {
    let absent = || {
        Failure::configuration("no-dev-server", "cannot tell which server's clock to turn")
            .fix("strongroom admin clock --advance 30d --base-url URL")
    };
    let dev = match Connection::default().dev(environment)? {
        Some(dev) => dev,
        None => Dev::usual(environment)?.ok_or_else(absent)?,
    };
    dev.base_url.parse().map_err(|_error: ClientError| absent())
}

fn not_turned(error: &ClientError) -> Failure {
    let (exit, why) = match error {
        ClientError::Unreachable { .. } | ClientError::Proxy { .. } => {
            (Exit::Unreachable, error.to_string())
        }
        ClientError::Service(refused) if refused.status == 401 => {
            (Exit::Failed, "this server's clock is the machine's".to_owned())
        }
        error => (Exit::Failed, error.to_string()),
    };
    Failure::new(exit, "clock-not-turned", "cannot turn the server's clock")
        .because(why)
        .fix("strongroom dev --clock manual")
}

fn hsm(arguments: &HsmArguments) -> Result<(), Failure> {
    let configuration = Configuration::read(&arguments.config)?;
    let table = configuration.pkcs11.ok_or_else(|| {
        let message = format!("`{}` has no table [pkcs11]", arguments.config.display());
        Failure::configuration("no-token", message)
    })?;
    let token = token::start(&table)?;
    let about = token.description();
    let head = format!(
        "token {} ({} {}, serial {})\n\n",
        about.label, about.manufacturer, about.model, about.serial
    );
    let line = |report: &MechanismReport| {
        let available = if report.available { "yes" } else { "no" };
        format!("{available:<4} {:<32} {}\n", report.name, report.serves)
    };
    let lines: Vec<String> = token.mechanisms().iter().map(line).collect();
    print(&(head + &lines.concat()))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
        Failure::new(Exit::Failed, "no-output", "cannot write to standard output")
            .because(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use strongroom_model::private_file;

    use super::*;

    #[test]
    fn the_server_whose_clock_is_turned_is_the_one_that_other_commands_ask() {
        let home = tempfile::tempdir().unwrap();
        let first = ["config_file", "compartment_id", "vault_id", "key_id", "secret_id"];
        let more = ["tenancy_id", "region", "management_endpoint", "crypto_endpoint"];
        let fields = first.iter().chain(&more).map(|name| format!(",\"{name}\":\"x\""));
        let fields: String = fields.collect();
        let content = format!("{{\"base_url\":\"http://127.0.0.1:7\"{fields}}}");
        private_file::replace(&home.path().join("dev.json"), content.as_bytes()).unwrap();
        let parent = home.path().parent().unwrap().display().to_string();
        let name = home.path().file_name().unwrap().to_str().unwrap();
        let data_dir = Some(format!("~/{name}"));
        let named = Environment { home: Some(parent), data_dir, ..Environment::default() };
        assert_eq!(usual(&named).unwrap().to_string(), "http://127.0.0.1:7");
        assert!(usual(&Environment { data_dir: None, ..named }).is_err());
    }
}
