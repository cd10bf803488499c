use std::io::ErrorKind;
use std::path::Path;

use jiff::Timestamp;
use strongroom_advice::doctor::{Fault, Finding, Outcome, Signer, judge_fingerprint, judge_values};
use strongroom_client::{Authorities, Profile, ProfileError};
use strongroom_model::{Clock, Sensitive, SystemClock, private_file};
use strongroom_signing::{KeyError, PrivateKey};

use super::examination::{Examination, failed};
use crate::hand::similar::nearest;
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
                let text = Sensitive::new(bytes);
                let text = std::str::from_utf8(text.expose()).unwrap_or_default().to_owned();
                if let Err(error) = Profile::read(&text, &name) {
                    return Outcome::Found(of_profile(&error, &place, &text, &path));
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
        let found = values(&profile, &place, self.given.signer == Some(Signer::ApiKey));
        let found = found.or_else(|| open_to_others(&path));
        let user = profile.user.clone().unwrap_or_default();
        self.profile = Some(profile);
        found.map_or_else(|| Outcome::Passed(format!("{place}, user {user}")), Outcome::Found)
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
    pub(super) async fn token(&self) -> Outcome {
        let Some(ground) = &self.ground else { return Outcome::Skipped("settings") };
        let lacks_token =
            self.profile.as_ref().is_some_and(|profile| profile.security_token_file.is_none());
        if self.given.signer == Some(Signer::Session) && lacks_token {
            return Outcome::Found(missing("security_token_file", "the profile"));
        }
        let credentials = match ground.find(Authorities::System).await {
            Ok(found) => found.credentials,
            Err(failure) => return failed(&failure),
        };
        match credentials.expiry().await {
            Ok(expiry) => of_expiry(expiry, SystemClock.now(), self.given.signer),
            Err(error) => Outcome::Found(of_token(&error.to_string())),
        }
    }
}

fn of_expiry(expiry: Option<i64>, now: Timestamp, signer: Option<Signer>) -> Outcome {
    let expiry = expiry.and_then(|secs| Timestamp::from_second(secs).ok());
    match expiry {
        None => Outcome::Passed("it does not say until when it lasts".to_owned()),
        Some(until) if until > now => Outcome::Passed(format!("it lasts until {until}")),
        Some(until) => {
            let finding = Finding::certain(Fault::TokenExpired, "the token has run out")
                .because(format!("it lasted until {until}"));
            Outcome::Found(match signer {
                Some(Signer::Session) => finding.fix("oci session authenticate --no-browser"),
                _ => finding.fix("see why the platform, or `strongroom imds`, does not replace it"),
            })
        }
    }
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

/// What every signature needs, and then the values themselves.
fn values(profile: &Profile, place: &str, is_api_key: bool) -> Option<Finding> {
    let known = [
        ("user", profile.user.as_deref()),
        ("tenancy", profile.tenancy.as_deref()),
        ("fingerprint", profile.fingerprint.as_deref()),
        ("region", profile.region.as_deref()),
        ("key_file", profile.key_file.as_deref()),
        ("security_token_file", profile.security_token_file.as_deref()),
    ];
    let needed = ["user", "tenancy", "fingerprint"];
    let lacks = |(name, value): &&(&'static str, Option<&str>)| {
        is_api_key && value.is_none() && needed.contains(name)
    };
    if let Some((name, _)) = known.iter().find(lacks) {
        return Some(missing(name, place));
    }
    let set: Vec<(&'static str, &str)> =
        known.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
    judge_values(place, &set)
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

fn of_profile(error: &ProfileError, place: &str, text: &str, path: &Path) -> Finding {
    let found = |fault, message: String| Finding::certain(fault, message);
    match error {
        ProfileError::Line(_) | ProfileError::Repeated(_) => {
            found(Fault::BrokenConfiguration, format!("{} cannot be read", path.display()))
                .because(error.to_string())
        }
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
