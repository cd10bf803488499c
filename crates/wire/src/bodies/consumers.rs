//! What this server answers about consumers of secrets, beyond OCI.

use serde::Serialize;
use strongroom_model::{Retirement, Secret, SecretConsumer, Stage, Timestamp, Vault};

use super::{optional_time, time};

/// A consumer of a secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerBody<'a> {
    secret_id: &'a str,
    consumer_name: &'a str,
    principal_id: &'a str,
    version_number: u64,
    stages: Vec<Stage>,
    current_version_number: u64,
    is_live: bool,
    #[serde(serialize_with = "time")]
    time_reported: Timestamp,
    #[serde(serialize_with = "time")]
    time_live_until: Timestamp,
}

impl<'a> ConsumerBody<'a> {
    /// Renders a consumer as it is at `now`.
    #[must_use]
    pub fn new(secret: &'a Secret, consumer: &'a SecretConsumer, now: Timestamp) -> Self {
        Self {
            secret_id: secret.id.as_str(),
            consumer_name: &consumer.name,
            principal_id: &consumer.principal_id,
            version_number: consumer.version,
            stages: secret.stages.of(consumer.version),
            current_version_number: secret.stages.current,
            is_live: consumer.is_live(now),
            time_reported: consumer.time_reported,
            time_live_until: consumer.live_until,
        }
    }
}

/// When rotations retire the previous version of a secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetirementBody<'a> {
    secret_id: &'a str,
    deadline_seconds: Option<u32>,
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    time_waiting_until: Option<Timestamp>,
}

impl<'a> RetirementBody<'a> {
    /// Renders the mark of a secret.
    #[must_use]
    pub fn new(secret: &'a Secret) -> Self {
        let mark = secret.rotation.retirement;
        Self {
            secret_id: secret.id.as_str(),
            deadline_seconds: mark.map(|Retirement { deadline_secs }| deadline_secs),
            time_waiting_until: secret.rotation.run.as_ref().and_then(|run| run.retire_by),
        }
    }
}

/// What became of watched secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretChangesBody {
    /// Where the next request goes on.
    pub cursor: String,
    /// Whether more may have changed than is told: what is held must be looked at anew.
    pub is_reset: bool,
    /// The secrets that changed, as they are now.
    pub changes: Vec<SecretChangeBody>,
}

/// A secret that changed: identifiers, version numbers and etag; never content.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretChangeBody {
    secret_id: String,
    vault_id: String,
    secret_name: String,
    lifecycle_state: &'static str,
    current_version_number: u64,
    latest_version_number: u64,
    etag: String,
}

impl SecretChangeBody {
    /// Renders a secret.
    #[must_use]
    pub fn new(secret: &Secret, vault: &Vault, etag: String) -> Self {
        Self {
            secret_id: secret.id.to_string(),
            vault_id: secret.vault_id.to_string(),
            secret_name: secret.name.clone(),
            lifecycle_state: secret.shown_in(vault).0.name(),
            current_version_number: secret.stages.current,
            latest_version_number: secret.stages.latest,
            etag,
        }
    }
}
