use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use strongroom_client::{
    Authorities, BaseUrl, Client, ClientError, Credentials, Endpoints, Network, RegionMetadata,
};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Ocid, OcidKind, SystemClock, private_file};

use super::configuration::Configuration;
use super::credentials::{Auth, Finder, Found, Home};
use super::development::Dev;
use super::output::refused;
use super::reference::{Place, Reference};
use super::settings::{Connection, Names, Origin, Settings};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::proxies::proxies;

/// A client with what is known besides.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    pub(super) origins: Origins,
    pub(super) ground: Ground<'a>,
}

/// What the settings come to, before anything is asked.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(super) names: Names,
    pub(super) settings: Settings,
    pub(crate) dev: Option<Dev>,
    /// How to sign, if that is said, and what says so.
    pub(crate) auth: Option<(Auth, &'static str)>,
    /// A directory that a flag names comes before what the environment says.
    dev_by_flag: bool,
    pub(super) environment: &'a Environment,
    configuration: Configuration,
}

/// Where things come from, for people.
#[derive(Debug)]
pub(super) struct Origins {
    /// Where the region is named, if one is needed.
    pub(super) region: Option<String>,
    /// Where the credentials are.
    pub(super) credentials: String,
    /// Why these credentials and no others.
    pub(super) why: &'static str,
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
        let names = Settings::names(self, environment, &configuration);
        let dev_by_flag = self.data_dir.is_some();
        Ok(Ground { names, settings, dev, auth, dev_by_flag, environment, configuration })
    }

    /// Makes a client. Asks the machine for its region, if that is all there is to go by.
    pub(crate) async fn open<'a>(
        &self,
        environment: &'a Environment,
    ) -> Result<Session<'a>, Failure> {
        let ground = self.ground(environment)?;
        let bundles = ground.bundles()?;
        let network =
            Network { authorities: bundles.authorities(), proxies: proxies(environment)? };
        let (Found { credentials, region, place }, why) = ground.find(&network).await?;
        let region_from = region_origin(environment, region.as_ref(), &place);
        let endpoints = ground.endpoints(region)?;
        let is_of_region = !matches!(endpoints, Endpoints::One(_));
        let client = client(endpoints, network, credentials)?;
        let region = region_from.filter(|_| is_of_region);
        let origins = Origins { region, credentials: place, why };
        Ok(Session { client, origins, ground })
    }
}

/// Makes a client.
pub(crate) fn client(
    endpoints: Endpoints,
    network: Network<'_>,
    credentials: Credentials,
) -> Result<Client, Failure> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let client = Client::new(endpoints, network, credentials, clock, random);
    client.map_err(|error| bad_authorities(&error.to_string()))
}

fn region_origin(environment: &Environment, region: Option<&Home>, place: &str) -> Option<String> {
    if environment.oci_region.is_some() {
        return Some("OCI_CLI_REGION".to_owned());
    }
    match region? {
        Home::Named(_) if place.starts_with("profile ") => Some(place.to_owned()),
        Home::Named(_) => Some("OCI_RESOURCE_PRINCIPAL_REGION".to_owned()),
        Home::Told(_) => Some("this machine's metadata".to_owned()),
    }
}

/// The certificate authorities that are named.
#[derive(Debug)]
pub(crate) struct Bundles {
    pem: Vec<u8>,
    /// Whether they are in place of the system's.
    alone: bool,
}

impl Bundles {
    fn read(settings: &Settings) -> Result<Self, Failure> {
        let mut pem = Vec::new();
        for path in [&settings.cert_bundle, &settings.extra_cert_bundle].into_iter().flatten() {
            let refused =
                |error: std::io::Error| bad_authorities(&format!("`{}`: {error}", path.display()));
            pem.extend(private_file::read(path).map_err(refused)?);
            pem.push(b'\n');
        }
        Ok(Self { pem, alone: settings.cert_bundle.is_some() })
    }

    pub(crate) fn authorities(&self) -> Authorities<'_> {
        match (self.pem.as_slice(), self.alone) {
            ([], _) => Authorities::System,
            (pem, true) => Authorities::Bundle(pem),
            (pem, false) => Authorities::SystemAnd(pem),
        }
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
    region: Option<Home>,
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
    let refused = |why: String| {
        Failure::configuration("no-endpoint", "cannot tell which vault to call")
            .because(why)
            .fix("start `strongroom dev`, or give --endpoint URL")
    };
    let name = match (&environment.oci_region, region) {
        (Some(name), _) => name.clone(),
        (None, Some(Home::Named(name))) => name,
        (None, Some(Home::Told(region))) => return Ok(region.endpoints()),
        (None, None) => {
            return Err(refused("no endpoint is given, and no region of OCI".to_owned()));
        }
    };
    let told = told_regions(environment).map_err(&refused)?;
    let found = Endpoints::named(&name, &told, environment.default_realm.as_deref());
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
    /// Reads the certificate authorities that are named.
    pub(crate) fn bundles(&self) -> Result<Bundles, Failure> {
        Bundles::read(&self.settings)
    }

