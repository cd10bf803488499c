use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use strongroom_client::{
    Authorities, BaseUrl, Client, ClientError, Credentials, Endpoints, RegionMetadata,
};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Ocid, OcidKind, SystemClock, private_file};

use super::configuration::Configuration;
use super::credentials::{Auth, Finder, Found};
use super::development::Dev;
use super::output::refused;
use super::reference::{Place, Reference};
use super::settings::{Connection, Origin, Settings};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};

/// A client with what is known besides.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    ground: Ground<'a>,
}

/// What the settings come to, before anything is asked.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) settings: Settings,
    pub(crate) dev: Option<Dev>,
    /// How to sign, if that is said.
    pub(crate) auth: Option<Auth>,
    /// A directory that a flag names comes before what the environment says.
    dev_by_flag: bool,
    configuration: Configuration,
    environment: &'a Environment,
}

impl Connection {
    /// Reads the development server's file, where that is what is meant: a directory is named, or
    /// nothing else is and the usual one has it.
    pub(crate) fn dev(&self, environment: &Environment) -> Result<Option<Dev>, Failure> {
        let configuration = Configuration::read(self.config.as_deref(), environment)?;
        dev_of(&Settings::settle(self, environment, &configuration), environment)
    }

    /// Weighs flags, environment and the files that they name.
    pub(crate) fn ground<'a>(&self, environment: &'a Environment) -> Result<Ground<'a>, Failure> {
        let configuration = Configuration::read(self.config.as_deref(), environment)?;
        let settings = Settings::settle(self, environment, &configuration);
        let dev = dev_of(&settings, environment)?;
        let auth = Auth::settle(self.auth, environment, &configuration)?;
        let dev_by_flag = self.data_dir.is_some();
        Ok(Ground { settings, dev, auth, dev_by_flag, configuration, environment })
    }

    /// Makes a client. Asks the machine for its region, if that is all there is to go by.
    pub(crate) async fn open<'a>(
        &self,
        environment: &'a Environment,
    ) -> Result<Session<'a>, Failure> {
        let ground = self.ground(environment)?;
        let bundle = ground.bundle()?;
        let authorities = bundle.as_deref().map_or(Authorities::System, Authorities::Bundle);
        let found = ground.find(authorities).await?;
        let endpoints = ground.endpoints(found.region.as_ref())?;
        let client = client(endpoints, authorities, found.credentials)?;
        Ok(Session { client, ground })
    }
}

/// Makes a client.
pub(crate) fn client(
    endpoints: Endpoints,
    authorities: Authorities<'_>,
    credentials: Credentials,
) -> Result<Client, Failure> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let client = Client::new(endpoints, authorities, credentials, clock, random);
    client.map_err(|error| bad_authorities(&error.to_string()))
}

impl Ground<'_> {
    /// Reads the certificate authorities that are named.
    pub(crate) fn bundle(&self) -> Result<Option<Vec<u8>>, Failure> {
        let read = |path: &Path| {
            private_file::read(path).map_err(|error| bad_authorities(&error.to_string()))
        };
        self.settings.cert_bundle.as_deref().map(read).transpose()
    }

    /// Returns what looks for credentials.
    pub(crate) fn finder(&self) -> Finder<'_> {
        let Self { settings, environment, dev, .. } = self;
        Finder { settings, environment, dev: dev.as_ref() }
    }

    /// Finds the credentials.
    pub(crate) async fn find(&self, authorities: Authorities<'_>) -> Result<Found, Failure> {
        let (dev, auth) = (self.dev.as_ref(), self.auth);
        Found::find(&self.settings, self.environment, (dev, auth), authorities).await
    }

    /// Finds where to call; `region` is what came along with the credentials.
    pub(crate) fn endpoints(&self, region: Option<&String>) -> Result<Endpoints, Failure> {
        endpoints(&self.settings, self.environment, self.dev.as_ref(), region)
    }
}

fn bad_authorities(why: &str) -> Failure {
    Failure::configuration("bad-authorities", "cannot read certificate authorities")
        .because(why)
        .fix("name a PEM file with --cert-bundle")
}

