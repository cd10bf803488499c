use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::hmac;
use strongroom_model::{Ocid, Random, Sensitive};
use zeroize::Zeroizing;

use crate::gcm::{self, NONCE_BYTES, TAG_BYTES};
use crate::locked::LockedBytes;
use crate::scrub::{SHALLOW, scrub_stack};

const FORMAT: u8 = 1;
const SALT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const TAG_LENGTH: usize = 32;

/// Bytes that only the key they were sealed under can open: format byte, salt, ciphertext, tag.
/// Authenticated from the first byte to the last.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Takes bytes that were stored; whether they open is known when they are opened.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// What a sealed value belongs to. It opens under the same binding only, so that rows cannot be
/// swapped.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// OCID of the tenancy.
    pub tenancy: &'a Ocid,
    /// OCID of the vault.
    pub vault: &'a Ocid,
    /// OCID of the vault, key version or secret itself.
    pub object: &'a Ocid,
    /// Number of the version.
    pub version: u64,
}

/// What is sealed: a value of one layer never opens as one of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Root,
    VaultKey,
    KeyVersion,
    DataKey,
    Content,
    Backup,
    Authority,
}

impl Layer {
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::Root => b"strongroom/1/root-key",
            Self::VaultKey => b"strongroom/1/vault-key",
            Self::KeyVersion => b"strongroom/1/key-version",
            Self::DataKey => b"strongroom/1/data-key",
            Self::Content => b"strongroom/1/content",
            Self::Backup => b"strongroom/1/backup",
            Self::Authority => b"strongroom/1/authority",
        }
    }
}

/// Why a value does not open: it, its binding or the key is not the one it was sealed with. Which of
/// them is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open under this key and binding")]
pub struct OpenError;

/// The cryptographic library refused to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealing failed")]
pub struct SealError;

/// A key that seals. Each value gets a key and a nonce of its own, derived from a fresh 256-bit
/// salt (RFC 5869), so that no pair of key and nonce repeats, even when a data directory is cloned.
pub(crate) struct SealingKey(LockedBytes);

impl SealingKey {
    /// Takes key material; what is kept is HKDF's extract of it.
    pub(crate) fn new(material: &[u8]) -> Self {
        let extract = hmac::Key::new(hmac::HMAC_SHA256, b"strongroom/1");
        let tag = hmac::sign(&extract, material);
        let sealing = Self(LockedBytes::with(tag.as_ref().len(), |bytes| {
            bytes.copy_from_slice(tag.as_ref());
        }));
        scrub_stack::<SHALLOW>();
        sealing
    }

