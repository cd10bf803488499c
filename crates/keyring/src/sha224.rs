//! RSA signatures over SHA-224 digests, which OCI has and `aws-lc-rs` leaves out: the one use of
//! `aws-lc-sys`.
#![expect(unsafe_code, reason = "EVP has no safe interface to RSA signatures with SHA-224")]

use std::ptr;

use aws_lc_sys::{
    CBS, CBS_init, CBS_len, EVP_PKEY, EVP_PKEY_CTX, EVP_PKEY_CTX_free, EVP_PKEY_CTX_new,
    EVP_PKEY_CTX_set_rsa_mgf1_md, EVP_PKEY_CTX_set_rsa_padding, EVP_PKEY_CTX_set_rsa_pss_saltlen,
    EVP_PKEY_CTX_set_signature_md, EVP_PKEY_free, EVP_PKEY_sign, EVP_PKEY_sign_init, EVP_PKEY_size,
    EVP_PKEY_verify, EVP_PKEY_verify_init, EVP_parse_private_key, EVP_parse_public_key, EVP_sha224,
    RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING,
};
use strongroom_model::Hash;

/// Salt as long as the digest, in EVP's numbering.
const SALT_OF_DIGEST_LENGTH: i32 = -1;

struct Pkey(*mut EVP_PKEY);

impl Drop for Pkey {
    fn drop(&mut self) {
        // SAFETY: the pointer came from EVP_parse_*, is owned by this value and freed once.
        unsafe { EVP_PKEY_free(self.0) }
    }
}

impl Pkey {
    fn parse(der: &[u8], parser: unsafe extern "C" fn(*mut CBS) -> *mut EVP_PKEY) -> Option<Self> {
        let mut input = CBS { data: ptr::null(), len: 0 };
        // SAFETY: `input` borrows `der` for the length of this block; the parser copies.
        let (key, left) = unsafe {
            CBS_init(&raw mut input, der.as_ptr(), der.len());
            (parser(&raw mut input), CBS_len(&raw const input))
        };
        let key = (!key.is_null()).then(|| Self(key))?;
        (left == 0).then_some(key)
    }
}

struct Operation(*mut EVP_PKEY_CTX);

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: the pointer came from EVP_PKEY_CTX_new, is owned by this value and freed once.
        unsafe { EVP_PKEY_CTX_free(self.0) }
    }
}

impl Operation {
    fn new(
        key: &Pkey,
        init: unsafe extern "C" fn(*mut EVP_PKEY_CTX) -> i32,
        is_pss: bool,
    ) -> Option<Self> {
        // SAFETY: the key is live; the context holds a reference of its own to it.
        let context = unsafe { EVP_PKEY_CTX_new(key.0, ptr::null_mut()) };
        let operation = (!context.is_null()).then(|| Self(context))?;
        let padding = if is_pss { RSA_PKCS1_PSS_PADDING } else { RSA_PKCS1_PADDING };
        // SAFETY: the context is live, and EVP_sha224 returns a static.
        let ready = unsafe {
            init(context) == 1
                && EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1
                && EVP_PKEY_CTX_set_signature_md(context, EVP_sha224()) == 1
                && (!is_pss
                    || EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha224()) == 1
                        && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, SALT_OF_DIGEST_LENGTH) == 1)
        };
        ready.then_some(operation)
    }
}

/// Signs a SHA-224 digest with an RSA key in PKCS#8.
pub(crate) fn sign(pkcs8: &[u8], is_pss: bool, digest: &[u8]) -> Option<Vec<u8>> {
    if digest.len() != Hash::Sha224.bytes() {
        return None;
    }
    let key = Pkey::parse(pkcs8, EVP_parse_private_key)?;
    // SAFETY: the key is live.
    let size = usize::try_from(unsafe { EVP_PKEY_size(key.0) }).ok()?;
    let operation = Operation::new(&key, EVP_PKEY_sign_init, is_pss)?;
    let mut signature = vec![0_u8; size];
    let mut length = signature.len();
    // SAFETY: `signature` has `length` bytes, `digest` has its own length, the context is live.
    let done = unsafe {
        let (to, from) = (signature.as_mut_ptr(), digest.as_ptr());
        EVP_PKEY_sign(operation.0, to, &raw mut length, from, digest.len())
    };
    signature.truncate(length);
    (done == 1).then_some(signature)
}

/// Tells whether a signature over a SHA-224 digest holds under an RSA `SubjectPublicKeyInfo`.
pub(crate) fn verify(spki: &[u8], is_pss: bool, digest: &[u8], signature: &[u8]) -> Option<bool> {
    if digest.len() != Hash::Sha224.bytes() {
        return Some(false);
    }
    let key = Pkey::parse(spki, EVP_parse_public_key)?;
    let operation = Operation::new(&key, EVP_PKEY_verify_init, is_pss)?;
    // SAFETY: both slices are live and have the lengths given, the context is live.
    let valid = unsafe {
        let (given, over) = (signature.as_ptr(), digest.as_ptr());
        EVP_PKEY_verify(operation.0, given, signature.len(), over, digest.len())
    };
    Some(valid == 1)
}
