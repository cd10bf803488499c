use std::fmt;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair, RsaSignatureEncoding,
    UnparsedPublicKey, VerificationAlgorithm,
};
use strongroom_model::{
    Curve, Hash, KeyShape, RsaLength, Sensitive, SignatureScheme, SigningAlgorithm,
};

use crate::locked::LockedBytes;
use crate::sha224;

/// A key does not do what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The material is no key of the shape that was named.
    #[error("the material is not a key of this shape")]
    Material,
    /// The key or the algorithm does not take the input.
    #[error("the key does not take this input")]
    Input,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused")]
    Refused,
}

/// Which OAEP (RFC 8017): hash and MGF1 are of the same function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oaep {
    /// SHA-1, as `RSA_OAEP_SHA_1` asks.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Oaep {
    const fn algorithm(self) -> &'static OaepAlgorithm {
        match self {
            Self::Sha1 => &OAEP_SHA1_MGF1SHA1,
            Self::Sha256 => &OAEP_SHA256_MGF1SHA256,
        }
    }
}

/// Computes the digest of a message.
#[must_use]
pub fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    digest::digest(digest_algorithm(hash), message).as_ref().to_vec()
}

const fn digest_algorithm(hash: Hash) -> &'static digest::Algorithm {
    match hash {
        Hash::Sha224 => &digest::SHA224,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    }
}

/// The public half of an asymmetric key: a DER `SubjectPublicKeyInfo` (RFC 5280).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Takes a DER `SubjectPublicKeyInfo`; whether it is one is known when it is used.
    #[must_use]
    pub const fn from_der(spki: Vec<u8>) -> Self {
        Self(spki)
    }

    /// Reads PEM, `PUBLIC KEY`.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        let (_, der) = strongroom_model::pem::decode(text, &["PUBLIC KEY"])?;
        Some(Self(der.expose().to_vec()))
    }

    /// Returns the key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = strongroom_model::pem::encode("PUBLIC KEY", &self.0);
        String::from_utf8_lossy(text.expose()).into_owned()
    }

    /// Returns the DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// Returns the length of an RSA key's modulus in bytes.
    #[must_use]
    pub fn rsa_bytes(&self) -> Option<usize> {
        PublicEncryptingKey::from_der(&self.0).ok().map(|key| key.key_size_bytes())
    }

    /// Encrypts with RSAES-OAEP and an empty label.
    ///
    /// # Errors
    /// [`KeyError::Input`] if the plaintext is longer than the key takes.
    pub fn encrypt(&self, oaep: Oaep, plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = PublicEncryptingKey::from_der(&self.0).map_err(|_rejected| KeyError::Material)?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_unspecified| KeyError::Material)?;
        if plaintext.len() > key.max_plaintext_size(oaep.algorithm()) {
            return Err(KeyError::Input);
        }
        let mut ciphertext = vec![0_u8; key.ciphertext_size()];
        let length = key.encrypt(oaep.algorithm(), plaintext, &mut ciphertext, None);
        let length = length.map_err(|_unspecified| KeyError::Refused)?.len();
        ciphertext.truncate(length);
        Ok(ciphertext)
    }

    /// Tells whether `signature` over `digest` holds.
    ///
    /// # Errors
    /// [`KeyError::Input`] if the digest is not one of the algorithm's hash.
    pub fn verify(
        &self,
        algorithm: SigningAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, KeyError> {
        let imported = Digest::import_less_safe(digest, digest_algorithm(algorithm.hash()));
        let imported = imported.map_err(|_unspecified| KeyError::Input)?;
        let is_pss = algorithm.scheme() == SignatureScheme::RsaPss;
        let Some(verifier) = verifier(algorithm) else {
            let valid = sha224::verify(&self.0, is_pss, digest, signature);
            return valid.ok_or(KeyError::Material);
        };
        let key = UnparsedPublicKey::new(verifier, &self.0);
        Ok(key.verify_digest(&imported, signature).is_ok())
    }
}

