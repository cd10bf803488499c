use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::md5;
use crate::reject::Reject;

/// What a request has under a header's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// No such header.
    Absent,
    /// Exactly one, and it is text.
    One(&'a str),
    /// More than one, or one that is no text: two readers could read it differently.
    Many,
}

/// The headers of a request.
pub trait HeaderSource {
    /// Looks a header up by its name in lower case.
    fn header(&self, lower_case_name: &str) -> HeaderValue<'_>;
}

/// A request as it came over the wire, without its body.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Method, in upper case.
    pub method: &'a str,
    /// Path and query exactly as on the request line.
    pub target: &'a str,
    /// The headers.
    pub headers: &'a dyn HeaderSource,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The text that is signed: a line for each listed header, `name: value`, no line break at the end.
///
/// Source: draft-cavage-http-signatures-08 §2.3; OCI documentation, "Request Signatures".
#[derive(Debug)]
pub(crate) struct SigningString(String);

impl SigningString {
    /// Builds the text for the names in `list`, which are in lower case.
    pub(crate) fn build<'n>(
        request: &Request<'_>,
        list: impl Iterator<Item = &'n str>,
    ) -> Result<Self, Reject> {
        let mut text = String::with_capacity(512);
        for name in list {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(name);
            text.push_str(": ");
            if name == REQUEST_TARGET {
                text.extend(request.method.chars().map(|c| c.to_ascii_lowercase()));
                text.push(' ');
                text.push_str(request.target);
            } else {
                match request.headers.header(name) {
                    HeaderValue::One(value) => text.push_str(value.trim()),
                    HeaderValue::Absent | HeaderValue::Many => return Err(Reject::SignedHeader),
                }
            }
        }
        Ok(Self(text))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The pseudo-header that stands for method, path and query.
pub(crate) const REQUEST_TARGET: &str = "(request-target)";

/// Returns the value of `content-md5` for a body: base64 of its MD5 (RFC 1864).
#[must_use]
pub fn content_md5(body: &[u8]) -> String {
    STANDARD.encode(md5::digest(body))
}

/// Tells whether two secrets are the same: how long that takes says how long they are, and no more.
#[must_use]
pub fn is_same_secret(given: &[u8], known: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(given, known).is_ok()
}

/// Returns the value of `x-content-sha256` for a body: base64 of its SHA-256.
#[must_use]
pub fn body_digest(body: &[u8]) -> String {
    STANDARD.encode(digest(&SHA256, body))
}
