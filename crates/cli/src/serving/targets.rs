//! The target systems of rotations, as the configuration names them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use strongroom_keyring::SystemRandom;
use strongroom_model::{Ocid, Sensitive, SystemClock, private_file};
use strongroom_server::{ConfiguredTarget, TargetSystem, Targets};
use strongroom_signing::PrivateKey;
use strongroom_targets::{Function, FunctionParts, Postgres, PostgresParts, TlsMode};

use super::secret_file::read_secret;
use crate::configuration_file;
use crate::failure::Failure;

/// A target system: what secrets call it, and what it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetTable {
    /// `functionId` or `adbId` in a secret's `rotationConfig`.
    id: Ocid,
    /// Compartments whose secrets may name it; any if absent.
    compartments: Option<BTreeSet<Ocid>>,
    postgresql: Option<PostgresTable>,
    function: Option<FunctionTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostgresTable {
    /// Host name, address, or directory of the socket.
    host: String,
    #[serde(default = "postgres_port")]
    port: u16,
    database: String,
    /// The two roles that take turns.
    roles: [String; 2],
    /// Role that may change their passwords.
    admin: String,
    admin_password_file: PathBuf,
    /// Authorities of the server's certificate, PEM; absent only for a socket.
    ca_file: Option<PathBuf>,
    /// Allows a connection without TLS to an address.
    #[serde(default)]
    plaintext: bool,
}

const fn postgres_port() -> u16 {
    5432
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionTable {
    url: String,
    /// Addresses that may be dialled.
    allow: Vec<String>,
    /// `keyId` of the signature.
    key_id: String,
    /// Key that signs, PEM.
    key_file: PathBuf,
}

/// A file with target systems alone, for a development server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetFile {
    #[serde(default)]
    target: Vec<TargetTable>,
}

/// Reads the target systems of a development server.
pub(crate) fn read(path: &Path) -> Result<Targets, Failure> {
    let refused = |why: String| bad(&path.display().to_string(), why);
    let bytes = private_file::read(path).map_err(|error| refused(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
    let file: TargetFile = configuration_file::parse(&text).map_err(refused)?;
    start(&file.target)
}

/// Makes the target systems.
pub(crate) fn start(tables: &[TargetTable]) -> Result<Targets, Failure> {
    let mut targets = Targets::new();
    for table in tables {
        let refused = |why: String| bad(table.id.as_str(), why);
        let system: Arc<dyn TargetSystem> = match (&table.postgresql, &table.function) {
            (Some(postgres), None) => Arc::new(postgres.start().map_err(refused)?),
            (None, Some(function)) => Arc::new(function.start().map_err(refused)?),
            _ => return Err(refused("needs either `postgresql` or `function`".to_owned())),
        };
        if table.compartments.is_none() {
            tracing::warn!(id = %table.id, "secrets of any compartment may name this target system");
        }
        let target = ConfiguredTarget { system, compartments: table.compartments.clone() };
        if targets.insert(table.id.clone(), target).is_some() {
            return Err(refused("is named twice".to_owned()));
        }
    }
    Ok(targets)
}

fn bad(what: &str, why: String) -> Failure {
    let message = format!("cannot use the target system `{what}`");
    Failure::configuration("bad-configuration", message).because(why)
}

fn file_error(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("`{}`: {error}", path.display())
}

impl PostgresTable {
    fn start(&self) -> Result<Postgres, String> {
        let password = read_secret(&self.admin_password_file)
            .map_err(|error| file_error(&self.admin_password_file, &error))?;
        let tls = match &self.ca_file {
            Some(path) => {
                let pem = private_file::read(path).map_err(|error| file_error(path, &error))?;
                TlsMode::Required(pem)
            }
            None if self.host.starts_with('/') || self.plaintext => TlsMode::Off,
            None => {
                return Err("ca_file is required for a host that is not a socket; or say \
                            plaintext = true"
                    .to_owned());
            }
        };
        Postgres::new(PostgresParts {
            host: self.host.clone(),
            port: self.port,
            database: self.database.clone(),
            roles: self.roles.clone(),
            admin: self.admin.clone(),
            admin_password: password,
            tls,
            random: Arc::new(SystemRandom),
        })
    }
}

impl FunctionTable {
    fn start(&self) -> Result<Function, String> {
        let pem = private_file::read_private(&self.key_file)
            .map_err(|error| file_error(&self.key_file, &error))?;
        let pem = Sensitive::new(pem);
        let text = std::str::from_utf8(pem.expose())
            .map_err(|error| file_error(&self.key_file, &error))?;
        let key = PrivateKey::from_pem(text).map_err(|error| file_error(&self.key_file, &error))?;
        let range =
            |text: &String| text.parse().map_err(|error| format!("allow: `{text}` {error}"));
        Function::new(FunctionParts {
            url: self.url.clone(),
            allowed: self.allow.iter().map(range).collect::<Result<_, _>>()?,
            key_id: self.key_id.clone(),
            key,
            clock: Arc::new(SystemClock),
        })
    }
}