fn dev_of(settings: &Settings, environment: &Environment) -> Result<Option<Dev>, Failure> {
    match &settings.data_dir {
        Some(directory) => Dev::read(directory).map(Some),
        None if settings.name_nothing() => Dev::usual(environment),
        None => Ok(None),
    }
}

fn endpoints(
    settings: &Settings,
    environment: &Environment,
    dev: Option<&Dev>,
    region: Option<&String>,
) -> Result<Endpoints, Failure> {
    let url = match (&settings.endpoint, dev) {
        (Origin::Named(url), _) => Some(url),
        (_, Some(dev)) => Some(&dev.base_url),
        (_, None) => None,
    };
    if let Some(url) = url {
        let url: Result<BaseUrl, ClientError> = url.parse();
        return url.map(Endpoints::One).map_err(|error| {
            Failure::configuration("bad-endpoint", "cannot use the endpoint")
                .because(error.to_string())
                .fix("give --endpoint http://127.0.0.1:8790")
        });
    }
    let named = environment.oci_region.as_ref().or(region);
    let refused = |why: String| {
        Failure::configuration("no-endpoint", "cannot tell which vault to call")
            .because(why)
            .fix("start `strongroom dev`, or give --endpoint URL")
    };
    let Some(name) = named else {
        return Err(refused("no endpoint is given, and no region of OCI".to_owned()));
    };
    let told = told_regions(environment).map_err(&refused)?;
    let found = Endpoints::named(name, &told, environment.default_realm.as_deref());
    found.ok_or_else(|| {
        Failure::configuration("unknown-region", "cannot tell which vault to call")
            .because(format!("`{name}` is no region of OCI that is known"))
            .fix("export OCI_CLI_REGION=us-ashburn-1, or give --endpoint URL")
    })
}

