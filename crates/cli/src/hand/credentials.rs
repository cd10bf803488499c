//! What requests are signed with: what is named, or the first that there is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use strongroom_client::{
    ApiKey, Authorities, BaseUrl, ClientError, Credentials, FileOrText, IMDS_URL,
    InstancePrincipal, Profile, ResourcePrincipal, SessionToken,
};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Sensitive, SystemClock, private_file};
use strongroom_signing::PrivateKey;

use super::configuration::Configuration;
use super::development::Dev;
use super::settings::{Origin, Settings};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::serving::dev::shell_quoted;

/// The end of the federation service's URL, as Oracle's command line wants it.
const FEDERATION_PATH: &str = "/v1/x509";

/// Kinds of credentials, by the names that Oracle's command line has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Auth {
    /// A user, by an API key
    ApiKey,
    /// A user, by the token of a session of `oci session authenticate`
    SecurityToken,
    /// This machine, by its certificate
    InstancePrincipal,
    /// A function or another resource, by the token it was given
    ResourcePrincipal,
}

impl Auth {
    /// Weighs flag, environment and configuration file.
    pub(super) fn settle(
        flag: Option<Self>,
        environment: &Environment,
        configuration: &Configuration,
    ) -> Result<Option<Self>, Failure> {
        if flag.is_some() {
            return Ok(flag);
        }
        let named = environment.auth.as_ref().or(environment.oci_auth.as_ref());
        let Some(name) = named.or(configuration.auth.as_ref()) else { return Ok(None) };
        Self::from_str(name, false).map(Some).map_err(|_unknown| {
            let known = Self::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let known: Vec<String> = known.map(|value| value.get_name().to_owned()).collect();
            Failure::configuration("unknown-auth", format!("cannot sign as `{name}` says"))
                .because(format!("known are {}", known.join(", ")))
        })
    }
}

/// Credentials with the region that came along.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) credentials: Credentials,
    pub(crate) region: Option<String>,
}

impl Found {
    /// Finds the credentials that are asked for, or else the first of: a development server's
    /// profile, a resource principal, a profile, an instance principal.
    pub(super) async fn find(
        settings: &Settings,
        environment: &Environment,
        (dev, auth): (Option<&Dev>, Option<Auth>),
        authorities: Authorities<'_>,
    ) -> Result<Self, Failure> {
        let finder = Finder { settings, environment, dev };
        match finder.kind(auth)? {
            Auth::ApiKey => finder.api_key(&finder.profile()?),
            Auth::SecurityToken => finder.session(&finder.profile()?),
            Auth::InstancePrincipal => finder.instance(authorities).await,
            Auth::ResourcePrincipal => finder.resource(),
        }
    }
}

/// Looks for credentials.
pub(crate) struct Finder<'a> {
    pub(super) settings: &'a Settings,
    pub(super) environment: &'a Environment,
    pub(super) dev: Option<&'a Dev>,
}

