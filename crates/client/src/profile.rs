use strongroom_model::Sensitive;

use crate::ini::{DEFAULT, Settings, sections};

/// A profile of Oracle's configuration file. What it needs depends on how requests are to be signed.
///
/// Source: OCI documentation, "SDK and CLI Configuration File".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// OCID of the user.
    pub user: Option<String>,
    /// Fingerprint of the API key.
    pub fingerprint: Option<String>,
    /// OCID of the tenancy.
    pub tenancy: Option<String>,
    /// Region identifier.
    pub region: Option<String>,
    /// Path of the private key, as written.
    pub key_file: Option<String>,
    /// Passphrase of the private key.
    pub pass_phrase: Option<Sensitive>,
    /// Path of a session's token, as written.
    pub security_token_file: Option<String>,
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// A line is neither a section, a setting nor a comment.
    #[error("line {0} is neither [section], key=value nor a comment")]
    Line(usize),
    /// A section or a setting stands there twice.
    #[error("line {0} repeats a section or a setting")]
    Repeated(usize),
    /// The profile is not there.
    #[error("there is no profile `{0}`")]
    NoProfile(String),
    /// The profile lacks a setting.
    #[error("the profile lacks `{0}`")]
    Missing(&'static str),
    /// A setting goes over more than one line, perhaps because of an indented one below it.
    #[error("`{0}` of the profile goes over more than one line")]
    Lines(&'static str),
}

impl Profile {
    /// Reads the profile `name` from a configuration file's text. What it does not set comes from
    /// `DEFAULT`.
    ///
    /// # Errors
    /// A [`ProfileError`].
    pub fn read(text: &str, name: &str) -> Result<Self, ProfileError> {
        let mut sections = sections(text)?;
        let own = sections.remove(name);
        let own = own.ok_or_else(|| ProfileError::NoProfile(name.to_owned()))?;
        let mut settings = sections.remove(DEFAULT).unwrap_or_default();
        settings.extend(own);
        let setting = |key: &'static str| setting(&settings, key);
        let pass_phrase = setting("pass_phrase")?.map(|text| Sensitive::new(text.into_bytes()));
        Ok(Self {
            user: setting("user")?,
            fingerprint: setting("fingerprint")?,
            tenancy: setting("tenancy")?,
            region: setting("region")?,
            key_file: setting("key_file")?,
            pass_phrase,
            security_token_file: setting("security_token_file")?,
        })
    }

    /// Returns the names of the profiles of a configuration file, as far as it can be read.
    #[must_use]
    pub fn names(text: &str) -> Vec<String> {
        sections(text).map(|sections| sections.into_keys().collect()).unwrap_or_default()
    }

    /// Returns the key id by which requests of an API key are signed.
    ///
    /// # Errors
    /// [`ProfileError::Missing`] if a part of it is not set.
    pub fn key_id(&self) -> Result<String, ProfileError> {
        let part = |value: &Option<String>, key| value.clone().ok_or(ProfileError::Missing(key));
        let user = part(&self.user, "user")?;
        let fingerprint = part(&self.fingerprint, "fingerprint")?;
        Ok(format!("{}/{user}/{fingerprint}", part(&self.tenancy, "tenancy")?))
    }

    /// Returns the path of the private key.
    ///
    /// # Errors
    /// [`ProfileError::Missing`] if it is not set.
    pub fn key_file(&self) -> Result<&str, ProfileError> {
        self.key_file.as_deref().ok_or(ProfileError::Missing("key_file"))
    }
}

/// Returns a setting; one that is empty counts as absent.
fn setting(settings: &Settings, key: &'static str) -> Result<Option<String>, ProfileError> {
    let value = settings.get(key).filter(|value| !value.is_empty());
    if value.is_some_and(|value| value.contains('\n')) {
        return Err(ProfileError::Lines(key));
    }
    Ok(value.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# comment\n[DEFAULT]\nuser=u\nfingerprint = aa:bb\ntenancy=t\nkey_file=~/k.pem\n\
                        \n[prod]\nuser: p\nregion=us-ashburn-1\n[empty]\nuser=\n[long]\nuser=u\n  x=y\n";

    #[test]
    fn profiles_inherit_from_default() {
        let prod = Profile::read(TEXT, "prod").unwrap();
        assert_eq!((prod.user.as_deref(), prod.key_id().as_deref()), (Some("p"), Ok("t/p/aa:bb")));
        assert_eq!(prod.region.as_deref(), Some("us-ashburn-1"));
        assert_eq!(Profile::read(TEXT, "DEFAULT").unwrap().region, None);
        assert_eq!(Profile::names(TEXT), ["DEFAULT", "empty", "long", "prod"]);
    }

    #[test]
    fn errors_name_the_line_or_the_setting() {
        let read = |name| Profile::read(TEXT, name);
        assert_eq!(read("x"), Err(ProfileError::NoProfile("x".to_owned())));
        assert_eq!(read("PROD"), Err(ProfileError::NoProfile("PROD".to_owned())));
        let empty = read("empty").unwrap();
        assert_eq!(empty.key_id(), Err(ProfileError::Missing("user")));
        assert_eq!(read("long"), Err(ProfileError::Lines("user")));
        let bare = Profile::read("[a]\nuser=u\n", "a").unwrap();
        assert_eq!(bare.key_id(), Err(ProfileError::Missing("fingerprint")));
        assert_eq!(bare.key_file(), Err(ProfileError::Missing("key_file")));
        let secret = Profile::read("[a]\npass_phrase=c4n4ry\n", "a").unwrap();
        assert!(!format!("{secret:?}").contains("c4n4ry"));
        assert_eq!(Profile::read("[a]\nnonsense\n", "a"), Err(ProfileError::Line(2)));
    }
}