/// Regions beyond the table: those of `OCI_REGION_METADATA`, then those of the file that Oracle's
/// tools read.
fn told_regions(environment: &Environment) -> Result<Vec<RegionMetadata>, String> {
    let mut told = Vec::new();
    if let Some(text) = &environment.region_metadata {
        let read = serde_json::from_str(text);
        told.push(read.map_err(|error| format!("OCI_REGION_METADATA: {error}"))?);
    }
    let Some(home) = &environment.home else { return Ok(told) };
    let path = Path::new(home).join(".oci/regions-config.json");
    if let Ok(bytes) = private_file::read(&path) {
        let read: Result<Vec<RegionMetadata>, _> = serde_json::from_slice(&bytes);
        told.extend(read.map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(told)
}

impl Ground<'_> {
    /// Returns the OCID of the vault that an alias stands for.
    pub(crate) fn vault_id(&self, alias: &str) -> Result<String, Failure> {
        let dev = self.dev.as_ref().filter(|_| alias == "dev").map(|dev| &dev.vault_id);
        let (in_environment, in_file) = (&self.environment.vaults, &self.configuration.vaults);
        let known = self.first([None, in_environment.get(alias), dev, in_file.get(alias)]);
        let variable = format!("STRONGROOM_VAULT_{}", alias.to_uppercase().replace('-', "_"));
        let message = format!("cannot tell which vault `{alias}` is");
        let failure = |why: String| {
            Failure::configuration("unknown-vault", message.clone())
                .because(why)
                .fix(format!("export {variable}=<vault OCID>"))
        };
        let Some(id) = known else {
            let aliases: Vec<&str> =
                in_environment.keys().chain(in_file.keys()).map(String::as_str).collect();
            return Err(failure(if aliases.is_empty() {
                format!("{variable} is not set, nor does the configuration file name it")
            } else {
                format!("known are {}", aliases.join(", "))
            }));
        };
        match id.parse::<Ocid>() {
            Ok(ocid) if ocid.is(OcidKind::Vault) => Ok(id),
            _ => Err(failure(format!("it stands for `{id}`, which is no OCID of a vault"))),
        }
    }

    /// Returns the OCIDs of all vaults that have an alias.
    pub(crate) fn vaults(&self) -> BTreeMap<String, String> {
        let dev = self.dev.iter().map(|_| "dev".to_owned());
        let (in_environment, in_file) = (&self.environment.vaults, &self.configuration.vaults);
        let aliases = in_environment.keys().chain(in_file.keys()).cloned().chain(dev);
        let known = |alias: String| self.vault_id(&alias).ok().map(|id| (alias, id));
        aliases.filter_map(known).collect()
    }

    /// Returns the compartment to make and list secrets in.
    pub(crate) fn compartment_id(&self, flag: Option<&String>) -> Result<String, Failure> {
        let in_environment = self.environment.compartment_id.as_ref();
        let dev = self.dev.as_ref().map(|dev| &dev.compartment_id);
        let in_file = self.configuration.compartment_id.as_ref();
        self.first([flag, in_environment, dev, in_file]).ok_or_else(|| {
            Failure::configuration("no-compartment", "cannot tell which compartment is meant")
                .fix("export STRONGROOM_COMPARTMENT_ID=<compartment OCID>")
        })
    }

    /// Returns the key to make secrets with.
    pub(crate) fn key_id(&self, flag: Option<&String>) -> Result<String, Failure> {
        let in_environment = self.environment.key_id.as_ref();
        let dev = self.dev.as_ref().map(|dev| &dev.key_id);
        let in_file = self.configuration.key_id.as_ref();
        self.first([flag, in_environment, dev, in_file]).ok_or_else(|| {
            Failure::configuration("no-key", "cannot tell which key is meant")
                .fix("export STRONGROOM_KEY_ID=<key OCID>")
        })
    }

    /// Returns the first that is known of flag, environment, development server and file.
    fn first(&self, [flag, environment, dev, file]: [Option<&String>; 4]) -> Option<String> {
        let (second, third) =
            if self.dev_by_flag { (dev, environment) } else { (environment, dev) };
        flag.or(second).or(third).or(file).cloned()
    }
}

impl Session<'_> {
    /// Returns the OCID of the vault that an alias stands for.
    pub(crate) fn vault_id(&self, alias: &str) -> Result<String, Failure> {
        self.ground.vault_id(alias)
    }

    /// Returns the OCIDs of all vaults that have an alias.
    pub(crate) fn vaults(&self) -> BTreeMap<String, String> {
        self.ground.vaults()
    }

    /// Returns the compartment to make and list secrets in.
    pub(crate) fn compartment_id(&self, flag: Option<&String>) -> Result<String, Failure> {
        self.ground.compartment_id(flag)
    }

    /// Returns the key to make secrets with.
    pub(crate) fn key_id(&self, flag: Option<&String>) -> Result<String, Failure> {
        self.ground.key_id(flag)
    }

    /// Returns the OCID of a secret.
    pub(crate) async fn secret_id(&self, reference: &Reference) -> Result<String, Failure> {
        let (vault, name) = match &reference.place {
            Place::Id(id) => return Ok(id.to_string()),
            Place::Named { vault, name } => (vault, name),
        };
        let vault_id = self.vault_id(vault)?;
        let compartment_id = self.compartment_id(None)?;
        let found = self.find(&compartment_id, &vault_id, name).await?;
        found.ok_or_else(|| {
            let message = format!("cannot find secret `{name}`");
            Failure::new(Exit::Failed, "missing-or-hidden", message).because(format!(
                "vault `{vault}` shows no secret of this name in {compartment_id}"
            ))
        })
    }

    /// Looks for a secret by name and returns its OCID; one that is deleted is not there.
    pub(crate) async fn find(
        &self,
        compartment_id: &str,
        vault_id: &str,
        name: &str,
    ) -> Result<Option<String>, Failure> {
        let listed = self.client.secrets(compartment_id, vault_id, Some(name)).await;
        let listed = listed.map_err(|error| refused(&error, &format!("find secret `{name}`")))?;
        let lives = |state: &str| !matches!(state, "DELETING" | "DELETED" | "FAILED");
        let found = listed.into_iter().find(|secret| lives(&secret.lifecycle_state));
        Ok(found.map(|secret| secret.id))
    }
}
