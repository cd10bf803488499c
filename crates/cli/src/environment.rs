use std::collections::BTreeMap;
use std::path::PathBuf;

macro_rules! variables {
    ($($(#[doc = $doc:literal])* $field:ident = $name:literal;)*) => {
        /// The environment variables that the program reads, read once at the start.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct Environment {
            $($(#[doc = $doc])* pub(crate) $field: Option<String>,)*
            /// `STRONGROOM_VAULT_<ALIAS>`: OCID of the vault that an alias stands for.
            pub(crate) vaults: BTreeMap<String, String>,
        }

        impl Environment {
            /// Reads the environment. A variable that is empty counts as absent.
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place where the environment is read"
            )]
            pub(crate) fn read() -> Self {
                let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
                let vault = |(name, value): (String, String)| {
                    let alias = name.strip_prefix("STRONGROOM_VAULT_")?;
                    Some((alias.to_lowercase().replace('_', "-"), value))
                };
                Self {
                    $($field: read($name),)*
                    vaults: variables_of_process().filter_map(vault).collect(),
                }
            }
        }
    };
}

variables! {
    /// Base URL of the vault to use.
    endpoint = "STRONGROOM_ENDPOINT";
    /// Data directory of the development server.
    data_dir = "STRONGROOM_DATA_DIR";
    /// Which log lines to write, as `tracing` filters; `info` if absent.
    log = "STRONGROOM_LOG";
    /// OCID of the compartment that `put` makes secrets in.
    compartment_id = "STRONGROOM_COMPARTMENT_ID";
    /// OCID of the key that `put` makes secrets with.
    key_id = "STRONGROOM_KEY_ID";
    /// Base URL, as Oracle's command line reads it.
    oci_endpoint = "OCI_CLI_ENDPOINT";
    /// Path of the configuration file, as Oracle's command line reads it.
    oci_config_file = "OCI_CLI_CONFIG_FILE";
    /// Profile of the configuration file, as Oracle's command line reads it.
    oci_profile = "OCI_CLI_PROFILE";
    /// Directory of credentials that systemd gives to a service.
    credentials_directory = "CREDENTIALS_DIRECTORY";
    /// Home directory.
    home = "HOME";
    /// Where programs keep their state, `~/.local/state` if absent.
    state_home = "XDG_STATE_HOME";
}

/// Variables that are not text are of no use to this program.
fn variables_of_process() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

impl Environment {
    /// Returns the data directory of the development server where none is named.
    pub(crate) fn default_data_dir(&self) -> Option<PathBuf> {
        let state = match (&self.state_home, &self.home) {
            (Some(state), _) => PathBuf::from(state),
            (None, Some(home)) => PathBuf::from(home).join(".local/state"),
            (None, None) => return None,
        };
        Some(state.join("strongroom/dev"))
    }
}
