//! What is written in which region.

use strongroom_model::{Operation, Region, ReplicationTarget, Secret, Service};
use strongroom_wire::{ErrorCode, Refusal};

use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::shared::Shared;

/// Refuses changes of identities anywhere but in the home region.
pub(crate) fn admit_identity(
    shared: &Shared,
    operation: Operation,
    catalog: &Catalog,
) -> Result<(), Failure> {
    let home = &catalog.tenancy.home_region;
    if *home == shared.region.name || !changes_identity(operation) {
        return Ok(());
    }
    let key = Region::named(home).map_or_else(|| home.clone(), |region| region.key.to_uppercase());
    let message = format!(
        "Please go to your home region {key} to execute CREATE, UPDATE and DELETE operations."
    );
    let refusal = Refusal::new(ErrorCode::NotAllowed, message);
    Err(Failure::new(refusal, format!("identities are changed in {home}")))
}

fn changes_identity(operation: Operation) -> bool {
    let name = operation.name();
    let reads = name.starts_with("Get") || name.starts_with("List");
    let of_identity = operation.service() == Service::Identity
        || matches!(
            operation,
            Operation::CreateWorkload
                | Operation::UpdateWorkload
                | Operation::ChangeWorkloadCompartment
                | Operation::DeleteWorkload
        );
    of_identity && !reads
}

/// Refuses changes of a replica.
pub(crate) fn admit_secret(operation: Operation, secret: Option<&Secret>) -> Result<(), Failure> {
    let Some(source) = secret.and_then(|secret| secret.replication.source.as_ref()) else {
        return Ok(());
    };
    let name = operation.name();
    let reads = name.starts_with("Get") || name.starts_with("List");
    let changes = operation.service() == Service::Vault && !reads;
    if !changes && operation != Operation::UpdateSecretRetirement {
        return Ok(());
    }
    let message = format!(
        "The secret is a replica, which takes no changes. Send them to its source, in region {}.",
        source.region
    );
    Err(Refusal::new(ErrorCode::Conflict, message).into())
}

/// Checks where a secret is to be replicated: to regions that this one is paired with, and into
/// vaults and under keys of theirs.
pub(crate) fn check_targets(
    shared: &Shared,
    catalog: &Catalog,
    targets: Option<&Vec<ReplicationTarget>>,
) -> Result<(), Refusal> {
    for (at, target) in targets.into_iter().flatten().enumerate() {
        let field = |name: &str| format!("replicationConfig.replicationTargets[{at}].{name}");
        let name = &target.region;
        if *name == shared.region.name {
            let rule = format!("must be another region than {name}, where the secret is");
            return Err(Refusal::invalid(&field("targetRegion"), &rule));
        }
        if !catalog.regions.peers.contains_key(name) {
            let rule = format!("names {name}, which this region is not paired with");
            return Err(Refusal::invalid(&field("targetRegion"), &rule));
        }
        let key = Region::named(name).map_or("", |region| region.key);
        for (id, what) in [(&target.vault_id, "targetVaultId"), (&target.key_id, "targetKeyId")] {
            if id.as_str().split('.').nth(3) != Some(key) {
                let rule = format!("must be of region {name}");
                return Err(Refusal::invalid(&field(what), &rule));
            }
        }
    }
    Ok(())
}
