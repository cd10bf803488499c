//! Removes what has served its time: retry tokens after a day, explanations of refusals after thirty,
//! notes of who read what after ninety, and records of the audit log when the operator says.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::de::DeserializeOwned;
use strongroom_model::Timestamp;
use strongroom_store::{Batch, Order, Require, Store, StoreError, Sync, prefix_range};

use crate::denial::DenialRow;
use crate::duty::Shift;
use crate::ledger::Ledger;
use crate::nodes::NodeRow;
use crate::rows::{self, RetryRow};
use crate::shared::Shared;
use crate::sightings::{FORGOTTEN_SECS, SightingRow};

const PAUSE: Duration = Duration::from_hours(1);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Rows that go at once: what is committed meanwhile waits for them.
const ROWS_AT_ONCE: usize = 64;

/// How long a retry token is remembered. Source: OCI API reference, `opc-retry-token`.
pub(crate) const RETRY_TOKEN_SECS: i64 = 24 * 3600;

/// How long a refusal can be explained.
const DENIAL_SECS: i64 = 30 * 24 * 3600;

/// How long a node stays in the list that was not heard of.
const NODE_SECS: i64 = 24 * 3600;

/// Sweeps now and every hour while this node is on duty, for as long as it is polled.
pub(crate) async fn keep_swept(shared: &Shared) {
    loop {
        if shared.is_read_only().await {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let shift = shared.duty.begun().await;
        let (store, now) = ((&*shared.store, &shift), shared.clock.now());
        for (what, swept) in [
            ("retry tokens", retry_tokens(store, now).await),
            ("refusals", denials(store, now).await),
            ("who read what", sightings(store, now).await),
            ("nodes that are gone", nodes(store, now).await),
        ] {
            tell(what, swept);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Removes records of the audit log that were kept long enough, while this node is on duty and the clock
/// can be believed, for as long as it is polled.
pub(crate) async fn keep_audit_swept(shared: &Shared) {
    let Some(vouching) = shared.vouching.as_ref() else { return };
    let Some(kept) = vouching.audit_kept else { return };
    loop {
        let shift = shared.duty.begun().await;
        let waits = shared.doubts_clock.load(Ordering::Acquire) || shared.is_read_only().await;
        if !waits {
            let swept =
                audit((&vouching.ledger, kept), (&*shared.store, &shift), shared.clock.now()).await;
            tell("audit records", swept);
        }
        tokio::time::sleep(if waits { LOOK_AGAIN } else { PAUSE }).await;
    }
}

fn tell(what: &str, swept: Result<usize, StoreError>) {
    match swept {
        Ok(0) => {}
        Ok(removed) => tracing::debug!(removed, "{what} swept"),
        Err(error) if Shift::is_over(&error) => {}
        Err(error) => tracing::warn!(%error, "{what} were not swept"),
    }
}

/// A store, and the shift in which it is swept.
type Fenced<'a> = (&'a dyn Store, &'a Shift);

/// Removes the retry tokens that are older than a day and returns how many.
async fn retry_tokens(store: Fenced<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let made = |row: RetryRow| row.time_created;
    older_than(store, (&rows::retry(""), RETRY_TOKEN_SECS), now, made).await
}

/// Removes the refusals that are older than thirty days and returns how many.
async fn denials(store: Fenced<'_>, now: Timestamp) -> Result<usize, StoreError> {
    older_than(store, (&rows::denial(""), DENIAL_SECS), now, |row: DenialRow| row.time).await
}

/// Removes who has not read a secret for ninety days and returns how many.
async fn sightings(store: Fenced<'_>, now: Timestamp) -> Result<usize, StoreError> {
    older_than(store, (b"seen/", FORGOTTEN_SECS), now, |row: SightingRow| row.time).await
}

/// Removes nodes that were not heard of for a day and returns how many.
async fn nodes(store: Fenced<'_>, now: Timestamp) -> Result<usize, StoreError> {
    older_than(store, (&rows::node(""), NODE_SECS), now, |row: NodeRow| row.time).await
}

/// Removes the records of the audit log that are older than they are kept, and what the ledger has of
/// them; returns how many rows there are less.
async fn audit(
    (ledger, kept): (&Ledger, Duration),
    (store, shift): Fenced<'_>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let before = now.checked_sub(kept).map_err(|error| StoreError::Io(error.to_string()))?;
    let range = b"audit/".to_vec()..rows::audit_before(before.as_microsecond());
    let mut removed = 0;
    loop {
        let page = store.scan(range.clone(), Order::Ascending, ROWS_AT_ONCE).await?;
        if page.is_empty() {
            break;
        }
        removed += page.len();
        // Each as it was written: what somebody made of it would be taken out of the ledger's sums.
        let batch = page.into_iter().fold(Batch::new(), |batch, (key, row)| {
            batch.require(key.clone(), Require::Revision(row.revision)).delete(key)
        });
        store.commit(shift.fence(batch).sync(Sync::Deferred)).await?;
    }
    let gone = ledger.fold(store, before, |batch| shift.fence(batch)).await?;
    Ok(removed + usize::try_from(gone).unwrap_or_default())
}

/// Removes the rows below a prefix that are older than so many seconds.
async fn older_than<R: DeserializeOwned>(
    (store, shift): Fenced<'_>,
    (prefix, secs): (&[u8], i64),
    now: Timestamp,
    made: impl Fn(R) -> Timestamp,
) -> Result<usize, StoreError> {
    let mut range = prefix_range(prefix);
    let mut removed = 0;
    loop {
        let page = store.scan(range.clone(), Order::Ascending, ROWS_AT_ONCE).await?;
        let Some((last, _)) = page.last() else { return Ok(removed) };
        range.start = [last.as_slice(), b"\0"].concat();
        let (mut batch, mut count) = (shift.fence(Batch::new()).sync(Sync::Deferred), 0);
        for (key, row) in page {
            let made = made(rows::decode(&key, &row.value)?);
            if now.as_second() - made.as_second() >= secs {
                batch = batch.require(key.clone(), Require::Revision(row.revision)).delete(key);
                count += 1;
            }
        }
        if count == 0 {
            continue;
        }
        match store.commit(batch).await {
            Ok(_) => removed += count,
            Err(error) if Shift::is_over(&error) => return Ok(removed),
            // One was used anew meanwhile; the others go with the next sweep.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use strongroom_keyring::{RootKey, SystemRandom};
    use strongroom_model::SystemClock;
    use strongroom_store::Memory;

    use super::*;
    use crate::duty::Duty;

    #[tokio::test]
    async fn only_what_is_a_day_old_goes() {
        let store = Memory::new(&[]);
        let shift = Duty::new("a".to_owned(), true).taken(&store).await;
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (name, age) in [("old", 86_400), ("young", 86_399)] {
            let row = RetryRow {
                request_digest: String::new(),
                made: "ocid1.vault.oc1.iad.x.y".parse().unwrap(),
                time_created: Timestamp::from_second(1_000_000 - age).unwrap(),
            };
            let batch = Batch::new().put(rows::retry(name), rows::encode(&row).unwrap());
            store.commit(batch).await.unwrap();
        }
        assert_eq!(retry_tokens((&store, &shift), now).await, Ok(1));
        let (old, young) = (rows::retry("old"), rows::retry("young"));
        let left = store.get(&[&old, &young]).await.unwrap();
        assert_eq!((left[0].is_some(), left[1].is_some()), (false, true));
        assert_eq!(retry_tokens((&store, &shift), now).await, Ok(0));
    }

    #[tokio::test]
    async fn audit_records_go_when_the_operator_says() {
        let store = Memory::new(&[]);
        let shift = Duty::new("a".to_owned(), true).taken(&store).await;
        let now = Timestamp::from_second(100 * 86_400).unwrap();
        let at = |secs| Timestamp::from_second(secs).unwrap().as_microsecond();
        let records = (0..=200).map(|number| rows::audit(at(86_400 * 9), 1, number));
        let young = rows::audit(at(86_400 * 10), 1, 1);
        let all = records.chain([young.clone()]);
        let batch = all.fold(Batch::new(), |batch, key| batch.put(key, Vec::new()));
        store.commit(batch).await.unwrap();
        let root_key = RootKey::generate(&SystemRandom);
        let ledger = Ledger::new(&root_key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
        let ninety_days = Duration::from_hours(90 * 24);
        assert_eq!(audit((&ledger, ninety_days), (&store, &shift), now).await, Ok(201));
        let left = store.scan(prefix_range(b"audit/"), Order::Ascending, 9).await.unwrap();
        assert_eq!(left.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [young]);
    }
}