/// How a signature is verified; none for SHA-224, which goes its own way.
fn verifier(algorithm: SigningAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
    let verifier: &'static dyn VerificationAlgorithm = match algorithm {
        SigningAlgorithm::RsaPssSha224 | SigningAlgorithm::RsaPkcs1Sha224 => return None,
        SigningAlgorithm::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
        SigningAlgorithm::RsaPssSha384 => &RSA_PSS_2048_8192_SHA384,
        SigningAlgorithm::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
        SigningAlgorithm::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        SigningAlgorithm::RsaPkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        SigningAlgorithm::RsaPkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        SigningAlgorithm::EcdsaSha256 => &ECDSA_P256_SHA256_ASN1,
        SigningAlgorithm::EcdsaSha384 => &ECDSA_P384_SHA384_ASN1,
        SigningAlgorithm::EcdsaSha512 => &ECDSA_P521_SHA512_ASN1,
    };
    Some(verifier)
}

fn rsa_signer(algorithm: SigningAlgorithm) -> Option<&'static RsaSignatureEncoding> {
    match algorithm {
        SigningAlgorithm::RsaPssSha256 => Some(&RSA_PSS_SHA256),
        SigningAlgorithm::RsaPssSha384 => Some(&RSA_PSS_SHA384),
        SigningAlgorithm::RsaPssSha512 => Some(&RSA_PSS_SHA512),
        SigningAlgorithm::RsaPkcs1Sha256 => Some(&RSA_PKCS1_SHA256),
        SigningAlgorithm::RsaPkcs1Sha384 => Some(&RSA_PKCS1_SHA384),
        SigningAlgorithm::RsaPkcs1Sha512 => Some(&RSA_PKCS1_SHA512),
        SigningAlgorithm::RsaPssSha224
        | SigningAlgorithm::RsaPkcs1Sha224
        | SigningAlgorithm::EcdsaSha256
        | SigningAlgorithm::EcdsaSha384
        | SigningAlgorithm::EcdsaSha512 => None,
    }
}

const fn ecdsa_signer(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
    }
}

/// An RSA or ECDSA key pair. What is kept is its PKCS#8 (RFC 5208); it is parsed for each use.
pub struct AsymmetricKey {
    shape: KeyShape,
    pkcs8: LockedBytes,
    public: PublicKey,
}

impl AsymmetricKey {
    /// Makes an RSA key pair with the exponent 65537.
    ///
    /// # Errors
    /// [`KeyError::Refused`].
    pub fn generate_rsa(length: RsaLength) -> Result<Self, KeyError> {
        let size = match length {
            RsaLength::Rsa2048 => KeySize::Rsa2048,
            RsaLength::Rsa3072 => KeySize::Rsa3072,
            RsaLength::Rsa4096 => KeySize::Rsa4096,
        };
        let pair = RsaKeyPair::generate(size).map_err(|_unspecified| KeyError::Refused)?;
        Self::of_rsa(&pair, length)
    }

