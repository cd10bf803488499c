//! PEM (RFC 7468).

use crate::Sensitive;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const COLUMNS: usize = 64;

/// Finds the first block of one of `labels` and decodes it. Text around it is ignored: Oracle's
/// tools put a label after the key.
#[must_use]
pub fn decode(text: &str, labels: &[&'static str]) -> Option<(&'static str, Sensitive)> {
    for label in labels {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let Some((_, rest)) = text.split_once(&begin) else {
            continue;
        };
        let (body, _) = rest.split_once(&end)?;
        let joined =
            Sensitive::new(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
        let bytes = STANDARD.decode(joined.expose()).ok()?;
        return Some((label, Sensitive::new(bytes)));
    }
    None
}

/// Encodes a block.
#[must_use]
pub fn encode(label: &str, bytes: &[u8]) -> Sensitive {
    let body = Sensitive::new(STANDARD.encode(bytes).into_bytes());
    let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
    text.reserve(body.expose().len() + body.expose().len() / COLUMNS + COLUMNS);
    for line in body.expose().chunks(COLUMNS) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    Sensitive::new(text)
}
