use std::fmt;

use aws_lc_rs::hmac;

use crate::hierarchy::RootKey;
use crate::ledger::length;
use crate::seal::SealError;
use crate::stream::hex;

const KEY_BYTES: usize = 32;
const LABEL: &[u8] = b"strongroom/1/retry";

/// The key under which a request is known again, derived from what lasts of the root key: a plain
/// digest of a body would let whoever reads it try guesses of the content in it.
pub struct RetryKey(hmac::Key);

impl fmt::Debug for RetryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryKey(..)")
    }
}

impl RetryKey {
    /// Derives the key.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn derive(root: &RootKey) -> Result<Self, SealError> {
        let derived = root.lasting()?.derive(LABEL, &[], KEY_BYTES).ok_or(SealError)?;
        let (key, _) = derived.split_at(KEY_BYTES);
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// Computes a tag of a request's parts, as 64 hexadecimal digits.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&length(part));
            context.update(part);
        }
        hex(context.sign().as_ref())
    }
}

#[cfg(test)]
mod tests {
    use strongroom_model::Sensitive;

    use super::*;
    use crate::SystemRandom;

    #[test]
    fn a_tag_is_of_the_parts_and_of_what_lasts_of_one_root_key() {
        let root = |byte| RootKey::from_bytes(Sensitive::new(vec![byte; 32])).unwrap();
        let key = |root: &RootKey| RetryKey::derive(root).unwrap();
        let tag = key(&root(1)).tag(&[b"a", b"bc"]);
        // Computed by another implementation.
        assert_eq!(tag, "3593d97c1ccbb3868d22bb583db1cc3c199c86d16eb14c313307464f4d0f8422");
        assert_eq!(key(&root(1).generate_next(&SystemRandom).unwrap()).tag(&[b"a", b"bc"]), tag);
        assert_ne!(key(&root(1)).tag(&[b"ab", b"c"]), tag);
        assert_ne!(key(&root(2)).tag(&[b"a", b"bc"]), tag);
        assert_eq!(format!("{:?}", key(&root(1))), "RetryKey(..)");
    }
}
