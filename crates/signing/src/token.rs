//! Tokens that stand for a principal: JSON Web Tokens (RFC 7519) signed with RS256, whose `jwk` claim
//! names the key that signs requests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use strongroom_model::Timestamp;

use crate::keys::{KeyError, PublicKey};
use crate::reject::Reject;

/// Longest token that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How far the server's clock may have gone back since it issued a token, in seconds.
const AHEAD_SECS_MAX: i64 = 300;

const ALGORITHM: &str = "RS256";

/// What a token says.
///
/// Source: the claims that Oracle's SDKs read, and those of tokens seen in public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// OCID of the principal.
    pub sub: String,
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// What the principal is: `user`, `instance` or `resource`.
    pub ptype: String,
    /// By what it was obtained: `x509`, `res_sp` or `upst`.
    pub ttype: String,
    /// OCID of the tenancy.
    pub tenant: String,
    /// Name of the token.
    pub jti: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// The key that signs requests, a JSON Web Key as text.
    pub jwk: String,
    /// When the session ends, in seconds since 1970: up to then the token can be refreshed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sess_exp: Option<i64>,
    /// What an instance's or resource's token says of it, for clients that read it.
    #[serde(flatten)]
    pub of_resource: Option<ResourceClaims>,
}

/// What a token says of an instance or another resource. The server goes by `sub` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceClaims {
    /// Kind of the certificate: the type of the resource.
    #[serde(rename = "opc-certtype")]
    pub cert_type: String,
    /// OCID of its compartment.
    #[serde(rename = "opc-compartment")]
    pub compartment: String,
    /// OCID of the resource.
    #[serde(rename = "opc-instance")]
    pub instance: String,
    /// OCID of the tenancy.
    #[serde(rename = "opc-tenant")]
    pub tenant: String,
    /// OCID of the tenancy.
    pub res_tenant: String,
    /// OCID of its compartment.
    pub res_compartment: String,
    /// Type of the resource.
    pub res_type: String,
    /// OCID of the resource.
    pub res_id: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    kid: String,
    alg: String,
}

/// A token that is still to be signed.
#[derive(Debug)]
pub struct NewToken(String);

impl NewToken {
    /// Writes the claims down, to be signed by the key that `kid` names.
    ///
    /// # Errors
    /// [`KeyError::Format`] if they cannot be encoded.
    pub fn new(kid: &str, claims: &Claims) -> Result<Self, KeyError> {
        let header = Header { kid: kid.to_owned(), alg: ALGORITHM.to_owned() };
        let part = |json: Result<Vec<u8>, serde_json::Error>| {
            json.map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_error| KeyError::Format)
        };
        let header = part(serde_json::to_vec(&header))?;
        Ok(Self(format!("{header}.{}", part(serde_json::to_vec(claims))?)))
    }

    /// Returns what is to be signed (RSASSA-PKCS1-v1_5, SHA-256).
    #[must_use]
    pub const fn message(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns the token with its signature.
    #[must_use]
    pub fn signed(self, signature: &[u8]) -> String {
        format!("{}.{}", self.0, URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A token that came in. Nothing of it is believed before [`Self::verify`].
#[derive(Debug)]
pub struct SignedToken {
    kid: String,
    message: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl SignedToken {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Reject::Token`].
    pub fn parse(text: &str) -> Result<Self, Reject> {
        let malformed = Reject::Token;
        if text.len() > TOKEN_BYTES_MAX {
            return Err(malformed);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = message.split_once('.').ok_or(malformed)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_position| malformed);
        let header: Header =
            serde_json::from_slice(&decoded(header)?).map_err(|_error| malformed)?;
        if header.alg != ALGORITHM {
            return Err(malformed);
        }
        let (payload, signature) = (decoded(payload)?, decoded(signature)?);
        Ok(Self { kid: header.kid, message: message.to_owned(), payload, signature })
    }

    /// Returns the name of the key that is said to have signed it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Verifies signature and time, and returns what the token says.
    ///
    /// # Errors
    /// The [`Reject`] that says which rule does not hold.
    pub fn verify(&self, signer: &PublicKey, now: Timestamp) -> Result<Claims, Reject> {
        if !signer.verifies(self.message.as_bytes(), &self.signature) {
            return Err(Reject::TokenSignature);
        }
        let claims: Claims =
            serde_json::from_slice(&self.payload).map_err(|_error| Reject::Token)?;
        let now = now.as_second();
        if now >= claims.exp || claims.iat > now.saturating_add(AHEAD_SECS_MAX) {
            return Err(Reject::TokenTime);
        }
        Ok(claims)
    }
}

impl Claims {
    /// Returns the key that signs requests.
    ///
    /// # Errors
    /// [`Reject::TokenKey`].
    pub fn session_key(&self) -> Result<PublicKey, Reject> {
        PublicKey::from_jwk(&self.jwk).map_err(|_error| Reject::TokenKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrivateKey;

    fn claims(jwk: String) -> Claims {
        Claims {
            sub: "ocid1.user.oc1..u".to_owned(),
            iss: "i".to_owned(),
            aud: "oci".to_owned(),
            ptype: "user".to_owned(),
            ttype: "upst".to_owned(),
            tenant: "ocid1.tenancy.oc1..t".to_owned(),
            jti: "j".to_owned(),
            iat: 1_000,
            exp: 2_200,
            jwk,
            sess_exp: None,
            of_resource: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_holds_for_its_time_and_under_its_key_only() {
        let (signer, session) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let session = session.public().unwrap();
        let claims = claims(session.to_jwk("s").unwrap());
        let new = NewToken::new("k", &claims).unwrap();
        let signature = signer.sign(new.message()).unwrap();
        let text = new.signed(&signature);
        let token = SignedToken::parse(&text).unwrap();
        assert_eq!(token.kid(), "k");
        let public = signer.public().unwrap();
        assert_eq!(token.verify(&public, at(2_199)).unwrap(), claims);
        assert_eq!(token.verify(&public, at(2_200)), Err(Reject::TokenTime));
        assert_eq!(token.verify(&public, at(699)), Err(Reject::TokenTime));
        assert_eq!(token.verify(&session, at(1_500)), Err(Reject::TokenSignature));
        assert_eq!(claims.session_key().unwrap().fingerprint(), session.fingerprint());
        for position in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[position] = if bent[position] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            let held = SignedToken::parse(&bent).and_then(|token| token.verify(&public, at(1_500)));
            assert!(held.is_err(), "position {position}");
        }
    }

    #[test]
    fn other_algorithms_and_forms_are_refused() {
        let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for (first, rest) in [
            (header(r#"{"kid":"k","alg":"none"}"#), "e30.AA"),
            (header(r#"{"kid":"k","alg":"HS256"}"#), "e30.AA"),
            (header(r#"{"alg":"RS256"}"#), "e30.AA"),
            (header(r#"{"kid":"k","kid":"l","alg":"RS256"}"#), "e30.AA"),
            (header(r#"{"kid":"k","alg":"RS256"}"#), "e30"),
            (header(r#"{"kid":"k","alg":"RS256"}"#), "e30.A=A"),
            (header(r#"{"kid":"k","alg":"RS256"}"#), "e30.e30.AA"),
            ("x".repeat(TOKEN_BYTES_MAX), "e30.AA"),
        ] {
            let parsed = SignedToken::parse(&format!("{first}.{rest}"));
            assert_eq!(parsed.map(|_token| ()), Err(Reject::Token), "{rest}");
        }
    }
}
