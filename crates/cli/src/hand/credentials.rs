//! What requests are signed with: what is named, or the first that there is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use strongroom_client::{ApiKey, Credentials, Network, Profile, RegionMetadata, SessionToken};
use strongroom_model::{Sensitive, SystemClock, private_file};
use strongroom_signing::PrivateKey;

use super::configuration::Configuration;
use super::development::Dev;
use super::settings::{Origin, Settings};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::serving::dev::shell_quoted;

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
    /// A pod of Oracle's Kubernetes service, by the token of its service account
    OkeWorkloadIdentity,
}

impl Auth {
    /// Weighs flag, environment and configuration file, and tells which of them says it.
    pub(super) fn settle(
        flag: Option<Self>,
        environment: &Environment,
        configuration: &Configuration,
    ) -> Result<Option<(Self, &'static str)>, Failure> {
        if let Some(flag) = flag {
            return Ok(Some((flag, "--auth")));
        }
        let named = [
            (&environment.auth, "STRONGROOM_AUTH"),
            (&environment.oci_auth, "OCI_CLI_AUTH"),
            (&configuration.auth, "auth of the configuration file"),
        ];
        let first = named.into_iter().find_map(|(name, by)| Some((name.as_ref()?, by)));
        let Some((name, by)) = first else { return Ok(None) };
        Self::from_str(name, false).map(|auth| Some((auth, by))).map_err(|_unknown| {
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
    pub(crate) region: Option<Home>,
    /// Where they are, for people.
    pub(super) place: String,
}

/// The region that whoever signs is in.
#[derive(Debug)]
pub(crate) enum Home {
    /// By its name.
    Named(String),
    /// With all that endpoints are made of.
    Told(RegionMetadata),
}

impl Found {
    /// Finds the credentials that are asked for, or else the first of: a development server's
    /// profile, a resource principal, a profile, an instance principal. Tells why these.
    pub(super) async fn find(
        settings: &Settings,
        environment: &Environment,
        (dev, auth): (Option<&Dev>, Option<(Auth, &'static str)>),
        network: &Network<'_>,
    ) -> Result<(Self, &'static str), Failure> {
        let finder = Finder { settings, environment, dev };
        let (auth, why) = match auth {
            Some(named) => named,
            None => finder.first()?,
        };
        let found = match auth {
            Auth::ApiKey => finder.api_key(&finder.profile()?),
            Auth::SecurityToken => finder.session(&finder.profile()?),
            Auth::InstancePrincipal => finder.instance(network).await,
            Auth::ResourcePrincipal => finder.resource(network).await,
            Auth::OkeWorkloadIdentity => finder.workload(),
        };
        Ok((found?, why))
    }
}

/// Looks for credentials of one kind.
pub(crate) struct Finder<'a> {
    pub(super) settings: &'a Settings,
    pub(super) environment: &'a Environment,
    pub(super) dev: Option<&'a Dev>,
}

impl Finder<'_> {
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

    /// The first kind that there is, and what shows that there is.
    pub(crate) fn first(&self) -> Result<(Auth, &'static str), Failure> {
        if self.dev.is_none() && self.environment.resource_version.is_some() {
            return Ok((Auth::ResourcePrincipal, "OCI_RESOURCE_PRINCIPAL_VERSION is set"));
        }
        if self.has_profile() {
            let kind = match self.profile()?.security_token_file {
                Some(_) => Auth::SecurityToken,
                None => Auth::ApiKey,
            };
            return Ok((kind, "it is the first that there is"));
        }
        if self.environment.metadata_url.is_some() {
            return Ok((Auth::InstancePrincipal, "OCI_METADATA_BASE_URL is set"));
        }
        Err(self.nothing())
    }

    /// Where the profile is, for people.
    fn profile_place(&self) -> String {
        if self.environment.oci_user.is_some() {
            return "OCI_CLI_USER".to_owned();
        }
        let file = self.file().unwrap_or_default();
        format!("profile `{}` of `{}`", self.profile_name(), file.display())
    }

    pub(crate) fn profile_name(&self) -> &str {
        match &self.settings.profile {
            Origin::Named(name) => name,
            Origin::DataDirectory | Origin::Default => "DEFAULT",
        }
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
        let region = profile.region.clone().map(Home::Named);
        Ok(Found { credentials, region, place: self.profile_place() })
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
        let region = profile.region.clone().map(Home::Named);
        Ok(Found { credentials, region, place: self.profile_place() })
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
