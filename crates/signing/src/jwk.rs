//! RSA public keys as JSON Web Keys (RFC 7517, RFC 7518 §6.3).

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{self, PublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::keys::{KeyError, PublicKey};

#[derive(Serialize, Deserialize)]
struct Jwk<'a> {
    kid: &'a str,
    n: String,
    e: String,
    kty: &'a str,
    alg: &'a str,
    #[serde(rename = "use")]
    usage: &'a str,
}

#[derive(Deserialize)]
struct Components {
    kty: String,
    n: String,
    e: String,
}

impl PublicKey {
    /// Returns the key as the text of a JSON Web Key of the name `kid`.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cryptographic library refuses.
    pub fn to_jwk(&self, kid: &str) -> Result<String, KeyError> {
        let key = rsa::PublicKey::from_der(self.spki()).map_err(|_rejected| KeyError::Refused)?;
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(&key);
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        let jwk = Jwk { kid, n, e, kty: "RSA", alg: "RS256", usage: "sig" };
        serde_json::to_string(&jwk).map_err(|_error| KeyError::Refused)
    }

    /// Reads the text of a JSON Web Key.
    ///
    /// # Errors
    /// A [`KeyError`].
    pub fn from_jwk(text: &str) -> Result<Self, KeyError> {
        let jwk: Components = serde_json::from_str(text).map_err(|_error| KeyError::Format)?;
        if jwk.kty != "RSA" {
            return Err(KeyError::Format);
        }
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let (n, e) = (decoded(&jwk.n), decoded(&jwk.e));
        let (Ok(n), Ok(e)) = (n, e) else { return Err(KeyError::Format) };
        let spki =
            PublicKeyComponents { n, e }.as_der().map_err(|_unspecified| KeyError::Format)?;
        Self::from_der(spki.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrivateKey;

    #[test]
    fn keys_survive_and_others_are_refused() {
        let key = PrivateKey::generate().unwrap().public().unwrap();
        let text = key.to_jwk("k").unwrap();
        assert_eq!(PublicKey::from_jwk(&text).unwrap().fingerprint(), key.fingerprint());
        for wrong in [
            "",
            "{}",
            r#"{"kty":"EC","n":"AQ","e":"AQAB"}"#,
            r#"{"kty":"RSA","n":"AQ","e":"AQAB"}"#,
        ] {
            assert!(PublicKey::from_jwk(wrong).is_err(), "{wrong}");
        }
    }
}
