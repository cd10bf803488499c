use std::io;
use std::path::{Path, PathBuf};

use strongroom_model::{Sensitive, private_file};
use strongroom_signing::PrivateKey;

use super::token::Bearer;
use super::{Got, Source, bearer, unavailable};
use crate::error::ClientError;

const WHAT: &str = "the resource principal";

/// Variable of the passphrase.
const PASSPHRASE: &str = "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE";

/// A value, or the absolute path of a file that holds it and may be replaced.
pub enum FileOrText {
    /// The path.
    File(PathBuf),
    /// The value.
    Text(Sensitive),
}

impl std::fmt::Debug for FileOrText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is taken for a path may be a passphrase that begins like one.
        f.write_str(match self {
            Self::File(_) => "File(..)",
            Self::Text(_) => "Text(..)",
        })
    }
}

impl FileOrText {
    /// Tells a path from a value, as Oracle's SDKs do: a path is absolute.
    #[must_use]
    pub fn of(value: &str) -> Self {
        if Path::new(value).is_absolute() {
            return Self::File(PathBuf::from(value));
        }
        Self::Text(Sensitive::new(value.as_bytes().to_vec()))
    }

    /// Files are mounted by a platform, which chooses their mode.
    pub(super) fn read(&self, what: &'static str) -> Result<Sensitive, ClientError> {
        self.content()
            .map_err(|(path, error)| unavailable(what, &format!("`{}`: {error}", path.display())))
    }

    fn content(&self) -> Result<Sensitive, (&Path, io::Error)> {
        match self {
            Self::File(path) => {
                private_file::read(path).map(Sensitive::new).map_err(|error| (&**path, error))
            }
            Self::Text(text) => Ok(text.clone()),
        }
    }
}

/// A resource principal of version 2.2: `OCI_RESOURCE_PRINCIPAL_RPST`, `…_PRIVATE_PEM` and
/// `…_PRIVATE_PEM_PASSPHRASE`.
#[derive(Debug)]
pub struct ResourcePrincipal {
    /// The token.
    pub token: FileOrText,
    /// The private key, PEM.
    pub key: FileOrText,
    /// Passphrase of the private key.
    pub passphrase: Option<FileOrText>,
}

impl Source for ResourcePrincipal {
    fn name(&self) -> &'static str {
        "resource_principal"
    }

    fn get(&self) -> Got<'_> {
        Box::pin(std::future::ready(self.read()))
    }
}

impl ResourcePrincipal {
    fn read(&self) -> Result<Bearer, ClientError> {
        let (key, token) = (self.key.read(WHAT)?, self.token.read(WHAT)?);
        let passphrase = self.passphrase.as_ref().map(FileOrText::content).transpose();
        // The path is not named: it may be the passphrase.
        let passphrase = passphrase.map_err(|(_path, error)| {
            unavailable(WHAT, &format!("`{PASSPHRASE}` begins with `/`, and so is a path: {error}"))
        })?;
        let key = PrivateKey::from_bytes(key.expose(), passphrase.as_ref());
        let token = std::str::from_utf8(token.expose());
        let token = token.map_err(|_error| unavailable(WHAT, "its token is not text"))?;
        bearer(WHAT, token, key.map_err(|error| unavailable(WHAT, &error))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_that_looks_like_a_path_is_not_told() {
        let principal = |passphrase| ResourcePrincipal {
            token: FileOrText::of("t"),
            key: FileOrText::of("k"),
            passphrase: Some(FileOrText::of(passphrase)),
        };
        let canary = principal("/c4n4ry");
        let error = canary.read().unwrap_err();
        let told = "the resource principal cannot be used: \
            `OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_PASSPHRASE` begins with `/`, and so is a path: \
            No such file or directory (os error 2)";
        assert_eq!(error.to_string(), told);
        assert_eq!(
            format!("{canary:?} {:?}", principal("c4n4ry").passphrase),
            "ResourcePrincipal { token: Text(..), key: Text(..), passphrase: Some(File(..)) } \
             Some(Text(..))"
        );
        let absent = ResourcePrincipal { key: FileOrText::of("/absent"), ..canary };
        assert!(absent.read().unwrap_err().to_string().contains("`/absent`: No such file"));
    }
}
