//! Keys that vouch for what is stored: they hold no secret's content, and open none.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac};

use crate::hierarchy::RootKey;
use crate::seal::SealError;

const KEY_BYTES: usize = 32;
const LABEL: &[u8] = b"strongroom/1/ledger";

/// A MAC, a digest, or a public key of the ledger.
pub type LedgerBytes = [u8; 32];

/// Bytes of a signature of the ledger.
pub const SIGNATURE_BYTES: usize = 64;

/// The keys of the ledger, all of them derived from what lasts of the root key.
pub struct LedgerKeys {
    rows: hmac::Key,
    weights: hmac::Key,
    masks: hmac::Key,
    signer: Ed25519KeyPair,
}

impl fmt::Debug for LedgerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerKeys(..)")
    }
}

impl LedgerKeys {
    /// Derives the keys.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn derive(root: &RootKey) -> Result<Self, SealError> {
        let lasting = root.lasting()?;
        let key = |name: &[u8]| {
            let derived = lasting.derive(LABEL, name, KEY_BYTES).ok_or(SealError)?;
            let (key, _) = derived.split_at(KEY_BYTES);
            Ok(hmac::Key::new(hmac::HMAC_SHA256, key))
        };
        let seed = lasting.derive(LABEL, b"checkpoints", KEY_BYTES).ok_or(SealError)?;
        let (seed, _) = seed.split_at(KEY_BYTES);
        let signer = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_error| SealError)?;
        Ok(Self { rows: key(b"rows")?, weights: key(b"weights")?, masks: key(b"masks")?, signer })
    }

    /// Computes the MAC of a row; without a value, of its absence since a revision.
    #[must_use]
    pub fn row_mac(&self, key: &[u8], value: Option<&[u8]>, revision: u64) -> LedgerBytes {
        let mut context = hmac::Context::with_key(&self.rows);
        context.update(&[u8::from(value.is_some())]);
        context.update(&revision.to_be_bytes());
        context.update(&length(key));
        context.update(key);
        context.update(value.unwrap_or_default());
        bytes(context.sign().as_ref())
    }

    /// Computes what a row counts for in the sum over all rows.
    #[must_use]
    pub fn weight(&self, mac: &LedgerBytes) -> LedgerBytes {
        bytes(hmac::sign(&self.weights, mac).as_ref())
    }

    /// Computes what hides a change of that sum in one entry: sums of weights are not to be learnt.
    #[must_use]
    pub fn mask(&self, entry: &[u8], kind: &[u8]) -> LedgerBytes {
        let mut context = hmac::Context::with_key(&self.masks);
        context.update(&length(entry));
        context.update(entry);
        context.update(kind);
        bytes(context.sign().as_ref())
    }

    /// Signs a checkpoint (Ed25519).
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.signer.sign(text).as_ref().to_vec()
    }

    /// Returns the key that signatures are checked with.
    #[must_use]
    pub fn public_key(&self) -> LedgerBytes {
        bytes(self.signer.public_key().as_ref())
    }
}

/// Tells whether the owner of a public key signed a text.
#[must_use]
pub fn is_signed(public_key: &LedgerBytes, text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(text, signature).is_ok()
}

/// Computes the hash of a row, by which the next entry of a chain names it.
#[must_use]
pub fn row_hash(key: &[u8], value: &[u8]) -> LedgerBytes {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&length(key));
    context.update(key);
    context.update(value);
    bytes(context.finish().as_ref())
}

pub(crate) fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

/// Copies 32 bytes: all that is given here has as many.
fn bytes(from: &[u8]) -> LedgerBytes {
    let mut bytes = LedgerBytes::default();
    for (to, from) in bytes.iter_mut().zip(from) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use strongroom_model::Sensitive;

    use super::*;

    fn keys(byte: u8) -> LedgerKeys {
        LedgerKeys::derive(&RootKey::from_bytes(Sensitive::new(vec![byte; 32])).unwrap()).unwrap()
    }

    #[test]
    fn a_mac_is_of_the_whole_row_and_of_one_root_key() {
        let one = keys(1);
        let all = [
            one.row_mac(b"k", Some(b"v"), 1),
            one.row_mac(b"k", Some(b"v"), 2),
            one.row_mac(b"k", Some(b"w"), 1),
            one.row_mac(b"kv", Some(b""), 1),
            one.row_mac(b"k", Some(b""), 1),
            one.row_mac(b"k", None, 1),
            keys(2).row_mac(b"k", Some(b"v"), 1),
        ];
        for (number, mac) in all.iter().enumerate() {
            assert!(all.iter().skip(number + 1).all(|other| other != mac), "{number}");
        }
        assert_eq!(keys(1).row_mac(b"k", Some(b"v"), 1), all[0]);
        assert_ne!(row_hash(b"k", b"v"), row_hash(b"kv", b""));
        assert_ne!(one.mask(b"e", b"kind"), one.mask(b"ek", b"ind"));
    }

    #[test]
    fn signatures_are_of_one_text_by_one_key() {
        let (one, other) = (keys(1), keys(2));
        let signature = one.sign(b"text");
        assert_eq!(signature.len(), SIGNATURE_BYTES);
        assert!(is_signed(&one.public_key(), b"text", &signature));
        assert!(!is_signed(&one.public_key(), b"texu", &signature));
        assert!(!is_signed(&other.public_key(), b"text", &signature));
        assert!(!is_signed(&one.public_key(), b"text", &signature[1..]));
        assert_eq!(format!("{one:?}"), "LedgerKeys(..)");
    }
}
