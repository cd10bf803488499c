//! Private keys under a passphrase: PKCS#8 with PBES2 (RFC 5958, RFC 8018), and the older form of
//! OpenSSL (RFC 1421 headers).

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{
    self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::Sensitive;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};

use crate::keys::KeyError;
use crate::md5;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const PBES2: ObjectIdentifier = oid("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = oid("1.2.840.113549.1.5.12");

/// Pseudo-random functions of PBKDF2. Source: RFC 8018, appendix B.1.
const PRFS: [(ObjectIdentifier, pbkdf2::Algorithm); 4] = [
    (oid("1.2.840.113549.2.7"), PBKDF2_HMAC_SHA1),
    (oid("1.2.840.113549.2.9"), PBKDF2_HMAC_SHA256),
    (oid("1.2.840.113549.2.10"), PBKDF2_HMAC_SHA384),
    (oid("1.2.840.113549.2.11"), PBKDF2_HMAC_SHA512),
];

/// Iterations beyond which a file would keep a machine busy for its own sake.
const ITERATIONS_MAX: u32 = 10_000_000;

const IV_BYTES: usize = 16;

/// How bytes are encrypted: AES in CBC mode with PKCS#7 padding.
struct Cipher<'a> {
    algorithm: &'static Algorithm,
    key_bytes: usize,
    iv: &'a [u8],
}

impl<'a> Cipher<'a> {
    fn of_oid(algorithm: ObjectIdentifier, iv: &'a [u8]) -> Result<Self, KeyError> {
        let known = [
            (oid("2.16.840.1.101.3.4.1.2"), &AES_128, 16),
            (oid("2.16.840.1.101.3.4.1.22"), &AES_192, 24),
            (oid("2.16.840.1.101.3.4.1.42"), &AES_256, 32),
        ];
        let found = known.into_iter().find(|(oid, _, _)| *oid == algorithm);
        let (_, algorithm, key_bytes) = found.ok_or(KeyError::Cipher)?;
        Ok(Self { algorithm, key_bytes, iv })
    }

    fn named(name: &str, iv: &'a [u8]) -> Result<Self, KeyError> {
        let (algorithm, key_bytes) = match name {
            "AES-128-CBC" => (&AES_128, 16),
            "AES-192-CBC" => (&AES_192, 24),
            "AES-256-CBC" => (&AES_256, 32),
            _ => return Err(KeyError::Cipher),
        };
        Ok(Self { algorithm, key_bytes, iv })
    }

    /// A wrong passphrase shows as wrong padding, or later as no key.
    fn decrypt(&self, key: &[u8], ciphertext: &[u8]) -> Result<Sensitive, KeyError> {
        let wrong = |_unspecified| KeyError::Passphrase;
        let iv: [u8; IV_BYTES] = self.iv.try_into().map_err(|_length| KeyError::Format)?;
        let key = UnboundCipherKey::new(self.algorithm, key).map_err(wrong)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(wrong)?;
        let mut bytes = Sensitive::new(ciphertext.to_vec());
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let length = key.decrypt(bytes.expose_mut(), context).map_err(wrong)?.len();
        bytes.expose_mut().truncate(length);
        Ok(bytes)
    }
}

/// Opens the DER of an `ENCRYPTED PRIVATE KEY`; what comes out is a `PRIVATE KEY`.
pub(crate) fn open_pkcs8(der: &[u8], passphrase: &Sensitive) -> Result<Sensitive, KeyError> {
    let (parameters, ciphertext) = encrypted_info(der).map_err(|_error| KeyError::Format)?;
    let parameters = parameters.ok_or(KeyError::Cipher)?;
    let (kdf, cipher) = parameters
        .sequence(|reader| Ok((algorithm(reader)?, algorithm(reader)?)))
        .map_err(|_error| KeyError::Format)?;
    let (cipher_oid, iv) = cipher;
    let iv: OctetStringRef<'_> = iv.and_then(|iv| iv.decode_as().ok()).ok_or(KeyError::Cipher)?;
    let cipher = Cipher::of_oid(cipher_oid, iv.as_bytes())?;
    let key = stretched(kdf, passphrase, cipher.key_bytes)?;
    cipher.decrypt(key.expose(), ciphertext)
}

type Identified<'a> = (ObjectIdentifier, Option<AnyRef<'a>>);

