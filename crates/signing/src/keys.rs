use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::{Sensitive, pem};

use crate::{encrypted, md5};

const BYTES_MIN: usize = 2048 / 8;
const BYTES_MAX: usize = 8192 / 8;

/// Why a key cannot be used. Holds no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text or bytes are no RSA key in a known form.
    #[error("not an RSA key in PEM (PUBLIC KEY, PRIVATE KEY or RSA PRIVATE KEY)")]
    Format,
    /// The private key is encrypted, and no passphrase is there.
    #[error("the private key is encrypted, and no passphrase for it is given")]
    Encrypted,
    /// The passphrase does not open the private key.
    #[error("the passphrase does not open the private key")]
    Passphrase,
    /// The private key is encrypted in a way that is not read.
    #[error(
        "the private key is encrypted otherwise than with AES-CBC and PBKDF2: convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"
    )]
    Cipher,
    /// The key is too short or too long. Source: OCI documentation, "Required Keys and OCIDs".
    #[error("the RSA key must have 2048 to 8192 bits")]
    Size,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused the operation")]
    Refused,
}

/// An RSA public key, parsed once so that verifying costs no parsing.
pub struct PublicKey {
    parsed: ParsedPublicKey,
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads PEM, `PUBLIC KEY`.
    ///
    /// # Errors
    /// A [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (_, der) = pem::decode(text, &["PUBLIC KEY"]).ok_or(KeyError::Format)?;
        Self::from_der(der.expose())
    }

    /// Reads PEM, or the body of a PEM block: base64 without armor, as Oracle's SDKs send it.
    ///
    /// # Errors
    /// A [`KeyError`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        if text.contains("-----BEGIN") {
            return Self::from_pem(text);
        }
        let body: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Self::from_der(&STANDARD.decode(body).map_err(|_position| KeyError::Format)?)
    }

    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280) of an RSA key.
    ///
    /// # Errors
    /// A [`KeyError`].
    pub fn from_der(spki: &[u8]) -> Result<Self, KeyError> {
        let key = rsa::PublicKey::from_der(spki).map_err(|_rejected| KeyError::Format)?;
        if !(BYTES_MIN..=BYTES_MAX).contains(&key.modulus_len()) {
            return Err(KeyError::Size);
        }
        let spki = key.as_der().map_err(|_unspecified| KeyError::Refused)?.as_ref().to_vec();
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &spki)
            .map_err(|_rejected| KeyError::Format)?;
        Ok(Self { parsed, spki })
    }

    /// Returns OCI's name of the key: MD5 of the DER `SubjectPublicKeyInfo`, lower-case hex with
    /// colons.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let pairs: Vec<String> =
            md5::digest(&self.spki).iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }

    /// Returns the key as PEM, `PUBLIC KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = pem::encode("PUBLIC KEY", &self.spki);
        String::from_utf8_lossy(text.expose()).into_owned()
    }

    /// Returns the DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Tells whether `signature` is this key's over `message` (RSASSA-PKCS1-v1_5, SHA-256).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.fingerprint()).finish()
    }
}

/// An RSA private key that signs requests.
pub struct PrivateKey(RsaKeyPair);

impl PrivateKey {
    /// Makes a new key of 2048 bits.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cryptographic library refuses.
    pub fn generate() -> Result<Self, KeyError> {
        let refused = |_unspecified| KeyError::Refused;
        Ok(Self(RsaKeyPair::generate(KeySize::Rsa2048).map_err(refused)?))
    }

