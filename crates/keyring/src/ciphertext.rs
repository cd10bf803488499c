use std::collections::BTreeMap;

use strongroom_model::{AesLength, Ocid, Random, Sensitive};

use crate::gcm::{self, TAG_BYTES};
use crate::seal::{OpenError, SealError, SealingKey};

const FORMAT: u8 = 1;
const SALT_BYTES: usize = 32;
const LABEL: &[u8] = b"strongroom/1/ciphertext";

/// Who encrypted: what a caller's ciphertext opens under, and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// OCID of the key.
    pub key: &'a Ocid,
    /// OCID of the key version.
    pub version: &'a Ocid,
    /// `associatedData` of the request.
    pub associated: &'a BTreeMap<String, String>,
}

impl Context<'_> {
    /// The canonical encoding of key and associated data: every text with its length before it.
    fn encode(&self) -> Vec<u8> {
        let pairs = self.associated.iter().flat_map(|(name, value)| [name, value]);
        let texts = std::iter::once(self.key.as_str()).chain(pairs.map(String::as_str));
        let mut bytes = Vec::new();
        for text in texts {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    /// What a ciphertext with this header is authenticated with.
    pub(crate) fn authenticated(&self, header: &[u8]) -> Vec<u8> {
        [LABEL, &[0], header, &self.encode()].concat()
    }

    /// The beginning of a ciphertext: format, length of the version's OCID, OCID.
    pub(crate) fn header(&self) -> Result<Vec<u8>, SealError> {
        let version = self.version.as_str().as_bytes();
        let length = u8::try_from(version.len()).map_err(|_too_long| SealError)?;
        Ok([&[FORMAT, length], version].concat())
    }
}

/// Splits a symmetric ciphertext into its header, the key version that the header names, and the
/// rest. Nothing is authenticated yet.
///
/// # Errors
/// [`OpenError`] if the bytes have no such header.
pub fn version_of(ciphertext: &[u8]) -> Result<(&[u8], Ocid, &[u8]), OpenError> {
    let length = match ciphertext {
        [FORMAT, length, ..] => usize::from(*length),
        _ => return Err(OpenError),
    };
    let (header, rest) = ciphertext.split_at_checked(2 + length).ok_or(OpenError)?;
    let text = header.get(2..).and_then(|text| std::str::from_utf8(text).ok());
    let version = text.and_then(|text| text.parse().ok()).ok_or(OpenError)?;
    Ok((header, version, rest))
}

/// Encrypts for a caller: header, salt, ciphertext, tag. Key and nonce are derived from the salt.
pub(crate) fn encrypt(
    sealing: &SealingKey,
    length: AesLength,
    context: &Context<'_>,
    plaintext: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, SealError> {
    let mut bytes = context.header()?;
    let associated = context.authenticated(&bytes);
    let mut salt = [0_u8; SALT_BYTES];
    random.fill(&mut salt);
    bytes.reserve_exact(SALT_BYTES + plaintext.len() + TAG_BYTES);
    bytes.extend_from_slice(&salt);
    let start = bytes.len();
    bytes.extend_from_slice(plaintext);
    let key_bytes = usize::from(length.bytes());
    let derived = sealing.derive(LABEL, &salt, key_bytes).ok_or(SealError)?;
    let (key, nonce) = derived.split_at(key_bytes);
    let (_, body) = bytes.split_at_mut(start);
    let tag = gcm::seal(key, nonce, &associated, body).ok_or(SealError)?;
    bytes.extend_from_slice(&tag);
    Ok(bytes)
}

/// Decrypts what [`encrypt`] made.
pub(crate) fn decrypt(
    sealing: &SealingKey,
    length: AesLength,
    context: &Context<'_>,
    ciphertext: &[u8],
) -> Result<Sensitive, OpenError> {
    let (header, version, rest) = version_of(ciphertext)?;
    let (salt, body) = rest.split_at_checked(SALT_BYTES).ok_or(OpenError)?;
    if version != *context.version || body.len() < TAG_BYTES {
        return Err(OpenError);
    }
    let key_bytes = usize::from(length.bytes());
    let derived = sealing.derive(LABEL, salt, key_bytes).ok_or(OpenError)?;
    let (key, nonce) = derived.split_at(key_bytes);
    let mut plaintext = Sensitive::new(body.to_vec());
    let associated = context.authenticated(header);
    let opened = gcm::open(key, nonce, &associated, plaintext.expose_mut());
    plaintext.expose_mut().truncate(opened.ok_or(OpenError)?);
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    fn id(text: &str) -> Ocid {
        text.parse().unwrap()
    }

    #[test]
    fn every_bit_of_header_and_body_is_authenticated() {
        let sealing = SealingKey::new(&[7; 16]);
        let (key, version) = (id("ocid1.key.oc1.iad.v.k"), id("ocid1.keyversion.oc1.iad.v.1"));
        let associated = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let context = Context { key: &key, version: &version, associated: &associated };
        let aes = AesLength::Aes128;
        let sealed = encrypt(&sealing, aes, &context, b"plain", &SystemRandom).unwrap();
        assert_eq!(version_of(&sealed).unwrap().1, version);
        assert_eq!(decrypt(&sealing, aes, &context, &sealed).unwrap().expose(), b"plain");
        for position in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[position / 8] ^= 1 << (position % 8);
            assert_eq!(decrypt(&sealing, aes, &context, &bent), Err(OpenError), "bit {position}");
        }
        for length in 0..sealed.len() {
            assert_eq!(decrypt(&sealing, aes, &context, &sealed[..length]), Err(OpenError));
        }
        assert_eq!(decrypt(&sealing, AesLength::Aes256, &context, &sealed), Err(OpenError));
    }

    #[test]
    fn associated_data_does_not_run_together() {
        let (key, version) = (id("ocid1.key.oc1.iad.v.k"), id("ocid1.keyversion.oc1.iad.v.1"));
        let encode = |pairs: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let associated = pairs.iter().map(owned).collect();
            Context { key: &key, version: &version, associated: &associated }.encode()
        };
        let all = [
            encode(&[]),
            encode(&[("a", "b")]),
            encode(&[("ab", "")]),
            encode(&[("", "ab")]),
            encode(&[("a", ""), ("b", "")]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| other != one));
        }
    }
}
