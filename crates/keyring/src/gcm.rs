//! AES-GCM with 96-bit nonces (NIST SP 800-38D). Nothing outside this room can name a nonce.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;

/// A key of 16, 24 or 32 bytes.
fn key(bytes: &[u8]) -> Option<LessSafeKey> {
    let algorithm = match bytes.len() {
        16 => &AES_128_GCM,
        24 => &AES_192_GCM,
        32 => &AES_256_GCM,
        _ => return None,
    };
    Some(LessSafeKey::new(UnboundKey::new(algorithm, bytes).ok()?))
}

/// Encrypts `body` in place and returns the tag.
pub(crate) fn seal(
    key_bytes: &[u8],
    nonce: &[u8],
    associated: &[u8],
    body: &mut [u8],
) -> Option<[u8; TAG_BYTES]> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let sealed = key(key_bytes)?.seal_in_place_separate_tag(nonce, Aad::from(associated), body);
    sealed.ok()?.as_ref().try_into().ok()
}

/// Decrypts `body`, ciphertext and tag, in place and returns the length of the plaintext.
pub(crate) fn open(
    key_bytes: &[u8],
    nonce: &[u8],
    associated: &[u8],
    body: &mut [u8],
) -> Option<usize> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = key(key_bytes)?.open_in_place(nonce, Aad::from(associated), body);
    Some(opened.ok()?.len())
}
