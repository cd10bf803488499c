//! How a secret's row is written, together with the rows by which it is found.

use strongroom_model::{Secret, SecretState};
use strongroom_store::{Batch, Require, Revision, StoreError};

use crate::rows::{self, SecretRow};

/// Puts the row of `next` in place of the one that was seen, or where there was none, and brings
/// the rows that depend on it up to date: lists, the guard of the name, and when something is due.
pub(crate) fn write(
    batch: Batch,
    seen: Option<(&Secret, Revision)>,
    next: &Secret,
) -> Result<Batch, StoreError> {
    let row_key = rows::secret(&next.id);
    let condition = seen.map_or(Require::Absent, |(_, revision)| Require::Revision(revision));
    let before = seen.map(|(secret, _)| secret);
    let changes_rights = before.is_some_and(|before| rights_of(before) != rights_of(next));
    let row = rows::encode(&SecretRow { secret: next.clone(), changes_rights })?;
    let mut batch = batch.require(row_key.clone(), condition).put(row_key, row);
    if before.map(|before| &before.compartment_id) != Some(&next.compartment_id) {
        if let Some(before) = before {
            for key in index_of(before) {
                batch = batch.delete(key);
            }
        }
        for key in index_of(next) {
            batch = batch.put(key, Vec::new());
        }
    }
    if next.state == SecretState::Deleted {
        batch = batch.delete(rows::secret_name(&next.vault_id, &next.name));
    }
    let due = |secret: &Secret| secret.due().map(|at| rows::due(at.as_microsecond(), &secret.id));
    let (was, is) = (before.and_then(due), due(next));
    if was != is {
        batch = was.into_iter().fold(batch, Batch::delete);
        batch = is.into_iter().fold(batch, |batch, key| batch.put(key, Vec::new()));
    }
    Ok(batch)
}

/// Puts the row of `next` in place of another secret of its OCID, of which nothing counts any more. As
/// where there was none, the guard of its name is [`claim`]ed beside it.
pub(crate) fn replace(
    batch: Batch,
    seen: (&Secret, Revision),
    next: &Secret,
) -> Result<Batch, StoreError> {
    let row = rows::encode(&SecretRow { secret: next.clone(), changes_rights: true })?;
    let batch = remove(batch, seen).put(rows::secret(&next.id), row);
    let due = next.due().map(|at| rows::due(at.as_microsecond(), &next.id));
    let found_by = index_of(next).into_iter().chain(due);
    Ok(found_by.fold(batch, |batch, key| batch.put(key, Vec::new())))
}

/// Puts a guard that nobody else may hold: one that the batch itself removes is free.
pub(crate) fn claim(batch: Batch, guard: Vec<u8>, holder: Vec<u8>) -> Batch {
    let of_guard = batch.changes().filter(|(key, _)| *key == guard);
    let is_freed = of_guard.last().is_some_and(|(_, value)| value.is_none());
    let batch = if is_freed { batch } else { batch.require(guard.clone(), Require::Absent) };
    batch.put(guard, holder)
}

/// Removes the row of a secret as it was seen, and the rows by which it is found.
pub(crate) fn remove(batch: Batch, (secret, revision): (&Secret, Revision)) -> Batch {
    let row_key = rows::secret(&secret.id);
    let batch = batch.require(row_key.clone(), Require::Revision(revision)).delete(row_key);
    let batch = index_of(secret).into_iter().fold(batch, Batch::delete);
    let due = secret.due().map(|at| rows::due(at.as_microsecond(), &secret.id));
    let batch = due.into_iter().fold(batch, Batch::delete);
    if secret.state == SecretState::Deleted {
        return batch;
    }
    batch.delete(rows::secret_name(&secret.vault_id, &secret.name))
}

/// What policies may ask of a secret.
pub(crate) fn rights_of(secret: &Secret) -> impl PartialEq {
    (&secret.compartment_id, &secret.key_id, &secret.tags)
}

/// The rows by which lists find a secret.
fn index_of(secret: &Secret) -> [Vec<u8>; 2] {
    let (compartment, micros) = (&secret.compartment_id, secret.time_created.as_microsecond());
    [
        rows::secrets_by_time(compartment, micros, &secret.id),
        rows::secrets_by_name(compartment, &secret.name, &secret.id),
    ]
}
