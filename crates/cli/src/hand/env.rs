use std::path::Path;

use clap::{Args, ValueEnum};

use super::output::write;
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::serving::dev::shell_quoted;

/// Arguments of `env`.
#[derive(Debug, Args)]
pub(crate) struct EnvArguments {
    /// The client to point at the development server
    #[arg(long = "for", value_enum, default_value_t = ClientName::Cli)]
    client: ClientName,
    #[command(flatten)]
    connection: Connection,
}

/// The values of `--for`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClientName {
    /// Oracle's command line, and strongroom's own
    Cli,
}

/// Prints the lines that a shell evaluates.
pub(crate) fn run(arguments: &EnvArguments, environment: &Environment) -> Result<(), Failure> {
    let ClientName::Cli = arguments.client;
    let dev = arguments.connection.dev(environment)?.ok_or_else(|| {
        Failure::configuration("no-dev-server", "cannot find a development server")
            .because("it has not been started here, or has ended")
            .fix("strongroom dev")
    })?;
    let config_file = dev.config_file.display().to_string();
    let lines: Vec<String> = [
        ("OCI_CLI_CONFIG_FILE", &config_file),
        ("OCI_CLI_ENDPOINT", &dev.base_url),
        ("STRONGROOM_ENDPOINT", &dev.base_url),
        ("STRONGROOM_VAULT_DEV", &dev.vault_id),
        ("STRONGROOM_COMPARTMENT_ID", &dev.compartment_id),
        ("STRONGROOM_KEY_ID", &dev.key_id),
        ("TENANCY_ID", &dev.tenancy_id),
        ("COMPARTMENT_ID", &dev.compartment_id),
        ("VAULT_ID", &dev.vault_id),
        ("MANAGEMENT_ENDPOINT", &dev.management_endpoint),
        ("KEY_ID", &dev.key_id),
        ("SECRET_ID", &dev.secret_id),
    ]
    .iter()
    .map(|(name, value)| format!("export {name}={}\n", shell_quoted(Path::new(value))))
    .collect();
    write(lines.concat().as_bytes())
}
