use std::collections::BTreeMap;

use strongroom_model::{
    EncryptionAlgorithm, KeyShape, MessageType, Ocid, Sensitive, SigningAlgorithm,
    WrappingAlgorithm,
};

use super::keys::key_shape;
use crate::error::Refusal;
use crate::fields::Fields;

/// Longest plaintext of `Encrypt`, in bytes. Oracle documents none; this is the product's choice.
const PLAINTEXT_BYTES_MAX: usize = 4096;

/// Longest message of `Sign` and `Verify`, in bytes. Source: OCI API reference, `SignDataDetails`.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Longest ciphertext of `Decrypt`, in bytes: the longest plaintext, and what encryption adds.
const CIPHERTEXT_BYTES_MAX: usize = PLAINTEXT_BYTES_MAX + 1024;

/// Longest signature: RSA-4096.
const SIGNATURE_BYTES_MAX: usize = 512;

const PEM_CHARS_MAX: usize = 4096;

/// What `Encrypt` asks for.
#[derive(Debug)]
pub struct EncryptDetails {
    /// `keyId`.
    pub key_id: Ocid,
    /// `keyVersionId`.
    pub key_version_id: Option<Ocid>,
    /// `encryptionAlgorithm`.
    pub algorithm: Option<EncryptionAlgorithm>,
    /// `plaintext`, decoded.
    pub plaintext: Sensitive,
    /// `associatedData`.
    pub associated: BTreeMap<String, String>,
    /// `loggingContext`.
    pub logging: BTreeMap<String, String>,
}

impl EncryptDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self {
            key_id: fields.required_ocid("keyId")?,
            key_version_id: fields.ocid("keyVersionId")?,
            algorithm: encryption_algorithm(&mut fields)?,
            plaintext: fields.required_bytes("plaintext", 1, PLAINTEXT_BYTES_MAX)?,
            associated: fields.context("associatedData")?,
            logging: fields.context("loggingContext")?,
        };
        fields.finish(
            "keyId, keyVersionId, plaintext, encryptionAlgorithm, associatedData, loggingContext",
        )?;
        Ok(details)
    }
}

fn encryption_algorithm(fields: &mut Fields) -> Result<Option<EncryptionAlgorithm>, Refusal> {
    let name = fields.one_of("encryptionAlgorithm", EncryptionAlgorithm::NAMES)?;
    Ok(name.and_then(EncryptionAlgorithm::named))
}

/// What `Decrypt` asks for.
#[derive(Debug)]
pub struct DecryptDetails {
    /// `keyId`.
    pub key_id: Ocid,
    /// `keyVersionId`.
    pub key_version_id: Option<Ocid>,
    /// `encryptionAlgorithm`.
    pub algorithm: Option<EncryptionAlgorithm>,
    /// `ciphertext`, decoded.
    pub ciphertext: Vec<u8>,
    /// `associatedData`.
    pub associated: BTreeMap<String, String>,
    /// `loggingContext`.
    pub logging: BTreeMap<String, String>,
}

impl DecryptDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let ciphertext = fields.required_bytes("ciphertext", 1, CIPHERTEXT_BYTES_MAX)?;
        let details = Self {
            key_id: fields.required_ocid("keyId")?,
            key_version_id: fields.ocid("keyVersionId")?,
            algorithm: encryption_algorithm(&mut fields)?,
            ciphertext: ciphertext.expose().to_vec(),
            associated: fields.context("associatedData")?,
            logging: fields.context("loggingContext")?,
        };
        fields.finish(
            "keyId, keyVersionId, ciphertext, encryptionAlgorithm, associatedData, loggingContext",
        )?;
        Ok(details)
    }
}

/// What `GenerateDataEncryptionKey` asks for.
#[derive(Debug)]
pub struct GenerateKeyDetails {
    /// `keyId`.
    pub key_id: Ocid,
    /// `keyShape`.
    pub shape: KeyShape,
    /// `includePlaintextKey`.
    pub include_plaintext: bool,
    /// `associatedData`.
    pub associated: BTreeMap<String, String>,
    /// `loggingContext`.
    pub logging: BTreeMap<String, String>,
}

