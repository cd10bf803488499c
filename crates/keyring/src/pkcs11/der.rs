//! As much of DER (X.690) as public keys and ECDSA signatures need.

use strongroom_model::Curve;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// `rsaEncryption` with NULL parameters.
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// The OID of `id-ecPublicKey`.
const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// Returns the DER OID of a curve, which is also `CKA_EC_PARAMS`.
pub(super) const fn curve(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        Curve::P384 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
        Curve::P521 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let used = length.get(zeros..).unwrap_or_default();
            bytes.push(0x80 | u8::try_from(used.len()).unwrap_or_default());
            bytes.extend_from_slice(used);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A positive integer without leading zeros but the one that keeps it positive.
fn integer(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let mut content = big_endian.get(zeros..).unwrap_or_default().to_vec();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    element(INTEGER, &content)
}

/// `SubjectPublicKeyInfo` of an RSA key.
pub(super) fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = element(SEQUENCE, &[integer(modulus), integer(exponent)].concat());
    element(SEQUENCE, &[RSA, &element(BIT_STRING, &[&[0], key.as_slice()].concat())].concat())
}

/// `SubjectPublicKeyInfo` of an EC key whose `CKA_EC_POINT` is `point`: an OCTET STRING, or, as some
/// tokens have it, the bare point.
pub(super) fn ec_public(of: Curve, point: &[u8]) -> Option<Vec<u8>> {
    let length = 1 + 2 * usize::from(of.bytes());
    let bare = point.get(point.len().checked_sub(length)?..)?;
    let is_wrapped = point == element(OCTET_STRING, bare);
    if !(is_wrapped || point == bare) || bare.first() != Some(&4) {
        return None;
    }
    let algorithm = element(SEQUENCE, &[EC, curve(of)].concat());
    let key = element(BIT_STRING, &[&[0], bare].concat());
    Some(element(SEQUENCE, &[algorithm, key].concat()))
}

/// An ECDSA signature r ‖ s as `Ecdsa-Sig-Value` (RFC 3279).
pub(super) fn ecdsa_signature(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    element(SEQUENCE, &[integer(r), integer(s)].concat())
}
