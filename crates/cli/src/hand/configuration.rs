use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use strongroom_model::private_file;

use super::reference::canonical_alias;
use crate::configuration_file;
use crate::environment::Environment;
use crate::failure::Failure;

/// The configuration file of the commands that take secrets to applications; it holds no secret.
/// Paths may begin with `~/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// Base URL of the vault.
    pub(crate) endpoint: Option<String>,
    /// Oracle's configuration file.
    pub(crate) config_file: Option<String>,
    /// Profile of Oracle's configuration file.
    pub(crate) profile: Option<String>,
    /// How to sign requests, as `--auth` has it.
    pub(crate) auth: Option<String>,
    /// Data directory of a development server.
    pub(crate) data_dir: Option<String>,
    /// Certificate authorities to trust in place of the system's, PEM.
    pub(crate) cert_bundle: Option<String>,
    /// Certificate authorities to trust besides, PEM.
    pub(crate) extra_cert_bundle: Option<String>,
    /// Compartment to make and list secrets in.
    pub(crate) compartment_id: Option<String>,
    /// Key to make secrets with.
    pub(crate) key_id: Option<String>,
    /// OCIDs of vaults by the alias that references use.
    pub(crate) vaults: BTreeMap<String, String>,
}

impl Configuration {
    /// Reads the file that is named, which must be there, or else the usual one, which need not.
    pub(crate) fn read(named: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let named = named.map(PathBuf::from);
        let named =
            named.or_else(|| environment.config.as_ref().map(|path| environment.path(path)));
        let required = named.is_some();
        let Some(path) = named.or_else(|| environment.default_configuration()) else {
            return Ok(Self::default());
        };
        let refused = |why: String| {
            let message = format!("cannot use the configuration `{}`", path.display());
            Failure::configuration("bad-configuration", message).because(why)
        };
        let bytes = match private_file::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !required => {
                return Ok(Self::default());
            }
            read => read.map_err(|error| refused(error.to_string()))?,
        };
        let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
        Self::parse(&text).map_err(refused)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let read: Self = configuration_file::parse(text)?;
        let vaults = read.vaults.into_iter().map(|(alias, id)| (canonical_alias(&alias), id));
        Ok(Self { vaults: vaults.collect(), ..read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_vaults_by_alias() {
        let text = "profile = 'prod'\n[vaults]\nProd_East = 'ocid1.vault.oc1.iad.a.b'\n";
        let read = Configuration::parse(text).unwrap();
        assert_eq!(read.profile.as_deref(), Some("prod"));
        assert_eq!(read.vaults["prod-east"], "ocid1.vault.oc1.iad.a.b");
    }

    #[test]
    fn a_misspelled_setting_is_an_error() {
        let why = Configuration::parse("endpiont = 'http://h'\n").unwrap_err();
        assert!(why.contains("endpiont") && why.contains("endpoint"), "{why}");
    }

    #[test]
    fn only_a_named_file_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().display().to_string();
        let environment = Environment { home: Some(home), ..Environment::default() };
        let read = |named| Configuration::read(named, &environment);
        assert_eq!(read(None).unwrap(), Configuration::default());
        let missing = directory.path().join("missing.toml");
        assert!(read(Some(&missing)).unwrap_err().to_string().contains("missing.toml"));
        let usual = directory.path().join(".config/strongroom");
        private_file::create_directory(&usual).unwrap();
        private_file::create_new(&usual.join("config.toml"), b"key_id = 'k'\n").unwrap();
        assert_eq!(read(None).unwrap().key_id.as_deref(), Some("k"));
    }
}