impl GenerateKeyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let shape = fields.object("keyShape")?.ok_or_else(|| fields.missing("keyShape"))?;
        let include = fields.boolean("includePlaintextKey")?;
        let details = Self {
            key_id: fields.required_ocid("keyId")?,
            shape: key_shape(shape)?,
            include_plaintext: include.ok_or_else(|| fields.missing("includePlaintextKey"))?,
            associated: fields.context("associatedData")?,
            logging: fields.context("loggingContext")?,
        };
        fields.finish("keyId, keyShape, includePlaintextKey, associatedData, loggingContext")?;
        Ok(details)
    }
}

/// What `Sign` asks for.
#[derive(Debug)]
pub struct SignDetails {
    /// `keyId`.
    pub key_id: Ocid,
    /// `keyVersionId`.
    pub key_version_id: Option<Ocid>,
    /// `signingAlgorithm`.
    pub algorithm: SigningAlgorithm,
    /// `messageType`.
    pub message_type: MessageType,
    /// `message`, decoded.
    pub message: Sensitive,
    /// `loggingContext`.
    pub logging: BTreeMap<String, String>,
}

impl SignDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self::take(&mut fields)?;
        fields.finish(
            "keyId, keyVersionId, message, messageType, signingAlgorithm, loggingContext",
        )?;
        Ok(details)
    }

    fn take(fields: &mut Fields) -> Result<Self, Refusal> {
        let name = fields.one_of("signingAlgorithm", SigningAlgorithm::NAMES)?;
        let algorithm = name.and_then(SigningAlgorithm::named);
        let message_type = fields.one_of("messageType", MessageType::NAMES)?;
        Ok(Self {
            key_id: fields.required_ocid("keyId")?,
            key_version_id: fields.ocid("keyVersionId")?,
            algorithm: algorithm.ok_or_else(|| fields.missing("signingAlgorithm"))?,
            message_type: message_type.and_then(MessageType::named).unwrap_or(MessageType::Raw),
            message: fields.required_bytes("message", 1, MESSAGE_BYTES_MAX)?,
            logging: fields.context("loggingContext")?,
        })
    }
}

/// What `Verify` asks for.
#[derive(Debug)]
pub struct VerifyDetails {
    /// Key and message, as for `Sign`; the key version is required.
    pub signed: SignDetails,
    /// `signature`, decoded.
    pub signature: Vec<u8>,
}

impl VerifyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let signature = fields.required_bytes("signature", 1, SIGNATURE_BYTES_MAX)?;
        let signed = SignDetails::take(&mut fields)?;
        if signed.key_version_id.is_none() {
            return Err(fields.missing("keyVersionId"));
        }
        fields.finish(
            "keyId, keyVersionId, message, messageType, signature, signingAlgorithm, \
             loggingContext",
        )?;
        Ok(Self { signed, signature: signature.expose().to_vec() })
    }
}

/// What `ExportKey` asks for.
#[derive(Debug)]
pub struct ExportKeyDetails {
    /// `keyId`.
    pub key_id: Ocid,
    /// `keyVersionId`.
    pub key_version_id: Option<Ocid>,
    /// `algorithm`.
    pub algorithm: WrappingAlgorithm,
    /// `publicKey`, PEM.
    pub public_key: String,
    /// `loggingContext`.
    pub logging: BTreeMap<String, String>,
}

impl ExportKeyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let name = fields.one_of("algorithm", WrappingAlgorithm::NAMES)?;
        let algorithm = name.and_then(WrappingAlgorithm::named);
        let public_key = fields.string("publicKey")?.ok_or_else(|| fields.missing("publicKey"))?;
        if public_key.len() > PEM_CHARS_MAX {
            let rule = format!("must be PEM of at most {PEM_CHARS_MAX} characters");
            return Err(fields.invalid("publicKey", &rule));
        }
        let details = Self {
            key_id: fields.required_ocid("keyId")?,
            key_version_id: fields.ocid("keyVersionId")?,
            algorithm: algorithm.ok_or_else(|| fields.missing("algorithm"))?,
            public_key,
            logging: fields.context("loggingContext")?,
        };
        fields.finish("keyId, keyVersionId, algorithm, publicKey, loggingContext")?;
        Ok(details)
    }
}
