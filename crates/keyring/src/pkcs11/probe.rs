//! What a token can do. Lists of mechanisms lie, so that what they leave open is tried.

use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::Attribute;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use cryptoki::types::Ulong;
use strongroom_model::{KeyShape, SignatureScheme, SigningAlgorithm};

use super::crypto::oaep_mechanism;
use crate::asymmetric::Oaep;

pub(super) const KEY_WRAP: &str = "CKM_AES_KEY_WRAP_PAD";
pub(super) const DERIVE: &str = "CKM_AES_CBC_ENCRYPT_DATA";
pub(super) const GCM: &str = "CKM_AES_GCM";
const AES_GENERATION: &str = "CKM_AES_KEY_GEN";
const RSA_GENERATION: &str = "CKM_RSA_PKCS_KEY_PAIR_GEN";
const EC_GENERATION: &str = "CKM_EC_KEY_PAIR_GEN";
const PSS: &str = "CKM_RSA_PKCS_PSS";
const PKCS1: &str = "CKM_RSA_PKCS";
const ECDSA: &str = "CKM_ECDSA";
const OAEP_SHA1: &str = "CKM_RSA_PKCS_OAEP with SHA-1";
const OAEP_SHA256: &str = "CKM_RSA_PKCS_OAEP with SHA-256";

/// Whether a token can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MechanismReport {
    /// The mechanism, in PKCS#11's name.
    pub name: &'static str,
    /// What it is for.
    pub serves: &'static str,
    /// Whether the token has it.
    pub available: bool,
}

/// What a token says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDescription {
    /// Label.
    pub label: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
}

/// The mechanism that makes keys of a shape.
pub(super) const fn generation(shape: KeyShape) -> &'static str {
    match shape {
        KeyShape::Aes(_) => AES_GENERATION,
        KeyShape::Rsa(_) => RSA_GENERATION,
        KeyShape::Ecdsa(_) => EC_GENERATION,
    }
}

/// The mechanism that signs.
pub(super) const fn signing(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm.scheme() {
        SignatureScheme::RsaPss => PSS,
        SignatureScheme::RsaPkcs1 => PKCS1,
        SignatureScheme::Ecdsa => ECDSA,
    }
}

/// The mechanism that decrypts with RSA.
pub(super) const fn oaep(oaep: Oaep) -> &'static str {
    match oaep {
        Oaep::Sha1 => OAEP_SHA1,
        Oaep::Sha256 => OAEP_SHA256,
    }
}

const LISTED: [(&str, &str, MechanismType); 9] = [
    (AES_GENERATION, "AES keys", MechanismType::AES_KEY_GEN),
    (DERIVE, "a key of its own for each encryption", MechanismType::AES_CBC_ENCRYPT_DATA),
    (GCM, "Encrypt, Decrypt and secrets with AES keys", MechanismType::AES_GCM),
    (KEY_WRAP, "ImportKey", MechanismType::AES_KEY_WRAP_PAD),
    (RSA_GENERATION, "RSA keys", MechanismType::RSA_PKCS_KEY_PAIR_GEN),
    (PSS, "SHA_*_RSA_PKCS_PSS signatures", MechanismType::RSA_PKCS_PSS),
    (PKCS1, "SHA_*_RSA_PKCS1_V1_5 signatures", MechanismType::RSA_PKCS),
    (EC_GENERATION, "ECDSA keys", MechanismType::ECC_KEY_PAIR_GEN),
    (ECDSA, "ECDSA_SHA_* signatures", MechanismType::ECDSA),
];

/// Looks at a token.
pub(super) fn look(
    context: &Pkcs11,
    slot: Slot,
    session: &Session,
) -> Result<(TokenDescription, Vec<MechanismReport>), Error> {
    let info = context.get_token_info(slot)?;
    let description = TokenDescription {
        label: info.label().to_owned(),
        manufacturer: info.manufacturer_id().to_owned(),
        model: info.model().to_owned(),
        serial: info.serial_number().to_owned(),
    };
    let list = context.get_mechanism_list(slot)?;
    let listed = LISTED.into_iter().map(|(name, serves, mechanism)| MechanismReport {
        name,
        serves,
        available: list.contains(&mechanism),
    });
    let mut reports: Vec<_> = listed.collect();
    for (name, serves, which) in [
        (OAEP_SHA1, "Decrypt with RSA_OAEP_SHA_1", Oaep::Sha1),
        (OAEP_SHA256, "Decrypt with RSA_OAEP_SHA_256", Oaep::Sha256),
    ] {
        let listed = list.contains(&MechanismType::RSA_PKCS_OAEP);
        let available = listed && decrypts(session, which);
        reports.push(MechanismReport { name, serves, available });
    }
    Ok((description, reports))
}

/// Encrypts and decrypts with a key of this session.
fn decrypts(session: &Session, which: Oaep) -> bool {
    let public = [
        Attribute::Token(false),
        Attribute::ModulusBits(Ulong::from(2048_u64)),
        Attribute::PublicExponent(vec![1, 0, 1]),
        Attribute::Encrypt(true),
    ];
    let private = [Attribute::Token(false), Attribute::Private(true), Attribute::Decrypt(true)];
    let made = session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private);
    let Ok((public, private)) = made else { return false };
    let mechanism = oaep_mechanism(which);
    let text = b"strongroom";
    let sealed = session.encrypt(&mechanism, public, text);
    let opened = sealed.and_then(|sealed| session.decrypt(&mechanism, private, &sealed));
    for object in [public, private] {
        // A session object that stays goes with the session.
        drop(session.destroy_object(object));
    }
    opened.is_ok_and(|opened| opened == text)
}
