use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use jiff::Span;
use jiff::civil::date;

use super::key::{SecretKey, SecretName};
use crate::answers::{Secret, SecretBundle};
use crate::client::Client;
use crate::consumers::SecretChanges;
use crate::error::ClientError;

/// Where a cache reads from.
pub trait Upstream: Debug + Send + Sync + 'static {
    /// Reads a secret's content.
    fn bundle(
        &self,
        key: &SecretKey,
    ) -> impl Future<Output = Result<SecretBundle, ClientError>> + Send;

    /// Returns how often the secret is to be replaced, if that is laid down.
    fn rotation_interval(
        &self,
        secret_id: &str,
    ) -> impl Future<Output = Result<Option<Duration>, ClientError>> + Send;

    /// Tells whether there may be a feed of changes.
    fn may_have_feed(&self) -> bool;

    /// Waits for changes, as [`Client::secret_changes`] does.
    fn changes(
        &self,
        after: Option<&str>,
        wait: Duration,
    ) -> impl Future<Output = Result<SecretChanges, ClientError>> + Send;
}

impl Upstream for Client {
    async fn bundle(&self, key: &SecretKey) -> Result<SecretBundle, ClientError> {
        match key.secret() {
            SecretName::Id(id) => self.secret_bundle(id, key.selector()).await,
            SecretName::InVault { vault_id, name } => {
                self.secret_bundle_by_name(vault_id, name, key.selector()).await
            }
        }
    }

    async fn rotation_interval(&self, secret_id: &str) -> Result<Option<Duration>, ClientError> {
        Ok(shortest_interval(&self.secret(secret_id).await?))
    }

    fn may_have_feed(&self) -> bool {
        self.base_url().is_some()
    }

    async fn changes(
        &self,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<SecretChanges, ClientError> {
        self.secret_changes(after, wait).await
    }
}

/// Returns the shorter of the interval in which a secret rotates and the one in which its versions
/// expire.
fn shortest_interval(secret: &Secret) -> Option<Duration> {
    let rotation = secret.rest.get("rotationConfig").and_then(|c| c.get("rotationInterval"));
    let rules = secret.rest.get("secretRules").and_then(|rules| rules.as_array());
    let rules = rules.map(Vec::as_slice).unwrap_or_default();
    let expiries = rules.iter().filter_map(|rule| rule.get("secretVersionExpiryInterval"));
    rotation.into_iter().chain(expiries).filter_map(|said| duration(said.as_str()?)).min()
}

/// Reads a duration as in ISO 8601; a month counts as February, so as not to be taken for longer
/// than it is.
fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(date(2026, 2, 1)).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_interval_of_a_secret_counts() {
        let of = |rest: &str| {
            let shown = r#"{"id":"s","secretName":"db","lifecycleState":"ACTIVE","vaultId":"v""#;
            let days = |interval: Duration| interval.as_secs() / 86_400;
            shortest_interval(&serde_json::from_str(&format!("{shown}{rest}}}")).unwrap()).map(days)
        };
        assert_eq!(of(""), None);
        assert_eq!(of(r#","rotationConfig":null,"secretRules":[{"ruleType":"x"}]"#), None);
        let rotation = r#","rotationConfig":{"rotationInterval":"P30D"}"#;
        assert_eq!(of(rotation), Some(30));
        let rules = r#","secretRules":[{"secretVersionExpiryInterval":"P1M"},
            {"secretVersionExpiryInterval":"P3D"},{"secretVersionExpiryInterval":"soon"}]"#;
        assert_eq!(of(rules), Some(3));
        assert_eq!(of(&format!("{rotation}{rules}")), Some(3));
        assert_eq!(duration("P1M").map(days_of), Some(28));
    }

    fn days_of(interval: Duration) -> u64 {
        interval.as_secs() / 86_400
    }
}
