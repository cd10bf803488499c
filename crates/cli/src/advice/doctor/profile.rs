use std::io::ErrorKind;
use std::path::Path;

use jiff::Timestamp;
use strongroom_advice::doctor::{Fault, Finding, Outcome, Signer, judge_fingerprint, judge_values};
use strongroom_client::{Network, Profile, ProfileError};
use strongroom_model::{Clock, Sensitive, SystemClock, private_file};
use strongroom_signing::{KeyError, PrivateKey};

use super::examination::{Examination, failed};
use crate::hand::similar::nearest;
use crate::proxies::proxies;
use crate::serving::dev::shell_quoted;

const OTHERS: u32 = 0o077;

impl Examination<'_> {
    /// Oracle's configuration file: whether it is there, who may read it, and what the profile says.
    pub(super) fn profile(&mut self) -> Outcome {
        let Some(ground) = &self.ground else { return Outcome::Skipped("settings") };
        let finder = ground.finder();
        let Some(path) = finder.file() else {
            let finding = Finding::certain(Fault::NoConfiguration, "HOME is not set");
            return Outcome::Found(
                finding.because("Oracle's configuration file is looked for there"),
            );
        };
        let name = finder.profile_name().to_owned();
        let place = format!("profile `{name}` of {}", path.display());
        match private_file::read(&path) {
            Ok(bytes) => {
                let content = Sensitive::new(bytes);
                let Ok(text) = std::str::from_utf8(content.expose()) else {
                    return Outcome::Found(broken(&path, "it is not UTF-8"));
                };
                if let Err(error) = Profile::read(text, &name) {
                    return Outcome::Found(of_profile(&error, &place, text, &path));
                }
            }
            Err(error)
                if error.kind() == ErrorKind::NotFound && self.environment.oci_user.is_some() => {}
            Err(error) => return Outcome::Found(no_file(&path, &error)),
        }
        let profile = match finder.profile() {
            Ok(profile) => profile,
            Err(failure) => return failed(&failure),
        };
        let found = self.values(&profile, &place);
        let found = found.or_else(|| open_to_others(&path));
        let user = profile.user.clone().unwrap_or_default();
        self.profile = Some(profile);
        found.map_or_else(|| Outcome::Passed(format!("{place}, user {user}")), Outcome::Found)
    }

    /// What every signature needs, and then the values themselves, each in the place it comes from.
    fn values(&self, profile: &Profile, place: &str) -> Option<Finding> {
        let of = self.environment;
        let known = [
            ("user", &profile.user, of.oci_user.as_ref().map(|_| "OCI_CLI_USER")),
            ("tenancy", &profile.tenancy, of.oci_tenancy.as_ref().map(|_| "OCI_CLI_TENANCY")),
            (
                "fingerprint",
                &profile.fingerprint,
                of.oci_fingerprint.as_ref().map(|_| "OCI_CLI_FINGERPRINT"),
            ),
            ("region", &profile.region, None),
            ("key_file", &profile.key_file, of.oci_key_file.as_ref().map(|_| "OCI_CLI_KEY_FILE")),
            ("security_token_file", &profile.security_token_file, None),
        ];
        let is_api_key = self.given.signer == Some(Signer::ApiKey);
        let needed = |name: &str| is_api_key && ["user", "tenancy", "fingerprint"].contains(&name);
        known.into_iter().find_map(|(name, value, variable)| match (value, variable) {
            (None, _) => needed(name).then(|| missing(name, place)),
            (Some(value), Some(variable)) => judge_values(variable, &[(name, value)]),
            (Some(value), None) => judge_values(place, &[(name, value)]),
        })
    }

    /// The private key: whether it is there, who may read it, and whether it can be read.
    pub(super) fn key(&mut self) -> Outcome {
        let Some(profile) = &self.profile else { return Outcome::Skipped("profile") };
        let passphrase = profile.pass_phrase.as_ref();
        let is_session = self.given.signer == Some(Signer::Session);
        let (place, content) = match (&self.environment.key_content, &profile.key_file) {
            (Some(content), _) if !is_session => {
                ("OCI_CLI_KEY_CONTENT".to_owned(), content.clone())
            }
            (_, Some(path)) => {
                let path = self.environment.path(path);
                match private_file::read_private(&path) {
                    Ok(bytes) => (path.display().to_string(), Sensitive::new(bytes)),
                    Err(error) => return Outcome::Found(no_key(&path, &error)),
                }
            }
            (_, None) => return Outcome::Found(missing("key_file", "the profile")),
        };
        match PrivateKey::from_bytes(content.expose(), passphrase) {
            Ok(key) => {
                self.key = Some(key);
                Outcome::Passed(place)
            }
            Err(error) => Outcome::Found(of_key(error, &place, content.expose())),
        }
    }

    /// The fingerprint: whether it is the key's.
    pub(super) fn fingerprint(&self) -> Outcome {
        let said = self.profile.as_ref().and_then(|profile| profile.fingerprint.as_deref());
        let key = self.key.as_ref().and_then(|key| key.public().ok());
        let (Some(said), Some(key)) = (said, key) else { return Outcome::Skipped("private key") };
        match judge_fingerprint("the profile", said, &key.fingerprint()) {
            None => Outcome::Passed(said.to_owned()),
            Some(finding) => Outcome::Found(finding),
        }
    }

    /// The token of a session or resource: whether it is there, and until when it lasts.
    pub(super) async fn token(&mut self) -> Outcome {
        let Some(ground) = &self.ground else { return Outcome::Skipped("settings") };
        let lacks_token =
            self.profile.as_ref().is_some_and(|profile| profile.security_token_file.is_none());
        if self.given.signer == Some(Signer::Session) && lacks_token {
            return Outcome::Found(missing("security_token_file", "the profile"));
        }
        let proxies = proxies(self.environment).unwrap_or_default();
        let bundles = match ground.bundles() {
            Ok(bundles) => bundles,
            Err(failure) => return failed(&failure),
        };
        let network = Network { authorities: bundles.authorities(), proxies };
        let credentials = match ground.find(&network).await {
            Ok((found, _why)) => found.credentials,
            Err(failure) => return failed(&failure),
        };
        match credentials.expiry().await {
            Ok(expiry) => {
                let (outcome, expired) = of_expiry(expiry, SystemClock.now(), self.given.signer);
                self.expired = expired;
                outcome
            }
            Err(error) => Outcome::Found(of_token(&error.to_string())),
        }
    }
}

