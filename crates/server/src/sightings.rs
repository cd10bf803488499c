//! Which principal has read which secret: the first time is worth a look.

use std::time::Duration;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{Batch, Require, Store, StoreError, Sync};

use crate::rows;
use crate::shared::Shared;

/// Pairs of principal and secret that this process remembers.
const KEPT: usize = 100_000;

/// How often a pair that goes on is noted again.
const NOTED_EVERY: Duration = Duration::from_hours(24);

/// How long a principal may leave a secret alone until the next time counts as the first.
pub(crate) const FORGOTTEN_SECS: i64 = 90 * 24 * 3600;

/// The row of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SightingRow {
    pub(crate) time: Timestamp,
}

/// The pairs that were seen lately, with when they were noted.
#[derive(Debug)]
pub(crate) struct Sightings(Cache<(Ocid, String), Timestamp>);

impl Default for Sightings {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

/// A pair to look for.
#[derive(Hash)]
struct Pair<'a>(&'a Ocid, &'a str);

impl Equivalent<(Ocid, String)> for Pair<'_> {
    fn equivalent(&self, (secret, principal): &(Ocid, String)) -> bool {
        self.0 == secret && self.1 == principal
    }
}

/// Notes that a principal has read a secret by a request at a time. That this fails is no reason to
/// refuse.
pub(crate) async fn note(
    shared: &Shared,
    (request_id, now): (&str, Timestamp),
    principal: &str,
    secret_id: &Ocid,
) {
    let is_recent = |then: Timestamp| now.duration_since(then).as_secs() < NOTED_SECS;
    if shared.sightings.0.get(&Pair(secret_id, principal)).is_some_and(is_recent) {
        return;
    }
    match write(&*shared.store, secret_id, principal, now).await {
        Ok(is_first) => {
            shared.sightings.0.insert((secret_id.clone(), principal.to_owned()), now);
            if is_first {
                shared.metrics.first_reads.inc();
                tracing::warn!(request_id, principal, secret = %secret_id, "a principal has read a secret for the first time");
            }
        }
        Err(error) => {
            tracing::warn!(request_id, %error, "who reads a secret was not noted");
        }
    }
}

const NOTED_SECS: i64 = NOTED_EVERY.as_secs().cast_signed();

/// Notes a pair and tells whether it is new. Of several nodes that see it first, one says so.
async fn write(
    store: &dyn Store,
    secret_id: &Ocid,
    principal: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let digest = strongroom_signing::body_digest(principal.as_bytes());
    let key = rows::sighting(secret_id, &digest);
    let found = store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let seen =
        found.as_ref().map(|row| rows::decode::<SightingRow>(&key, &row.value)).transpose()?;
    let is_first = seen.is_none_or(|seen| now.duration_since(seen.time).as_secs() > FORGOTTEN_SECS);
    let require = found.map_or(Require::Absent, |row| Require::Revision(row.revision));
    let batch = Batch::new().require(key.clone(), require);
    let batch = batch.put(key, rows::encode(&SightingRow { time: now })?);
    match store.commit(batch.sync(Sync::Deferred)).await {
        Ok(_) => Ok(is_first),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use strongroom_store::Memory;

    use super::*;

    #[tokio::test]
    async fn the_first_time_is_told_once_and_again_after_a_long_absence() {
        let (store, id) = (Memory::new(&[]), "ocid1.vaultsecret.oc1..a".parse().unwrap());
        let at = |secs| Timestamp::from_second(secs).unwrap();
        for (principal, secs, is_first) in [
            ("a", 0, true),
            ("a", 1, false),
            ("b", 1, true),
            ("a", FORGOTTEN_SECS + 1, false),
            ("a", 3 * FORGOTTEN_SECS, true),
        ] {
            let told = write(&store, &id, principal, at(secs)).await.unwrap();
            assert_eq!(told, is_first, "{principal} {secs}");
        }
    }
}