impl Finder<'_> {
    /// The kind of credentials that is asked for, or else the first that there is.
    pub(crate) fn kind(&self, asked: Option<Auth>) -> Result<Auth, Failure> {
        match asked {
            Some(auth) => Ok(auth),
            None if self.dev.is_none() && self.environment.resource_version.is_some() => {
                Ok(Auth::ResourcePrincipal)
            }
            None if self.has_profile() => match self.profile()?.security_token_file {
                Some(_) => Ok(Auth::SecurityToken),
                None => Ok(Auth::ApiKey),
            },
            None if self.environment.metadata_url.is_some() => Ok(Auth::InstancePrincipal),
            None => Err(self.nothing()),
        }
    }

    /// The profile's file: as named, a development server's, or the usual one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match (&self.settings.config_file, self.dev) {
            (Origin::Named(path), _) => Some(path.clone()),
            (_, Some(dev)) => Some(dev.config_file.clone()),
            (_, None) => Some(Path::new(self.environment.home.as_ref()?).join(".oci/config")),
        }
    }

    /// Whether a profile is named, or is there.
    pub(crate) fn has_profile(&self) -> bool {
        let named = matches!(self.settings.config_file, Origin::Named(_)) || self.dev.is_some();
        let there = || self.file().is_some_and(|path| private_file::read(&path).is_ok());
        named || self.environment.oci_user.is_some() || there()
    }

    fn nothing(&self) -> Failure {
        let file = self.file().map_or_else(
            || "HOME is not set".to_owned(),
            |path| format!("`{}` is not there", path.display()),
        );
        Failure::configuration("no-credentials", "cannot tell whose credentials to use")
            .because(format!(
                "{file}, and neither a resource principal nor a machine's metadata is named"
            ))
            .fix("start `strongroom dev`, name a file with --config-file, or give --auth")
    }

    fn refused(&self, why: String) -> Failure {
        let file = self.file().unwrap_or_default();
        let message = format!("cannot use the configuration `{}`", file.display());
        Failure::configuration("bad-profile", message).because(why)
    }

    /// The profile with what the environment says in its place. Where the environment says all of
    /// it, no file is needed.
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        let path = self.file().ok_or_else(|| self.nothing())?;
        let environment = self.environment;
        let profile = match private_file::read(&path) {
            Ok(bytes) => self.parse(bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound && environment.oci_user.is_some() => {
                Profile::default()
            }
            Err(error) => {
                let failure = self.refused(error.to_string());
                let fix = "start `strongroom dev`, or name a file with --config-file";
                let usual = self.settings.config_file == Origin::Default;
                return Err(if usual { failure.fix(fix) } else { failure });
            }
        };
        let over = |own: &Option<String>, file: Option<String>| own.clone().or(file);
        Ok(Profile {
            user: over(&environment.oci_user, profile.user),
            fingerprint: over(&environment.oci_fingerprint, profile.fingerprint),
            tenancy: over(&environment.oci_tenancy, profile.tenancy),
            region: profile.region,
            key_file: over(&environment.oci_key_file, profile.key_file),
            pass_phrase: environment.passphrase.clone().or(profile.pass_phrase),
            security_token_file: over(
                &environment.oci_security_token_file,
                profile.security_token_file,
            ),
        })
    }

    /// The name of the profile.
    pub(crate) fn profile_name(&self) -> &str {
        match &self.settings.profile {
            Origin::Named(name) => name,
            Origin::DataDirectory | Origin::Default => "DEFAULT",
        }
    }

    fn parse(&self, bytes: Vec<u8>) -> Result<Profile, Failure> {
        let text =
            String::from_utf8(bytes).map_err(|_error| self.refused("not UTF-8".to_owned()))?;
        Profile::read(&text, self.profile_name()).map_err(|error| self.refused(error.to_string()))
    }

    fn api_key(&self, profile: &Profile) -> Result<Found, Failure> {
        let incomplete = |error: strongroom_client::ProfileError| self.refused(error.to_string());
        let id = profile.key_id().map_err(incomplete)?;
        let passphrase = profile.pass_phrase.as_ref();
        let key = if let Some(content) = &self.environment.key_content {
            PrivateKey::from_bytes(content.expose(), passphrase).map_err(|error| {
                Failure::configuration("bad-key", "cannot use the key in OCI_CLI_KEY_CONTENT")
                    .because(error.to_string())
            })?
        } else {
            let path = profile.key_file().map_err(incomplete)?;
            read_key(&self.environment.path(path), passphrase)?
        };
        let credentials = Credentials::from(ApiKey { id, key });
        Ok(Found { credentials, region: profile.region.clone() })
    }

    fn session(&self, profile: &Profile) -> Result<Found, Failure> {
        let token_file = profile.security_token_file.as_ref().ok_or_else(|| {
            self.refused("the profile lacks `security_token_file`".to_owned())
                .fix("oci session authenticate --no-browser")
        })?;
        let key_file = profile.key_file().map_err(|error| self.refused(error.to_string()))?;
        let session = SessionToken {
            token_file: self.environment.path(token_file),
            key_file: self.environment.path(key_file),
            passphrase: profile.pass_phrase.clone(),
        };
        let credentials = Credentials::of_session(session, Arc::new(SystemClock));
        Ok(Found { credentials, region: profile.region.clone() })
    }

    async fn instance(&self, authorities: Authorities<'_>) -> Result<Found, Failure> {
        let instance = self.machine(authorities)?;
        let is_told = self.own_endpoint().is_some() || self.environment.oci_region.is_some();
        let region = if is_told { None } else { Some(self.machine_region(&instance).await?) };
        let credentials = Credentials::of_instance(instance, Arc::new(SystemClock));
        Ok(Found { credentials, region })
    }

    /// The URL of the machine's metadata service.
    pub(crate) fn metadata_url(&self) -> &str {
        self.environment.metadata_url.as_deref().unwrap_or(IMDS_URL)
    }

    /// This machine, of which nothing is asked yet.
    pub(crate) fn machine(
        &self,
        authorities: Authorities<'_>,
    ) -> Result<InstancePrincipal, Failure> {
        let url = self.metadata_url();
        let bad = |what: &str, error: ClientError| {
            Failure::configuration("bad-endpoint", format!("cannot use {what}"))
                .because(error.to_string())
        };
        let federation: Option<BaseUrl> = match &self.environment.federation_endpoint {
            Some(url) => {
                let base = url.trim_end_matches('/').trim_end_matches(FEDERATION_PATH);
                let parsed = base.parse();
                Some(parsed.map_err(|error| bad("OCI_CLI_FEDERATION_ENDPOINT", error))?)
            }
            None => self.own_endpoint().and_then(|url| url.parse().ok()),
        };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let instance = InstancePrincipal::new(url, federation, authorities, clock, random);
        instance.map_err(|error| bad("the metadata service", error))
    }

    async fn machine_region(&self, instance: &InstancePrincipal) -> Result<String, Failure> {
        let region = instance.region().await;
        region.map(|region| region.name.to_owned()).map_err(|error| {
            Failure::configuration("no-endpoint", "cannot tell which vault to call")
                .because(error.to_string())
                .fix("export OCI_CLI_REGION=us-ashburn-1, or give --endpoint URL")
        })
    }

    /// One URL that answers all services answers this one too.
    fn own_endpoint(&self) -> Option<&str> {
        match (&self.settings.endpoint, self.dev) {
            (Origin::Named(url), _) => Some(url),
            (_, Some(dev)) => Some(&dev.base_url),
            (_, None) => None,
        }
    }

    fn resource(&self) -> Result<Found, Failure> {
        let environment = self.environment;
        let lacks = |why: String| {
            Failure::configuration("no-resource-principal", "cannot sign as a resource principal")
                .because(why)
        };
        match environment.resource_version.as_deref() {
            Some("2.2") => {}
            Some(other) => return Err(lacks(format!("its version is `{other}`, 2.2 is known"))),
            None => return Err(lacks("OCI_RESOURCE_PRINCIPAL_VERSION is not set".to_owned())),
        }
        let part = |value: &Option<Sensitive>, name: &str| {
            let value = value.as_ref().ok_or_else(|| lacks(format!("{name} is not set")))?;
            let text = std::str::from_utf8(value.expose());
            Ok::<_, Failure>(FileOrText::of(
                text.map_err(|_error| lacks(format!("{name} is not text")))?,
            ))
        };
        let principal = ResourcePrincipal {
            token: part(&environment.resource_token, "OCI_RESOURCE_PRINCIPAL_RPST")?,
            key: part(&environment.resource_key, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM")?,
            passphrase: match &environment.resource_passphrase {
                Some(_) => Some(part(
                    &environment.resource_passphrase,
                    "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE",
                )?),
                None => None,
            },
        };
        let credentials = Credentials::of_resource(principal, Arc::new(SystemClock));
        Ok(Found { credentials, region: environment.resource_region.clone() })
    }
}

fn read_key(path: &Path, passphrase: Option<&Sensitive>) -> Result<PrivateKey, Failure> {
    let refused = |why: String| {
        Failure::configuration("bad-key", format!("cannot use the key `{}`", path.display()))
            .because(why)
    };
    let content = private_file::read_private(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            refused(error.to_string()).fix(format!("chmod 600 {}", shell_quoted(path)))
        }
        _ => refused(error.to_string()),
    });
    let content = Sensitive::new(content?);
    PrivateKey::from_bytes(content.expose(), passphrase).map_err(|error| refused(error.to_string()))
}
