use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use strongroom_model::Sensitive;

use crate::hand::{SCHEME, canonical_alias};

/// A value that perhaps holds a secret, with the name of its variable.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) value: Sensitive,
}

macro_rules! variables {
    ($($(#[doc = $doc:literal])* $field:ident = $name:literal;)*) => {
        /// The environment variables that the program reads, read once at the start.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct Environment {
            $($(#[doc = $doc])* pub(crate) $field: Option<String>,)*
            /// `OCI_CLI_KEY_CONTENT`: the private key itself, PEM.
            pub(crate) key_content: Option<Sensitive>,
            /// `OCI_CLI_PASSPHRASE`: passphrase of the private key.
            pub(crate) passphrase: Option<Sensitive>,
            /// `OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM`: the resource principal's key, or its path.
            pub(crate) resource_key: Option<Sensitive>,
            /// `OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE`: its passphrase, or its path.
            pub(crate) resource_passphrase: Option<Sensitive>,
            /// `OCI_RESOURCE_PRINCIPAL_RPST`: the resource principal's token, or its path.
            pub(crate) resource_token: Option<Sensitive>,
            /// `OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_STRING`: token of the pod's service account.
            pub(crate) account_token: Option<Sensitive>,
            /// `https_proxy` or `HTTPS_PROXY`: the proxy for TLS, perhaps with a password.
            pub(crate) https_proxy: Option<Named>,
            /// `http_proxy` or `HTTP_PROXY`: the proxy for plain HTTP, perhaps with a password.
            pub(crate) http_proxy: Option<Named>,
            /// `no_proxy` or `NO_PROXY`: what is reached directly.
            pub(crate) no_proxy: Option<Named>,
            /// Variables whose value begins as a secret reference does.
            pub(crate) references: Vec<(OsString, String)>,
            /// Variables of this program that are set.
            pub(crate) own: Vec<OsString>,
            /// `STRONGROOM_VAULT_<ALIAS>`: OCID of the vault that an alias stands for.
            pub(crate) vaults: BTreeMap<String, String>,
        }

        impl Environment {
            /// Reads the variables of this process.
            pub(crate) fn read() -> Self {
                Self::of(&Variables::of_process())
            }

            /// Takes what this program reads. A variable that is empty counts as absent.
            pub(crate) fn of(variables: &Variables) -> Self {
                let read = |name: &str| variables.get(name).map(str::to_owned);
                let vault = |(name, value): (&str, &str)| {
                    let alias = name.strip_prefix("STRONGROOM_VAULT_")?;
                    let known = (canonical_alias(alias), value.to_owned());
                    Some(known).filter(|(_, id)| !id.is_empty())
                };
                let secret = |name: &str| read(name).map(|text| Sensitive::new(text.into_bytes()));
                let either = |names: [&'static str; 2]| {
                    let value = |name| secret(name).map(|value| Named { name, value });
                    names.into_iter().find_map(value)
                };
                // A request's header `Proxy` is HTTP_PROXY for a program that a web server starts.
                let is_of_web_server = read("REQUEST_METHOD").is_some();
                let http_proxy = if is_of_web_server { "http_proxy" } else { "HTTP_PROXY" };
                Self {
                    https_proxy: either(["https_proxy", "HTTPS_PROXY"]),
                    http_proxy: either(["http_proxy", http_proxy]),
                    no_proxy: either(["no_proxy", "NO_PROXY"]),
                    key_content: secret("OCI_CLI_KEY_CONTENT"),
                    passphrase: secret("OCI_CLI_PASSPHRASE"),
                    resource_key: secret("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM"),
                    resource_passphrase: secret("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE"),
                    resource_token: secret("OCI_RESOURCE_PRINCIPAL_RPST"),
                    account_token: secret("OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_STRING"),
                    $($field: read($name),)*
                    references: variables.references(),
                    own: variables.own(&[$($name),*]),
                    vaults: variables.texts().filter_map(vault).collect(),
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
    /// Path of the configuration file of `get`, `put` and their like.
    config = "STRONGROOM_CONFIG";
    /// Path of Oracle's configuration file.
    config_file = "STRONGROOM_CONFIG_FILE";
    /// Profile of Oracle's configuration file.
    profile = "STRONGROOM_PROFILE";
    /// Path of the certificate authorities to trust in place of the system's, PEM.
    cert_bundle = "STRONGROOM_CERT_BUNDLE";
    /// Path of the certificate authorities to trust besides, PEM.
    extra_cert_bundle = "STRONGROOM_EXTRA_CERT_BUNDLE";
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
    /// Region, as Oracle's command line reads it.
    oci_region = "OCI_CLI_REGION";
    /// Path of the certificate authorities, as Oracle's command line reads it.
    oci_cert_bundle = "OCI_CLI_CERT_BUNDLE";
    /// How to sign: `api_key`, `security_token`, `instance_principal`, `resource_principal` or
    /// `oke_workload_identity`.
    auth = "STRONGROOM_AUTH";
    /// How to sign, as Oracle's command line reads it.
    oci_auth = "OCI_CLI_AUTH";
    /// OCID of the user, as Oracle's command line reads it.
    oci_user = "OCI_CLI_USER";
    /// Fingerprint of the API key, as Oracle's command line reads it.
    oci_fingerprint = "OCI_CLI_FINGERPRINT";
    /// OCID of the tenancy, as Oracle's command line reads it.
    oci_tenancy = "OCI_CLI_TENANCY";
    /// Path of the private key, as Oracle's command line reads it.
    oci_key_file = "OCI_CLI_KEY_FILE";
    /// Path of a session's token, as Oracle's command line reads it.
    oci_security_token_file = "OCI_CLI_SECURITY_TOKEN_FILE";
    /// URL of the federation service, `…/v1/x509`, as Oracle's command line reads it.
    federation_endpoint = "OCI_CLI_FEDERATION_ENDPOINT";
    /// URL of the metadata service, `…/opc/v2`, as Oracle's SDKs read it.
    metadata_url = "OCI_METADATA_BASE_URL";
    /// A region that is not in the table, JSON, as Oracle's SDKs read it.
    region_metadata = "OCI_REGION_METADATA";
    /// Domain of regions that nobody knows, as Oracle's SDKs read it.
    default_realm = "OCI_DEFAULT_REALM";
    /// Version of the resource principal, 1.1 or 2.2.
    resource_version = "OCI_RESOURCE_PRINCIPAL_VERSION";
    /// URL of the service that tells a resource's token, for version 1.1.
    resource_token_endpoint = "OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT";
    /// URL of the service that exchanges it, the region's federation service if absent.
    resource_session_endpoint = "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT";
    /// Path of the resource's token, `/20180711/resourcePrincipalToken/{id}` if absent.
    resource_token_path = "OCI_RESOURCE_PRINCIPAL_RPT_PATH";
    /// What `{id}` stands for in that path, this machine's OCID if absent.
    resource_token_id = "OCI_RESOURCE_PRINCIPAL_RPT_ID";
    /// Region of the resource principal.
    resource_region = "OCI_RESOURCE_PRINCIPAL_REGION";
    /// Host of the cluster that this pod belongs to.
    cluster_host = "KUBERNETES_SERVICE_HOST";
    /// Path of the service account's token, Kubernetes' own if absent.
    account_token_path = "OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH";
    /// Path of the cluster's certificate authorities, Kubernetes' own if absent.
    account_cert_path = "OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH";
    /// Directory of credentials that systemd gives to a service.
    credentials_directory = "CREDENTIALS_DIRECTORY";
    /// Home directory.
    home = "HOME";
    /// Where programs keep their state, `~/.local/state` if absent.
    state_home = "XDG_STATE_HOME";
    /// Where programs keep their configuration, `~/.config` if absent.
    config_home = "XDG_CONFIG_HOME";
}

/// Variables that hold a secret themselves.
const SECRET: [&str; 2] = ["OCI_CLI_KEY_CONTENT", "OCI_CLI_PASSPHRASE"];

/// The variables of a process, any of which may hold a secret.
#[derive(Default)]
pub(crate) struct Variables(Vec<(OsString, OsString)>);

impl Variables {
    /// Takes those of this process.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Takes those that are given.
    pub(crate) fn given(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.collect())
    }

    /// Returns a variable that is text and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty())
    }

    /// Those that are not text are of no use to this program.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
    }

    fn references(&self) -> Vec<(OsString, String)> {
        let begins = |value: &OsString| value.as_encoded_bytes().starts_with(SCHEME.as_bytes());
        let referring = self.0.iter().filter(|(_, value)| begins(value));
        referring
            .map(|(name, value)| (name.clone(), value.to_string_lossy().into_owned()))
            .collect()
    }

    /// Returns the names of Strongroom's variables, and of Oracle's that this program reads, that
    /// are set.
    fn own(&self, names: &[&str]) -> Vec<OsString> {
        let own = |name: &str| {
            let is_oracles = names.contains(&name) || SECRET.contains(&name);
            name.starts_with("STRONGROOM_") || name.starts_with("OCI_CLI_") && is_oracles
        };
        let names = self.0.iter().map(|(name, _)| name.clone());
        names.filter(|name| name.to_str().is_some_and(own)).collect()
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

impl Environment {
    /// Returns the data directory of the development server where none is named.
    pub(crate) fn default_data_dir(&self) -> Option<PathBuf> {
        let state = self.directory(self.state_home.as_deref(), ".local/state");
        Some(state?.join("strongroom/dev"))
    }

    /// Returns the configuration file where none is named.
    pub(crate) fn default_configuration(&self) -> Option<PathBuf> {
        let configuration = self.directory(self.config_home.as_deref(), ".config");
        Some(configuration?.join("strongroom/config.toml"))
    }

    /// Returns a base directory, or its default below the home directory. One that is relative
    /// counts as absent.
    ///
    /// Source: XDG Base Directory Specification 0.8.
    fn directory(&self, named: Option<&str>, default: &str) -> Option<PathBuf> {
        let named = named.map(PathBuf::from).filter(|path| path.is_absolute());
        named.or_else(|| Some(Path::new(self.home.as_ref()?).join(default)))
    }

    /// Returns a path as a file or variable names it: `~/` at its start is the home directory.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => PathBuf::from(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_not_shown() {
        let set = [("DB_PASSWORD".into(), "c4n4ry".into()), ("EMPTY".into(), OsString::new())];
        let variables = Variables::given(set.into_iter());
        assert_eq!(variables.get("DB_PASSWORD"), Some("c4n4ry"));
        assert_eq!((variables.get("EMPTY"), variables.get("db_password")), (None, None));
        assert_eq!(format!("{variables:?}"), "Variables { .. }");
    }

    #[test]
    fn directories_are_below_home_unless_named() {
        let home = Some("/home/a".to_owned());
        let environment = Environment { home, ..Environment::default() };
        let usual = environment.default_data_dir();
        assert_eq!(usual, Some("/home/a/.local/state/strongroom/dev".into()));
        let state_home = Some("/state".to_owned());
        let named = Environment { state_home, ..environment.clone() };
        assert_eq!(named.default_data_dir(), Some("/state/strongroom/dev".into()));
        let state_home = Some("state".to_owned());
        assert_eq!(Environment { state_home, ..environment.clone() }.default_data_dir(), usual);
        assert_eq!(environment.path("~/.oci/k.pem"), PathBuf::from("/home/a/.oci/k.pem"));
        assert_eq!(environment.path("/~/k.pem"), PathBuf::from("/~/k.pem"));
        assert_eq!(Environment::default().default_configuration(), None);
    }
}
