use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::reject::Reject;

const SIGNED_HEADERS_MAX: usize = 32;
const ATTRIBUTES_MAX: usize = 16;

/// Whose key made a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyId {
    /// `<tenancy ocid>/<user ocid>/<fingerprint>`: a user's API key.
    ApiKey {
        /// OCID of the tenancy.
        tenancy: String,
        /// OCID of the user.
        user: String,
        /// Fingerprint of the key.
        fingerprint: String,
    },
    /// `<tenancy ocid>/fed-x509[-sha256]/<fingerprint>`: an instance's certificate, at the
    /// federation service.
    Certificate {
        /// OCID of the tenancy.
        tenancy: String,
        /// SHA-1 or SHA-256 of the certificate, lower-case hex with colons.
        fingerprint: String,
    },
    /// `ST$<token>`: the key that a token names.
    Token(String),
}

/// What a key id begins with that is a token.
const TOKEN_PREFIX: &str = "ST$";

impl KeyId {
    fn parse(text: &str) -> Result<Self, Reject> {
        if let Some(token) = text.strip_prefix(TOKEN_PREFIX) {
            return Ok(Self::Token(token.to_owned()));
        }
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(tenancy), Some(user), Some(fingerprint), None)
                if tenancy.starts_with("ocid1.tenancy.") && user.starts_with("ocid1.user.") =>
            {
                Ok(Self::ApiKey {
                    tenancy: tenancy.to_owned(),
                    user: user.to_owned(),
                    fingerprint: fingerprint.to_ascii_lowercase(),
                })
            }
            (Some(tenancy), Some("fed-x509" | "fed-x509-sha256"), Some(fingerprint), None) => {
                let (tenancy, fingerprint) = (tenancy.to_owned(), fingerprint.to_ascii_lowercase());
                Ok(Self::Certificate { tenancy, fingerprint })
            }
            _ => Err(Reject::KeyId),
        }
    }
}

/// The `authorization` header, taken apart.
#[derive(Debug)]
pub(crate) struct Authorization {
    pub(crate) key_id: KeyId,
    /// Names of the signed headers, in lower case, in the signer's order.
    pub(crate) headers: Vec<String>,
    pub(crate) signature: Vec<u8>,
}

impl Authorization {
    /// Parses `Signature name="value",…`. The order of attributes is the signer's; one that occurs
    /// twice or is unknown is refused, since two readers could read it differently.
    pub(crate) fn parse(value: &str) -> Result<Self, Reject> {
        let (scheme, rest) = value.trim().split_once(' ').ok_or(Reject::MalformedAuthorization)?;
        if !scheme.eq_ignore_ascii_case("Signature") {
            return Err(Reject::MalformedAuthorization);
        }
        let attributes = attributes(rest)?;
        let attribute = |wanted: &str| {
            attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, v)| *v)
        };
        let required = |wanted| attribute(wanted).ok_or(Reject::MalformedAuthorization);
        if attribute("version").is_some_and(|version| version != "1") {
            return Err(Reject::Version);
        }
        if !required("algorithm")?.eq_ignore_ascii_case("rsa-sha256") {
            return Err(Reject::Algorithm);
        }
        let signature = STANDARD.decode(required("signature")?);
        Ok(Self {
            key_id: KeyId::parse(required("keyId")?)?,
            headers: header_list(required("headers")?)?,
            signature: signature.map_err(|_position| Reject::MalformedAuthorization)?,
        })
    }
}

const KNOWN: [&str; 5] = ["version", "keyId", "algorithm", "headers", "signature"];

fn attributes(mut rest: &str) -> Result<Vec<(&str, &str)>, Reject> {
    let malformed = Reject::MalformedAuthorization;
    let mut found: Vec<(&str, &str)> = Vec::with_capacity(KNOWN.len());
    loop {
        let (name, after) = rest.trim_start().split_once('=').ok_or(malformed)?;
        let (value, after) =
            after.strip_prefix('"').and_then(|after| after.split_once('"')).ok_or(malformed)?;
        let known = KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name));
        let twice = found.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name));
        if !known || twice || found.len() == ATTRIBUTES_MAX {
            return Err(malformed);
        }
        found.push((name, value));
        rest = match after.trim_start().strip_prefix(',') {
            Some(next) => next,
            None if after.trim().is_empty() => return Ok(found),
            None => return Err(malformed),
        };
    }
}

fn header_list(value: &str) -> Result<Vec<String>, Reject> {
    let mut names: Vec<String> = Vec::with_capacity(8);
    for name in value.split(' ').filter(|name| !name.is_empty()) {
        let name = name.to_ascii_lowercase();
        if names.contains(&name) || names.len() == SIGNED_HEADERS_MAX {
            return Err(Reject::HeaderList);
        }
        names.push(name);
    }
    if names.is_empty() { Err(Reject::HeaderList) } else { Ok(names) }
}
