//! Which node does what falls due: one at a time, and nothing is written by one whose shift is over.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strongroom_model::Timestamp;
use strongroom_store::{Batch, Require, Revision, Store, StoreError, Sync};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::rows;
use crate::shared::Shared;

/// How often the node on duty says that it is there, and the others look.
const BEAT: Duration = Duration::from_secs(3);

/// For how long a beat entitles to begin work.
const SHIFT: Duration = Duration::from_secs(10);

/// How long the others see no beat before one of them takes over. Longer than a shift, so that two
/// nodes whose clocks run at the same speed do not both begin work.
const SILENCE: Duration = Duration::from_secs(15);

/// The row of the claim: it changes with the node, and never else.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DutyRow {
    /// Absent if the last node has gone off duty.
    node: Option<String>,
    /// Counts the shifts.
    epoch: u64,
    time_taken: Timestamp,
}

/// The row that says that the node on duty is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BeatRow {
    time: Timestamp,
}

/// A node's turn. What it writes counts for as long as nobody else has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shift {
    revision: Revision,
    pub(crate) epoch: u64,
    until: Instant,
}

impl Shift {
    /// Makes a commit depend on the shift.
    pub(crate) fn fence(&self, batch: Batch) -> Batch {
        batch.require(rows::duty(), Require::Revision(self.revision))
    }

    /// Tells whether a conflict means that another node has taken over.
    pub(crate) fn is_over(error: &StoreError) -> bool {
        matches!(error, StoreError::Conflict { key } if *key == rows::duty())
    }
}

/// What another node's claim looked like, and since when.
#[derive(Debug, Clone, Copy)]
struct Seen {
    duty: Revision,
    beat: Option<Revision>,
    since: Instant,
}

/// This node's part in the duty.
#[derive(Debug)]
pub(crate) struct Duty {
    node: String,
    /// Whether no other process can have the store open.
    is_alone: bool,
    shift: watch::Sender<Option<Shift>>,
    seen: Mutex<Option<Seen>>,
}

impl Duty {
    pub(crate) fn new(node: String, is_alone: bool) -> Self {
        Self { node, is_alone, shift: watch::Sender::default(), seen: Mutex::default() }
    }

    /// Returns the shift, if this node is on duty now.
    pub(crate) fn shift(&self) -> Option<Shift> {
        let shift = *self.shift.borrow();
        shift.filter(|shift| Instant::now() < shift.until)
    }

    /// Tells whether a shift goes on: to be asked before something is done that no commit undoes.
    pub(crate) fn holds(&self, shift: &Shift) -> bool {
        self.shift().is_some_and(|now| now.revision == shift.revision)
    }