/// A token that has run out is a fault only if the service says so: this machine's clock may be wrong.
fn of_expiry(
    expiry: Option<i64>,
    now: Timestamp,
    signer: Option<Signer>,
) -> (Outcome, Option<Finding>) {
    let Some(until) = expiry.and_then(|secs| Timestamp::from_second(secs).ok()) else {
        return (Outcome::Passed("it does not say until when it lasts".to_owned()), None);
    };
    if until > now {
        return (Outcome::Passed(format!("it lasts until {until}")), None);
    }
    let finding = Finding::certain(Fault::TokenExpired, "the token has run out")
        .because(format!("it lasted until {until}"));
    let finding = match signer {
        Some(Signer::Session) => finding.fix("oci session authenticate --no-browser"),
        _ => finding.fix("see why the platform, or `strongroom imds`, does not replace it"),
    };
    (Outcome::Open(format!("it lasted until {until}, by this machine's clock")), Some(finding))
}

fn of_token(why: &str) -> Finding {
    let (fault, message) = match why {
        why if why.contains("does not open") => {
            (Fault::WrongPassphrase, "the passphrase does not open the private key")
        }
        why if why.contains("no passphrase") => {
            (Fault::NoPassphrase, "the private key is encrypted, and no passphrase is given")
        }
        why if why.contains("RSA key") => (Fault::NotAPrivateKey, "the private key cannot be read"),
        _ => (Fault::NoToken, "there is no token that could be used"),
    };
    Finding::certain(fault, message).because(why)
}

