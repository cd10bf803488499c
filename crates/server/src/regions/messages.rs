//! What regions say to each other. Every message is JSON, signed as a whole; what is secret in it is
//! sealed for the one region that it goes to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use strongroom_keyring::{RegionKeys, RegionPublicKeys};
use strongroom_model::{Ocid, Secret, SecretVersion};
use strongroom_wire::RequestId;

/// Where regions ask each other for changes.
pub(crate) const PULL: &str = "/_replication/v1/pull";

/// Where a region's own operator gives commands.
pub(crate) const OPERATE: &str = "/_replication/v1/operate";

const REGION: &str = "strongroom-region";
const SIGNATURE: &str = "strongroom-signature";

/// What a message is for; a signature of one kind holds for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pull,
    Page,
    Command,
    Report,
}

impl Kind {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Pull => b"strongroom/1/region-pull\0",
            Self::Page => b"strongroom/1/region-page\0",
            Self::Command => b"strongroom/1/region-command\0",
            Self::Report => b"strongroom/1/region-report\0",
        }
    }
}

/// A message with its signature, as it travels.
#[derive(Clone)]
pub struct SignedMessage {
    /// Name of the region that signed it.
    pub region: String,
    /// The signature, base64.
    pub signature: String,
    /// What was signed.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for SignedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedMessage").field("region", &self.region).finish_non_exhaustive()
    }
}

impl SignedMessage {
    /// Signs a message as a region.
    pub(crate) fn sign<T: Serialize>(
        (region, keys): (&str, &RegionKeys),
        kind: Kind,
        message: &T,
    ) -> Option<Self> {
        let body = serde_json::to_vec(message).ok()?;
        let signature = STANDARD.encode(keys.sign(&[kind.label(), &body].concat()));
        Some(Self { region: region.to_owned(), signature, body })
    }

    /// Takes a message out of what came over HTTP.
    #[must_use]
    pub fn received(headers: &HeaderMap, body: Vec<u8>) -> Self {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let text = |name| text(name).unwrap_or_default().to_owned();
        Self { region: text(REGION), signature: text(SIGNATURE), body }
    }

    /// Returns the headers that the message travels with.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [
            (REGION, &self.region),
            (SIGNATURE, &self.signature),
            (CONTENT_TYPE.as_str(), "application/json"),
        ]
    }

    /// Reads a message, if the region of `keys` signed it.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        keys: &RegionPublicKeys,
        kind: Kind,
    ) -> Option<T> {
        let signature = STANDARD.decode(&self.signature).ok()?;
        let signed = [kind.label(), &self.body].concat();
        keys.verify(&signed, &signature).then(|| serde_json::from_slice(&self.body).ok())?
    }

    pub(crate) fn into_response(self, request_id: &RequestId) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        for (name, value) in self.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
            headers.insert("opc-request-id", value);
        }
        *response.body_mut() = Full::new(Bytes::from(self.body));
        response
    }
}

/// Which region the home region is, and how often it has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Home {
    pub(crate) region: String,
    pub(crate) term: u64,
}

/// A region asks another for what has changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pull {
    pub(crate) from: String,
    pub(crate) to: String,
    /// The answer repeats it, so that no old answer passes for this one's.
    pub(crate) nonce: String,
    /// Microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) home: Home,
    /// Outbox rows whose changes are stored here.
    pub(crate) acknowledged: Vec<String>,
    /// Objects to send, whether they changed or not.
    pub(crate) again: Vec<String>,
    /// Whether to list everything that is replicated to this region.
    pub(crate) inventory: bool,
    /// How long to wait for a change.
    pub(crate) wait_secs: u64,
}

/// The answer: objects as they are now.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) nonce: String,
    pub(crate) home: Home,
    /// Outbox rows that this page settles.
    pub(crate) covers: Vec<String>,
    pub(crate) rows: Vec<RowItem>,
    pub(crate) secrets: Vec<SecretItem>,
    /// Changes that wait, with those of this page, and when the oldest was made, in microseconds.
    pub(crate) waiting: u64,
    pub(crate) oldest: Option<i64>,
    pub(crate) inventory: Option<Vec<InventoryItem>>,
}

/// A row of the identity tables.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RowItem {
    pub(crate) key: String,
    /// Absent if the row is gone.
    pub(crate) value: Option<String>,
    pub(crate) revision: u64,
}

/// A secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretItem {
    pub(crate) id: Ocid,
    pub(crate) revision: u64,
    /// Absent if it is not, or no longer, replicated to the region that asks.
    pub(crate) secret: Option<Secret>,
    /// Why contents are missing, if they are.
    pub(crate) fault: Option<String>,
    pub(crate) versions: Vec<VersionItem>,
}

/// A version of a secret, with its content sealed for the region that asks.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VersionItem {
    pub(crate) version: SecretVersion,
    /// Base64.
    pub(crate) sealed: String,
}

/// An object, and the commit that it was last changed by.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InventoryItem {
    pub(crate) object: String,
    pub(crate) revision: u64,
}

/// What the content of a version is bound to on its way.
pub(crate) fn binding((from, to): (&str, &str), id: &Ocid, number: u64, revision: u64) -> Vec<u8> {
    format!("{from}\0{to}\0{id}\0{number}\0{revision}").into_bytes()
}

#[cfg(test)]
mod tests {
    use strongroom_keyring::{RootKey, SystemRandom};

    use super::*;

    #[test]
    fn a_message_is_its_signers_and_of_its_kind() {
        let keys = |root: &RootKey| RegionKeys::derive(root).unwrap();
        let (here, there) =
            (keys(&RootKey::generate(&SystemRandom)), keys(&RootKey::generate(&SystemRandom)));
        let home = Home { region: "us-ashburn-1".to_owned(), term: 1 };
        let signed = SignedMessage::sign(("eu-zurich-1", &here), Kind::Pull, &home).unwrap();
        assert_eq!(signed.open(here.public(), Kind::Pull), Some(home));
        assert!(signed.open::<Home>(here.public(), Kind::Page).is_none());
        assert!(signed.open::<Home>(there.public(), Kind::Pull).is_none());
        let mut bent = signed.clone();
        bent.body.retain(|byte| *byte != b'1');
        assert!(bent.open::<Home>(here.public(), Kind::Pull).is_none());
        bent.signature.clear();
        assert!(bent.open::<Home>(here.public(), Kind::Pull).is_none());
    }
}
