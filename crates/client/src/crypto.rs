//! A vault's cryptography: the key stays there, what it is used on goes there and back.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use strongroom_model::{
    AesLength, EncryptionAlgorithm, KeyShape, MessageType, Sensitive, SigningAlgorithm,
};

use crate::calls::{decoded, get, parse};
use crate::client::{Call, Client};
use crate::endpoint::{BaseUrl, Service};
use crate::error::ClientError;

/// Room for what a body holds beside the content.
const FRAME_BYTES: usize = 16 * 1024;

/// Calls of a vault's crypto endpoint. What is sent is wiped from memory once it is sent; so is what
/// was decrypted, when it is dropped.
#[derive(Debug, Clone)]
pub struct VaultCrypto(Client);

/// The key to encrypt with, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionKey<'a> {
    /// OCID of the key.
    pub id: &'a str,
    /// OCID of its version. A ciphertext of an AES key names it; one of an RSA key does not, so that
    /// whoever decrypts after a rotation must.
    pub version_id: Option<&'a str>,
    /// The algorithm; an AES key has only one.
    pub algorithm: Option<EncryptionAlgorithm>,
}

/// What belongs to a ciphertext without being in it. None of it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptionContext {
    /// What is authenticated along with the plaintext, and must be given again to decrypt.
    pub associated: BTreeMap<String, String>,
    /// What the audit shall say.
    pub logging: BTreeMap<String, String>,
}

/// The key to sign with, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningKey<'a> {
    /// OCID of the key.
    pub id: &'a str,
    /// The algorithm.
    pub algorithm: SigningAlgorithm,
    /// Whether messages are given as they are, or their digests.
    pub message_type: MessageType,
}

/// What `Encrypt` answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ciphertext {
    /// The ciphertext: opaque text.
    pub ciphertext: String,
    /// OCID of the key's version.
    pub key_version_id: Option<String>,
}

/// What `Decrypt` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plaintext {
    /// The plaintext.
    pub content: Sensitive,
    /// OCID of the key's version.
    pub key_version_id: Option<String>,
}

/// A key for the application's own use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKey {
    /// The key, encrypted: what to keep, and to have decrypted when it is needed.
    pub ciphertext: String,
    /// The key, if it was asked for.
    pub plaintext: Option<Sensitive>,
}

/// A signature with what verifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signature.
    pub bytes: Vec<u8>,
    /// OCID of the version of the key that made it.
    pub key_version_id: String,
}

impl Client {
    /// Returns the cryptography of a vault whose crypto endpoint is known.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`] if it is of another scheme than the endpoints of this client, so
    /// that no plaintext leaves TLS by mistake.
    pub fn crypto_at(&self, endpoint: BaseUrl) -> Result<VaultCrypto, ClientError> {
        self.at(endpoint).map(VaultCrypto)
    }

    /// Returns the cryptography of a vault, whose crypto endpoint `GetVault` tells.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn crypto_of_vault(&self, vault_id: &str) -> Result<VaultCrypto, ClientError> {
        self.crypto_at(self.vault(vault_id).await?.crypto_endpoint.parse()?)
    }

    /// Returns the cryptography of the vault that a key's OCID names, without asking for it.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`] if it names none of this client's region.
    pub fn crypto_of_key(&self, key_id: &str) -> Result<VaultCrypto, ClientError> {
        self.crypto_at(self.endpoints().crypto_of(key_id)?)
    }
}

