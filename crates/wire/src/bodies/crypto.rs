use std::fmt;

use serde::Serialize;
use strongroom_model::{EncryptionAlgorithm, SigningAlgorithm, Timestamp, WrappingAlgorithm};

use super::{base64, base64_of_public, time};

/// `EncryptedData`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptedData<'a> {
    #[serde(serialize_with = "base64_of_public")]
    ciphertext: &'a [u8],
    key_id: &'a str,
    key_version_id: &'a str,
    encryption_algorithm: &'static str,
}

impl<'a> EncryptedData<'a> {
    /// Renders what a key version encrypted.
    #[must_use]
    pub const fn new(
        ciphertext: &'a [u8],
        (key_id, key_version_id): (&'a str, &'a str),
        algorithm: EncryptionAlgorithm,
    ) -> Self {
        Self { ciphertext, key_id, key_version_id, encryption_algorithm: algorithm.name() }
    }
}

/// `DecryptedData`. Carries plaintext.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecryptedData<'a> {
    #[serde(serialize_with = "base64")]
    plaintext: &'a [u8],
    plaintext_checksum: String,
    key_id: &'a str,
    key_version_id: &'a str,
    encryption_algorithm: &'static str,
}

impl<'a> DecryptedData<'a> {
    /// Renders what a key version decrypted.
    #[must_use]
    pub fn new(
        plaintext: &'a [u8],
        (key_id, key_version_id): (&'a str, &'a str),
        algorithm: EncryptionAlgorithm,
    ) -> Self {
        Self {
            plaintext,
            plaintext_checksum: checksum(plaintext),
            key_id,
            key_version_id,
            encryption_algorithm: algorithm.name(),
        }
    }
}

impl fmt::Debug for DecryptedData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptedData").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// `GeneratedKey`. Can carry a plaintext key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedKey<'a> {
    #[serde(serialize_with = "base64_of_public")]
    ciphertext: &'a [u8],
    #[serde(flatten)]
    plaintext: Option<PlaintextKey<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaintextKey<'a> {
    #[serde(serialize_with = "base64")]
    plaintext: &'a [u8],
    plaintext_checksum: String,
}

impl<'a> GeneratedKey<'a> {
    /// Renders a data key.
    #[must_use]
    pub fn new(ciphertext: &'a [u8], plaintext: Option<&'a [u8]>) -> Self {
        let plaintext = plaintext
            .map(|plaintext| PlaintextKey { plaintext, plaintext_checksum: checksum(plaintext) });
        Self { ciphertext, plaintext }
    }
}

impl fmt::Debug for GeneratedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratedKey(..)")
    }
}

/// `SignedData`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedData<'a> {
    key_id: &'a str,
    key_version_id: &'a str,
    #[serde(serialize_with = "base64_of_public")]
    signature: &'a [u8],
    signing_algorithm: &'static str,
}

impl<'a> SignedData<'a> {
    /// Renders what a key version signed.
    #[must_use]
    pub const fn new(
        signature: &'a [u8],
        (key_id, key_version_id): (&'a str, &'a str),
        algorithm: SigningAlgorithm,
    ) -> Self {
        Self { key_id, key_version_id, signature, signing_algorithm: algorithm.name() }
    }
}

/// `VerifiedData`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedData {
    /// Whether the signature holds.
    pub is_signature_valid: bool,
}

/// `ExportedKeyData`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedKeyData<'a> {
    key_id: &'a str,
    key_version_id: &'a str,
    vault_id: &'a str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(serialize_with = "base64_of_public")]
    encrypted_key: &'a [u8],
    algorithm: &'static str,
}

impl<'a> ExportedKeyData<'a> {
    /// Renders wrapped material of a version of `key`.
    #[must_use]
    pub fn new(
        encrypted_key: &'a [u8],
        key: &'a strongroom_model::Key,
        version: &'a strongroom_model::KeyVersion,
        algorithm: WrappingAlgorithm,
    ) -> Self {
        Self {
            key_id: key.id.as_str(),
            key_version_id: version.id.as_str(),
            vault_id: key.vault_id.as_str(),
            time_created: version.time_created,
            encrypted_key,
            algorithm: algorithm.name(),
        }
    }
}

/// `plaintextChecksum`: CRC-32 (ISO 3309) in decimal. Oracle documents no algorithm; clients do not
/// check it.
fn checksum(plaintext: &[u8]) -> String {
    let step = |crc: u32, byte: &u8| {
        let [lowest, ..] = crc.to_le_bytes();
        let place = usize::from(lowest ^ byte);
        (crc >> 8) ^ CRC_TABLE.get(place).copied().unwrap_or_default()
    };
    (!plaintext.iter().fold(u32::MAX, step)).to_string()
}

/// The remainders of all bytes.
static CRC_TABLE: [u32; 256] = {
    const REVERSED_POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut byte = 0_u32;
    let mut rest: &mut [u32] = &mut table;
    while let [first, more @ ..] = rest {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ REVERSED_POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        *first = crc;
        byte += 1;
        rest = more;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc_32() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926_u32.to_string());
        assert_eq!(checksum(b""), "0");
    }

    #[test]
    fn plaintext_never_shows() {
        let decrypted = DecryptedData::new(b"s3cr3t", ("k", "v"), EncryptionAlgorithm::AesGcm);
        let generated = GeneratedKey::new(b"c", Some(b"s3cr3t"));
        let shown = format!("{decrypted:?} {generated:?}");
        assert_eq!(shown, "DecryptedData { key_id: \"k\", .. } GeneratedKey(..)");
        let body = serde_json::to_string(&GeneratedKey::new(b"c", None)).unwrap();
        assert_eq!(body, r#"{"ciphertext":"Yw=="}"#);
    }
}