fn algorithm<'a>(reader: &mut impl Reader<'a>) -> x509_cert::der::Result<Identified<'a>> {
    reader.sequence(|reader| {
        let oid = ObjectIdentifier::decode(reader)?;
        let parameters = if reader.is_finished() { None } else { Some(AnyRef::decode(reader)?) };
        Ok((oid, parameters))
    })
}

/// The parameters of PBES2, none if it is another scheme, and the ciphertext.
fn encrypted_info(der: &[u8]) -> x509_cert::der::Result<(Option<AnyRef<'_>>, &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let read = reader.sequence(|reader| {
        let (scheme, parameters) = algorithm(reader)?;
        let ciphertext = OctetStringRef::decode(reader)?;
        Ok((parameters.filter(|_| scheme == PBES2), ciphertext.as_bytes()))
    })?;
    reader.finish(read)
}

/// The identifier of an algorithm whose parameters say nothing.
fn named<'a>(reader: &mut impl Reader<'a>) -> x509_cert::der::Result<ObjectIdentifier> {
    let oid = ObjectIdentifier::decode(reader)?;
    if !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(oid)
}

fn stretched(
    (kdf, parameters): Identified<'_>,
    passphrase: &Sensitive,
    key_bytes: usize,
) -> Result<Sensitive, KeyError> {
    let parameters = parameters.filter(|_| kdf == PBKDF2).ok_or(KeyError::Cipher)?;
    let read = parameters.sequence(|reader| {
        let salt = OctetStringRef::decode(reader)?;
        let iterations = UintRef::decode(reader)?;
        let mut prf = None;
        while !reader.is_finished() {
            let part = AnyRef::decode(reader)?;
            if part.decode_as::<UintRef<'_>>().is_err() {
                prf = Some(part.sequence(named)?);
            }
        }
        Ok((salt, iterations, prf))
    });
    let (salt, iterations, prf) = read.map_err(|_error| KeyError::Format)?;
    let iterations = iterations.as_bytes().iter().try_fold(0_u32, |number, byte| {
        number.checked_mul(256).map(|number| number | u32::from(*byte))
    });
    let iterations = iterations.filter(|count| *count <= ITERATIONS_MAX).and_then(NonZeroU32::new);
    let iterations = iterations.ok_or(KeyError::Cipher)?;
    let [(sha1, _), ..] = PRFS;
    let wanted = prf.unwrap_or(sha1);
    let (_, algorithm) =
        PRFS.into_iter().find(|(oid, _)| *oid == wanted).ok_or(KeyError::Cipher)?;
    let mut key = Sensitive::new(vec![0; key_bytes]);
    pbkdf2::derive(algorithm, iterations, salt.as_bytes(), passphrase.expose(), key.expose_mut());
    Ok(key)
}

/// Opens the body of an `RSA PRIVATE KEY` with `Proc-Type: 4,ENCRYPTED`; what comes out is the DER
/// of one without.
pub(crate) fn open_openssl(text: &str, passphrase: &Sensitive) -> Result<Sensitive, KeyError> {
    let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----");
    let body = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    let (body, _) = body.ok_or(KeyError::Format)?;
    let info = body.lines().find_map(|line| line.trim().strip_prefix("DEK-Info:"));
    let (name, iv) = info.and_then(|info| info.trim().split_once(',')).ok_or(KeyError::Format)?;
    let iv = from_hex(iv.trim()).ok_or(KeyError::Format)?;
    let cipher = Cipher::named(name.trim(), &iv)?;
    let encoded: String = body.lines().filter(|line| !line.contains(':')).map(str::trim).collect();
    let ciphertext = STANDARD.decode(encoded).map_err(|_position| KeyError::Format)?;
    let salt = iv.get(..8).ok_or(KeyError::Format)?;
    cipher.decrypt(bytes_to_key(passphrase, salt, cipher.key_bytes).expose(), &ciphertext)
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round.
fn bytes_to_key(passphrase: &Sensitive, salt: &[u8], length: usize) -> Sensitive {
    let mut key = Sensitive::new(Vec::with_capacity(length + IV_BYTES));
    let mut last = Sensitive::new(Vec::new());
    while key.expose().len() < length {
        let input = Sensitive::new([last.expose(), passphrase.expose(), salt].concat());
        last = Sensitive::new(md5::digest(input.expose()).to_vec());
        key.expose_mut().extend_from_slice(last.expose());
    }
    key.expose_mut().truncate(length);
    key
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect(),
    )
}