impl VaultCrypto {
    /// `Encrypt`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn encrypt(
        &self,
        key: &EncryptionKey<'_>,
        plaintext: &Sensitive,
        context: &EncryptionContext,
    ) -> Result<Ciphertext, ClientError> {
        let plaintext = Some(Base64(plaintext.expose()));
        let details = Details { plaintext, ..Details::of(key, context) };
        self.post("encrypt", &details, "Encrypt").await
    }

    /// `Decrypt`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn decrypt(
        &self,
        key: &EncryptionKey<'_>,
        ciphertext: &str,
        context: &EncryptionContext,
    ) -> Result<Plaintext, ClientError> {
        const WHAT: &str = "Decrypt";
        let details = Details { ciphertext: Some(ciphertext), ..Details::of(key, context) };
        let answer: RawPlaintext = self.post("decrypt", &details, WHAT).await?;
        let key_version_id = answer.key_version_id;
        Ok(Plaintext { content: decoded(answer.plaintext, WHAT)?, key_version_id })
    }

    /// `GenerateDataEncryptionKey`: an AES key, encrypted under `key_id`, and as it is too if
    /// `with_plaintext`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn generate_data_key(
        &self,
        key_id: &str,
        length: AesLength,
        with_plaintext: bool,
        context: &EncryptionContext,
    ) -> Result<DataKey, ClientError> {
        const WHAT: &str = "GenerateDataEncryptionKey";
        let key = EncryptionKey { id: key_id, version_id: None, algorithm: None };
        let details = Details {
            key_shape: Some(KeyShape::Aes(length)),
            include_plaintext_key: Some(with_plaintext),
            ..Details::of(&key, context)
        };
        let answer: RawDataKey = self.post("generateDataEncryptionKey", &details, WHAT).await?;
        let plaintext = answer.plaintext.map(|encoded| decoded(encoded, WHAT)).transpose()?;
        let given = plaintext.as_ref().map(|key| key.expose().len());
        if given != with_plaintext.then_some(usize::from(length.bytes())) {
            return Err(ClientError::Answer(WHAT));
        }
        Ok(DataKey { ciphertext: answer.ciphertext, plaintext })
    }

    /// `Sign`, with the version of the key that is in use.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn sign(
        &self,
        key: &SigningKey<'_>,
        message: &[u8],
    ) -> Result<Signature, ClientError> {
        const WHAT: &str = "Sign";
        let details = Details::to_sign(key, message);
        let answer: RawSignature = self.post("sign", &details, WHAT).await?;
        let bytes = STANDARD.decode(answer.signature);
        let bytes = bytes.map_err(|_position| ClientError::Answer(WHAT))?;
        Ok(Signature { bytes, key_version_id: answer.key_version_id })
    }

    /// `Verify`: tells whether a signature is one of the message.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn verify(
        &self,
        key: &SigningKey<'_>,
        message: &[u8],
        signature: &Signature,
    ) -> Result<bool, ClientError> {
        let details = Details {
            signature: Some(Base64(&signature.bytes)),
            key_version_id: Some(&signature.key_version_id),
            ..Details::to_sign(key, message)
        };
        let answer: Verified = self.post("verify", &details, "Verify").await?;
        Ok(answer.is_signature_valid)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        action: &str,
        details: &Details<'_>,
        what: &'static str,
    ) -> Result<T, ClientError> {
        // The one endpoint that this client has answers whatever the service.
        let call = get(Service::KmsVaults, format!("/20180608/{action}"));
        let body = Some(details.to_body()?);
        let call = Call { method: Method::POST, body, is_read: true, ..call };
        parse(&self.0.send(call).await?, what)
    }
}

/// The fields of all requests; each has some of them.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_algorithm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_shape: Option<KeyShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_plaintext_key: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    associated_data: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logging_context: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Base64<'a>>,
}

impl<'a> Details<'a> {
    fn of(key: &EncryptionKey<'a>, context: &'a EncryptionContext) -> Self {
        let given = |map: &'a BTreeMap<_, _>| Some(map).filter(|map| !map.is_empty());
        Self {
            key_id: key.id,
            key_version_id: key.version_id,
            encryption_algorithm: key.algorithm.map(EncryptionAlgorithm::name),
            associated_data: given(&context.associated),
            logging_context: given(&context.logging),
            ..Self::default()
        }
    }

    fn to_sign(key: &SigningKey<'a>, message: &'a [u8]) -> Self {
        Self {
            key_id: key.id,
            signing_algorithm: Some(key.algorithm.name()),
            message_type: Some(key.message_type.name()),
            message: Some(Base64(message)),
            ..Self::default()
        }
    }

    /// Writes the body with room enough from the start: what a buffer leaves behind when it grows is
    /// not wiped.
    fn to_body(&self) -> Result<Bytes, ClientError> {
        let contents = [&self.plaintext, &self.message, &self.signature];
        let bytes: usize = contents.into_iter().flatten().map(|content| content.0.len()).sum();
        let ciphertext = self.ciphertext.map_or(0, str::len);
        let room = bytes.saturating_mul(2).saturating_add(ciphertext).saturating_add(FRAME_BYTES);
        let mut body = Vec::with_capacity(room);
        let written = serde_json::to_writer(&mut body, self);
        let body = Sensitive::new(body);
        written.map_err(|error| ClientError::Signing(error.to_string()))?;
        Ok(Bytes::from_owner(body.into_owner()))
    }
}

/// Bytes that are written as base64, without a copy in between.
struct Base64<'a>(&'a [u8]);

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(self.0, &STANDARD).fmt(f)
    }
}

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPlaintext {
    plaintext: String,
    key_version_id: Option<String>,
}

#[derive(Deserialize)]
struct RawDataKey {
    ciphertext: String,
    plaintext: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSignature {
    signature: String,
    key_version_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    is_signature_valid: bool,
}
