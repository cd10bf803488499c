use std::path::{Path, PathBuf};

use serde::Deserialize;
use strongroom_keyring::pkcs11::{Token, TokenConfig};
use strongroom_model::{Sensitive, private_file};

use crate::configuration_file;
use crate::failure::Failure;

const SESSIONS: usize = 4;

/// Where a PKCS#11 token is; `[pkcs11]` of the configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pkcs11Table {
    /// Path of the module.
    module: PathBuf,
    /// Label of the token.
    token: String,
    /// File that holds the user's PIN, mode 0600 or 0400.
    pin_file: PathBuf,
    /// Sessions at once.
    sessions: Option<usize>,
}

impl Pkcs11Table {
    /// Reads a file that holds the table's keys alone.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |why: String| {
            let message = format!("cannot read the token's configuration `{}`", path.display());
            Failure::configuration("bad-configuration", message).because(why)
        };
        let bytes = private_file::read(path).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
        configuration_file::parse(&text).map_err(refused)
    }
}

/// Opens the token.
pub(crate) fn start(table: &Pkcs11Table) -> Result<Token, Failure> {
    let unusable = |why: String| {
        let message = format!("cannot use the PKCS#11 token `{}`", table.token);
        Failure::configuration("token-unusable", message).because(why)
    };
    let pin = Sensitive::new(
        private_file::read_private(&table.pin_file)
            .map_err(|error| unusable(format!("{}: {error}", table.pin_file.display())))?,
    );
    let pin = Sensitive::new(pin.expose().trim_ascii_end().to_vec());
    let (module, label) = (table.module.clone(), table.token.clone());
    let sessions = table.sessions.unwrap_or(SESSIONS);
    Token::start(TokenConfig { module, label, pin, sessions })
        .map_err(|error| unusable(error.to_string()))
}
