use std::sync::Arc;

use strongroom_store::{
    Answer, Batch, Cursor, Delta, Order, Range, Revision, Snapshot, Stats, Store, StoreError,
    Versioned, Visit,
};
use tokio::time::Instant;

use super::Metrics;

/// A store whose commits and questions are timed.
#[derive(Debug)]
pub(crate) struct MeasuredStore {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
}

impl MeasuredStore {
    fn note<T>(&self, outcome: &Result<T, StoreError>) {
        if let Err(error) = outcome
            && !matches!(error, StoreError::Conflict { .. })
        {
            self.metrics.store_errors.inc();
        }
    }
}

impl Store for MeasuredStore {
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>> {
        Box::pin(async move {
            let outcome = self.store.get(keys).await;
            self.note(&outcome);
            outcome
        })
    }

    fn scan(
        &self,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        Box::pin(async move {
            let outcome = self.store.scan(range, order, limit).await;
            self.note(&outcome);
            outcome
        })
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Revision> {
        Box::pin(async move {
            let began = Instant::now();
            let outcome = self.store.commit(batch).await;
            self.metrics.commit_duration.observe(began.elapsed().as_secs_f64());
            self.note(&outcome);
            outcome
        })
    }

    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)> {
        Box::pin(async move {
            let began = Instant::now();
            let outcome = self.store.fresh(since).await;
            self.metrics.fresh_duration.observe(began.elapsed().as_secs_f64());
            self.note(&outcome);
            outcome
        })
    }

    fn walk<'a>(&'a self, visit: Visit<'a>) -> Answer<'a, ()> {
        self.store.walk(visit)
    }

    fn forget(&self) -> Answer<'_, ()> {
        self.store.forget()
    }

    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>> {
        self.store.snapshot()
    }

    fn stats(&self) -> Stats {
        self.store.stats()
    }
}
