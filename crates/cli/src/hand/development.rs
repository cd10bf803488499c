use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use strongroom_model::private_file;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::serving::dev::shell_quoted;

/// What the `dev.json` of a development server tells.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dev {
    /// Where it was found.
    #[serde(skip)]
    pub(crate) directory: PathBuf,
    pub(crate) base_url: String,
    pub(crate) config_file: PathBuf,
    pub(crate) compartment_id: String,
    pub(crate) vault_id: String,
    pub(crate) key_id: String,
    pub(crate) secret_id: String,
    pub(crate) tenancy_id: String,
    pub(crate) region: String,
    pub(crate) management_endpoint: String,
    pub(crate) crypto_endpoint: String,
}

impl Dev {
    /// Reads the file in a directory that is named.
    pub(crate) fn read(directory: &Path) -> Result<Self, Failure> {
        let bytes = private_file::read(&file_in(directory));
        Self::parse(directory, &bytes.map_err(|error| unreadable(directory, &error))?)
    }

    /// Reads the file in the usual directory, if a server runs there.
    pub(crate) fn usual(environment: &Environment) -> Result<Option<Self>, Failure> {
        let Some(directory) = environment.default_data_dir() else {
            return Ok(None);
        };
        match private_file::read(&file_in(&directory)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&directory, &error)),
            Ok(bytes) => Self::parse(&directory, &bytes).map(Some),
        }
    }

    fn parse(directory: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let read: Self = serde_json::from_slice(bytes)
            .map_err(|error| refuse(directory).because(error.to_string()))?;
        let directory = private_file::canonical(directory);
        Ok(Self { directory: directory.unwrap_or_default(), ..read })
    }
}

fn file_in(directory: &Path) -> PathBuf {
    directory.join("dev.json")
}

fn refuse(directory: &Path) -> Failure {
    let message = format!("cannot read `{}`", file_in(directory).display());
    Failure::configuration("no-dev-server", message)
        .fix(format!("strongroom dev --data-dir {}", shell_quoted(directory)))
}

fn unreadable(directory: &Path, error: &Error) -> Failure {
    refuse(directory).because(match error.kind() {
        ErrorKind::NotFound => "no development server runs there".to_owned(),
        _ => error.to_string(),
    })
}