    /// Reads PEM: PKCS#8 `PRIVATE KEY` or PKCS#1 `RSA PRIVATE KEY`.
    ///
    /// # Errors
    /// A [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let labels = ["PRIVATE KEY", "RSA PRIVATE KEY"];
        let (label, der) = pem::decode(text, &labels).ok_or(KeyError::Format)?;
        let read = match label {
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(der.expose()),
            _ => RsaKeyPair::from_der(der.expose()),
        };
        read.map_err(|_rejected| KeyError::Format).and_then(Self::of_size)
    }

    /// Reads the bytes of a PEM file as [`Self::from_pem`] does; one that is encrypted is opened with
    /// the passphrase: PKCS#8 with PBES2 (PBKDF2 and AES-CBC), or OpenSSL's older form with AES-CBC.
    ///
    /// # Errors
    /// A [`KeyError`].
    pub fn from_bytes(bytes: &[u8], passphrase: Option<&Sensitive>) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(bytes).map_err(|_error| KeyError::Format)?;
        match (Self::from_pem(text), passphrase) {
            (Err(KeyError::Encrypted), Some(passphrase)) => Self::open(text, passphrase),
            (read, _) => read,
        }
    }

    fn open(text: &str, passphrase: &Sensitive) -> Result<Self, KeyError> {
        let read = match pem::decode(text, &["ENCRYPTED PRIVATE KEY"]) {
            Some((_, der)) => {
                let opened = encrypted::open_pkcs8(der.expose(), passphrase)?;
                RsaKeyPair::from_pkcs8(opened.expose())
            }
            None => RsaKeyPair::from_der(encrypted::open_openssl(text, passphrase)?.expose()),
        };
        read.map_err(|_rejected| KeyError::Passphrase).and_then(Self::of_size)
    }

    fn of_size(key: RsaKeyPair) -> Result<Self, KeyError> {
        if (BYTES_MIN..=BYTES_MAX).contains(&key.public_modulus_len()) {
            Ok(Self(key))
        } else {
            Err(KeyError::Size)
        }
    }

    /// Returns the key as PEM, PKCS#8.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cryptographic library refuses.
    pub fn to_pem(&self) -> Result<Sensitive, KeyError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().map_err(|_unspecified| KeyError::Refused)?;
        Ok(pem::encode("PRIVATE KEY", der.as_ref()))
    }

    /// Returns the public half.
    ///
    /// # Errors
    /// A [`KeyError`] if it is no key that this product accepts.
    pub fn public(&self) -> Result<PublicKey, KeyError> {
        let spki = self.0.public_key().as_der().map_err(|_unspecified| KeyError::Refused)?;
        PublicKey::from_der(spki.as_ref())
    }

    /// Signs `message` (RSASSA-PKCS1-v1_5, SHA-256).
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cryptographic library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_unspecified| KeyError::Refused)?;
        Ok(signature)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_text_form() {
        let key = PrivateKey::generate().unwrap();
        let text = key.to_pem().unwrap();
        let text = format!("{}OCI_API_KEY", String::from_utf8_lossy(text.expose()));
        let again = PrivateKey::from_pem(&text).unwrap();
        assert_eq!(again.public().unwrap().fingerprint(), key.public().unwrap().fingerprint());
        let public = PublicKey::from_pem(&key.public().unwrap().to_pem()).unwrap();
        assert!(public.verifies(b"m", &again.sign(b"m").unwrap()));
        assert!(!public.verifies(b"n", &again.sign(b"m").unwrap()));
        assert_eq!(format!("{key:?}"), "PrivateKey(..)");
    }

    #[test]
    fn short_and_foreign_keys_are_refused() {
        // openssl genrsa 1024 | openssl rsa -pubout
        let short = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDQ3X1KUVg0S+Z0WZ4FgQQaXxrJ
fbh6zxUTkgO87o8P6etzsWBMol0wudGdaObkll1Ovjj5z2VyDCu0TXUzMqgMVVXh
uY3sqrxu3j2sD5Sy6gRrciTfAufcnisx9rCv7xVfIvwTYXDWaR4tjxqqhMTlySCZ
6NqenZnk8+e8zy9FTQIDAQAB
-----END PUBLIC KEY-----";
        assert!(matches!(PublicKey::from_pem(short), Err(KeyError::Size)));
        assert!(matches!(PublicKey::from_pem("hello"), Err(KeyError::Format)));
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----";
        assert!(matches!(PrivateKey::from_pem(encrypted), Err(KeyError::Encrypted)));
    }
}
