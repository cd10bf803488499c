//! Who holds which version of a secret, by their own reports.

use strongroom_model::{Ocid, SecretConsumer, Timestamp};
use strongroom_store::{Order, Store, StoreError, prefix_range};

use crate::rows;

/// Reads the consumers of a secret, live or not.
pub(crate) async fn of_secret(
    store: &dyn Store,
    id: &Ocid,
) -> Result<Vec<SecretConsumer>, StoreError> {
    let range = prefix_range(&rows::consumers(id));
    let found = store.scan(range, Order::Ascending, usize::MAX).await?;
    found.iter().map(|(key, row)| rows::decode(key, &row.value)).collect()
}

/// Tells until when somebody counts who has not moved on to version `promoted` yet.
pub(crate) async fn lags_until(
    store: &dyn Store,
    id: &Ocid,
    promoted: u64,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let consumers = of_secret(store, id).await?;
    let lagging = consumers.iter().filter(|consumer| consumer.lags(promoted, now));
    Ok(lagging.map(|consumer| consumer.live_until).max())
}
