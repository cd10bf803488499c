use serde::{Deserialize, Serialize};

use crate::{Ocid, Secret};

/// Regions that a secret is replicated to, at most. Source: `ReplicationConfig` of OCI's API.
pub const REPLICATION_TARGETS_MAX: usize = 3;

/// A region that a secret is replicated to, and where it is kept there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationTarget {
    /// Name of the region.
    pub region: String,
    /// OCID of the vault there.
    pub vault_id: Ocid,
    /// OCID of the key there.
    pub key_id: Ocid,
}

/// Where a replica comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaSource {
    /// Name of the region.
    pub region: String,
    /// OCID of the secret's vault there.
    pub vault_id: Ocid,
    /// OCID of the secret's key there.
    pub key_id: Ocid,
    /// The commit, of that region's store, that this replica is a copy of.
    pub revision: u64,
}

/// How a secret is replicated, and whether it is itself a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretReplication {
    /// The regions it goes to; absent if nobody ever said.
    #[serde(default)]
    pub targets: Option<Vec<ReplicationTarget>>,
    /// How often the secret's source has moved to another region: whoever knows of a later term
    /// takes nothing from an earlier one.
    #[serde(default)]
    pub term: u64,
    /// Present in a replica.
    #[serde(default)]
    pub source: Option<ReplicaSource>,
}

impl SecretReplication {
    /// Returns where the secret is kept in a region that it goes to.
    #[must_use]
    pub fn target_in(&self, region: &str) -> Option<&ReplicationTarget> {
        self.targets.iter().flatten().find(|target| target.region == region)
    }

    /// Tells whether a change that names these targets, if any, makes others of those there are.
    #[must_use]
    pub fn is_changed_by(&self, targets: Option<&Vec<ReplicationTarget>>) -> bool {
        targets.is_some() && targets != self.targets.as_ref()
    }
}

impl Secret {
    /// Tells whether the secret is another region's, and only read here.
    #[must_use]
    pub const fn is_replica(&self) -> bool {
        self.replication.source.is_some()
    }

    /// Returns the secret as it is kept at `target`: a replica of what `region` had at `revision`.
    #[must_use]
    pub fn replica_at(&self, target: &ReplicationTarget, region: &str, revision: u64) -> Self {
        let source = ReplicaSource {
            region: region.to_owned(),
            vault_id: self.vault_id.clone(),
            key_id: self.key_id.clone(),
            revision,
        };
        let replication = SecretReplication { source: Some(source), ..self.replication.clone() };
        let (vault_id, key_id) = (target.vault_id.clone(), target.key_id.clone());
        Self { vault_id, key_id, replication, ..self.clone() }
    }

    /// Returns the replica as a secret of `here` in its own right. Where it came from becomes one of
    /// its targets, so that the lost region is brought up to date when it is back.
    #[must_use]
    pub fn promoted(&self, here: &str) -> Self {
        let Some(source) = &self.replication.source else { return self.clone() };
        let back = ReplicationTarget {
            region: source.region.clone(),
            vault_id: source.vault_id.clone(),
            key_id: source.key_id.clone(),
        };
        let others = self.replication.targets.iter().flatten();
        let others = others.filter(|target| target.region != here && target.region != back.region);
        let targets = std::iter::once(back.clone()).chain(others.cloned()).collect();
        let term = self.replication.term.saturating_add(1);
        let replication = SecretReplication { targets: Some(targets), term, source: None };
        Self { replication, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::secret;

    fn target(region: &str) -> ReplicationTarget {
        let id = |kind: &str| format!("ocid1.{kind}.oc1.{region}.x").parse().unwrap();
        ReplicationTarget { region: region.to_owned(), vault_id: id("vault"), key_id: id("key") }
    }

    #[test]
    fn a_promoted_replica_goes_back_to_where_it_came_from() {
        let mut source = secret();
        source.replication.targets = Some(vec![target("fra"), target("ams")]);
        let replica = source.replica_at(&target("fra"), "iad", 7);
        assert!(replica.is_replica() && !source.is_replica());
        assert_eq!((&replica.id, replica.due()), (&source.id, None));
        assert_eq!(replica.vault_id, target("fra").vault_id);
        let promoted = replica.promoted("fra");
        let regions: Vec<_> =
            promoted.replication.targets.iter().flatten().map(|to| to.region.as_str()).collect();
        assert_eq!((regions, promoted.replication.term), (vec!["iad", "ams"], 1));
        let back = promoted.replication.target_in("iad").unwrap();
        assert_eq!((&back.vault_id, &back.key_id), (&source.vault_id, &source.key_id));
        assert_eq!(promoted.promoted("fra"), promoted);
    }

    #[test]
    fn nothing_of_a_replica_falls_due() {
        let mut source = secret().schedule_deletion(None, secret().time_created).unwrap();
        assert!(source.due().is_some());
        source.replication.source =
            secret().replica_at(&target("fra"), "iad", 1).replication.source;
        assert_eq!(source.due(), None);
    }
}
