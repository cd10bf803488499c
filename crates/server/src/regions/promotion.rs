//! Lets replicas of a region that is lost be secrets in their own right. The term of each goes up,
//! so that what the lost region still sends, when it is back, is of an earlier one.

use strongroom_model::Vault;
use strongroom_store::{Batch, Require, StoreError};

use super::intake::read_row;
use super::intake_identity::move_home;
use super::messages::Home;
use super::source::replicated;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::rows::{self, SecretRow, VaultRow};
use crate::schedule::{record_of_secret, record_of_vault};
use crate::secret_rows;
use crate::shared::Shared;

/// Promotes what came from `region`, and this region to the home region if that is asked for. Asked
/// again, it does what is left of that.
pub(super) async fn promote(
    shared: &Shared,
    region: &str,
    home: bool,
) -> Result<serde_json::Value, Failure> {
    let catalog = shared.catalog().await?;
    if !catalog.regions.peers.contains_key(region) {
        let rule = "is not one that this region is paired with";
        return Err(strongroom_wire::Refusal::invalid("region", rule).into());
    }
    let is_home = catalog.tenancy.home_region == shared.region.name;
    if home && !is_home && catalog.tenancy.home_region != region {
        let rule = "is not the home region, so that none is to be made of this one";
        return Err(strongroom_wire::Refusal::invalid("region", rule).into());
    }
    // First, for what follows may take long and be cut short: then it is asked for again.
    if home && (!is_home || is_contested(shared, &catalog)) {
        take_home(shared).await?;
    }
    let (mut promoted, mut left) = (0_u64, 0_u64);
    for (key, row) in replicated(shared).await? {
        let SecretRow { secret, .. } = rows::decode(&key, &row.value)?;
        if secret.replication.source.as_ref().is_none_or(|source| source.region != region) {
            continue;
        }
        let next = secret.promoted(shared.region.name);
        let batch = secret_rows::write(Batch::new(), Some((&secret, row.revision)), &next)?;
        match shared.commit(batch, &record_of_secret(shared, "PromoteReplica", &next)).await {
            Ok(_) => promoted += 1,
            // The last page of the lost region came in between: ask again.
            Err(StoreError::Conflict { .. }) => left += 1,
            Err(error) => return Err(error.into()),
        }
    }
    for (id, entry) in &*catalog.vaults {
        if entry.vault.source.as_ref().is_none_or(|source| source.region != region) {
            continue;
        }
        let row: VaultRow = read_row(shared, &rows::vault(id)).await?;
        let vault = Vault { source: None, replica: None, ..entry.vault.clone() };
        let batch = Batch::new()
            .require(rows::vault(id), Require::Revision(entry.revision))
            .put(rows::vault(id), rows::encode(&VaultRow { vault, ..row })?);
        match shared.commit(batch, &record_of_vault(shared, "PromoteReplica", &entry.vault)).await {
            Ok(_) => promoted += 1,
            Err(StoreError::Conflict { .. }) => left += 1,
            Err(error) => return Err(error.into()),
        }
    }
    tracing::warn!(region, promoted, home, "replicas of a lost region were promoted");
    Ok(serde_json::json!({"region": region, "promoted": promoted, "left": left, "home": home}))
}

/// Tells whether another region was made the home region at the same time: neither believes the other
/// until one of them goes on to a later term.
fn is_contested(shared: &Shared, catalog: &Catalog) -> bool {
    let claim = |region: &String| shared.region_watch.of(region).claim;
    let term = Some(catalog.regions.home_term);
    catalog.regions.peers.keys().any(|region| claim(region) == term)
}

async fn take_home(shared: &Shared) -> Result<(), Failure> {
    let catalog = shared.catalog().await?;
    let term = catalog.regions.home_term.saturating_add(1);
    move_home(shared, &catalog, &Home { region: shared.region.name.to_owned(), term }).await
}
