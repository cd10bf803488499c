//! Which nodes there are: each says every few seconds that it is there, and counts the others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strongroom_model::{Random, Timestamp};
use strongroom_store::{Batch, Order, Revision, Store, StoreError, Sync, prefix_range};
use tokio::time::Instant;

use crate::rows;
use crate::shared::Shared;

/// How often a node says that it is there, and looks for the others.
const BEAT: Duration = Duration::from_secs(3);

/// How long nothing is heard of a node until it does not count any more.
const SILENCE: Duration = Duration::from_secs(15);

/// Nodes that are counted at most.
const NODES_MAX: usize = 1_000;

/// The row of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeRow {
    pub(crate) time: Timestamp,
}

/// This node, and those it knows of.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) name: String,
    is_alone: bool,
    count: AtomicU32,
    seen: Mutex<BTreeMap<Vec<u8>, (Revision, Instant)>>,
}

impl Nodes {
    /// Makes a node; where no other process can have the store open it is the only one.
    pub(crate) fn new(random: &dyn Random, is_alone: bool) -> Self {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let name = format!("{:016x}", u64::from_be_bytes(bytes));
        Self { name, is_alone, count: AtomicU32::new(1), seen: Mutex::default() }
    }

    /// Tells how many nodes there are, this one included.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// Says that this node is there, and counts.
    pub(crate) async fn look(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        if self.is_alone {
            return Ok(());
        }
        let row = rows::encode(&NodeRow { time: now })?;
        let batch = Batch::new().put(rows::node(&self.name), row);
        store.commit(batch.sync(Sync::Deferred)).await?;
        let found = store.scan(prefix_range(&rows::node("")), Order::Ascending, NODES_MAX).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let known = std::mem::take(&mut *seen);
        *seen = found
            .into_iter()
            .map(|(key, row)| {
                let before = known.get(&key).filter(|(revision, _)| *revision == row.revision);
                let since = before.map_or(at, |(_, since)| *since);
                (key, (row.revision, since))
            })
            .collect();
        let is_there = |since: Instant| at.saturating_duration_since(since) < SILENCE;
        let count = seen.values().filter(|(_, since)| is_there(*since)).count();
        self.count.store(u32::try_from(count).unwrap_or(u32::MAX).max(1), Ordering::Relaxed);
        Ok(())
    }

    async fn leave(&self, store: &dyn Store) -> Result<(), StoreError> {
        if self.is_alone {
            return Ok(());
        }
        store.commit(Batch::new().delete(rows::node(&self.name))).await.map(|_revision| ())
    }
}

/// Looks every few seconds, for as long as it is polled.
pub(crate) async fn keep_counted(shared: &Shared) {
    loop {
        tokio::time::sleep(BEAT).await;
        if let Err(error) = shared.nodes.look(&*shared.store, shared.clock.now()).await {
            tracing::warn!(%error, "the nodes were not counted");
        }
    }
}

/// Tells the others that this node is gone.
pub(crate) async fn leave_nodes(shared: &Shared) {
    if let Err(error) = shared.nodes.leave(&*shared.store).await {
        tracing::warn!(%error, "the other nodes were not told that this one ends");
    }
}

#[cfg(test)]
mod tests {
    use strongroom_keyring::SystemRandom;
    use strongroom_store::Memory;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nodes_count_from_their_first_word_until_they_are_silent_or_leave() {
        let store = Memory::new(&[]);
        let [a, b, c] = [(); 3].map(|()| Nodes::new(&SystemRandom, false));
        let look = async |node: &Nodes| {
            node.look(&store, Timestamp::UNIX_EPOCH).await.unwrap();
            node.count()
        };
        assert_eq!((look(&a).await, look(&b).await, look(&c).await), (1, 2, 3));
        for _ in 0..5 {
            assert_eq!((look(&a).await, look(&b).await), (3, 3));
            tokio::time::advance(BEAT).await;
        }
        assert_eq!((look(&a).await, look(&b).await), (2, 2), "the third was not heard of");
        b.leave(&store).await.unwrap();
        assert_eq!(look(&a).await, 1);
        assert_eq!(look(&c).await, 2);
        assert_eq!(Nodes::new(&SystemRandom, true).count(), 1);
    }
}
