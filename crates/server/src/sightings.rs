//! Which principal has read which secret: the first time is worth a look. It is noted beside the
//! answers, many at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{Batch, Require, Store, StoreError, Sync};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::rows;
use crate::shared::Shared;

/// Pairs of principal and secret that this process remembers.
const KEPT: usize = 100_000;

/// Pairs that wait to be noted, at most. One that finds no room is noted the next time.
const WAITING_MAX: usize = 20_000;

/// Pairs that are noted at once, at most: what is committed meanwhile waits for them.
const GROUP_MAX: usize = 16;

/// How long the first pair of a group waits for others.
const GATHER_TIME: Duration = Duration::from_millis(4);

/// How long a server that ends waits for what is not noted yet.
const ENDING_TIME: Duration = Duration::from_secs(2);

/// How often a group is tried while other nodes note the same pairs.
const TRIES_MAX: usize = 3;

/// How often a pair that goes on is noted again.
const NOTED_SECS: i64 = 24 * 3600;

/// How long a principal may leave a secret alone until the next time counts as the first.
pub(crate) const FORGOTTEN_SECS: i64 = 90 * 24 * 3600;

/// The row of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SightingRow {
    pub(crate) time: Timestamp,
}

/// A principal that has read a secret, by which request and when.
#[derive(Debug, Clone)]
struct Sighting {
    secret: Ocid,
    principal: String,
    request_id: String,
    time: Timestamp,
}

impl Sighting {
    fn key(&self) -> Vec<u8> {
        let digest = strongroom_signing::body_digest(self.principal.as_bytes());
        rows::sighting(&self.secret, &digest)
    }
}

/// The pairs that were seen lately, with when that was, and those that wait to be noted.
#[derive(Debug)]
pub(crate) struct Sightings {
    known: Cache<(Ocid, String), Timestamp>,
    waiting: Mutex<VecDeque<Sighting>>,
    filled: Notify,
}

