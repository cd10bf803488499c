//! What is done from time to time: checkpoints, and verification.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use strongroom_model::private_file;
use strongroom_store::StoreError;
use tokio::time::{Instant, sleep};

use super::entry::Head;
use super::{Ledger, Vouching, reach_the_disk};
use crate::shared::Shared;

const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// Writes a checkpoint every second if there is something new, for as long as it is polled. After an
/// alarm none is written any more: the last one is of what was found to be as it should be.
pub(crate) async fn keep_checkpoints(shared: &Shared) {
    let Some(vouching) = shared.vouching.as_ref() else { return };
    if vouching.checkpoint_files.is_empty() {
        return;
    }
    // What an earlier process left may not be on the disk.
    let (mut last, mut was_behind) = (None, true);
    loop {
        if was_behind {
            wait_for_the_disk(shared).await;
        }
        let heads = vouching.ledger.heads();
        if last.as_ref() != Some(&heads) && write(shared, vouching, heads.clone()).await {
            last = Some(heads);
        }
        was_behind = vouching.ledger.is_behind();
        sleep(CHECKPOINT_EVERY).await;
        was_behind &= vouching.ledger.is_behind();
    }
}

/// Writes a checkpoint of what is in the store now.
pub(crate) async fn write_checkpoints(shared: &Shared) {
    let Some(vouching) = shared.vouching.as_ref() else { return };
    if !vouching.checkpoint_files.is_empty() {
        wait_for_the_disk(shared).await;
        write(shared, vouching, vouching.ledger.heads()).await;
    }
}

/// What is not on the disk may be lost with the machine, and a checkpoint must not have seen it.
async fn wait_for_the_disk(shared: &Shared) {
    if let Err(error) = reach_the_disk(&*shared.clock, &*shared.store).await {
        tracing::warn!(%error, "a checkpoint does not have everything");
    }
}

/// Writes to every file; tells whether all of them took it.
async fn write(shared: &Shared, vouching: &Vouching, heads: Vec<Head>) -> bool {
    if shared.check_alarm().is_err() {
        return false;
    }
    let note = vouching.ledger.signed(heads);
    let files: Vec<PathBuf> = vouching.checkpoint_files.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut all = true;
        for file in files {
            if let Err(error) = private_file::replace(&file, note.as_bytes()) {
                tracing::error!(%error, file = %file.display(), "a checkpoint was not written");
                all = false;
            }
        }
        all
    });
    written.await.unwrap_or(false)
}

/// Verifies from time to time, for as long as it is polled. What is found wrong ends all answers.
pub(crate) async fn keep_verifying(shared: &Arc<Shared>) {
    let Some(vouching) = shared.vouching.as_ref() else { return };
    loop {
        sleep(vouching.verify_every).await;
        let began = Instant::now();
        match verify_apart(&vouching.ledger, shared).await {
            Ok(rows) => tracing::info!(rows, took = ?began.elapsed(), "the store was verified"),
            Err(StoreError::Corrupt(why)) => shared.alarm(&why),
            Err(error) => tracing::warn!(%error, "the store was not verified"),
        }
    }
}

/// Verifies on a thread of its own: a walk holds it.
async fn verify_apart(ledger: &Ledger, shared: &Arc<Shared>) -> Result<u64, StoreError> {
    let (ledger, store) = (ledger.clone(), Arc::clone(&shared.store));
    let runtime = tokio::runtime::Handle::current();
    let verifying = move || runtime.block_on(ledger.verify(&*store));
    let verified = tokio::task::spawn_blocking(verifying).await;
    verified.unwrap_or(Err(StoreError::Closed)).map(|verified| verified.rows)
}
