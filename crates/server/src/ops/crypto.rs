//! `Encrypt` to `ExportKey`: what keys are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_keyring as keyring;
use strongroom_keyring::{Material, Oaep, PublicKey, UseError, VersionKey};
use strongroom_model::{
    EncryptionAlgorithm, Key, KeyShape, MessageType, Ocid, Sensitive, SigningAlgorithm,
    WrappingAlgorithm,
};
use strongroom_wire::bodies::{
    DecryptedData, EncryptedData, ExportedKeyData, GeneratedKey, SignedData, VerifiedData,
};
use strongroom_wire::{
    DecryptDetails, EncryptDetails, ErrorCode, ExportKeyDetails, GenerateKeyDetails, Refusal,
    SignDetails, VerifyDetails,
};

use super::Context;
use super::changing::{KeyPlace, unmovable, version_of};
use crate::authz::Permit;
use crate::catalog::KeyVersionEntry;
use crate::failure::Failure;
use crate::reply::Reply;

/// A key version that may be used: both it and its key are ENABLED.
struct Usable<'a> {
    key: &'a Key,
    entry: Arc<KeyVersionEntry>,
}

impl<'a> Usable<'a> {
    /// The current version, which alone encrypts and signs.
    fn current(
        context: &Context<'_>,
        place: &'a KeyPlace,
        asked: Option<&Ocid>,
    ) -> Result<Self, Failure> {
        let current = &place.key.key.current_key_version;
        if let Some(asked) = asked
            && asked != current
        {
            version_of(context.catalog, &place.key.key, asked)?;
            let rule = "must be the key's current version, or absent: older versions only decrypt \
                        and verify";
            return Err(Refusal::invalid("keyVersionId", rule).into());
        }
        Self::version(context, place, current)
    }

    fn version(context: &Context<'_>, place: &'a KeyPlace, id: &Ocid) -> Result<Self, Failure> {
        let key = &place.key.key;
        key.check_enabled(&place.vault.vault).map_err(|error| unmovable("key", error))?;
        let entry = Arc::clone(version_of(context.catalog, key, id)?);
        let enabled = entry.version.check_enabled();
        enabled.map_err(|error| unmovable("key version", error))?;
        Ok(Self { key, entry })
    }

    fn material(&self) -> Result<&VersionKey, Failure> {
        super::bundles::material(&self.entry)
    }

    fn ids(&self) -> (&str, &str) {
        (self.key.id.as_str(), self.entry.version.id.as_str())
    }

    fn context<'b>(&'b self, associated: &'b BTreeMap<String, String>) -> keyring::Context<'b> {
        keyring::Context { key: &self.key.id, version: &self.entry.version.id, associated }
    }

    fn public_key(&self) -> Result<PublicKey, Failure> {
        let pem = self.entry.version.public_key.as_deref();
        let key = pem.and_then(PublicKey::from_pem);
        key.ok_or_else(|| Failure::internal("an asymmetric version without public key"))
    }
}

/// Tells why a key was not used; `field` is what it was to be used on.
pub(super) fn unused(error: UseError, field: &str, rule: &str) -> Failure {
    match error {
        UseError::Input => Refusal::invalid(field, rule).into(),
        UseError::Mechanism(name) => {
            let message = format!("The HSM of this server cannot do this: it has no {name}.");
            Refusal::new(ErrorCode::InvalidParameter, message).into()
        }
        UseError::Unavailable(reason) => {
            let message = "The HSM that holds the key does not answer. Try again.";
            Failure::new(Refusal::new(ErrorCode::ServiceUnavailable, message), reason)
        }
        UseError::Defect(reason) => Failure::internal(reason),
    }
}

/// The algorithm asked for, or the only one that the key has.
fn encryption_algorithm(
    asked: Option<EncryptionAlgorithm>,
    shape: KeyShape,
) -> Result<EncryptionAlgorithm, Refusal> {
    let field = "encryptionAlgorithm";
    match (asked, shape) {
        (_, KeyShape::Ecdsa(_)) => Err(Refusal::invalid("keyId", "names a key that only signs")),
        (None, KeyShape::Aes(_)) => Ok(EncryptionAlgorithm::AesGcm),
        (None, KeyShape::Rsa(_)) => {
            let rule = "must be RSA_OAEP_SHA_1 or RSA_OAEP_SHA_256 for an RSA key";
            Err(Refusal::invalid(field, rule))
        }
        (Some(algorithm), shape) if algorithm.fits(shape) => Ok(algorithm),
        (Some(_), shape) => {
            let rule = format!("is not one of a key of algorithm {}", shape.algorithm().name());
            Err(Refusal::invalid(field, &rule))
        }
    }
}