impl Default for Sightings {
    fn default() -> Self {
        let (waiting, filled) = (Mutex::default(), Notify::default());
        Self { known: Cache::new(KEPT), waiting, filled }
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

impl Sightings {
    /// Has it noted that a principal has read a secret by a request at a time.
    pub(crate) fn note(&self, request: (&str, Timestamp), principal: &str, secret: &Ocid) {
        let (request_id, time) = request;
        let is_recent = |then: Timestamp| time.duration_since(then).as_secs() < NOTED_SECS;
        if self.known.get(&Pair(secret, principal)).is_some_and(is_recent) {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            return;
        }
        let (principal, request_id) = (principal.to_owned(), request_id.to_owned());
        self.known.insert((secret.clone(), principal.clone()), time);
        waiting.push_back(Sighting { secret: secret.clone(), principal, request_id, time });
        drop(waiting);
        self.filled.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Sighting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns those that have waited longest, which go on waiting: whoever notes them may be cut.
    fn group(&self) -> Vec<Sighting> {
        self.waiting().iter().take(GROUP_MAX).cloned().collect()
    }

    /// Has those that have waited longest wait no more.
    fn done(&self, group: &[Sighting]) {
        self.waiting().drain(..group.len());
    }
}

/// Notes who reads what, for as long as it is polled.
pub(crate) async fn keep_noted(shared: &Shared) {
    loop {
        shared.sightings.filled.notified().await;
        tokio::time::sleep(GATHER_TIME).await;
        note_waiting(shared).await;
    }
}

/// Notes what still waits when the server ends, as far as it is not held up.
pub(crate) async fn note_rest(shared: &Shared) {
    if timeout(ENDING_TIME, note_waiting(shared)).await.is_err() {
        tracing::warn!("who read a secret for the first time is not noted of all reads");
    }
}

/// Notes what waits to be noted. What cannot be noted is told, and noted the next time it is seen.
async fn note_waiting(shared: &Shared) {
    let sightings = &shared.sightings;
    loop {
        let group = sightings.group();
        if group.is_empty() {
            return;
        }
        match write(&*shared.store, &group).await {
            Ok(first) => first.into_iter().for_each(|sighting| tell(shared, sighting)),
            Err(error) => {
                tracing::warn!(%error, pairs = group.len(), "who reads a secret was not noted");
                for Sighting { secret, principal, .. } in &group {
                    sightings.known.remove(&Pair(secret, principal));
                }
            }
        }
        sightings.done(&group);
    }
}

fn tell(shared: &Shared, sighting: &Sighting) {
    let Sighting { secret, principal, request_id, .. } = sighting;
    shared.metrics.first_reads.inc();
    tracing::warn!(request_id, principal, %secret, "a principal has read a secret for the first time");
}

/// Notes pairs and returns those that are new. Of several nodes that see one first, one says so.
async fn write<'a>(
    store: &dyn Store,
    group: &'a [Sighting],
) -> Result<Vec<&'a Sighting>, StoreError> {
    // Of several requests at once the first tells.
    let pairs = group.iter().rev().map(|sighting| (sighting.key(), sighting));
    let pairs: BTreeMap<Vec<u8>, &Sighting> = pairs.collect();
    let mut tries = 1..=TRIES_MAX;
    loop {
        let left = tries.next().is_some_and(|number| number < TRIES_MAX);
        match write_once(store, &pairs).await {
            Err(StoreError::Conflict { .. }) if left => {}
            other => return other,
        }
    }
}

async fn write_once<'a>(
    store: &dyn Store,
    pairs: &BTreeMap<Vec<u8>, &'a Sighting>,
) -> Result<Vec<&'a Sighting>, StoreError> {
    let keys: Vec<&[u8]> = pairs.keys().map(Vec::as_slice).collect();
    let found = store.get(&keys).await?;
    let (mut batch, mut first) = (Batch::new().sync(Sync::Deferred), Vec::new());
    for ((key, sighting), found) in pairs.iter().zip(found) {
        let row = found.as_ref().map(|row| rows::decode::<SightingRow>(key, &row.value));
        let since = row.transpose()?.map(|row| sighting.time.duration_since(row.time).as_secs());
        if since.is_some_and(|secs| secs < NOTED_SECS) {
            continue;
        }
        if since.is_none_or(|secs| secs > FORGOTTEN_SECS) {
            first.push(*sighting);
        }
        let require = found.map_or(Require::Absent, |row| Require::Revision(row.revision));
        let row = rows::encode(&SightingRow { time: sighting.time })?;
        batch = batch.require(key.clone(), require).put(key.clone(), row);
    }
    if batch.changes().next().is_some() {
        store.commit(batch).await?;
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strongroom_store::Memory;

    use super::*;

    fn seen(principal: &str, secs: i64) -> Sighting {
        let secret = "ocid1.vaultsecret.oc1..a".parse().unwrap();
        let (principal, request_id) = (principal.to_owned(), "r".to_owned());
        Sighting { secret, principal, request_id, time: Timestamp::from_second(secs).unwrap() }
    }

    #[tokio::test]
    async fn the_first_time_is_told_once_and_again_after_a_long_absence() {
        let store = Memory::new(&[]);
        for (principal, secs, is_first) in [
            ("a", 0, true),
            ("a", 1, false),
            ("b", 1, true),
            ("a", FORGOTTEN_SECS, false),
            ("a", 3 * FORGOTTEN_SECS, true),
        ] {
            let group = [seen(principal, secs)];
            let told = write(&store, &group).await.unwrap();
            assert_eq!(told.len(), usize::from(is_first), "{principal} {secs}");
        }
    }

    #[tokio::test]
    async fn of_a_group_only_what_is_new_is_told_and_a_pair_once() {
        let store = Memory::new(&[]);
        write(&store, &[seen("a", 0)]).await.unwrap();
        let group = ["a", "b", "c", "b"].map(|principal| seen(principal, NOTED_SECS - 1));
        let told = write(&store, &group).await.unwrap();
        let told: BTreeSet<&str> = told.iter().map(|it| it.principal.as_str()).collect();
        assert_eq!(told, ["b", "c"].into());
    }

    #[test]
    fn a_pair_waits_once_and_what_finds_no_room_is_noted_the_next_time() {
        let sightings = Sightings::default();
        let note = |principal: &str, secs| {
            let Sighting { secret, time, .. } = seen(principal, secs);
            sightings.note(("r", time), principal, &secret);
        };
        note("a", 0);
        note("a", NOTED_SECS - 1);
        assert_eq!(sightings.group().len(), 1);
        note("a", NOTED_SECS);
        assert_eq!(sightings.group().len(), 2);
        for number in 0..WAITING_MAX {
            note(&format!("p{number}"), 0);
        }
        assert_eq!(sightings.waiting().len(), WAITING_MAX);
        let group = sightings.group();
        assert_eq!(group.len(), GROUP_MAX);
        sightings.done(&group);
        let last = format!("p{}", WAITING_MAX - 1);
        note(&last, 1);
        assert_eq!(sightings.waiting().back().unwrap().principal, last);
    }
}
