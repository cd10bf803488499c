//! Reads of single rows: those that wait together share a statement.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::hosts::Slot;
use super::{READ_TIME, rows, versioned};
use crate::types::{StoreError, Versioned};
use crate::warrant::Warrant;

/// Rows that a statement is asked for at most, but for those of the last who asks.
const KEYS_MAX: usize = 128;

type Answer = Result<Arc<HashMap<Vec<u8>, PointRow>>, StoreError>;

/// Somebody who waits for rows.
pub(super) struct Asked {
    keys: Vec<Vec<u8>>,
    at: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Asks for rows. The answer has those that are there, and what others asked for with them.
    pub(super) fn for_rows(keys: &[&[u8]]) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let keys = keys.iter().map(|key| key.to_vec()).collect();
        (Self { keys, at: Instant::now(), answer }, answered)
    }
}

/// A row as the database tells it. Whoever asked for it finds out what it is worth: what is wrong with
/// one is no matter of those who asked for others.
pub(super) struct PointRow(Result<(Versioned, Vec<u8>), StoreError>);

impl PointRow {
    pub(super) fn checked(&self, key: &[u8], warrant: &Warrant) -> Result<Versioned, StoreError> {
        let (row, mac) = self.0.as_ref().map_err(Clone::clone)?;
        warrant.check(key, row, mac)?;
        Ok(row.clone())
    }
}

/// One of several that take turns: while one waits for the database, the next gathers.
pub(super) struct PointReader {
    pub(super) slot: Slot,
    pub(super) queue: Arc<Mutex<mpsc::UnboundedReceiver<Asked>>>,
}

impl PointReader {
    /// Serves callers until the store is closed.
    pub(super) async fn run(self) {
        loop {
            let asked = self.next().await;
            let Some(last) = asked.last() else { return };
            let found = self.read(&asked, last.at + READ_TIME).await;
            let is_shared = asked.len() > 1;
            for one in asked {
                let answer = match &found {
                    // What the server cannot read of one is no trouble of the others.
                    Err(StoreError::Io(_)) if is_shared && one.at.elapsed() < READ_TIME => {
                        self.read(std::slice::from_ref(&one), one.at + READ_TIME).await
                    }
                    found => found.clone(),
                };
                // A caller that went away has no use for the answer.
                drop(one.answer.send(answer));
            }
        }
    }

    async fn next(&self) -> Vec<Asked> {
        let mut queue = self.queue.lock().await;
        let mut asked: Vec<Asked> = queue.recv().await.into_iter().collect();
        let mut keys = asked.iter().map(|one| one.keys.len()).sum::<usize>();
        while !asked.is_empty() && keys < KEYS_MAX {
            let Ok(next) = queue.try_recv() else { break };
            keys += next.keys.len();
            asked.push(next);
        }
        asked
    }

    async fn read(&self, asked: &[Asked], until: Instant) -> Answer {
        let keys: BTreeSet<&[u8]> =
            asked.iter().flat_map(|one| &one.keys).map(Vec::as_slice).collect();
        let keys: Vec<&[u8]> = keys.into_iter().collect();
        let told = rows(&self.slot, |all| &all.get, &[&keys], until).await?;
        let mut found = HashMap::with_capacity(told.len());
        for row in told {
            let wrong = |error: tokio_postgres::Error| StoreError::Corrupt(error.to_string());
            let key = row.try_get(0).map_err(wrong)?;
            let row = versioned(&row).map(|(_, row, mac)| (row, mac));
            found.insert(key, PointRow(row));
        }
        Ok(Arc::new(found))
    }
}
