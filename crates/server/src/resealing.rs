//! Seals anew, under the root key that is taking another's place, whatever the root key seals. Each row
//! is a commit of its own, so that it goes on where it was after the process was killed; every node
//! does it, and the commits of all but one fail.

use std::sync::atomic::Ordering;
use std::time::Duration;

use strongroom_model::private_file;
use strongroom_store::{Batch, Order, Require, StoreError, prefix_range};

use crate::authority::sealed_anew;
use crate::catalog::{Catalog, vault_binding};
use crate::roots::Rotation;
use crate::rows::{self, VaultRow};
use crate::schedule;
use crate::shared::Shared;

const PAUSE: Duration = Duration::from_secs(1);

/// How long the old key is kept after everything is sealed anew, so that every node has seen that and
/// has its own `root.key` written.
const LINGER: Duration = Duration::from_secs(3);

/// Prefixes of the rows that hold something that is sealed under the root key.
const SEALED: [&str; 3] = ["ca/", "ts/", "v/"];

const ROWS_AT_ONCE: usize = 256;

/// Looks now and every second, for as long as it is polled.
pub(crate) async fn keep_resealing(shared: &Shared) {
    loop {
        if let Err(error) = look(shared).await {
            tracing::warn!(%error, "the rotation of the root key did not go on");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = shared.resealing.notified() => {}
        }
    }
}

async fn look(shared: &Shared) -> Result<(), StoreError> {
    let catalog = shared.catalog().await?;
    let Some(rotation) = &catalog.roots.rotation else { return Ok(()) };
    while reseal_all(shared, &catalog, rotation).await? {}
    write_root_file(shared, rotation).await?;
    tokio::time::sleep(LINGER).await;
    if reseal_all(shared, &catalog, rotation).await? {
        return Ok(());
    }
    finish(shared, &catalog, rotation).await
}

/// Tells whether there was anything to do.
async fn reseal_all(
    shared: &Shared,
    catalog: &Catalog,
    rotation: &Rotation,
) -> Result<bool, StoreError> {
    let mut is_any = false;
    for prefix in SEALED {
        is_any |= reseal(shared, catalog, rotation, prefix).await?;
    }
    Ok(is_any)
}

async fn reseal(
    shared: &Shared,
    catalog: &Catalog,
    rotation: &Rotation,
    prefix: &str,
) -> Result<bool, StoreError> {
    let mut range = prefix_range(prefix.as_bytes());
    let mut is_any = false;
    loop {
        let page = shared.store.scan(range.clone(), Order::Ascending, ROWS_AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(is_any) };
        range.start = [last.as_slice(), b"\0"].concat();
        for (key, row) in page {
            let anew = if prefix == "v/" {
                vault_anew(shared, catalog, &key, &row.value)?
            } else {
                sealed_anew(catalog, &key, &row.value, &*shared.random)?
            };
            let Some(value) = anew else { continue };
            let batch = Batch::new()
                .require(key.clone(), Require::Revision(row.revision))
                .require(rows::next_root_key(), Require::Revision(rotation.revision))
                .put(key, value);
            is_any = true;
            match shared.commit_unrecorded(batch).await {
                // Another node, or a change of the row, was faster: the next look tells.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Seals a vault's key under the current root key; `None` if it is already, or is gone.
fn vault_anew(
    shared: &Shared,
    catalog: &Catalog,
    key: &[u8],
    value: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: VaultRow = rows::decode(key, value)?;
    let Some(sealed) = &row.vault_key else { return Ok(None) };
    let (roots, id) = (&catalog.roots, &row.vault.id);
    let binding = vault_binding(&catalog.tenancy.id, id);
    if roots.current.open_vault_key(&binding, sealed).is_ok() {
        return Ok(None);
    }
    let wrong = || StoreError::Corrupt(format!("the key of vault {id} does not open"));
    let random = &*shared.random;
    let anew = roots.open(|root| root.reseal_vault_key(&binding, sealed, (&roots.current, random)));
    let vault_key = Some(anew.map_err(|_error| wrong())?);
    rows::encode(&VaultRow { vault_key, ..row.clone() }).map(Some)
}

async fn write_root_file(shared: &Shared, rotation: &Rotation) -> Result<(), StoreError> {
    let Some(path) = shared.root_file.clone() else { return Ok(()) };
    let content = rotation.root_file.to_vec();
    let writing = tokio::task::spawn_blocking(move || private_file::replace(&path, &content));
    let written = writing.await.map_err(|error| StoreError::Io(error.to_string()))?;
    written.map_err(|error| StoreError::Io(format!("root.key was not written: {error}")))
}

/// Forgets the old key, if everything is sealed under the new one still.
async fn finish(shared: &Shared, catalog: &Catalog, rotation: &Rotation) -> Result<(), StoreError> {
    let key = rows::next_root_key();
    let unnamed = |_error| StoreError::Corrupt("the root key has no name".to_owned());
    let id = catalog.roots.current.id().map_err(unnamed)?;
    let batch = Batch::new()
        .require(key.clone(), Require::Revision(rotation.revision))
        .delete(key)
        .put(rows::root_key_id(), rows::encode(&id)?);
    let record = schedule::record(shared, "RotateRootKey", &catalog.tenancy.id);
    match shared.commit(batch, &record).await {
        Ok(_) => {
            tracing::info!("the root key was rotated, and the old one is forgotten");
            shared.forgets.store(true, Ordering::Release);
            Ok(())
        }
        // Another node was faster.
        Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
