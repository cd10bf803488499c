//! Key material on its way in and out, wrapped under an RSA key.
//!
//! `RSA_OAEP_SHA256`: the material under RSAES-OAEP with SHA-256. `RSA_OAEP_AES_SHA256`: a
//! temporary AES-256 key under the same, followed by the material under that key with AES-KWP
//! (RFC 5649). Source: OCI documentation, "Importing Keys".

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use strongroom_model::{KeyShape, Random, Sensitive, WrappingAlgorithm};

use crate::asymmetric::{AsymmetricKey, KeyError, Oaep, PublicKey};
use crate::material::Material;
use crate::scrub::{DEEP, scrub_stack};

const TEMPORARY_KEY_BYTES: usize = 32;

/// What AES-KWP adds at most: 8 bytes of integrity check and 7 of padding.
const KWP_OVERHEAD_BYTES: usize = 15;

/// Unwraps material of `shape` that was wrapped under the public half of `key`.
///
/// # Errors
/// [`KeyError::Input`], whatever is wrong with it.
pub fn unwrap(
    key: &AsymmetricKey,
    algorithm: WrappingAlgorithm,
    wrapped: &[u8],
    shape: KeyShape,
) -> Result<Material, KeyError> {
    let material = unwrap_bytes(key, algorithm, wrapped)
        .and_then(|bytes| Material::from_bytes(shape, bytes))
        .map_err(|_error| KeyError::Input);
    scrub_stack::<DEEP>();
    material
}

#[inline(never)]
fn unwrap_bytes(
    key: &AsymmetricKey,
    algorithm: WrappingAlgorithm,
    wrapped: &[u8],
) -> Result<Sensitive, KeyError> {
    match algorithm {
        WrappingAlgorithm::RsaOaepSha256 => key.decrypt(Oaep::Sha256, wrapped),
        WrappingAlgorithm::RsaOaepAesSha256 => {
            let modulus_bytes = usize::from(key.shape().length());
            let (head, body) = wrapped.split_at_checked(modulus_bytes).ok_or(KeyError::Input)?;
            let temporary = key.decrypt(Oaep::Sha256, head)?;
            unwrap_padded(temporary.expose(), body)
        }
    }
}

/// Wraps material under the public key of who asked for it.
///
/// # Errors
/// [`KeyError::Input`] if it is longer than `RSA_OAEP_SHA256` takes.
pub fn wrap(
    key: &PublicKey,
    algorithm: WrappingAlgorithm,
    material: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, KeyError> {
    match algorithm {
        WrappingAlgorithm::RsaOaepSha256 => key.encrypt(Oaep::Sha256, material),
        WrappingAlgorithm::RsaOaepAesSha256 => {
            let mut temporary = Sensitive::new(vec![0; TEMPORARY_KEY_BYTES]);
            random.fill(temporary.expose_mut());
            let mut wrapped = key.encrypt(Oaep::Sha256, temporary.expose())?;
            wrapped.extend(wrap_padded(temporary.expose(), material)?);
            Ok(wrapped)
        }
    }
}

fn kek(key: &[u8]) -> Result<AesKek, KeyError> {
    if key.len() != TEMPORARY_KEY_BYTES {
        return Err(KeyError::Input);
    }
    AesKek::new(&AES_256, key).map_err(|_unspecified| KeyError::Input)
}

/// AES-KWP under a 32-byte key.
pub(crate) fn wrap_padded(key: &[u8], material: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut wrapped = vec![0_u8; material.len() + KWP_OVERHEAD_BYTES];
    let written = kek(key)?.wrap_with_padding(material, &mut wrapped);
    let length = written.map_err(|_unspecified| KeyError::Input)?.len();
    wrapped.truncate(length);
    Ok(wrapped)
}

/// Takes AES-KWP under a 32-byte key off.
pub(crate) fn unwrap_padded(key: &[u8], wrapped: &[u8]) -> Result<Sensitive, KeyError> {
    let mut material = Sensitive::new(vec![0_u8; wrapped.len()]);
    let written = kek(key)?.unwrap_with_padding(wrapped, material.expose_mut());
    let length = written.map_err(|_unspecified| KeyError::Input)?.len();
    material.expose_mut().truncate(length);
    Ok(material)
}
