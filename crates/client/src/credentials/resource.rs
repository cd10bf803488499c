use std::path::{Path, PathBuf};

use strongroom_model::{Sensitive, private_file};
use strongroom_signing::PrivateKey;

use super::token::Bearer;
use super::{Got, Source, bearer, unavailable};
use crate::error::ClientError;

const WHAT: &str = "the resource principal";

/// A value, or the absolute path of a file that holds it and may be replaced.
#[derive(Debug)]
pub enum FileOrText {
    /// The path.
    File(PathBuf),
    /// The value.
    Text(Sensitive),
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
        match self {
            Self::File(path) => private_file::read(path)
                .map(Sensitive::new)
                .map_err(|error| unavailable(what, &format!("`{}`: {error}", path.display()))),
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
        let passphrase = self.passphrase.as_ref().map(|text| text.read(WHAT)).transpose()?;
        let key = PrivateKey::from_bytes(key.expose(), passphrase.as_ref());
        let token = std::str::from_utf8(token.expose());
        let token = token.map_err(|_error| unavailable(WHAT, "its token is not text"))?;
        bearer(WHAT, token, key.map_err(|error| unavailable(WHAT, &error))?)
    }
}
