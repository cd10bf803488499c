//! Does what falls due about secrets: deletions of secrets and of their versions.

use std::sync::atomic::Ordering;

use strongroom_model::{Ocid, Secret, SecretState, Timestamp};
use strongroom_store::{Batch, Order, Range, Require, Revision, StoreError, prefix_range};

use crate::catalog::VaultEntry;
use crate::duty::Shift;
use crate::failure::Failure;
use crate::rows::{self, SecretRow, SecretVersionRow};
use crate::schedule::{Attempts, record_of_secret};
use crate::secret_rows;
use crate::shared::Shared;

const ROWS_AT_ONCE: usize = 1_000;

/// Deletes the secrets and versions that are due at `now`.
pub(crate) async fn delete_due(
    shared: &Shared,
    shift: &Shift,
    now: Timestamp,
    attempts: &mut Attempts<'_>,
) -> Result<(), Failure> {
    for id in due(shared, now).await? {
        if !shared.duty.holds(shift) {
            break;
        }
        let (secret, revision) = match find(shared, &id).await {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error) => {
                attempts.deleted(Err(error.into()), "secret", &id);
                continue;
            }
        };
        let at = (&secret, revision);
        match secret.state {
            SecretState::Deleted => {}
            SecretState::PendingDeletion => {
                if secret.time_of_deletion.is_some_and(|at| at <= now) {
                    let done = delete_secret((shared, shift), Batch::new(), at, now).await;
                    attempts.deleted(done.map_err(Failure::from), "secret", &id);
                }
            }
            SecretState::Active => {
                if secret.scheduled.values().any(|at| *at <= now) {
                    let done = delete_versions(shared, shift, at, now).await;
                    attempts.deleted(done, "secret version", &id);
                }
            }
        }
    }
    if shared.forgets.swap(false, Ordering::AcqRel)
        && let Err(error) = shared.store.forget().await
    {
        tracing::warn!(%error, "what was deleted stays in the store's log for now");
        shared.forgets.store(true, Ordering::Release);
    }
    Ok(())
}

/// The secrets about which something is due.
pub(crate) async fn due(shared: &Shared, now: Timestamp) -> Result<Vec<Ocid>, StoreError> {
    let end = rows::due_before(now.as_microsecond().saturating_add(1));
    let mut range = Range { start: prefix_range(b"due/").start, end };
    let mut ids = Vec::new();
    loop {
        let page = shared.store.scan(range.clone(), Order::Ascending, ROWS_AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(ids) };
        range.start = [last.as_slice(), b"\0"].concat();
        ids.extend(page.iter().filter_map(|(key, _)| {
            let id = key.rsplit(|byte| *byte == b'/').next()?;
            std::str::from_utf8(id).ok()?.parse::<Ocid>().ok()
        }));
    }
}

/// Reads a secret.
pub(crate) async fn find(
    shared: &Shared,
    id: &Ocid,
) -> Result<Option<(Secret, Revision)>, StoreError> {
    let key = rows::secret(id);
    let found = shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let Some(row) = found else { return Ok(None) };
    let SecretRow { secret, .. } = rows::decode(&key, &row.value)?;
    Ok(Some((secret, row.revision)))
}

/// Deletes the secrets of a vault that is gone, for as long as it is. Their contents do not open any
/// more; this takes away what is left of them.
pub(crate) async fn delete_all_of(
    shared: &Shared,
    shift: &Shift,
    (vault, now): (&VaultEntry, Timestamp),
    attempts: &mut Attempts<'_>,
) -> Result<(), Failure> {
    let vault_key = rows::vault(&vault.vault.id);
    let while_gone = || Batch::new().require(vault_key.clone(), Require::Revision(vault.revision));
    let range = prefix_range(&rows::secret_names(&vault.vault.id));
    let names = shared.store.scan(range, Order::Ascending, usize::MAX).await?;
    for (key, row) in &names {
        let id: Ocid = rows::decode(key, &row.value)?;
        match find(shared, &id).await {
            Ok(Some((secret, revision))) => {
                let at = (&secret, revision);
                let done = delete_secret((shared, shift), while_gone(), at, now).await;
                if matches!(&done, Err(StoreError::Conflict { key }) if *key == vault_key) {
                    break;
                }
                attempts.deleted(done.map_err(Failure::from), "secret", &id);
            }
            Ok(None) => {}
            Err(error) => attempts.deleted(Err(error.into()), "secret", &id),
        }
    }
    Ok(())
}

/// Deletes a secret with all its versions, if what `batch` requires is so; what stays is its
/// description.
async fn delete_secret(
    (shared, shift): (&Shared, &Shift),
    batch: Batch,
    (secret, revision): (&Secret, Revision),
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = &secret.id;
    let next = secret.gone(now);
    let batch = secret_rows::write(batch, Some((secret, revision)), &next)?;
    let batch = delete_rows(shared, id, batch).await?;
    shared.commit_on(shift, batch, &record_of_secret(shared, "DeleteSecret", secret)).await?;
    shared.forgets.store(true, Ordering::Release);
    Ok(())
}

/// Removes what there is of a secret beside its own row.
pub(crate) async fn delete_rows(
    shared: &Shared,
    id: &Ocid,
    mut batch: Batch,
) -> Result<Batch, StoreError> {
    let below = [
        rows::secret_versions(id),
        rows::version_names(id),
        rows::fingerprints(id),
        rows::consumers(id),
        rows::sightings(id),
    ];
    for prefix in below {
        let range = prefix_range(&prefix);
        for (key, _) in shared.store.scan(range, Order::Ascending, usize::MAX).await? {
            batch = batch.delete(key);
        }
    }
    Ok(batch)
}

/// Deletes the versions of a secret that are due. Each is a commit of its own, and so on record.
async fn delete_versions(
    shared: &Shared,
    shift: &Shift,
    (secret, revision): (&Secret, Revision),
    now: Timestamp,
) -> Result<(), Failure> {
    let (mut secret, mut revision) = (secret.clone(), revision);
    while let Some((next, number)) = secret.without_due_version(now) {
        let batch = secret_rows::write(Batch::new(), Some((&secret, revision)), &next)?;
        let remembers = secret.rules.reuse.is_some_and(|rule| rule.on_deleted_versions);
        let batch = delete_version_rows(shared, (&secret.id, number), batch, remembers).await?;
        let mut record = record_of_secret(shared, "DeleteSecretVersion", &secret);
        record.version_number = Some(number);
        revision = shared.commit_on(shift, batch, &record).await?;
        shared.forgets.store(true, Ordering::Release);
        secret = next;
    }
    Ok(())
}

/// Removes what there is of a version, but for its fingerprint if contents of deleted versions are
/// not to be used again.
pub(crate) async fn delete_version_rows(
    shared: &Shared,
    (id, number): (&Ocid, u64),
    batch: Batch,
    remembers: bool,
) -> Result<Batch, StoreError> {
    let key = rows::secret_version(id, number);
    let found = shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let Some(row) = found else { return Ok(batch) };
    let row: SecretVersionRow = rows::decode(&key, &row.value)?;
    let mut batch = batch.delete(key);
    if let Some(name) = &row.secret_version.name {
        batch = batch.delete(rows::version_name(id, name));
    }
    if let Some(fingerprint) = row.fingerprint.filter(|_| !remembers) {
        batch = batch.delete(rows::fingerprint(id, &fingerprint, number));
    }
    Ok(batch)
}
