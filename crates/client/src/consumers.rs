//! What a Strongroom vault answers beyond OCI: who holds which version, and what has changed.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;

use crate::calls::{encode, get, parse, target};
use crate::client::{Call, Client};
use crate::endpoint::Service;
use crate::error::ClientError;

/// Longest wait of [`Client::secret_changes`]: an answer must come before a call is given up.
pub const WATCH_TIME_MAX: Duration = Duration::from_secs(15);

/// An application that holds a version of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretConsumer {
    /// Name of the application.
    pub consumer_name: String,
    /// OCID of the user or resource that reported, or the name of a service.
    pub principal_id: String,
    /// Number of the version that it holds.
    pub version_number: u64,
    /// Stages of that version.
    pub stages: Vec<String>,
    /// Number of the version in use.
    pub current_version_number: u64,
    /// Whether its last report still counts.
    pub is_live: bool,
    /// When it reported, RFC 3339.
    pub time_reported: String,
    /// Until when the report counts, RFC 3339.
    pub time_live_until: String,
}

/// When rotations retire the previous version of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRetirement {
    /// Longest wait for consumers, in seconds; absent is never.
    pub deadline_seconds: Option<u32>,
}

/// What became of secrets since a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretChanges {
    /// Where the next call goes on.
    pub cursor: String,
    /// Whether more may have changed than is told.
    pub is_reset: bool,
    /// The secrets that changed, as they are now.
    pub changes: Vec<SecretChange>,
}

/// What an error takes from whoever follows the feed of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedLoss {
    /// The server has no feed.
    Feed,
    /// The caller is not known any more, or the cursor is not: more may have changed than will be told.
    Place,
    /// The next question goes on where this one was.
    Nothing,
}

impl FeedLoss {
    /// Returns what this error of [`Client::secret_changes`] takes.
    #[must_use]
    pub const fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Service(error) => match error.status {
                404 | 405 | 501 => Self::Feed,
                400 | 401 | 403 => Self::Place,
                _ => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }
}

/// A secret that changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretChange {
    /// OCID.
    pub secret_id: String,
    /// Name.
    pub secret_name: Option<String>,
    /// Lifecycle state.
    pub lifecycle_state: String,
    /// Number of the version in use.
    pub current_version_number: u64,
    /// Etag of the secret.
    pub etag: String,
}

fn of_secret(secret_id: &str, rest: &str) -> String {
    format!("/_strongroom/v1/secrets/{}/{rest}", encode(secret_id))
}

fn put(target: String, body: &serde_json::Value) -> Call {
    let body = Some(Bytes::from(body.to_string()));
    // The newest report is the one that counts, so sending one twice is sending it once.
    Call { method: Method::PUT, body, retry_token: true, ..get(Service::Vaults, target) }
}

impl Client {
    /// `ReportSecretVersion`: says which version the application `consumer` holds, and how long that
    /// counts; no time at all takes the consumer away.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn report_secret_version(
        &self,
        secret_id: &str,
        consumer: &str,
        version: u64,
        live_for: Duration,
    ) -> Result<SecretConsumer, ClientError> {
        let body = serde_json::json!({
            "versionNumber": version, "liveForSeconds": live_for.as_secs(),
        });
        let target = of_secret(secret_id, &format!("consumers/{}", encode(consumer)));
        parse(&self.send(put(target, &body)).await?, "ReportSecretVersion")
    }

    /// `ListSecretConsumers`, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secret_consumers(
        &self,
        secret_id: &str,
    ) -> Result<Vec<SecretConsumer>, ClientError> {
        let path = of_secret(secret_id, "consumers");
        // The most of a page: a fleet of thousands asks as it starts.
        let parameters = vec![("limit", "1000".to_owned())];
        self.all_pages(Service::Vaults, &path, parameters, "ListSecretConsumers").await
    }

    /// `UpdateSecretRetirement`: rotations retire the previous version when every consumer has moved
    /// on, and after the deadline at the latest; without one they keep it.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn set_secret_retirement(
        &self,
        secret_id: &str,
        deadline: Option<Duration>,
    ) -> Result<SecretRetirement, ClientError> {
        let secs = deadline.map(|deadline| deadline.as_secs());
        let body = serde_json::json!({ "deadlineSeconds": secs });
        let answer = self.send(put(of_secret(secret_id, "retirement"), &body)).await?;
        parse(&answer, "UpdateSecretRetirement")
    }

    /// `GetSecretRetirement`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secret_retirement(
        &self,
        secret_id: &str,
    ) -> Result<SecretRetirement, ClientError> {
        let call = get(Service::Vaults, of_secret(secret_id, "retirement"));
        parse(&self.send(call).await?, "GetSecretRetirement")
    }

    /// `WatchSecrets`: waits at most `wait`, bounded by [`WATCH_TIME_MAX`], for a change of a secret
    /// whose description the caller may read. Without a cursor it only tells where to begin.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn secret_changes(
        &self,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<SecretChanges, ClientError> {
        let secs = wait.min(WATCH_TIME_MAX).as_secs().to_string();
        let mut parameters = vec![("waitSeconds", secs)];
        parameters.extend(after.map(|after| ("after", after.to_owned())));
        let call = get(Service::Vaults, target("/_strongroom/v1/secretChanges", &parameters));
        parse(&self.send(call).await?, "WatchSecrets")
    }
}
