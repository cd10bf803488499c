use std::collections::BTreeMap;

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
    /// The profile is not there.
    #[error("there is no profile `{0}`")]
    NoProfile(String),
    /// The profile lacks a setting.
    #[error("the profile lacks `{0}`")]
    Missing(&'static str),
}

impl Profile {
    /// Reads the profile `name` from a configuration file's text. What it does not set comes from
    /// `DEFAULT`.
    ///
    /// # Errors
    /// A [`ProfileError`].
    pub fn read(text: &str, name: &str) -> Result<Self, ProfileError> {
        let sections = sections(text)?;
        if !sections.contains_key(name) {
            return Err(ProfileError::NoProfile(name.to_owned()));
        }
        let setting = |key: &str| {
            let within = |section: &str| sections.get(section)?.get(key).cloned();
            within(name).or_else(|| within("DEFAULT")).filter(|value| !value.is_empty())
        };
        let required = |key: &'static str| setting(key).ok_or(ProfileError::Missing(key));
        Ok(Self {
            user: required("user")?,
            fingerprint: required("fingerprint")?,
            tenancy: required("tenancy")?,
            region: setting("region"),
            key_file: required("key_file")?,
        })
    }

    /// Returns the key id by which requests are signed.
    #[must_use]
    pub fn key_id(&self) -> String {
        format!("{}/{}/{}", self.tenancy, self.user, self.fingerprint)
    }
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

fn sections(text: &str) -> Result<Sections, ProfileError> {
    let mut sections = Sections::new();
    let mut current = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.entry(name.trim().to_owned()).or_default();
            current = Some(name.trim().to_owned());
            continue;
        }
        let setting = line.split_once('=').or_else(|| line.split_once(':'));
        let (Some((key, value)), Some(section)) = (setting, &current) else {
            return Err(ProfileError::Line(number));
        };
        let settings = sections.entry(section.clone()).or_default();
        settings.insert(key.trim().to_lowercase(), value.trim().to_owned());
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# comment\n[DEFAULT]\nuser=u\nfingerprint = aa:bb\ntenancy=t\nkey_file=~/k.pem\n\
                        \n[prod]\nuser: p\nregion=us-ashburn-1\n";

    #[test]
    fn profiles_inherit_from_default() {
        let prod = Profile::read(TEXT, "prod").unwrap();
        assert_eq!((prod.user.as_str(), prod.key_id().as_str()), ("p", "t/p/aa:bb"));
        assert_eq!(prod.region.as_deref(), Some("us-ashburn-1"));
        assert_eq!(Profile::read(TEXT, "DEFAULT").unwrap().region, None);
    }

    #[test]
    fn errors_name_the_line_or_the_setting() {
        assert_eq!(Profile::read(TEXT, "x"), Err(ProfileError::NoProfile("x".to_owned())));
        assert_eq!(Profile::read("[a]\nuser=u\n", "a"), Err(ProfileError::Missing("fingerprint")));
        assert_eq!(Profile::read("[a]\nnonsense\n", "a"), Err(ProfileError::Line(2)));
    }
}
