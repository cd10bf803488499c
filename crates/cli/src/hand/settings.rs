use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Deserialize;
use strongroom_client::{Client, Endpoints, Profile};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Region, Sensitive, SystemClock, private_file};
use strongroom_signing::PrivateKey;

use super::reference::{Place, Reference};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};

/// Where to call and as whom. A flag comes before the environment, the environment before files.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Connection {
    /// Base URL of the vault
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Oracle's configuration file [default: ~/.oci/config]
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Profile of the configuration file [default: DEFAULT]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Data directory of a development server, which tells everything
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What `dev.json` tells.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dev {
    pub(crate) base_url: String,
    pub(crate) config_file: PathBuf,
    pub(crate) compartment_id: String,
    pub(crate) vault_id: String,
    pub(crate) key_id: String,
    pub(crate) secret_id: String,
    pub(crate) tenancy_id: String,
    pub(crate) management_endpoint: String,
}

/// A client with what is known besides.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    pub(crate) dev: Option<Dev>,
    pub(crate) environment: &'a Environment,
}

impl Connection {
    /// Reads the development server's file, where that is what is meant: a directory is named, or
    /// nothing else is and the usual one has it.
    pub(crate) fn dev(&self, environment: &Environment) -> Result<Option<Dev>, Failure> {
        let named =
            self.data_dir.clone().or_else(|| environment.data_dir.as_ref().map(PathBuf::from));
        if let Some(directory) = named {
            return read_dev(&directory).map(Some);
        }
        let elsewhere = self.endpoint.is_some()
            || self.config_file.is_some()
            || environment.endpoint.is_some()
            || environment.oci_endpoint.is_some()
            || environment.oci_config_file.is_some();
        let usual = environment.default_data_dir().filter(|_| !elsewhere);
        Ok(usual.and_then(|directory| read_dev(&directory).ok()))
    }

    /// Makes a client.
    pub(crate) fn open<'a>(&self, environment: &'a Environment) -> Result<Session<'a>, Failure> {
        let dev = self.dev(environment)?;
        let path = self.config_path(environment, dev.as_ref())?;
        let refused = |why: String| {
            let message = format!("cannot use the configuration `{}`", path.display());
            Failure::configuration("bad-profile", message).because(why)
        };
        let bytes = private_file::read(&path).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
        let name = self.profile.as_deref().or(environment.oci_profile.as_deref());
        let profile = Profile::read(&text, name.unwrap_or("DEFAULT"))
            .map_err(|error| refused(error.to_string()))?;
        let endpoints = self.endpoints(environment, dev.as_ref(), &profile)?;
        let key = read_key(&expand_home(&profile.key_file, environment))?;
        let client = Client::new(
            endpoints,
            &profile.key_id(),
            key,
            Arc::new(SystemClock),
            Arc::new(SystemRandom),
        );
        Ok(Session { client, dev, environment })
    }

    fn config_path(
        &self,
        environment: &Environment,
        dev: Option<&Dev>,
    ) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.config_file {
            return Ok(path.clone());
        }
        if let Some(dev) = dev {
            return Ok(dev.config_file.clone());
        }
        if let Some(path) = &environment.oci_config_file {
            return Ok(expand_home(path, environment));
        }
        let home = environment.home.as_ref().ok_or_else(|| {
            Failure::configuration("no-profile", "cannot tell whose credentials to use")
                .because("HOME is not set")
                .fix("name a file with --config-file")
        })?;
        Ok(Path::new(home).join(".oci/config"))
    }

    fn endpoints(
        &self,
        environment: &Environment,
        dev: Option<&Dev>,
        profile: &Profile,
    ) -> Result<Endpoints, Failure> {
        let url = self.endpoint.clone().or_else(|| dev.map(|dev| dev.base_url.clone()));
        let url = url.or_else(|| environment.endpoint.clone());
        if let Some(url) = url.or_else(|| environment.oci_endpoint.clone()) {
            return Ok(Endpoints::One(url));
        }
        let region = profile.region.as_deref().and_then(Region::named);
        region.map(Endpoints::Region).ok_or_else(|| {
            Failure::configuration("no-endpoint", "cannot tell which vault to call")
                .because("no endpoint is given and the profile names no region of OCI")
                .fix("start `strongroom dev`, or give --endpoint URL")
        })
    }
}

