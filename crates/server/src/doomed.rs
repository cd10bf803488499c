//! Key versions that are gone from the store, and are to be gone from the token: the row that says so
//! is written with the deletion and stays until the token has nothing of them.

use strongroom_model::Ocid;
use strongroom_store::{Batch, Order, Require, StoreError, prefix_range};

use crate::duty::Shift;
use crate::rows;
use crate::shared::Shared;

const ROWS_AT_ONCE: usize = 1_000;

/// Says with a deletion that the token is to destroy a key version too.
pub(crate) fn doom(batch: Batch, version: &Ocid) -> Batch {
    batch.put(rows::doomed(version), Vec::new())
}

/// Lets a commit that brings a key back happen only if the token is not to destroy this version of it
/// any more.
pub(crate) fn spare(batch: Batch, version: &Ocid) -> Batch {
    batch.require(rows::doomed(version), Require::Absent)
}

/// Destroys what is doomed. Destroying twice does no harm, so that whoever is cut off here leaves it
/// to the next.
pub(crate) async fn destroy(shared: &Shared, shift: &Shift) -> Result<(), StoreError> {
    if shared.keys.token.is_none() {
        return Ok(());
    }
    let range = prefix_range(b"doomed/");
    for (key, _) in shared.store.scan(range, Order::Ascending, ROWS_AT_ONCE).await? {
        let id = key.strip_prefix(b"doomed/").and_then(|id| std::str::from_utf8(id).ok());
        let Some(id) = id.and_then(|id| id.parse::<Ocid>().ok()) else { continue };
        if shared.destroy_in_token(&id).await {
            shared.store.commit(shift.fence(Batch::new()).delete(key)).await?;
        }
    }
    Ok(())
}
