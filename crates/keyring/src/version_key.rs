use strongroom_model::{EncryptionAlgorithm, Ocid, Random, Sensitive, SigningAlgorithm};

use crate::asymmetric::{KeyError, Oaep};
use crate::ciphertext::{Context, version_of};
use crate::material::{Material, SealedSecret, open_content, seal_content};
use crate::pkcs11::{Token, TokenError};
use crate::seal::{Binding, Layer, OpenError, SealError, Sealed};

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

impl From<TokenError> for UseError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unavailable(reason) => Self::Unavailable(reason),
            TokenError::Mechanism(name) => Self::Mechanism(name),
            TokenError::Missing => Self::Defect(error.to_string()),
            TokenError::Rejected => Self::Input,
        }
    }
}

/// A key version in a token.
#[derive(Debug)]
pub struct TokenKey {
    token: Option<Token>,
    id: Vec<u8>,
}

impl TokenKey {
    /// Names the key of a version; without a token it does nothing until there is one.
    #[must_use]
    pub fn new(token: Option<Token>, version: &Ocid) -> Self {
        Self { token, id: token_id(version) }
    }

    fn token(&self) -> Result<&Token, UseError> {
        let absent = || UseError::Unavailable("this server has no token configured".to_owned());
        self.token.as_ref().ok_or_else(absent)
    }
}

/// The identifier by which a token knows a key version: its OCID.
#[must_use]
pub fn token_id(version: &Ocid) -> Vec<u8> {
    version.as_str().as_bytes().to_vec()
}

/// A key version that can be used, wherever its material is.
#[derive(Debug)]
pub enum VersionKey {
    /// In this process.
    Software(Material),
    /// In a token.
    Hsm(TokenKey),
}

impl VersionKey {
    /// Encrypts for a caller with an AES key.
    ///
    /// # Errors
    /// A [`UseError`].
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
            Self::Hsm(key) => {
                let mut ciphertext = context.header()?;
                let associated = context.authenticated(&ciphertext);
                let sealed = key.token()?.seal(key.id.clone(), associated, plaintext.clone());
                ciphertext.extend(sealed.await?);
                Ok(ciphertext)
            }
        }
    }

    /// Decrypts for a caller: with an AES key what [`Self::encrypt`] made, with an RSA key
    /// RSAES-OAEP.
    ///
    /// # Errors
    /// A [`UseError`].
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
            (Self::Hsm(key), Some(oaep)) => {
                Ok(key.token()?.decrypt(key.id.clone(), oaep, ciphertext.to_vec()).await?)
            }
            (Self::Hsm(key), None) => {
                let (header, version, sealed) = version_of(ciphertext)?;
                if version != *context.version {
                    return Err(UseError::Input);
                }
                let associated = context.authenticated(header);
                Ok(key.token()?.open(key.id.clone(), associated, sealed.to_vec()).await?)
            }
        }
    }

    /// Signs a digest.
    ///
    /// # Errors
    /// A [`UseError`].
    pub async fn sign(
        &self,
        algorithm: SigningAlgorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>, UseError> {
        match self {
            Self::Software(Material::Asymmetric(key)) => Ok(key.sign(algorithm, digest)?),
            Self::Software(Material::Symmetric(_)) => Err(UseError::Input),
            Self::Hsm(key) => {
                Ok(key.token()?.sign(key.id.clone(), algorithm, digest.to_vec()).await?)
            }
        }
    }

    /// Seals the content of a secret version. A token seals its data key.
    ///
    /// # Errors
    /// A [`UseError`].
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
            Self::Hsm(key) => {
                let (data_key, content) = seal_content(binding, content.expose(), random)?;
                let data_key = Sensitive::new(data_key.expose().to_vec());
                let associated = data_key_binding(binding);
                let sealed = key.token()?.seal(key.id.clone(), associated, data_key).await?;
                Ok(SealedSecret { data_key: Sealed::from_bytes(sealed), content })
            }
        }
    }

    /// Opens the content of a secret version.
    ///
    /// # Errors
    /// A [`UseError`].
    pub async fn open_secret(
        &self,
        binding: &Binding<'_>,
        (data_key, content): (&Sealed, &Sealed),
    ) -> Result<Sensitive, UseError> {
        match self {
            Self::Software(Material::Symmetric(key)) => {
                Ok(key.open_secret(binding, (data_key, content))?)
            }
            Self::Software(Material::Asymmetric(_)) => Err(UseError::Input),
            Self::Hsm(key) => {
                let associated = data_key_binding(binding);
                let data_key = data_key.as_bytes().to_vec();
                let data_key = key.token()?.open(key.id.clone(), associated, data_key).await?;
                Ok(open_content(binding, &data_key, content)?)
            }
        }
    }

    /// Returns the material if it can leave: software only.
    #[must_use]
    pub const fn material(&self) -> Option<&Material> {
        match self {
            Self::Software(material) => Some(material),
            Self::Hsm(_) => None,
        }
    }
}

/// What a data key is bound to in a token: its layer and the binding of its secret version.
fn data_key_binding(binding: &Binding<'_>) -> Vec<u8> {
    [Layer::DataKey.label(), &[0], &binding.encode()].concat()
}
