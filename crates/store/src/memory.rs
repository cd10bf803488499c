use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::changes::Changes;
use crate::types::{
    Answer, Batch, Change, Cursor, Delta, Order, Range, Require, Revision, Snapshot, Store,
    StoreError, Versioned, Visit,
};

/// The engine that keeps nothing after the process: the specification of the others.
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Vec<u8>, Versioned>,
    last: u64,
}

impl Memory {
    /// Makes an empty store; changes of keys that begin with one of `watched` are told by
    /// [`Store::fresh`].
    #[must_use]
    pub fn new(watched: &[&str]) -> Self {
        Self { state: Mutex::default(), changes: Changes::watching(watched) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, batch: Batch) -> Result<Revision, StoreError> {
        let mut state = self.state();
        for (key, require) in &batch.require {
            let found = state.rows.get(key).map(|row| row.revision);
            let holds = match require {
                Require::Absent => found.is_none(),
                Require::Revision(revision) => found == Some(*revision),
            };
            if !holds {
                return Err(StoreError::Conflict { key: key.clone() });
            }
        }
        let next = Revision(state.last.saturating_add(1));
        let revision = batch.number.unwrap_or(next);
        state.last = state.last.max(revision.0);
        let mut told = Vec::new();
        for (key, value) in batch.changes {
            let value = value.map(|value| Versioned { value, revision });
            if self.changes.watches(&key) {
                told.push(Change { key: key.clone(), value: value.clone() });
            }
            match value {
                Some(row) => state.rows.insert(key, row),
                None => state.rows.remove(&key),
            };
        }
        self.changes.publish(told);
        Ok(revision)
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>> {
        let state = self.state();
        let rows = keys.iter().map(|key| state.rows.get(*key).cloned()).collect();
        Box::pin(std::future::ready(Ok(rows)))
    }

    fn scan(
        &self,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        let state = self.state();
        let owned = |(key, row): (&Vec<u8>, &Versioned)| (key.clone(), row.clone());
        let rows = if range.start >= range.end {
            Vec::new()
        } else {
            let rows = state.rows.range(range);
            match order {
                Order::Ascending => rows.take(limit).map(owned).collect(),
                Order::Descending => rows.rev().take(limit).map(owned).collect(),
            }
        };
        Box::pin(std::future::ready(Ok(rows)))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Revision> {
        Box::pin(std::future::ready(self.apply(batch)))
    }

    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)> {
        Box::pin(std::future::ready(Ok(self.changes.since(since))))
    }

    fn walk<'a>(&'a self, sorted: &'a [u8], mut visit: Visit<'a>) -> Answer<'a, ()> {
        let rows = self.state().rows.clone();
        let (last, first): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(key, _)| key.starts_with(sorted));
        let shown = first.into_iter().chain(last).try_for_each(|(key, row)| visit(&key, row));
        Box::pin(std::future::ready(shown))
    }

    fn forget(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>> {
        let state = self.state();
        let copy = Copy { last: Revision(state.last), rows: state.rows.clone() };
        Box::pin(std::future::ready(Ok::<Box<dyn Snapshot>, _>(Box::new(copy))))
    }
}

/// A copy of all rows, of which those that were read are gone.
#[derive(Debug)]
struct Copy {
    last: Revision,
    rows: BTreeMap<Vec<u8>, Versioned>,
}

impl Snapshot for Copy {
    fn last(&self) -> Revision {
        self.last
    }

    fn next(&mut self, limit: usize) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        let rows = std::iter::from_fn(|| self.rows.pop_first()).take(limit).collect();
        Box::pin(std::future::ready(Ok(rows)))
    }
}
