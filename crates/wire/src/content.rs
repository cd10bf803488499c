use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use strongroom_model::Sensitive;

use crate::error::Refusal;

/// Largest content of a secret version: 25 KB, counted in decoded bytes.
///
/// Source: OCI documentation, "Updating a Secret's Contents"; that KB is 1,024 and counts decoded
/// bytes is this product's reading.
pub const CONTENT_BYTES_MAX: usize = 25_600;

/// The one spelling of every content: standard alphabet, padded, no trailing bits.
const STRICT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Decodes base64 of at most `bytes_max` bytes.
///
/// # Errors
/// A [`Refusal`] that names `field` and the rule, if the text is no canonical base64 or decodes to
/// more bytes.
pub fn decode_base64(field: &str, text: &[u8], bytes_max: usize) -> Result<Sensitive, Refusal> {
    let bytes = STRICT.decode(text).map_err(|_position| {
        let rule = "must be base64 (RFC 4648: standard alphabet, padded, canonical, no blanks); \
                    encode the value first: base64 -w0 FILE";
        Refusal::invalid(field, rule)
    })?;
    let content = Sensitive::new(bytes);
    if content.expose().len() > bytes_max {
        let rule = format!("must decode to at most {bytes_max} bytes");
        return Err(Refusal::invalid(field, &rule));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Sensitive, Refusal> {
        decode_base64("content", text.as_bytes(), CONTENT_BYTES_MAX)
    }

    #[test]
    fn one_spelling_only() {
        assert_eq!(decode("aGk=").unwrap().expose(), b"hi");
        assert_eq!(decode("").unwrap().expose(), b"");
        for text in ["aGk", "aGl=", "aGk==", "aG k=", "aGk=\n", "a-_=", "=", "aGk=aGk=", "ä"] {
            assert!(decode(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_limit_counts_decoded_bytes() {
        let encode = |length| STRICT.encode(vec![7_u8; length]);
        assert!(decode(&encode(CONTENT_BYTES_MAX)).is_ok());
        assert!(decode(&encode(CONTENT_BYTES_MAX + 1)).is_err());
    }
}
