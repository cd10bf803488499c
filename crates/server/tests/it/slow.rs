//! A store that takes its time, so that requests which are sent at once meet.

use std::sync::Arc;
use std::time::Duration;

use strongroom_store::{
    Answer, Batch, Cursor, Delta, Memory, Order, Range, Revision, Snapshot, Store, Versioned, Visit,
};

const LOOK: Duration = Duration::from_millis(150);

/// Commits after a pause, in which others can ask. Before it looks for a secret's versions, and after it
/// has looked for a compartment's secrets, there is time for such a commit.
#[derive(Debug)]
pub(crate) struct Slow(pub(crate) Arc<Memory>);

impl Store for Slow {
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>> {
        self.0.get(keys)
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
            let found = self.0.scan(range, order, limit).await;
            if after {
                tokio::time::sleep(LOOK).await;
            }
            found
        })
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Revision> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            self.0.commit(batch).await
        })
    }

    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)> {
        self.0.fresh(since)
    }

    fn walk<'a>(&'a self, sorted: &'a [u8], visit: Visit<'a>) -> Answer<'a, ()> {
        self.0.walk(sorted, visit)
    }

    fn forget(&self) -> Answer<'_, ()> {
        self.0.forget()
    }

    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>> {
        self.0.snapshot()
    }
}
