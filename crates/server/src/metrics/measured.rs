use std::sync::Arc;
use std::sync::atomic::Ordering;

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
            let fails = !matches!(outcome, Ok(_) | Err(StoreError::Conflict { .. }));
            self.metrics.commits_fail.store(fails, Ordering::Relaxed);
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

    fn walk<'a>(&'a self, sorted: &'a [u8], visit: Visit<'a>) -> Answer<'a, ()> {
        self.store.walk(sorted, visit)
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

#[cfg(test)]
mod tests {
    use strongroom_keyring::{RootKey, SystemRandom};
    use strongroom_model::SystemClock;
    use strongroom_store::{Require, Sqlite};

    use super::*;
    use crate::ledger::Ledger;

    #[tokio::test]
    async fn what_commits_come_to_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let root_key = RootKey::generate(&SystemRandom);
        let ledger = Ledger::new(&root_key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
        let path = directory.path().join("db");
        let store = Arc::new(Sqlite::open(&path, &[], Arc::new(ledger)).unwrap());
        let metrics = Arc::new(Metrics::new());
        let inner: Arc<dyn Store> = Arc::<Sqlite>::clone(&store);
        let measured = MeasuredStore { store: inner, metrics: Arc::clone(&metrics) };
        let seen = || (metrics.commits_fail.load(Ordering::Relaxed), metrics.store_errors.get());
        let batch = || Batch::new().put(b"sn/a".to_vec(), b"{}".to_vec());
        measured.commit(batch()).await.unwrap();
        measured.commit(batch().require(b"sn/a".to_vec(), Require::Absent)).await.unwrap_err();
        assert_eq!((seen(), measured.stats().commits), ((false, 0), 1));
        store.close();
        assert_eq!(measured.commit(batch()).await, Err(StoreError::Closed));
        assert_eq!(seen(), (true, 1));
    }
}
