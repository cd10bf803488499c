use strongroom_model::{REPLICATION_TARGETS_MAX, Region, ReplicationTarget};

use crate::error::Refusal;
use crate::fields::Fields;

/// Takes `replicationConfig`. Write forwarding can be left off, and nothing else.
pub(super) fn replication(fields: &mut Fields) -> Result<Option<Vec<ReplicationTarget>>, Refusal> {
    let Some(mut config) = fields.object("replicationConfig")? else { return Ok(None) };
    if config.boolean("isWriteForwardEnabled")? == Some(true) {
        let rule = "must be false: replicas take no writes; send them to the source region";
        return Err(config.invalid("isWriteForwardEnabled", rule));
    }
    let items = config.objects("replicationTargets")?;
    let items = items.ok_or_else(|| config.missing("replicationTargets"))?;
    if items.len() > REPLICATION_TARGETS_MAX {
        let rule = format!("must have at most {REPLICATION_TARGETS_MAX} entries");
        return Err(config.invalid("replicationTargets", &rule));
    }
    let mut targets: Vec<ReplicationTarget> = Vec::with_capacity(items.len());
    for mut item in items {
        let target = target(&mut item)?;
        if targets.iter().any(|earlier| earlier.region == target.region) {
            return Err(item.invalid("targetRegion", "occurs twice"));
        }
        item.finish("targetRegion, targetVaultId, targetKeyId")?;
        targets.push(target);
    }
    config.finish("replicationTargets, isWriteForwardEnabled")?;
    Ok(Some(targets))
}

fn target(item: &mut Fields) -> Result<ReplicationTarget, Refusal> {
    let name = item.string("targetRegion")?.ok_or_else(|| item.missing("targetRegion"))?;
    let region = Region::named(&name);
    let region = region.ok_or_else(|| item.invalid("targetRegion", "must be a region of OCI"))?;
    Ok(ReplicationTarget {
        region: region.name.to_owned(),
        vault_id: item.required_ocid("targetVaultId")?,
        key_id: item.required_ocid("targetKeyId")?,
    })
}
