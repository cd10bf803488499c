use crate::content::decode_base64;
use crate::error::Refusal;
use crate::fields::Fields;

/// Bytes of a sealed key, at most.
const BYTES_MAX: usize = 4096;

/// Reads `isReadOnly`, the one field of `UpdateReadOnly`.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_is_read_only(mut fields: Fields) -> Result<bool, Refusal> {
    let is_read_only = fields.boolean("isReadOnly")?.ok_or_else(|| fields.missing("isReadOnly"))?;
    fields.finish("isReadOnly")?;
    Ok(is_read_only)
}

/// A root key that takes another's place: sealed for the installation's files, and each of the two
/// sealed under the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKeyDetails {
    /// What `root.key` is to hold.
    pub root_file: Vec<u8>,
    /// The new key, sealed under the old one.
    pub next: Vec<u8>,
    /// The old key, sealed under the new one.
    pub previous: Vec<u8>,
}

impl RootKeyDetails {
    /// Reads the fields of `RotateRootKey`.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let mut bytes = |field: &'static str| {
            let text = fields.string(field)?.ok_or_else(|| fields.missing(field))?;
            decode_base64(field, text.as_bytes(), BYTES_MAX).map(|bytes| bytes.expose().to_vec())
        };
        let (root_file, next, previous) = (bytes("rootFile")?, bytes("next")?, bytes("previous")?);
        fields.finish("rootFile, next, previous")?;
        Ok(Self { root_file, next, previous })
    }
}