fn read_dev(directory: &Path) -> Result<Dev, Failure> {
    let path = directory.join("dev.json");
    let refused = |why: String| {
        Failure::configuration("no-dev-server", format!("cannot read `{}`", path.display()))
            .because(why)
            .fix("strongroom dev")
    };
    let bytes = private_file::read(&path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))
}

fn expand_home(path: &str, environment: &Environment) -> PathBuf {
    match (path.strip_prefix("~/"), &environment.home) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => PathBuf::from(path),
    }
}

fn read_key(path: &Path) -> Result<PrivateKey, Failure> {
    let refused = |why: String| {
        Failure::configuration("bad-key", format!("cannot use the key `{}`", path.display()))
            .because(why)
    };
    let content = private_file::read_private(path);
    let content = Sensitive::new(content.map_err(|error| refused(error.to_string()))?);
    let text = std::str::from_utf8(content.expose());
    let text = text.map_err(|_error| refused("not text".to_owned()))?;
    PrivateKey::from_pem(text).map_err(|error| refused(error.to_string()))
}

impl Session<'_> {
    /// Returns the OCID of the vault that an alias stands for.
    pub(crate) fn vault_id(&self, alias: &str) -> Result<String, Failure> {
        if let Some(id) = self.environment.vaults.get(alias) {
            return Ok(id.clone());
        }
        if let Some(dev) = self.dev.as_ref().filter(|_| alias == "dev") {
            return Ok(dev.vault_id.clone());
        }
        let variable = format!("STRONGROOM_VAULT_{}", alias.to_uppercase().replace('-', "_"));
        let message = format!("cannot tell which vault `{alias}` is");
        let known: Vec<&str> = self.environment.vaults.keys().map(String::as_str).collect();
        let failure = Failure::configuration("unknown-vault", message)
            .fix(format!("export {variable}=<vault OCID>"));
        Err(if known.is_empty() {
            failure.because(format!("{variable} is not set"))
        } else {
            failure.because(format!("known are {}", known.join(", ")))
        })
    }

    /// Returns the OCID of a secret.
    pub(crate) async fn secret_id(&self, reference: &Reference) -> Result<String, Failure> {
        let (vault, name) = match &reference.place {
            Place::Id(id) => return Ok(id.to_string()),
            Place::Named { vault, name } => (vault, name),
        };
        let vault_id = self.vault_id(vault)?;
        let compartment_id = self.compartment_id(None)?;
        let found = self.client.secrets(&compartment_id, &vault_id, Some(name)).await;
        let found = found.map_err(|error| super::output::refused(&error, "find", name))?;
        let missing = || {
            let message = format!("cannot find secret `{name}`");
            Failure::new(Exit::Failed, "missing-or-hidden", message).because(format!(
                "vault `{vault}` shows no secret of this name in {compartment_id}"
            ))
        };
        Ok(found.into_iter().next().ok_or_else(missing)?.id)
    }

    /// Returns the compartment to make and list secrets in.
    pub(crate) fn compartment_id(&self, flag: Option<&String>) -> Result<String, Failure> {
        let known = flag.or(self.environment.compartment_id.as_ref());
        let dev = self.dev.as_ref().map(|dev| &dev.compartment_id);
        known.or(dev).cloned().ok_or_else(|| {
            Failure::configuration("no-compartment", "cannot tell which compartment is meant")
                .fix("give --compartment-id, or export STRONGROOM_COMPARTMENT_ID")
        })
    }

    /// Returns the key to make secrets with.
    pub(crate) fn key_id(&self, flag: Option<&String>) -> Result<String, Failure> {
        let known = flag.or(self.environment.key_id.as_ref());
        known.or(self.dev.as_ref().map(|dev| &dev.key_id)).cloned().ok_or_else(|| {
            Failure::configuration("no-key", "cannot tell which key is meant")
                .fix("give --key-id, or export STRONGROOM_KEY_ID")
        })
    }
}
