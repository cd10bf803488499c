use std::path::Path;

use clap::{Args, ValueEnum};

use super::development::Dev;
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
    /// Oracle's SDK for Python
    Python,
}

/// Prints the lines that a shell evaluates.
pub(crate) fn run(arguments: &EnvArguments, environment: &Environment) -> Result<(), Failure> {
    let dev = arguments.connection.dev(environment)?.ok_or_else(|| {
        Failure::configuration("no-dev-server", "cannot find a development server")
            .because("it has not been started here, or has ended")
            .fix("strongroom dev")
    })?;
    write(lines(arguments.client, &dev).as_bytes())
}

fn lines(client: ClientName, dev: &Dev) -> String {
    let config_file = dev.config_file.display().to_string();
    let directory = dev.directory.display().to_string();
    let profile = "DEFAULT".to_owned();
    // The SDK has a variable for the file, but none for the endpoint.
    let sdk = matches!(client, ClientName::Python).then_some(("OCI_CONFIG_FILE", &config_file));
    let all = [
        ("OCI_CLI_CONFIG_FILE", &config_file),
        ("OCI_CLI_PROFILE", &profile),
        ("OCI_CLI_REGION", &dev.region),
        ("OCI_CLI_ENDPOINT", &dev.base_url),
        ("STRONGROOM_DATA_DIR", &directory),
        ("STRONGROOM_VAULT_DEV", &dev.vault_id),
        ("TENANCY_ID", &dev.tenancy_id),
        ("COMPARTMENT_ID", &dev.compartment_id),
        ("VAULT_ID", &dev.vault_id),
        ("MANAGEMENT_ENDPOINT", &dev.management_endpoint),
        ("CRYPTO_ENDPOINT", &dev.crypto_endpoint),
        ("KEY_ID", &dev.key_id),
        ("SECRET_ID", &dev.secret_id),
    ];
    let export = |(name, value): (&str, &String)| {
        format!("export {name}={}\n", shell_quoted(Path::new(value)))
    };
    sdk.into_iter().chain(all).map(export).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let dev = Dev {
            directory: "/tmp/it's here".into(),
            base_url: "http://127.0.0.1:1".to_owned(),
            config_file: "/tmp/$HOME/config".into(),
            compartment_id: "c".to_owned(),
            vault_id: "v".to_owned(),
            key_id: "k".to_owned(),
            secret_id: "s".to_owned(),
            tenancy_id: "t".to_owned(),
            region: "us-ashburn-1".to_owned(),
            management_endpoint: "http://127.0.0.1:2".to_owned(),
            crypto_endpoint: "http://127.0.0.1:2".to_owned(),
        };
        let script = format!(
            "{}printf '%s|%s|%s' \"$STRONGROOM_DATA_DIR\" \"$OCI_CLI_CONFIG_FILE\" \"$SECRET_ID\"",
            lines(ClientName::Cli, &dev)
        );
        let read = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(read.stdout, b"/tmp/it's here|/tmp/$HOME/config|s");
        assert!(lines(ClientName::Python, &dev).starts_with("export OCI_CONFIG_FILE="));
    }
}
