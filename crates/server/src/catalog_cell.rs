//! The projection as it is now: brought up to date with the store before a request goes by it.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use strongroom_model::Ocid;
use strongroom_policy::Semantics;
use strongroom_store::{Change, Cursor, Delta, Order, Store, StoreError, prefix_range};

use crate::catalog::{Catalog, Keys, is_of_identity};
use crate::feed::Feed;
use crate::rows;
use crate::secret_cache::SecretCache;

const SCAN_ROWS: usize = 1024;
const LOADS_MAX: usize = 3;

/// A request's view of the store: everything that was acknowledged before it is in it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) cursor: Cursor,
    pub(crate) catalog: Arc<Catalog>,
}

/// The current projection, brought up to date by whoever needs it.
#[derive(Debug)]
pub(crate) struct CatalogCell {
    current: RwLock<View>,
    taking_in: Mutex<()>,
    pub(crate) secrets: SecretCache,
    pub(crate) feed: Feed,
    pub(crate) semantics: Semantics,
}

impl CatalogCell {
    pub(crate) async fn load(
        store: &dyn Store,
        keys: &Keys,
        (secrets, feed): (SecretCache, Feed),
        semantics: Semantics,
    ) -> Result<Self, StoreError> {
        let view = load(store, keys, semantics).await?;
        let cell = Self {
            current: RwLock::new(view.clone()),
            taking_in: Mutex::default(),
            secrets,
            feed,
            semantics,
        };
        cell.forget_secrets(view.cursor);
        Ok(cell)
    }

    /// Returns the projection as it is known, without asking the store.
    pub(crate) fn known(&self) -> Arc<Catalog> {
        let view = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&view.catalog)
    }

    /// Anything may have happened to any secret on the way to `cursor`.
    fn forget_secrets(&self, cursor: Cursor) {
        self.secrets.advance(cursor, None::<std::iter::Empty<&Ocid>>);
        self.feed.advance(cursor, None::<std::iter::Empty<Ocid>>);
    }

    /// Asks the store what has changed, applies it and returns the result. Changed secrets are
    /// forgotten before anyone goes on with the new view.
    pub(crate) async fn fresh(&self, store: &dyn Store, keys: &Keys) -> Result<View, StoreError> {
        let view = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (cursor, delta) = store.fresh(view.cursor).await?;
        let changes = match delta {
            Delta::Changes(changes) if changes.is_empty() => return Ok(view),
            Delta::Changes(changes) => changes,
            Delta::Reset => {
                let view = load(store, keys, self.semantics).await?;
                self.forget_secrets(view.cursor);
                return Ok(self.publish(view));
            }
        };
        // Many ask at a time and are told the same: one of them takes it in.
        let _alone = self.taking_in.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if current.cursor >= cursor {
            return Ok(current);
        }
        let secrets = changes.iter().filter_map(rows::changed_secret).collect::<Vec<_>>();
        self.secrets.advance(cursor, Some(secrets.iter()));
        let mut of_rights = changes.iter().map(rows::changes_rights);
        let changes_rights = of_rights.try_fold(false, |any, one| one.map(|one| any || one))?;
        self.feed.advance(cursor, (!changes_rights).then(|| secrets.into_iter()));
        let of_secret = |change: &&Change| change.key.starts_with(b"s/");
        if changes.iter().all(|change| of_secret(&change)) {
            return Ok(self.publish(View { cursor, catalog: view.catalog }));
        }
        let mut next = Catalog::clone(&view.catalog);
        for change in changes.iter().filter(|change| !of_secret(change)) {
            next.apply(change, keys)?;
        }
        if changes.iter().any(|change| is_of_identity(&change.key)) {
            next.derive()?;
        }
        Ok(self.publish(View { cursor, catalog: Arc::new(next) }))
    }

    /// Puts a newer projection in place; an older one, from a request that was slower, is not.
    fn publish(&self, next: View) -> View {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if next.cursor > current.cursor {
            *current = next.clone();
        }
        next
    }
}

/// Reads everything, and again if something does not fit together: what is made meanwhile may be seen
/// without what it refers to, whose kind was read before.
async fn load(store: &dyn Store, keys: &Keys, semantics: Semantics) -> Result<View, StoreError> {
    rows::check_founded(store).await?;
    for _ in 1..LOADS_MAX {
        match load_once(store, keys, semantics).await {
            Err(StoreError::Corrupt(why)) => tracing::warn!(why, "the rows are read again"),
            loaded => return loaded,
        }
    }
    load_once(store, keys, semantics).await
}

/// Kinds are read in the order in which they refer to each other.
async fn load_once(
    store: &dyn Store,
    keys: &Keys,
    semantics: Semantics,
) -> Result<View, StoreError> {
    let (cursor, _) = store.fresh(Cursor::default()).await?;
    let first = store.scan(prefix_range(b"t/"), Order::Ascending, 1).await?;
    let Some((key, row)) = first.into_iter().next() else {
        return Err(rows::unfounded());
    };
    let mut catalog = Catalog::empty(rows::decode(&key, &row.value)?, semantics, keys);
    for prefix in rows::KEPT {
        let mut range = prefix_range(prefix.as_bytes());
        loop {
            let page = store.scan(range.clone(), Order::Ascending, SCAN_ROWS).await?;
            let full = page.len() == SCAN_ROWS;
            for (key, row) in page {
                range.start = [key.as_slice(), b"\0"].concat();
                catalog.apply(&Change { key, value: Some(row) }, keys)?;
            }
            if !full {
                break;
            }
        }
        if prefix == "rk/" {
            settle_root_key(&mut catalog, keys)?;
        }
    }
    catalog.derive()?;
    Ok(View { cursor, catalog: Arc::new(catalog) })
}

/// Refuses a root key that has been replaced, before anything does not open under it.
fn settle_root_key(catalog: &mut Catalog, keys: &Keys) -> Result<(), StoreError> {
    let Some(expected) = &catalog.root_key_id else { return Ok(()) };
    if catalog.roots.settle(expected, &keys.root) {
        return Ok(());
    }
    let why = "its root key was rotated, and this `root.key` is the one before: copy that of the \
               server at which it was rotated";
    Err(StoreError::Foreign(why.to_owned()))
}
