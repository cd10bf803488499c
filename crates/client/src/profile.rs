use crate::ini::{DEFAULT, Settings, sections};

/// A profile of Oracle's configuration file.
///
/// Source: OCI documentation, "SDK and CLI Configuration File".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// OCID of the user.
    pub user: String,
    /// Fingerprint of the API key.
    pub fingerprint: String,
    /// OCID of the tenancy.
    pub tenancy: String,
    /// Region identifier.
    pub region: Option<String>,
    /// Path of the private key, as written.
    pub key_file: String,
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
        let required =
            |key: &'static str| setting(&settings, key)?.ok_or(ProfileError::Missing(key));
        Ok(Self {
            user: required("user")?,
            fingerprint: required("fingerprint")?,
            tenancy: required("tenancy")?,
            region: setting(&settings, "region")?,
            key_file: required("key_file")?,
        })
    }

    /// Returns the key id by which requests are signed.
    #[must_use]
    pub fn key_id(&self) -> String {
        format!("{}/{}/{}", self.tenancy, self.user, self.fingerprint)
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
        assert_eq!((prod.user.as_str(), prod.key_id().as_str()), ("p", "t/p/aa:bb"));
        assert_eq!(prod.region.as_deref(), Some("us-ashburn-1"));
        assert_eq!(Profile::read(TEXT, "DEFAULT").unwrap().region, None);
    }

    #[test]
    fn errors_name_the_line_or_the_setting() {
        let read = |name| Profile::read(TEXT, name);
        assert_eq!(read("x"), Err(ProfileError::NoProfile("x".to_owned())));
        assert_eq!(read("PROD"), Err(ProfileError::NoProfile("PROD".to_owned())));
        assert_eq!(read("empty"), Err(ProfileError::Missing("user")));
        assert_eq!(read("long"), Err(ProfileError::Lines("user")));
        assert_eq!(Profile::read("[a]\nuser=u\n", "a"), Err(ProfileError::Missing("fingerprint")));
        assert_eq!(Profile::read("[a]\nnonsense\n", "a"), Err(ProfileError::Line(2)));
    }
}