    /// Makes an ECDSA key pair.
    ///
    /// # Errors
    /// [`KeyError::Refused`].
    pub fn generate_ecdsa(curve: Curve) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(ecdsa_signer(curve));
        Self::of_ecdsa(&pair.map_err(|_unspecified| KeyError::Refused)?, curve)
    }

    /// Reads PKCS#8 DER of a key of `shape`.
    ///
    /// # Errors
    /// [`KeyError::Material`].
    pub fn from_pkcs8(shape: KeyShape, der: &[u8]) -> Result<Self, KeyError> {
        let wrong = |_rejected| KeyError::Material;
        match shape {
            KeyShape::Aes(_) => Err(KeyError::Material),
            KeyShape::Rsa(length) => {
                Self::of_rsa(&RsaKeyPair::from_pkcs8(der).map_err(wrong)?, length)
            }
            KeyShape::Ecdsa(curve) => {
                let pair = EcdsaKeyPair::from_pkcs8(ecdsa_signer(curve), der).map_err(wrong)?;
                Self::of_ecdsa(&pair, curve)
            }
        }
    }

    fn of_rsa(pair: &RsaKeyPair, length: RsaLength) -> Result<Self, KeyError> {
        if pair.public_modulus_len() != usize::from(length.bytes()) {
            return Err(KeyError::Material);
        }
        let refused = |_unspecified| KeyError::Refused;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(refused)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(refused)?;
        Ok(Self {
            shape: KeyShape::Rsa(length),
            pkcs8: locked(pkcs8.as_ref()),
            public: PublicKey(public.as_ref().to_vec()),
        })
    }

    fn of_ecdsa(pair: &EcdsaKeyPair, curve: Curve) -> Result<Self, KeyError> {
        let refused = |_unspecified| KeyError::Refused;
        let pkcs8 = pair.to_pkcs8v1().map_err(refused)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(refused)?;
        Ok(Self {
            shape: KeyShape::Ecdsa(curve),
            pkcs8: locked(pkcs8.as_ref()),
            public: PublicKey(public.as_ref().to_vec()),
        })
    }

    /// Returns the public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        self.pkcs8.expose()
    }

    pub(crate) const fn shape(&self) -> KeyShape {
        self.shape
    }

    /// Signs a digest.
    ///
    /// # Errors
    /// [`KeyError::Input`] if the algorithm is not one of the key's, or the digest not one of the
    /// algorithm's.
    pub fn sign(&self, algorithm: SigningAlgorithm, digest: &[u8]) -> Result<Vec<u8>, KeyError> {
        if !algorithm.fits(self.shape) {
            return Err(KeyError::Input);
        }
        let imported = Digest::import_less_safe(digest, digest_algorithm(algorithm.hash()));
        let imported = imported.map_err(|_unspecified| KeyError::Input)?;
        if let KeyShape::Ecdsa(curve) = self.shape {
            let pair = EcdsaKeyPair::from_pkcs8(ecdsa_signer(curve), self.pkcs8.expose())
                .map_err(|_rejected| KeyError::Material)?;
            let signed = pair.sign_digest(&imported).map_err(|_unspecified| KeyError::Refused)?;
            return Ok(signed.as_ref().to_vec());
        }
        let Some(encoding) = rsa_signer(algorithm) else {
            let is_pss = algorithm.scheme() == SignatureScheme::RsaPss;
            return sha224::sign(self.pkcs8.expose(), is_pss, digest).ok_or(KeyError::Refused);
        };
        let pair = RsaKeyPair::from_pkcs8(self.pkcs8.expose());
        let pair = pair.map_err(|_rejected| KeyError::Material)?;
        let mut signature = vec![0_u8; pair.public_modulus_len()];
        pair.sign_digest(encoding, &imported, &mut signature)
            .map_err(|_unspecified| KeyError::Refused)?;
        Ok(signature)
    }

    /// Decrypts RSAES-OAEP with an empty label.
    ///
    /// # Errors
    /// [`KeyError::Input`], whatever is wrong with the ciphertext.
    pub fn decrypt(&self, oaep: Oaep, ciphertext: &[u8]) -> Result<Sensitive, KeyError> {
        let key = PrivateDecryptingKey::from_pkcs8(self.pkcs8.expose());
        let key = key.map_err(|_rejected| KeyError::Input)?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_unspecified| KeyError::Input)?;
        if ciphertext.len() != key.key_size_bytes() {
            return Err(KeyError::Input);
        }
        let mut plaintext = Sensitive::new(vec![0_u8; key.min_output_size()]);
        let opened = key.decrypt(oaep.algorithm(), ciphertext, plaintext.expose_mut(), None);
        let length = opened.map_err(|_unspecified| KeyError::Input)?.len();
        plaintext.expose_mut().truncate(length);
        Ok(plaintext)
    }
}

fn locked(bytes: &[u8]) -> LockedBytes {
    LockedBytes::with(bytes.len(), |to| to.copy_from_slice(bytes))
}

impl fmt::Debug for AsymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsymmetricKey").field("shape", &self.shape).finish_non_exhaustive()
    }
}