    /// Waits until this node is on duty.
    pub(crate) async fn begun(&self) -> Shift {
        let mut changes = self.shift.subscribe();
        loop {
            if let Some(shift) = self.shift() {
                return shift;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Keeps the duty, or takes it if nobody has it.
    async fn look(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let mine = *self.shift.borrow();
        match mine {
            Some(shift) => self.beat(store, shift, now).await,
            None => self.take(store, now).await,
        }
    }

    async fn beat(
        &self,
        store: &dyn Store,
        shift: Shift,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let until = Instant::now() + SHIFT;
        let batch =
            shift.fence(Batch::new()).put(rows::beat(), rows::encode(&BeatRow { time: now })?);
        match store.commit(batch.sync(Sync::Deferred)).await {
            Ok(_) => {
                self.shift.send_replace(Some(Shift { until, ..shift }));
                Ok(())
            }
            Err(error) if Shift::is_over(&error) => {
                tracing::warn!(epoch = shift.epoch, "another node took the duty over");
                self.shift.send_replace(None);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn take(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let keys = (rows::duty(), rows::beat());
        let mut found = store.get(&[&keys.0, &keys.1]).await?.into_iter();
        let (duty, beat) = (found.next().flatten(), found.next().flatten());
        let beat = beat.map(|row| row.revision);
        let last = duty.as_ref().map(|row| rows::decode::<DutyRow>(&keys.0, &row.value));
        let last = last.transpose()?;
        let duty = duty.map(|row| row.revision);
        let is_free = self.is_alone || last.as_ref().is_none_or(|last| last.node.is_none());
        if !is_free && !self.is_silent(duty, beat) {
            return Ok(());
        }
        let epoch = last.map_or(0, |last| last.epoch).saturating_add(1);
        let row = DutyRow { node: Some(self.node.clone()), epoch, time_taken: now };
        let as_seen =
            |revision: Option<Revision>| revision.map_or(Require::Absent, Require::Revision);
        let until = Instant::now() + SHIFT;
        let batch = Batch::new()
            .require(keys.0.clone(), as_seen(duty))
            .require(keys.1.clone(), as_seen(beat))
            .put(keys.0, rows::encode(&row)?)
            .put(keys.1, rows::encode(&BeatRow { time: now })?);
        match store.commit(batch).await {
            Ok(revision) => {
                tracing::info!(epoch, node = self.node, "on duty for what falls due");
                self.shift.send_replace(Some(Shift { revision, epoch, until }));
                Ok(())
            }
            Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Tells whether the node on duty has not been heard of for too long. Its clock and this node's
    /// are not compared: what counts is how long this node saw nothing change.
    fn is_silent(&self, duty: Option<Revision>, beat: Option<Revision>) -> bool {
        let Some(duty) = duty else { return true };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *seen {
            Some(then) if then.duty == duty && then.beat == beat => {
                now.saturating_duration_since(then.since) >= SILENCE
            }
            _ => {
                *seen = Some(Seen { duty, beat, since: now });
                false
            }
        }
    }

    /// Leaves the duty to whoever takes it.
    async fn leave(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let Some(shift) = self.shift.send_replace(None) else { return Ok(()) };
        let row = DutyRow { node: None, epoch: shift.epoch, time_taken: now };
        let batch = shift.fence(Batch::new()).put(rows::duty(), rows::encode(&row)?);
        match store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(error) if Shift::is_over(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Keeps the duty or waits for it, for as long as it is polled.
pub(crate) async fn keep_duty(shared: &Shared) {
    loop {
        if let Err(error) = shared.duty.look(&*shared.store, shared.clock.now()).await {
            tracing::warn!(%error, "the duty was neither kept nor taken");
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// Leaves the duty, so that another node takes it at once.
pub(crate) async fn leave_duty(shared: &Shared) {
    if let Err(error) = shared.duty.leave(&*shared.store, shared.clock.now()).await {
        tracing::warn!(%error, "the duty was not given back: another node takes it when it is silent");
    }
}

#[cfg(test)]
mod tests {
    use strongroom_store::Memory;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    async fn shift(duty: &Duty, store: &Memory) -> Option<Shift> {
        duty.look(store, NOW).await.unwrap();
        duty.shift()
    }

    #[tokio::test(start_paused = true)]
    async fn one_node_is_on_duty_until_it_is_silent_and_writes_nothing_after_that() {
        let store = Memory::new(&[]);
        let [a, b, c] = ["a", "b", "c"].map(|name| Duty::new(name.to_owned(), false));
        let first = shift(&a, &store).await.unwrap();
        for _ in 0..10 {
            assert_eq!(shift(&b, &store).await, None);
            tokio::time::advance(BEAT).await;
            let again = shift(&a, &store).await.unwrap();
            assert_eq!((again.revision, again.epoch), (first.revision, 1));
        }
        assert_eq!(shift(&b, &store).await, None);
        tokio::time::advance(SHIFT).await;
        assert!(!a.holds(&first), "a shift ends by itself before another begins");
        tokio::time::advance(SILENCE.saturating_sub(SHIFT)).await;
        let second = shift(&b, &store).await.unwrap();
        assert_eq!((second.epoch, shift(&c, &store).await), (2, None));
        let stale = first.fence(Batch::new()).put(b"x".to_vec(), Vec::new());
        let refused = store.commit(stale).await.unwrap_err();
        assert!(Shift::is_over(&refused));
        assert_eq!(shift(&a, &store).await, None);
        store.commit(second.fence(Batch::new()).put(b"x".to_vec(), Vec::new())).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_is_followed_at_once_and_who_is_alone_waits_for_nobody() {
        let store = Memory::new(&[]);
        let [a, b] = ["a", "b"].map(|name| Duty::new(name.to_owned(), false));
        assert_eq!(shift(&a, &store).await.unwrap().epoch, 1);
        a.leave(&store, NOW).await.unwrap();
        assert_eq!(a.shift(), None);
        assert_eq!(b.taken(&store).await.epoch, 2);
        let alone = Duty::new("c".to_owned(), true);
        assert_eq!(shift(&alone, &store).await.unwrap().epoch, 3);
    }

    impl Duty {
        /// Takes the duty, and tells so to who waits for it.
        pub(crate) async fn taken(&self, store: &Memory) -> Shift {
            let (begun, looked) = tokio::join!(self.begun(), self.look(store, NOW));
            looked.unwrap();
            begun
        }
    }
}
