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
struct TargetBody<'a> {
    #[serde(rename = "targetRegion")]
    region: &'a str,
    #[serde(rename = "targetVaultId")]
    vault_id: &'a str,
    #[serde(rename = "targetKeyId")]
    key_id: &'a str,
}

impl<'a> ReplicationConfigBody<'a> {
    /// The configuration, if the secret has one.
    pub(super) fn of(replication: &'a SecretReplication) -> Option<Self> {
        let targets = replication.targets.as_ref()?;
        let body = |target: &'a strongroom_model::ReplicationTarget| TargetBody {
            region: &target.region,
            vault_id: target.vault_id.as_str(),
            key_id: target.key_id.as_str(),
        };
        let replication_targets = targets.iter().map(body).collect();
        Some(Self { replication_targets, is_write_forward_enabled: false })
    }
}

/// `SourceRegionInformation`.
#[derive(Debug, Serialize)]
pub(super) struct SourceRegionBody<'a> {
    #[serde(rename = "sourceRegion")]
    region: &'a str,
    #[serde(rename = "sourceVaultId")]
    vault_id: &'a str,
    #[serde(rename = "sourceKeyId")]
    key_id: &'a str,
}

impl<'a> SourceRegionBody<'a> {
    /// Where the secret comes from, if it is a replica.
    pub(super) fn of(replication: &'a SecretReplication) -> Option<Self> {
        let source = replication.source.as_ref()?;
        Some(Self {
            region: &source.region,
            vault_id: source.vault_id.as_str(),
            key_id: source.key_id.as_str(),
        })
    }
}
