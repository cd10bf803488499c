use std::fmt;

use strongroom_model::{Hash, KeyShape, Ocid, Random, RsaLength, SigningAlgorithm};

use crate::asymmetric::{AsymmetricKey, KeyError, PublicKey, digest};
use crate::hierarchy::RootKey;
use crate::material::Material;
use crate::seal::{OpenError, SealError, Sealed};

const SHAPE: KeyShape = KeyShape::Rsa(RsaLength::Rsa2048);

/// A key by which the server vouches: for certificates of machines, or for tokens. RSA with 2048
/// bits.
pub struct AuthorityKey(AsymmetricKey);

impl AuthorityKey {
    /// Makes a new key. Takes tenths of a second.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cryptographic library refuses.
    pub fn generate() -> Result<Self, KeyError> {
        AsymmetricKey::generate_rsa(RsaLength::Rsa2048).map(Self)
    }

    /// Seals the key; it opens for this tenancy and under this name only.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn seal(
        &self,
        root: &RootKey,
        (tenancy, name): (&Ocid, &str),
        random: &dyn Random,
    ) -> Result<Sealed, SealError> {
        root.seal_authority(&binding(tenancy, name), self.0.pkcs8(), random)
    }

    /// Opens a key.
    ///
    /// # Errors
    /// [`OpenError`] if root key, tenancy, name or bytes are not those it was sealed with.
    pub fn open(
        root: &RootKey,
        (tenancy, name): (&Ocid, &str),
        sealed: &Sealed,
    ) -> Result<Self, OpenError> {
        let pkcs8 = root.open_authority(&binding(tenancy, name), sealed)?;
        match Material::from_bytes(SHAPE, pkcs8) {
            Ok(Material::Asymmetric(key)) => Ok(Self(key)),
            Ok(Material::Symmetric(_)) | Err(_) => Err(OpenError),
        }
    }

    /// Returns the public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        self.0.public()
    }

    /// Signs a message (RSASSA-PKCS1-v1_5, SHA-256).
    ///
    /// # Errors
    /// A [`KeyError`] if the cryptographic library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.sign(SigningAlgorithm::RsaPkcs1Sha256, &digest(Hash::Sha256, message))
    }
}

impl fmt::Debug for AuthorityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorityKey(..)")
    }
}

/// An OCID holds no NUL, so two pairs never read alike.
fn binding(tenancy: &Ocid, name: &str) -> Vec<u8> {
    [tenancy.as_str().as_bytes(), &[0], name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn a_key_opens_for_its_tenancy_and_name_only() {
        let (root, other) = (RootKey::generate(&SystemRandom), RootKey::generate(&SystemRandom));
        let tenancy: Ocid = "ocid1.tenancy.oc1..t".parse().unwrap();
        let stranger: Ocid = "ocid1.tenancy.oc1..s".parse().unwrap();
        let key = AuthorityKey::generate().unwrap();
        let sealed = key.seal(&root, (&tenancy, "a"), &SystemRandom).unwrap();
        let again = AuthorityKey::open(&root, (&tenancy, "a"), &sealed).unwrap();
        assert_eq!(again.public(), key.public());
        let digest = digest(Hash::Sha256, b"m");
        let signature = again.sign(b"m").unwrap();
        let public = key.public();
        assert!(public.verify(SigningAlgorithm::RsaPkcs1Sha256, &digest, &signature).unwrap());
        assert!(AuthorityKey::open(&root, (&tenancy, "b"), &sealed).is_err());
        assert!(AuthorityKey::open(&root, (&stranger, "a"), &sealed).is_err());
        assert!(AuthorityKey::open(&other, (&tenancy, "a"), &sealed).is_err());
        assert_eq!(format!("{key:?}"), "AuthorityKey(..)");
    }
}
