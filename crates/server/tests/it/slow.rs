//! A store that takes its time, so that requests which are sent at once meet.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use strongroom_store::{
    Answer, Batch, Cursor, Delta, Memory, Order, Range, Revision, Snapshot, Store, Versioned, Visit,
};

const LOOK: Duration = Duration::from_millis(300);

/// Commits after a pause, in which others can ask. Before it looks for a secret's versions, and after it
/// has looked for a compartment's secrets, there is time for such a commit.
#[derive(Debug)]
pub(crate) struct Slow {
    rows: Arc<Memory>,
    faster: Mutex<Option<Batch>>,
}

impl Slow {
    pub(crate) fn over(rows: &Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { rows: Arc::clone(rows), faster: Mutex::default() })
    }

    /// The next commit that writes a row of `batch` comes after it.
    pub(crate) fn overtake_with(&self, batch: Batch) {
        *self.faster.lock().unwrap() = Some(batch);
    }

    fn faster_than(&self, batch: &Batch) -> Option<Batch> {
        let meets = |other: &mut Batch| other.changes().any(|(key, _)| batch.writes_below(key));
        self.faster.lock().unwrap().take_if(meets)
    }
}

impl Store for Slow {
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>> {
        self.rows.get(keys)
    }

    fn scan(
        &self,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        let is_below = |prefix: &[u8]| range.start.starts_with(prefix);
        let (before, after) = (is_below(b"sv/"), is_below(b"st/"));
        Box::pin(async move {
            if before {
                tokio::time::sleep(LOOK).await;
            }
            let found = self.rows.scan(range, order, limit).await;
            if after {
                tokio::time::sleep(LOOK).await;
            }
            found
        })
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Revision> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            if let Some(faster) = self.faster_than(&batch) {
                self.rows.commit(faster).await?;
            }
            self.rows.commit(batch).await
        })
    }

    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)> {
        self.rows.fresh(since)
    }

    fn walk<'a>(&'a self, sorted: &'a [u8], visit: Visit<'a>) -> Answer<'a, ()> {
        self.rows.walk(sorted, visit)
    }

    fn forget(&self) -> Answer<'_, ()> {
        self.rows.forget()
    }

    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>> {
        self.rows.snapshot()
    }
}