    pub(crate) fn seal(
        &self,
        layer: Layer,
        binding: &[u8],
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Sealed, SealError> {
        let mut salt = [0_u8; SALT_BYTES];
        random.fill(&mut salt);
        let length = 1 + SALT_BYTES + plaintext.len() + TAG_BYTES;
        let mut bytes = Vec::with_capacity(length);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(plaintext);
        let (_, body) = bytes.split_at_mut(1 + SALT_BYTES);
        let associated = associated(layer, FORMAT, binding);
        let derived = self.derive(layer.label(), &salt, KEY_BYTES).ok_or(SealError)?;
        let (key, nonce) = derived.split_at(KEY_BYTES);
        let tag = gcm::seal(key, nonce, &associated, body).ok_or(SealError)?;
        bytes.extend_from_slice(&tag);
        Ok(Sealed(bytes))
    }

    pub(crate) fn open(
        &self,
        layer: Layer,
        binding: &[u8],
        sealed: &Sealed,
    ) -> Result<Sensitive, OpenError> {
        let (format, rest) = sealed.0.split_first().ok_or(OpenError)?;
        let (salt, body) = rest.split_at_checked(SALT_BYTES).ok_or(OpenError)?;
        if *format != FORMAT || body.len() < TAG_BYTES {
            return Err(OpenError);
        }
        let mut plaintext = Sensitive::new(body.to_vec());
        let associated = associated(layer, *format, binding);
        let derived = self.derive(layer.label(), salt, KEY_BYTES).ok_or(OpenError)?;
        let (key, nonce) = derived.split_at(KEY_BYTES);
        let length = gcm::open(key, nonce, &associated, plaintext.expose_mut());
        plaintext.expose_mut().truncate(length.ok_or(OpenError)?);
        if layer != Layer::Content {
            scrub_stack::<SHALLOW>();
        }
        Ok(plaintext)
    }

    /// Derives a key of `key_bytes` bytes and the nonce behind it.
    pub(crate) fn derive(
        &self,
        label: &[u8],
        salt: &[u8],
        key_bytes: usize,
    ) -> Option<Zeroizing<Vec<u8>>> {
        struct Bytes(usize);
        impl KeyType for Bytes {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut derived = Zeroizing::new(vec![0_u8; key_bytes + NONCE_BYTES]);
        let info = [label, salt];
        let extracted = Prk::new_less_safe(HKDF_SHA256, self.0.expose());
        extracted.expand(&info, Bytes(derived.len())).ok()?.fill(&mut derived).ok()?;
        Some(derived)
    }
}

impl SealingKey {
    /// Computes a tag by which equal contents of one binding are known, and nothing else about them.
    pub(crate) fn fingerprint(&self, binding: &[u8], content: &[u8]) -> Option<[u8; TAG_LENGTH]> {
        let derived = self.derive(b"strongroom/1/fingerprint", binding, KEY_BYTES)?;
        let (key, _) = derived.split_at(KEY_BYTES);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), content);
        tag.as_ref().try_into().ok()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// The associated data: label, format byte and binding. The salt is authenticated by deriving the
/// key from it.
fn associated(layer: Layer, format: u8, binding: &[u8]) -> Vec<u8> {
    [layer.label(), &[0, format], binding].concat()
}

impl Binding<'_> {
    /// The canonical encoding: each text with its length before it, so that no two bindings share
    /// one.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let texts = [self.tenancy.as_str(), self.vault.as_str(), self.object.as_str()];
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() + 8).sum());
        for text in texts {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn every_bit_and_the_whole_binding_are_authenticated() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal(Layer::Content, b"b", b"plain", &SystemRandom).unwrap();
        assert_eq!(key.open(Layer::Content, b"b", &sealed).unwrap().expose(), b"plain");
        for position in 0..sealed.0.len() * 8 {
            let mut bent = sealed.clone();
            bent.0[position / 8] ^= 1 << (position % 8);
            assert_eq!(key.open(Layer::Content, b"b", &bent), Err(OpenError), "bit {position}");
        }
        for length in 0..sealed.0.len() {
            let cut = Sealed(sealed.0[..length].to_vec());
            assert_eq!(key.open(Layer::Content, b"b", &cut), Err(OpenError));
        }
        assert!(key.open(Layer::DataKey, b"b", &sealed).is_err());
        assert!(key.open(Layer::Content, b"c", &sealed).is_err());
        assert!(SealingKey::new(&[8; 32]).open(Layer::Content, b"b", &sealed).is_err());
    }

    #[test]
    fn the_same_content_never_looks_the_same_and_never_shows() {
        let key = SealingKey::new(&[7; 32]);
        let content = b"correct horse battery staple";
        let seal = || key.seal(Layer::Content, b"", content, &SystemRandom).unwrap();
        let (one, two) = (seal(), seal());
        assert_ne!(one, two);
        assert!(!one.0.windows(7).any(|window| window == b"correct"));
        assert_eq!(format!("{one:?} {key:?}"), "Sealed(..) SealingKey(..)");
    }

    #[test]
    fn bindings_do_not_run_into_each_other() {
        let a: Ocid = "ocid1.vault.oc1.iad.a".parse().unwrap();
        let ab: Ocid = "ocid1.vault.oc1.iad.ab".parse().unwrap();
        let encode =
            |vault, object, version| Binding { tenancy: &a, vault, object, version }.encode();
        let all = [encode(&a, &a, 1), encode(&a, &ab, 1), encode(&ab, &a, 1), encode(&a, &a, 2)];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| other != one));
        }
    }
}