fn missing(name: &str, place: &str) -> Finding {
    let fix = format!("add a line `{name}=…`, as `oci setup config` writes it");
    Finding::certain(Fault::MissingSetting, format!("{place} lacks `{name}`")).fix(fix)
}

fn open_to_others(path: &Path) -> Option<Finding> {
    let mode = private_file::mode(path).ok().filter(|mode| mode & OTHERS != 0)?;
    let message = format!("others may read {}", path.display());
    let finding = Finding::certain(Fault::ConfigurationOpenToOthers, message).as_risk();
    let why = format!("its mode is {mode:04o}; it may hold a passphrase");
    Some(finding.because(why).fix(format!("chmod 600 {}", shell_quoted(path))))
}

fn no_file(path: &Path, error: &std::io::Error) -> Finding {
    let message = format!("there is no configuration file {} that can be read", path.display());
    Finding::certain(Fault::NoConfiguration, message)
        .because(error.to_string())
        .fix("oci setup config")
}

fn broken(path: &Path, why: &str) -> Finding {
    let message = format!("{} cannot be read", path.display());
    Finding::certain(Fault::BrokenConfiguration, message).because(why)
}

fn of_profile(error: &ProfileError, place: &str, text: &str, path: &Path) -> Finding {
    let found = |fault, message: String| Finding::certain(fault, message);
    match error {
        ProfileError::Line(_) | ProfileError::Repeated(_) => broken(path, &error.to_string()),
        ProfileError::NoProfile(name) => {
            let names = Profile::names(text);
            let finding =
                found(Fault::NoProfile, format!("{} has no profile `{name}`", path.display()));
            let finding = finding.because(format!("it has {}", names.join(", ")));
            match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => finding.fix(format!("--profile {near}")),
                None => finding.fix("--profile NAME, with one of them"),
            }
        }
        ProfileError::Missing(name) => missing(name, place),
        ProfileError::Lines(name) => {
            let message = format!("`{name}` of {place} goes over more than one line");
            found(Fault::ValueOverLines, message)
                .because("a line that begins with a blank belongs to the value above it")
                .fix("take the blanks from the beginning of the line below")
        }
    }
}

fn no_key(path: &Path, error: &std::io::Error) -> Finding {
    let shown = path.display();
    // What the system itself refuses has a number; what is refused for the file's mode has none.
    let is_mode = error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none();
    if !is_mode {
        return Finding::certain(
            Fault::NoKeyFile,
            format!("the private key {shown} cannot be read"),
        )
        .because(error.to_string())
        .fix("set `key_file` to the file that `oci setup keys` made, of the user who runs this");
    }
    Finding::certain(Fault::KeyOpenToOthers, format!("the private key {shown} is not used"))
        .because(error.to_string())
        .fix(format!("chmod 600 {}", shell_quoted(path)))
}

fn of_key(error: KeyError, place: &str, content: &[u8]) -> Finding {
    let found = |fault, message: String| Finding::certain(fault, message);
    let public = String::from_utf8_lossy(content).contains("BEGIN PUBLIC KEY");
    match error {
        KeyError::Encrypted => {
            found(Fault::NoPassphrase, format!("the private key {place} is encrypted"))
                .because("neither `pass_phrase` of the profile nor OCI_CLI_PASSPHRASE is set")
                .fix("export OCI_CLI_PASSPHRASE, or set `pass_phrase`")
        }
        KeyError::Passphrase => {
            found(Fault::WrongPassphrase, format!("the passphrase does not open {place}"))
                .because("`pass_phrase` of the profile, or OCI_CLI_PASSPHRASE, is of another key")
        }
        KeyError::Format if public => {
            found(Fault::NotAPrivateKey, format!("{place} is a public key"))
                .because("requests are signed with the private one")
                .fix("set `key_file` to the private key, without _public in its name")
        }
        KeyError::Format | KeyError::Cipher | KeyError::Size | KeyError::Refused => {
            found(Fault::NotAPrivateKey, format!("the private key {place} cannot be used"))
                .because(error.to_string())
        }
    }
}
