//! What operators do to a whole Strongroom installation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::calls::{get, parse};
use crate::client::{Call, Client};
use crate::endpoint::Service;
use crate::error::ClientError;

/// A root key that is to take another's place: sealed for the installation's files, and each of the
/// two sealed under the other.
#[derive(Debug, Clone)]
pub struct NextRootKey<'a> {
    /// What `root.key` is to hold.
    pub root_file: &'a [u8],
    /// The new key, sealed under the old one.
    pub next: &'a [u8],
    /// The old key, sealed under the new one.
    pub previous: &'a [u8],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadOnly {
    is_read_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rotation {
    is_done: bool,
}

/// A call that comes to the same when it is made twice.
fn call(method: Method, path: &str, body: &Value) -> Call {
    let body = Some(Bytes::from(body.to_string()));
    Call { method, body, retry_token: true, ..get(Service::Vaults, path.to_owned()) }
}

impl Client {
    /// `UpdateReadOnly`: says whether the installation takes changes, and returns what holds now.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn update_read_only(&self, is_read_only: bool) -> Result<bool, ClientError> {
        let body = json!({ "isReadOnly": is_read_only });
        let answer = self.send(call(Method::PUT, "/_strongroom/v1/readOnly", &body)).await?;
        parse(&answer, "UpdateReadOnly").map(|now: ReadOnly| now.is_read_only)
    }

    /// `RotateRootKey`: begins to seal everything under another root key; asked again, returns
    /// whether that is done.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn rotate_root_key(&self, next: &NextRootKey<'_>) -> Result<bool, ClientError> {
        let body = json!({
            "rootFile": STANDARD.encode(next.root_file),
            "next": STANDARD.encode(next.next),
            "previous": STANDARD.encode(next.previous),
        });
        let path = "/_strongroom/v1/rootKey/actions/rotate";
        let answer = self.send(call(Method::POST, path, &body)).await?;
        parse(&answer, "RotateRootKey").map(|now: Rotation| now.is_done)
    }
}
