//! What keys in the token do.

use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::ekdf::AesCbcDeriveParams;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::types::Ulong;
use strongroom_model::{Hash, Random, Sensitive, SignatureScheme, SigningAlgorithm};

use super::keys::secret_or_private;
use super::pool::{Worker, failure};
use super::{TokenError, der};
use crate::SystemRandom;
use crate::asymmetric::Oaep;
use crate::gcm::{NONCE_BYTES, TAG_BYTES};

const FORMAT: u8 = 1;
const SALT_BYTES: usize = 32;
const HEADER_BYTES: usize = 1 + SALT_BYTES;
const TAG_BITS: u64 = 128;

/// Does `act` with a key that the token derives from the key `id` and `salt`, and that is gone
/// afterwards: AES-CBC with a zero initialization vector over the salt's two blocks.
fn with_derived<T>(
    worker: &mut Worker,
    id: &[u8],
    salt: &[u8],
    act: impl FnOnce(&Worker, ObjectHandle) -> Result<T, TokenError>,
) -> Result<T, TokenError> {
    let base = secret_or_private(worker, id)?;
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(Ulong::from(32_u64)),
        Attribute::Token(false),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    let mechanism = Mechanism::AesCbcEncryptData(AesCbcDeriveParams::new([0; 16], salt));
    let derived = worker.session.derive_key(&mechanism, base, &template);
    let derived = derived.map_err(|error| failure(&error))?;
    let done = act(worker, derived);
    worker.session.destroy_object(derived).map_err(|error| failure(&error))?;
    done
}

/// Format and salt are authenticated with the rest.
fn authenticated(header: &[u8], associated: &[u8]) -> Vec<u8> {
    [header, associated].concat()
}

pub(super) fn seal(
    worker: &mut Worker,
    id: &[u8],
    associated: &[u8],
    plaintext: &Sensitive,
) -> Result<Vec<u8>, TokenError> {
    let mut sealed = vec![0_u8; HEADER_BYTES + NONCE_BYTES];
    SystemRandom.fill(&mut sealed);
    if let Some(format) = sealed.first_mut() {
        *format = FORMAT;
    }
    let (header, nonce) = sealed.split_at(HEADER_BYTES);
    let salt = header.get(1..).unwrap_or_default();
    let authenticated = authenticated(header, associated);
    let body = with_derived(worker, id, salt, |worker, key| {
        let mut nonce = nonce.to_vec();
        let parameters = GcmParams::new(&mut nonce, &authenticated, Ulong::from(TAG_BITS));
        let mechanism = Mechanism::AesGcm(parameters.map_err(|error| failure(&error))?);
        let body = worker.session.encrypt(&mechanism, key, plaintext.expose());
        body.map_err(|error| failure(&error))
    })?;
    sealed.extend(body);
    Ok(sealed)
}

pub(super) fn open(
    worker: &mut Worker,
    id: &[u8],
    associated: &[u8],
    sealed: &[u8],
) -> Result<Sensitive, TokenError> {
    let rejected = TokenError::Rejected;
    let (header, rest) = sealed.split_at_checked(HEADER_BYTES).ok_or(rejected.clone())?;
    let (nonce, body) = rest.split_at_checked(NONCE_BYTES).ok_or(rejected.clone())?;
    let (format, salt) = header.split_first().ok_or(rejected.clone())?;
    if *format != FORMAT || body.len() < TAG_BYTES {
        return Err(rejected);
    }
    let authenticated = authenticated(header, associated);
    with_derived(worker, id, salt, |worker, key| {
        let mut nonce = nonce.to_vec();
        let parameters = GcmParams::new(&mut nonce, &authenticated, Ulong::from(TAG_BITS));
        let mechanism = Mechanism::AesGcm(parameters.map_err(|error| failure(&error))?);
        let opened = worker.session.decrypt(&mechanism, key, body);
        opened.map(Sensitive::new).map_err(|error| failure(&error))
    })
}

const fn hash_mechanism(hash: Hash) -> (MechanismType, PkcsMgfType) {
    match hash {
        Hash::Sha224 => (MechanismType::SHA224, PkcsMgfType::MGF1_SHA224),
        Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        Hash::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        Hash::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
    }
}

/// The beginning of a DER `DigestInfo` (RFC 8017 §9.2).
const fn digest_info(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha224 => &[
            0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x04, 0x05, 0x00, 0x04, 0x1c,
        ],
        Hash::Sha256 => &[
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x01, 0x05, 0x00, 0x04, 0x20,
        ],
        Hash::Sha384 => &[
            0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x02, 0x05, 0x00, 0x04, 0x30,
        ],
        Hash::Sha512 => &[
            0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x03, 0x05, 0x00, 0x04, 0x40,
        ],
    }
}

pub(super) fn sign(
    worker: &mut Worker,
    id: &[u8],
    algorithm: SigningAlgorithm,
    digest: &[u8],
) -> Result<Vec<u8>, TokenError> {
    let key = secret_or_private(worker, id)?;
    let hash = algorithm.hash();
    if digest.len() != hash.bytes() {
        return Err(TokenError::Rejected);
    }
    let session = &worker.session;
    let signed = match algorithm.scheme() {
        SignatureScheme::RsaPss => {
            let (hash_alg, mgf) = hash_mechanism(hash);
            let salt = u64::try_from(hash.bytes()).unwrap_or_default();
            let parameters = PkcsPssParams { hash_alg, mgf, s_len: Ulong::from(salt) };
            session.sign(&Mechanism::RsaPkcsPss(parameters), key, digest)
        }
        SignatureScheme::RsaPkcs1 => {
            session.sign(&Mechanism::RsaPkcs, key, &[digest_info(hash), digest].concat())
        }
        SignatureScheme::Ecdsa => {
            session.sign(&Mechanism::Ecdsa, key, digest).map(|fixed| der::ecdsa_signature(&fixed))
        }
    };
    signed.map_err(|error| failure(&error))
}

/// The mechanism of RSAES-OAEP.
pub(super) fn oaep_mechanism(oaep: Oaep) -> Mechanism<'static> {
    let (hash, mgf) = match oaep {
        Oaep::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        Oaep::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
    };
    Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()))
}

pub(super) fn decrypt(
    worker: &mut Worker,
    id: &[u8],
    oaep: Oaep,
    ciphertext: &[u8],
) -> Result<Sensitive, TokenError> {
    let key = secret_or_private(worker, id)?;
    let opened = worker.session.decrypt(&oaep_mechanism(oaep), key, ciphertext);
    opened.map(Sensitive::new).map_err(|error| failure(&error))
}