    /// Returns what looks for credentials.
    pub(crate) fn finder(&self) -> Finder<'_> {
        let Self { settings, environment, dev, .. } = self;
        Finder { settings, environment, dev: dev.as_ref() }
    }

    /// Finds the credentials, and tells why these.
    pub(crate) async fn find(
        &self,
        network: &Network<'_>,
    ) -> Result<(Found, &'static str), Failure> {
        let (dev, auth) = (self.dev.as_ref(), self.auth);
        Found::find(&self.settings, self.environment, (dev, auth), network).await
    }

    /// Finds where to call; `region` is what came along with the credentials.
    pub(crate) fn endpoints(&self, region: Option<Home>) -> Result<Endpoints, Failure> {
        endpoints(&self.settings, self.environment, self.dev.as_ref(), region)
    }

    /// Returns the OCID of the vault that an alias stands for.
    pub(crate) fn vault_id(&self, alias: &str) -> Result<String, Failure> {
        let (in_environment, in_file) = (&self.environment.vaults, &self.configuration.vaults);
        let variable = vault_variable(alias);
        let message = format!("cannot tell which vault `{alias}` is");
        let failure = |why: String| {
            Failure::configuration("unknown-vault", message.clone())
                .because(why)
                .fix(format!("export {variable}=<vault OCID>"))
        };
        let Some((id, _)) = self.known_vault(alias) else {
            let aliases: Vec<&str> =
                in_environment.keys().chain(in_file.keys()).map(String::as_str).collect();
            return Err(failure(if aliases.is_empty() {
                format!("{variable} is not set, nor does the configuration file name it")
            } else {
                format!("known are {}", aliases.join(", "))
            }));
        };
        match id.parse::<Ocid>() {
            Ok(ocid) if ocid.is(OcidKind::Vault) => Ok(id.clone()),
            _ => Err(failure(format!("it stands for `{id}`, which is no OCID of a vault"))),
        }
    }

    /// Returns what an alias stands for, and what says so.
    pub(super) fn known_vault(&self, alias: &str) -> Option<(&String, String)> {
        let dev = self.dev.as_ref().filter(|_| alias == "dev").map(|dev| &dev.vault_id);
        let (in_environment, in_file) = (&self.environment.vaults, &self.configuration.vaults);
        let known = [None, in_environment.get(alias), dev, in_file.get(alias)];
        self.first(known, [String::new(), vault_variable(alias)])
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
        self.known_compartment(flag).map(|(id, _)| id.clone()).ok_or_else(|| {
            Failure::configuration("no-compartment", "cannot tell which compartment is meant")
                .fix("export STRONGROOM_COMPARTMENT_ID=<compartment OCID>")
        })
    }

    /// Returns that compartment, and what names it.
    pub(super) fn known_compartment<'b>(
        &'b self,
        flag: Option<&'b String>,
    ) -> Option<(&'b String, String)> {
        let in_environment = self.environment.compartment_id.as_ref();
        let dev = self.dev.as_ref().map(|dev| &dev.compartment_id);
        let in_file = self.configuration.compartment_id.as_ref();
        let names = ["--compartment-id", "STRONGROOM_COMPARTMENT_ID"].map(str::to_owned);
        self.first([flag, in_environment, dev, in_file], names)
    }

    /// Returns the key to make secrets with.
    pub(crate) fn key_id(&self, flag: Option<&String>) -> Result<String, Failure> {
        self.known_key(flag).map(|(id, _)| id.clone()).ok_or_else(|| {
            Failure::configuration("no-key", "cannot tell which key is meant")
                .fix("export STRONGROOM_KEY_ID=<key OCID>")
        })
    }

    /// Returns that key, and what names it.
    pub(super) fn known_key<'b>(
        &'b self,
        flag: Option<&'b String>,
    ) -> Option<(&'b String, String)> {
        let in_environment = self.environment.key_id.as_ref();
        let dev = self.dev.as_ref().map(|dev| &dev.key_id);
        let in_file = self.configuration.key_id.as_ref();
        let names = ["--key-id", "STRONGROOM_KEY_ID"].map(str::to_owned);
        self.first([flag, in_environment, dev, in_file], names)
    }

    /// Returns the first that is known of flag, environment, development server and file, and which
    /// it is.
    fn first<'b>(
        &self,
        [flag, environment, dev, file]: [Option<&'b String>; 4],
        [flag_name, variable]: [String; 2],
    ) -> Option<(&'b String, String)> {
        let flag = flag.map(|value| (value, flag_name));
        let environment = environment.map(|value| (value, variable));
        let dev = dev.zip(self.dev.as_ref().map(of_server));
        let file = file.map(|value| (value, "the configuration file".to_owned()));
        let (second, third) =
            if self.dev_by_flag { (dev, environment) } else { (environment, dev) };
        flag.or(second).or(third).or(file)
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

fn vault_variable(alias: &str) -> String {
    format!("STRONGROOM_VAULT_{}", alias.to_uppercase().replace('-', "_"))
}

/// Names a development server, for people.
pub(super) fn of_server(dev: &Dev) -> String {
    format!("the development server of `{}`", dev.directory.display())
}
