use strongroom_model::{EncryptionAlgorithm, Ocid, Random, Sensitive, SigningAlgorithm};

use crate::asymmetric::{KeyError, Oaep};
use crate::ciphertext::Context;
use crate::material::{Material, SealedSecret};
use crate::seal::{Binding, OpenError, SealError};

/// Why a key version did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UseError {
    /// The input does not belong to this key, version and associated data, or does not fit the key.
    #[error("the input does not fit the key")]
    Input,
    /// The token that holds the key cannot do this; names the mechanism.
    #[error("the token has no {0}")]
    Mechanism(&'static str),
    /// The token that holds the key is away.
    #[error("the token is away: {0}")]
    Unavailable(String),
    /// The cryptographic library refused, or the key is damaged.
    #[error("the key does not work: {0}")]
    Defect(String),
}

impl From<OpenError> for UseError {
    fn from(_: OpenError) -> Self {
        Self::Input
    }
}

impl From<SealError> for UseError {
    fn from(error: SealError) -> Self {
        Self::Defect(error.to_string())
    }
}

impl From<KeyError> for UseError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Input => Self::Input,
            KeyError::Material | KeyError::Refused => Self::Defect(error.to_string()),
        }
    }
}

/// A key version that can be used, wherever its material is.
#[derive(Debug)]
pub enum VersionKey {
    /// In this process.
    Software(Material),
}

impl VersionKey {
    /// Encrypts for a caller with an AES key.
    ///
    /// # Errors
    /// A [`UseError`].
    #[expect(clippy::unused_async, reason = "a token answers later")]
    pub async fn encrypt(
        &self,
        context: &Context<'_>,
        plaintext: &Sensitive,
        random: &dyn Random,
    ) -> Result<Vec<u8>, UseError> {
        match self {
            Self::Software(Material::Symmetric(key)) => {
                Ok(key.encrypt(context, plaintext.expose(), random)?)
            }
            Self::Software(Material::Asymmetric(_)) => Err(UseError::Input),
        }
    }

    /// Decrypts for a caller: with an AES key what [`Self::encrypt`] made, with an RSA key
    /// RSAES-OAEP.
    ///
    /// # Errors
    /// A [`UseError`].
    #[expect(clippy::unused_async, reason = "a token answers later")]
    pub async fn decrypt(
        &self,
        context: &Context<'_>,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Sensitive, UseError> {
        let oaep = match algorithm {
            EncryptionAlgorithm::AesGcm => None,
            EncryptionAlgorithm::RsaOaepSha1 => Some(Oaep::Sha1),
            EncryptionAlgorithm::RsaOaepSha256 => Some(Oaep::Sha256),
        };
        match (self, oaep) {
            (Self::Software(Material::Symmetric(key)), None) => {
                Ok(key.decrypt(context, ciphertext)?)
            }
            (Self::Software(Material::Asymmetric(key)), Some(oaep)) => {
                Ok(key.decrypt(oaep, ciphertext)?)
            }
            (Self::Software(_), _) => Err(UseError::Input),
        }
    }

    /// Signs a digest.
    ///
    /// # Errors
    /// A [`UseError`].
    #[expect(clippy::unused_async, reason = "a token answers later")]
    pub async fn sign(
        &self,
        algorithm: SigningAlgorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>, UseError> {
        match self {
            Self::Software(Material::Asymmetric(key)) => Ok(key.sign(algorithm, digest)?),
            Self::Software(Material::Symmetric(_)) => Err(UseError::Input),
        }
    }

    /// Seals the content of a secret version.
    ///
    /// # Errors
    /// A [`UseError`].
    #[expect(clippy::unused_async, reason = "a token answers later")]
    pub async fn seal_secret(
        &self,
        binding: &Binding<'_>,
        content: &Sensitive,
        random: &dyn Random,
    ) -> Result<SealedSecret, UseError> {
        match self {
            Self::Software(Material::Symmetric(key)) => {
                Ok(key.seal_secret(binding, content.expose(), random)?)
            }
            Self::Software(Material::Asymmetric(_)) => Err(UseError::Input),
        }
    }

    /// Opens the content of a secret version.
    ///
    /// # Errors
    /// A [`UseError`].
    #[expect(clippy::unused_async, reason = "a token answers later")]
    pub async fn open_secret(
        &self,
        binding: &Binding<'_>,
        sealed: &SealedSecret,
    ) -> Result<Sensitive, UseError> {
        match self {
            Self::Software(Material::Symmetric(key)) => Ok(key.open_secret(binding, sealed)?),
            Self::Software(Material::Asymmetric(_)) => Err(UseError::Input),
        }
    }

    /// Returns the material if it can leave: software only.
    #[must_use]
    pub const fn material(&self) -> Option<&Material> {
        match self {
            Self::Software(material) => Some(material),
        }
    }

    /// The OCID bytes by which a token knows a key version.
    #[must_use]
    pub fn token_id(version: &Ocid) -> Vec<u8> {
        version.as_str().as_bytes().to_vec()
    }
}
