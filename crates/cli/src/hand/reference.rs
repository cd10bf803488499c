use std::str::FromStr;

use strongroom_client::Selector;
use strongroom_model::{Ocid, OcidKind, Stage};

use crate::failure::{Exit, Failure};

/// How a reference by name begins.
pub(crate) const SCHEME: &str = "secret://";

const FORM: &str = "secret://<vault>/<name>[?stage=…|version=…|version-name=…][#pointer]";

/// A secret, as a command line names it: by vault alias and name, or by OCID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) place: Place,
    pub(crate) selector: Selector,
    /// What to take out of JSON content: names with dots between, or RFC 6901 after a slash.
    pub(crate) pointer: Option<String>,
}

/// Where the secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the vault that an alias stands for.
    Named { vault: String, name: String },
    /// Wherever its OCID says.
    Id(Ocid),
}

/// A vault, as a command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VaultReference(pub(crate) String);

fn refuse(why: &str) -> Failure {
    Failure::new(Exit::Usage, "bad-reference", "cannot read the secret reference")
        .because(format!("{why}; the form is {FORM}"))
        .fix("strongroom get secret://dev/sample")
}

fn legal(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 255 && name.chars().all(legal)
}

impl FromStr for Reference {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let (text, pointer) = match text.split_once('#') {
            Some((_, "")) => return Err(refuse("nothing follows the #")),
            Some((before, pointer)) => (before, Some(pointer.to_owned())),
            None => (text, None),
        };
        let (text, selector) = match text.split_once('?') {
            Some((before, query)) => (before, selector(query)?),
            None => (text, Selector::Current),
        };
        if let Ok(id) = text.parse::<Ocid>() {
            if id.is(OcidKind::Secret) {
                return Ok(Self { place: Place::Id(id), selector, pointer });
            }
            return Err(refuse("the OCID is not a secret's (ocid1.vaultsecret…)"));
        }
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| refuse("it begins neither with secret:// nor with ocid1.vaultsecret"))?;
        let (vault, name) = rest.split_once('/').ok_or_else(|| refuse("the name is missing"))?;
        if !legal(vault) || !legal(name) {
            return Err(refuse("vault and name take the characters A-Z a-z 0-9 - _ . only"));
        }
        let place = Place::Named { vault: alias(vault)?, name: name.to_owned() };
        Ok(Self { place, selector, pointer })
    }
}

impl Reference {
    /// Refuses a pointer, where content is not what is meant.
    pub(crate) fn without_pointer(self) -> Result<Self, Failure> {
        if self.pointer.is_none() {
            return Ok(self);
        }
        Err(Failure::new(Exit::Usage, "bad-reference", "cannot use this reference")
            .because("the content is not looked into here, so nothing can follow a #"))
    }

    /// Refuses a stage, number or version name too: the whole secret is meant.
    pub(crate) fn whole(self) -> Result<Self, Failure> {
        let reference = self.without_pointer()?;
        if reference.selector == Selector::Current {
            return Ok(reference);
        }
        Err(Failure::new(Exit::Usage, "bad-reference", "cannot use this reference")
            .because("a whole secret is meant here, not one of its versions"))
    }

    /// Returns the number of the version that is named, or none for the whole secret.
    pub(crate) fn version(&self) -> Result<Option<u64>, Failure> {
        match &self.selector {
            Selector::Current => Ok(None),
            Selector::Number(number) => Ok(Some(*number)),
            Selector::Stage(_) | Selector::Name(_) => {
                Err(Failure::new(Exit::Usage, "bad-reference", "cannot use this reference")
                    .because("a version is named by its number here, as in ?version=3"))
            }
        }
    }
}

/// Returns an alias as it is looked up: environment variables know neither case, dot nor hyphen.
pub(crate) fn canonical_alias(alias: &str) -> String {
    alias.to_lowercase().replace(['_', '.'], "-")
}

fn alias(text: &str) -> Result<String, Failure> {
    if text.starts_with("ocid1.") {
        return Err(refuse("the vault is an alias there, not an OCID"));
    }
    Ok(canonical_alias(text))
}

/// Returns the selector of a stage, whose name is read without case.
pub(super) fn stage_named(name: &str) -> Result<Selector, Failure> {
    let stage = Stage::ALL.iter().find(|stage| stage.name().eq_ignore_ascii_case(name));
    let unknown = || refuse("stage is one of current, pending, latest, previous, deprecated");
    Ok(Selector::Stage(stage.ok_or_else(unknown)?.name().to_owned()))
}

fn selector(query: &str) -> Result<Selector, Failure> {
    let (key, value) = query.split_once('=').ok_or_else(|| refuse("? needs key=value"))?;
    match key {
        "stage" => stage_named(value),
        "version" => {
            let number = value.parse().ok().filter(|number| *number > 0);
            number.map(Selector::Number).ok_or_else(|| refuse("version is a number from 1"))
        }
        "version-name" if legal(value) => Ok(Selector::Name(value.to_owned())),
        "version-name" => Err(refuse("version-name takes the characters A-Z a-z 0-9 - _ . only")),
        _ => Err(refuse("after ? comes one of stage, version and version-name")),
    }
}

impl FromStr for VaultReference {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let name = text.strip_prefix(SCHEME).unwrap_or(text).trim_end_matches('/');
        if legal(name) { alias(name).map(Self) } else { Err(refuse("that names no vault")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let read = |text: &str| text.parse::<Reference>().unwrap();
        let named = read("secret://Dev/db-password?stage=previous#user.name");
        assert_eq!(
            named.place,
            Place::Named { vault: "dev".to_owned(), name: "db-password".to_owned() }
        );
        assert_eq!(named.selector, Selector::Stage("PREVIOUS".to_owned()));
        assert_eq!(named.pointer.as_deref(), Some("user.name"));
        assert_eq!(read("secret://v/n?version=3").selector, Selector::Number(3));
        assert_eq!(
            read("secret://v/n?version-name=blue").selector,
            Selector::Name("blue".to_owned())
        );
        let place = Place::Named { vault: "my-vault-1".to_owned(), name: "N_1.x".to_owned() };
        assert_eq!(read("secret://My_Vault.1/N_1.x").place, place);
        let id = "ocid1.vaultsecret.oc1.iad.abc";
        assert_eq!(read(id).place, Place::Id(id.parse().unwrap()));
    }

    #[test]
    fn refuses_what_it_cannot_mean() {
        for text in [
            "",
            "db-password",
            "secret://",
            "secret://v",
            "secret://v/",
            "secret:///n",
            "secret://v/a/b",
            "secret://v/n?",
            "secret://v/n?stage=x",
            "secret://v/n?version=0",
            "secret://v/n?version=x",
            "secret://v/n?who=1",
            "secret://v/n#",
            "secret://v/n m",
            "ocid1.vault.oc1.iad.abc",
            "secret://v/n?stage=current&version=1",
            "secret://ocid1.vault.oc1.iad.abc/n",
            "SECRET://v/n",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
