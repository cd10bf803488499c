use serde::Serialize;
use strongroom_model::SecretReplication;

/// `ReplicationConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicationConfigBody<'a> {
    replication_targets: Vec<TargetBody<'a>>,
    is_write_forward_enabled: bool,
}

/// `ReplicationTarget`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetBody<'a> {
    target_region: &'a str,
    target_vault_id: &'a str,
    target_key_id: &'a str,
}

impl<'a> ReplicationConfigBody<'a> {
    /// The configuration, if the secret has one.
    pub(super) fn of(replication: &'a SecretReplication) -> Option<Self> {
        let targets = replication.targets.as_ref()?;
        let body = |target: &'a strongroom_model::ReplicationTarget| TargetBody {
            target_region: &target.region,
            target_vault_id: target.vault_id.as_str(),
            target_key_id: target.key_id.as_str(),
        };
        let replication_targets = targets.iter().map(body).collect();
        Some(Self { replication_targets, is_write_forward_enabled: false })
    }
}

/// `SourceRegionInformation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceRegionBody<'a> {
    source_region: &'a str,
    source_vault_id: &'a str,
    source_key_id: &'a str,
}

impl<'a> SourceRegionBody<'a> {
    /// Where the secret comes from, if it is a replica.
    pub(super) fn of(replication: &'a SecretReplication) -> Option<Self> {
        let source = replication.source.as_ref()?;
        Some(Self {
            source_region: &source.region,
            source_vault_id: source.vault_id.as_str(),
            source_key_id: source.key_id.as_str(),
        })
    }
}
