//! A region's own keys, by which the installations of one tenancy know each other. Both are derived
//! from the root key, so that nothing more has to be kept.

use std::fmt;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair};
use strongroom_model::{KeyShape, Random, Sensitive};

use crate::gcm::{self, TAG_BYTES};
use crate::hierarchy::RootKey;
use crate::material::Material;
use crate::seal::{OpenError, SealError, SealingKey};

const FORMAT: u8 = 1;
const KEY_BYTES: usize = 32;
const PUBLIC_BYTES: usize = 32;
const SIGNING: &[u8] = b"strongroom/1/region-signing";
const OPENING: &[u8] = b"strongroom/1/region-opening";
const OPERATOR_SIGNING: &[u8] = b"strongroom/1/operator-signing";
const OPERATOR_OPENING: &[u8] = b"strongroom/1/operator-opening";
const SEALED: &[u8] = b"strongroom/1/region-sealed";

/// The private keys of a region: one signs what it says (Ed25519), one opens what was sealed for it
/// (X25519).
pub struct RegionKeys {
    signing: Ed25519KeyPair,
    opening: PrivateKey,
    public: RegionPublicKeys,
}

/// The public halves, which the other regions know a region by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionPublicKeys {
    /// Ed25519, 32 bytes.
    pub signing: Vec<u8>,
    /// X25519, 32 bytes.
    pub sealing: Vec<u8>,
}

impl fmt::Debug for RegionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegionKeys(..)")
    }
}

impl RegionKeys {
    /// Derives the keys of the installation that a root key is of.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn derive(root: &RootKey) -> Result<Self, SealError> {
        Self::from_key(&root.lasting()?, [SIGNING, OPENING])
    }

    /// Derives the keys by which a region knows its operator: whoever has the root key that is in force.
    /// Unlike the region's own they change when that is rotated, so that nobody who had the one before
    /// gives commands any more.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn of_operator(root: &RootKey) -> Result<Self, SealError> {
        Self::from_key(root.sealing(), [OPERATOR_SIGNING, OPERATOR_OPENING])
    }

    fn from_key(key: &SealingKey, [signing, opening]: [&[u8]; 2]) -> Result<Self, SealError> {
        let seed = |label| key.derive(label, &[], KEY_BYTES).ok_or(SealError);
        let (signing, opening) = (seed(signing)?, seed(opening)?);
        let refused = |_error| SealError;
        let (signing, _) = signing.split_at(KEY_BYTES);
        let (opening, _) = opening.split_at(KEY_BYTES);
        let signing = Ed25519KeyPair::from_seed_unchecked(signing).map_err(refused)?;
        let opening = PrivateKey::from_private_key(&X25519, opening).map_err(refused)?;
        let sealing = opening.compute_public_key().map_err(|_error| SealError)?;
        let public = RegionPublicKeys {
            signing: signing.public_key().as_ref().to_vec(),
            sealing: sealing.as_ref().to_vec(),
        };
        Ok(Self { signing, opening, public })
    }

    /// Returns the public halves.
    #[must_use]
    pub const fn public(&self) -> &RegionPublicKeys {
        &self.public
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.signing.sign(message).as_ref().to_vec()
    }

    /// Opens what was sealed for this region under the same binding.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding or bytes are not those it was sealed with.
    pub fn open(&self, binding: &[u8], sealed: &[u8]) -> Result<Sensitive, OpenError> {
        let (format, rest) = sealed.split_first().ok_or(OpenError)?;
        let (passing, body) = rest.split_at_checked(PUBLIC_BYTES).ok_or(OpenError)?;
        if *format != FORMAT || body.len() < TAG_BYTES {
            return Err(OpenError);
        }
        let other = UnparsedPublicKey::new(&X25519, passing);
        let key = agree(&self.opening, other, OpenError, |secret| Ok(SealingKey::new(secret)))?;
        let salt = [passing, &self.public.sealing].concat();
        let derived = key.derive(SEALED, &salt, KEY_BYTES).ok_or(OpenError)?;
        let (key, nonce) = derived.split_at(KEY_BYTES);
        let mut plaintext = Sensitive::new(body.to_vec());
        let length = gcm::open(key, nonce, &associated(binding), plaintext.expose_mut());
        plaintext.expose_mut().truncate(length.ok_or(OpenError)?);
        Ok(plaintext)
    }
}

impl RegionKeys {
    /// Opens the material of a key that was sealed for this region under the same binding.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding, shape or bytes are not those it was sealed with.
    pub fn open_material(
        &self,
        binding: &[u8],
        shape: KeyShape,
        sealed: &[u8],
    ) -> Result<Material, OpenError> {
        let material = self.open(binding, sealed)?;
        Material::from_bytes(shape, material).map_err(|_error| OpenError)
    }
}