/// Refuses data beside a ciphertext that nothing would bind to it.
fn check_associated(
    associated: &BTreeMap<String, String>,
    algorithm: EncryptionAlgorithm,
) -> Result<(), Refusal> {
    if algorithm == EncryptionAlgorithm::AesGcm || associated.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid("associatedData", "belongs to AES keys only"))
}

/// `Encrypt`, with the current version.
pub(super) async fn encrypt(
    context: &Context<'_>,
    permit: &Permit,
    details: &EncryptDetails,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let algorithm = encryption_algorithm(details.algorithm, place.key.key.shape)?;
    check_associated(&details.associated, algorithm)?;
    let usable = Usable::current(context, &place, details.key_version_id.as_ref())?;
    let oaep = match algorithm {
        EncryptionAlgorithm::AesGcm => None,
        EncryptionAlgorithm::RsaOaepSha1 => Some(Oaep::Sha1),
        EncryptionAlgorithm::RsaOaepSha256 => Some(Oaep::Sha256),
    };
    let ciphertext = match oaep {
        None => {
            let random = &*context.shared.random;
            let asked = usable.context(&details.associated);
            usable.material()?.encrypt(&asked, &details.plaintext, random).await
        }
        Some(oaep) => {
            let encrypted = usable.public_key()?.encrypt(oaep, details.plaintext.expose());
            encrypted.map_err(UseError::from)
        }
    };
    let rule = "is longer than the key encrypts with this algorithm";
    let ciphertext = ciphertext.map_err(|error| unused(error, "plaintext", rule))?;
    let body = EncryptedData::new(&ciphertext, usable.ids(), algorithm);
    Reply::sized(&body, ciphertext.len().saturating_mul(2))
}

/// `Decrypt`. A symmetric ciphertext names its version; an asymmetric one is of the current version
/// unless the request says otherwise.
pub(super) async fn decrypt(
    context: &Context<'_>,
    permit: &Permit,
    details: &DecryptDetails,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let key = &place.key.key;
    let algorithm = encryption_algorithm(details.algorithm, key.shape)?;
    check_associated(&details.associated, algorithm)?;
    let rule = "was not encrypted by this key with this algorithm and this associatedData";
    let refused = || Refusal::invalid("ciphertext", rule);
    let asked = details.key_version_id.as_ref();
    let id = if algorithm == EncryptionAlgorithm::AesGcm {
        let named = keyring::version_of(&details.ciphertext).map_err(|_error| refused())?.1;
        let of_key = context.catalog.version_of(&key.id, &named).is_some();
        if !of_key || asked.is_some_and(|asked| *asked != named) {
            return Err(refused().into());
        }
        named
    } else {
        asked.unwrap_or(&key.current_key_version).clone()
    };
    let usable = Usable::version(context, &place, &id)?;
    let asked = usable.context(&details.associated);
    let decrypted = usable.material()?.decrypt(&asked, algorithm, &details.ciphertext).await;
    let plaintext = decrypted.map_err(|error| unused(error, "ciphertext", rule))?;
    let body = DecryptedData::new(plaintext.expose(), usable.ids(), algorithm);
    Reply::sized(&body, plaintext.expose().len().saturating_mul(2))
}

/// `GenerateDataEncryptionKey`: a key at least as strong as the one that wraps it.
pub(super) async fn generate(
    context: &Context<'_>,
    permit: &Permit,
    details: &GenerateKeyDetails,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let KeyShape::Aes(master) = place.key.key.shape else {
        return Err(Refusal::invalid("keyId", "must name an AES key").into());
    };
    let KeyShape::Aes(length) = details.shape else {
        return Err(Refusal::invalid("keyShape.algorithm", "must be AES for a data key").into());
    };
    if length < master {
        let rule = format!("must be at least the {} bytes of the master key", master.bytes());
        return Err(Refusal::invalid("keyShape.length", &rule).into());
    }
    let usable = Usable::current(context, &place, None)?;
    let random = &*context.shared.random;
    let mut plaintext = Sensitive::new(vec![0; usize::from(length.bytes())]);
    random.fill(plaintext.expose_mut());
    let asked = usable.context(&details.associated);
    let encrypted = usable.material()?.encrypt(&asked, &plaintext, random).await;
    let ciphertext = encrypted.map_err(|error| unused(error, "keyId", "cannot encrypt"))?;
    let shown = details.include_plaintext.then_some(plaintext.expose());
    Reply::of(&GeneratedKey::new(&ciphertext, shown))
}

