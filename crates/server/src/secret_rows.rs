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