impl RegionPublicKeys {
    /// Seals the material of a key for the region.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn seal_material(
        &self,
        binding: &[u8],
        material: &Material,
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        self.seal(binding, material.expose(), random)
    }

    /// Takes the halves as they were carried here.
    #[must_use]
    pub fn new(signing: Vec<u8>, sealing: Vec<u8>) -> Option<Self> {
        let whole = signing.len() == PUBLIC_BYTES && sealing.len() == PUBLIC_BYTES;
        whole.then_some(Self { signing, sealing })
    }

    /// Returns what people compare: the beginning of a digest of both, in groups of four digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = digest(&SHA256, &[self.signing.as_slice(), &self.sealing].concat());
        let pairs = digest.as_ref().chunks(2).take(8);
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
        let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
        let groups = pairs.map(|pair| pair.iter().flat_map(digits).collect());
        groups.collect::<Vec<String>>().join("-")
    }

    /// Tells whether the region signed a message.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(&ED25519, &self.signing);
        key.verify(message, signature).is_ok()
    }

    /// Seals content for the region: to a key that is used once, agreed on between the region's and
    /// one that is forgotten. Who sealed it is not in it: that is what signatures are for.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn seal(
        &self,
        binding: &[u8],
        content: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        let mut seed = zeroize::Zeroizing::new([0_u8; KEY_BYTES]);
        random.fill(&mut *seed);
        let passing = PrivateKey::from_private_key(&X25519, &*seed).map_err(|_error| SealError)?;
        let public = passing.compute_public_key().map_err(|_error| SealError)?;
        let other = UnparsedPublicKey::new(&X25519, &self.sealing);
        let key = agree(&passing, other, SealError, |secret| Ok(SealingKey::new(secret)))?;
        let salt = [public.as_ref(), &self.sealing].concat();
        let derived = key.derive(SEALED, &salt, KEY_BYTES).ok_or(SealError)?;
        let (key, nonce) = derived.split_at(KEY_BYTES);
        let length = 1 + PUBLIC_BYTES + content.len() + TAG_BYTES;
        let mut bytes = Vec::with_capacity(length);
        bytes.push(FORMAT);
        bytes.extend_from_slice(public.as_ref());
        bytes.extend_from_slice(content);
        let (_, body) = bytes.split_at_mut(1 + PUBLIC_BYTES);
        let tag = gcm::seal(key, nonce, &associated(binding), body).ok_or(SealError)?;
        bytes.extend_from_slice(&tag);
        Ok(bytes)
    }
}

fn associated(binding: &[u8]) -> Vec<u8> {
    [SEALED, &[0, FORMAT], binding].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn what_is_sealed_for_a_region_opens_there_under_its_binding_alone() {
        let (root, other) = (RootKey::generate(&SystemRandom), RootKey::generate(&SystemRandom));
        let here = RegionKeys::derive(&root).unwrap();
        let sealed = here.public().seal(b"a", b"s3cr3t", &SystemRandom).unwrap();
        assert!(!sealed.windows(6).any(|bytes| bytes == b"s3cr3t"));
        // The same root key makes the same region again, after a restart.
        let again = RegionKeys::derive(&root).unwrap();
        assert_eq!(again.open(b"a", &sealed).unwrap().expose(), b"s3cr3t");
        assert!(here.open(b"b", &sealed).is_err());
        let there = RegionKeys::derive(&other).unwrap();
        assert!(there.open(b"a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(here.open(b"a", &bent).is_err(), "{at}");
        }
        assert!(here.open(b"a", &sealed[..20]).is_err());
        assert_ne!(sealed, here.public().seal(b"a", b"s3cr3t", &SystemRandom).unwrap());
    }

    #[test]
    fn a_region_signs_as_itself() {
        let here = RegionKeys::derive(&RootKey::generate(&SystemRandom)).unwrap();
        let there = RegionKeys::derive(&RootKey::generate(&SystemRandom)).unwrap();
        let signature = here.sign(b"m");
        assert!(here.public().verify(b"m", &signature));
        assert!(!here.public().verify(b"n", &signature));
        assert!(!there.public().verify(b"m", &signature));
        assert_ne!(here.public().fingerprint(), there.public().fingerprint());
        assert_eq!(format!("{here:?}"), "RegionKeys(..)");
    }

    #[test]
    fn a_rotation_of_the_root_key_changes_the_operator_and_not_the_region() {
        let before = RootKey::generate(&SystemRandom);
        let after = before.generate_next(&SystemRandom).unwrap();
        let region = |root| RegionKeys::derive(root).unwrap();
        let operator = |root| RegionKeys::of_operator(root).unwrap();
        assert_eq!(region(&before).public(), region(&after).public());
        let signature = operator(&before).sign(b"m");
        assert!(operator(&before).public().verify(b"m", &signature));
        assert!(!operator(&after).public().verify(b"m", &signature));
        assert!(!region(&before).public().verify(b"m", &signature));
    }
}