/// The digest to sign: the message's, or the message if it is one.
fn digest_of(details: &SignDetails) -> Result<Vec<u8>, Refusal> {
    let hash = details.algorithm.hash();
    let message = details.message.expose();
    match details.message_type {
        MessageType::Raw => Ok(keyring::digest(hash, message)),
        MessageType::Digest if message.len() == hash.bytes() => Ok(message.to_vec()),
        MessageType::Digest => {
            let rule = format!("must be a digest of {} bytes for this algorithm", hash.bytes());
            Err(Refusal::invalid("message", &rule))
        }
    }
}

fn check_signs(algorithm: SigningAlgorithm, shape: KeyShape) -> Result<(), Refusal> {
    if algorithm.fits(shape) {
        return Ok(());
    }
    let rule = match shape {
        KeyShape::Aes(_) => "is of no use: the key is an AES key, which does not sign",
        KeyShape::Rsa(_) => "must be one of the RSA algorithms for an RSA key",
        KeyShape::Ecdsa(_) => {
            "must be ECDSA_SHA_256 for NIST_P256, ECDSA_SHA_384 for NIST_P384, ECDSA_SHA_512 for \
             NIST_P521"
        }
    };
    Err(Refusal::invalid("signingAlgorithm", rule))
}

/// `Sign`, with the current version.
pub(super) async fn sign(
    context: &Context<'_>,
    permit: &Permit,
    details: &SignDetails,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    check_signs(details.algorithm, place.key.key.shape)?;
    let digest = digest_of(details)?;
    let usable = Usable::current(context, &place, details.key_version_id.as_ref())?;
    let signed = usable.material()?.sign(details.algorithm, &digest).await;
    let signature = signed.map_err(|error| unused(error, "message", "cannot be signed"))?;
    Reply::of(&SignedData::new(&signature, usable.ids(), details.algorithm))
}

/// `Verify`, with any version: a signature that does not hold is an answer, not an error.
pub(super) fn verify(
    context: &Context<'_>,
    permit: &Permit,
    details: &VerifyDetails,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let signed = &details.signed;
    check_signs(signed.algorithm, place.key.key.shape)?;
    let digest = digest_of(signed)?;
    let current = &place.key.key.current_key_version;
    let id = signed.key_version_id.as_ref().unwrap_or(current);
    let usable = Usable::version(context, &place, id)?;
    let verified = usable.public_key()?.verify(signed.algorithm, &digest, &details.signature);
    let is_signature_valid =
        verified.map_err(|error| unused(error.into(), "message", "cannot be verified"))?;
    Reply::of(&VerifiedData { is_signature_valid })
}

/// RSA moduli of the keys under which material is exported, in bytes.
///
/// Source: OCI API reference, `ExportKeyDetails`.
const EXPORT_MODULUS_BYTES: [usize; 3] = [256, 384, 512];

/// `ExportKey`: material of a SOFTWARE key, wrapped under the caller's public key.
pub(super) fn export(
    context: &Context<'_>,
    permit: &Permit,
    details: &ExportKeyDetails,
) -> Result<Reply, Failure> {
    let place = KeyPlace::of(permit)?;
    let to = PublicKey::from_pem(&details.public_key);
    let fits = |key: &PublicKey| {
        key.rsa_bytes().is_some_and(|bytes| EXPORT_MODULUS_BYTES.contains(&bytes))
    };
    let to = to.filter(fits).ok_or_else(|| {
        let rule = "must be PEM (PUBLIC KEY) of an RSA key of 2048, 3072 or 4096 bits";
        Refusal::invalid("publicKey", rule)
    })?;
    let current = &place.key.key.current_key_version;
    let id = details.key_version_id.as_ref().unwrap_or(current);
    let usable = Usable::version(context, &place, id)?;
    let Some(material) = usable.material()?.material() else {
        let rule = "names a key in an HSM, which never leaves it";
        return Err(Refusal::invalid("keyId", rule).into());
    };
    let wrapped = wrap(context, material, &to, details.algorithm)?;
    let version = &usable.entry.version;
    let body = ExportedKeyData::new(&wrapped, usable.key, version, details.algorithm);
    Reply::sized(&body, wrapped.len().saturating_mul(2))
}

fn wrap(
    context: &Context<'_>,
    material: &Material,
    to: &PublicKey,
    algorithm: WrappingAlgorithm,
) -> Result<Vec<u8>, Failure> {
    let wrapped = material.export(to, algorithm, &*context.shared.random);
    let rule = "takes less than this key: use RSA_OAEP_AES_SHA256";
    wrapped.map_err(|error| unused(error.into(), "algorithm", rule))
}
