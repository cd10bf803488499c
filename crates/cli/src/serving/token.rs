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
    /// Absolute path of the module.
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
        let bytes = private_file::read_obeyed(path).map_err(|error| refused(error.to_string()))?;
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
    check_module(&table.module).map_err(unusable)?;
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

/// Checks that nobody else says what is loaded into this process.
fn check_module(module: &Path) -> Result<(), String> {
    if !module.is_absolute() {
        let module = module.display();
        return Err(format!("module is `{module}`, which must be the absolute path of a file"));
    }
    private_file::check_obeyed(module)
        .map_err(|error| format!("module `{}`: {error}", module.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_one_that_nobody_else_can_exchange() {
        let said = |module: &Path| check_module(module).unwrap_err();
        assert!(said(Path::new("libsofthsm2.so")).contains("absolute path"));
        assert!(said(Path::new("/nowhere.so")).starts_with("module `/nowhere.so`: "));
        let directory = tempfile::tempdir().unwrap();
        let module = directory.path().join("module.so");
        private_file::create_new(&module, b"").unwrap();
        check_module(&module).unwrap();
        private_file::open_socket(&module, 0o666).unwrap();
        assert!(said(&module).contains("its mode is 0666"));
        let table = directory.path().join("hsm.toml");
        let text = "module = '/m.so'\ntoken = 't'\npin_file = '/p'\n";
        private_file::create_new(&table, text.as_bytes()).unwrap();
        Pkcs11Table::read(&table).unwrap();
        private_file::open_socket(&table, 0o620).unwrap();
        assert!(Pkcs11Table::read(&table).unwrap_err().in_a_line().contains("its mode is 0620"));
    }
}
