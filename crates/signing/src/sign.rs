use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::Timestamp;

use crate::canonical::{HeaderSource, HeaderValue, Request, SigningString, body_digest};
use crate::date::imf_date;
use crate::keys::{KeyError, PrivateKey};

/// A request to be signed.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// Method, in upper case.
    pub method: &'a str,
    /// Path and query as they will stand on the request line.
    pub target: &'a str,
    /// Host, with the port if it is not the scheme's own.
    pub host: &'a str,
    /// Content type and body of a method that has one; the body may be empty.
    pub body: Option<(&'a str, &'a [u8])>,
}

impl std::fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("method", &self.method).finish_non_exhaustive()
    }
}

struct Added(Vec<(&'static str, String)>);

impl HeaderSource for Added {
    fn header(&self, lower_case_name: &str) -> HeaderValue<'_> {
        let found = self.0.iter().find(|(name, _)| *name == lower_case_name);
        found.map_or(HeaderValue::Absent, |(_, value)| HeaderValue::One(value))
    }
}

/// Signs a request and returns the headers to send, `authorization` last. Order and spelling are
/// those of Oracle's Python SDK.
///
/// # Errors
/// A [`KeyError`] if the key cannot sign.
pub fn sign(
    outgoing: &Outgoing<'_>,
    key_id: &str,
    key: &PrivateKey,
    now: Timestamp,
) -> Result<Vec<(&'static str, String)>, KeyError> {
    let mut added = vec![("date", imf_date(now)), ("host", outgoing.host.to_owned())];
    let mut list = vec!["date", "(request-target)", "host"];
    if let Some((content_type, body)) = outgoing.body {
        added.push(("content-length", body.len().to_string()));
        added.push(("content-type", content_type.to_owned()));
        added.push(("x-content-sha256", body_digest(body)));
        list.extend(["content-length", "content-type", "x-content-sha256"]);
    }
    let mut added = Added(added);
    let request = Request { method: outgoing.method, target: outgoing.target, headers: &added };
    let text = SigningString::build(&request, list.iter().copied())
        .map_err(|_reject| KeyError::Refused)?;
    let signature = STANDARD.encode(key.sign(text.as_bytes())?);
    let list = list.join(" ");
    let value = format!(
        "Signature algorithm=\"rsa-sha256\",headers=\"{list}\",keyId=\"{key_id}\",\
         signature=\"{signature}\",version=\"1\""
    );
    added.0.push(("authorization", value));
    Ok(added.0)
}
