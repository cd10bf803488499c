use strongroom_model::Timestamp;

use crate::authorization::{Authorization, KeyId};
use crate::canonical::{HeaderValue, REQUEST_TARGET, Request, SigningString, body_digest};
use crate::date::parse_imf_date;
use crate::keys::PublicKey;
use crate::reject::Reject;

/// How far a signed date may be from the server's clock, in seconds.
///
/// Source: OCI documentation, "Request Signatures": maximum allowed client clock skew.
const SKEW_SECS_MAX: i64 = 300;

/// Headers that carry the body; they must be signed where a method has one.
const BODY_HEADERS: [&str; 3] = ["content-length", "content-type", "x-content-sha256"];

/// Which rules a request is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything but the federation service.
    Api,
    /// `/v1/x509`, where some SDKs leave `host` unsigned.
    Federation,
}

/// A signature that is claimed: well formed, recent, over all that must be signed. Not yet verified.
#[derive(Debug)]
pub struct Claim {
    authorization: Authorization,
    signs_body: bool,
}

impl Claim {
    /// Reads the claim of a request.
    ///
    /// # Errors
    /// The [`Reject`] that says which rule does not hold.
    pub fn read(request: &Request<'_>, scope: Scope, now: Timestamp) -> Result<Self, Reject> {
        let HeaderValue::One(value) = request.headers.header("authorization") else {
            return Err(Reject::NoAuthorization);
        };
        let authorization = Authorization::parse(value)?;
        let signs = |name: &str| authorization.headers.iter().any(|signed| signed == name);
        if request.headers.header("opc-obo-token") != HeaderValue::Absent {
            return Err(Reject::Delegation);
        }
        let with_body = matches!(request.method, "POST" | "PUT" | "PATCH");
        let host: &[&str] = if scope == Scope::Api { &["host"] } else { &[] };
        let body: &[&str] = if with_body { &BODY_HEADERS } else { &[] };
        for name in [&[REQUEST_TARGET], host, body].concat() {
            if !signs(name) {
                return Err(Reject::Unsigned(name));
            }
        }
        if !signs("date") && !signs("x-date") {
            return Err(Reject::Unsigned("date"));
        }
        for name in ["date", "x-date"].into_iter().filter(|name| signs(name)) {
            check_date(request, name, now)?;
        }
        let signs_body = BODY_HEADERS.iter().any(|name| signs(name));
        Ok(Self { authorization, signs_body })
    }

    /// Returns whose key is claimed to have signed.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.authorization.key_id
    }

    /// Verifies the signature over the request, and the body against its signed headers.
    ///
    /// # Errors
    /// The [`Reject`] that says which rule does not hold.
    pub fn verify(
        &self,
        request: &Request<'_>,
        body: &[u8],
        key: &PublicKey,
    ) -> Result<(), Reject> {
        if self.signs_body || !body.is_empty() {
            check_body(request, body)?;
        }
        let list = self.authorization.headers.iter().map(String::as_str);
        let text = SigningString::build(request, list)?;
        if key.verifies(text.as_bytes(), &self.authorization.signature) {
            Ok(())
        } else {
            Err(Reject::Signature)
        }
    }
}

fn check_date(request: &Request<'_>, name: &str, now: Timestamp) -> Result<(), Reject> {
    let HeaderValue::One(value) = request.headers.header(name) else {
        return Err(Reject::SignedHeader);
    };
    let signed = parse_imf_date(value.trim()).ok_or(Reject::Date)?;
    let skew = now.as_second().saturating_sub(signed.as_second());
    if skew.abs() <= SKEW_SECS_MAX { Ok(()) } else { Err(Reject::Skew(skew)) }
}

/// A body needs its digest, also where the method does not demand one.
fn check_body(request: &Request<'_>, body: &[u8]) -> Result<(), Reject> {
    match request.headers.header("content-length") {
        HeaderValue::One(length) if length.trim() == body.len().to_string() => {}
        _ => return Err(Reject::ContentLength),
    }
    match request.headers.header("x-content-sha256") {
        HeaderValue::One(claimed) if claimed.trim() == body_digest(body) => Ok(()),
        _ => Err(Reject::BodyDigest),
    }
}
