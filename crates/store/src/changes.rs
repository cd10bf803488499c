use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::types::{Change, Cursor, Delta, Range, prefix_range};

const KEPT: usize = 4096;

/// The recent history of watched rows. Asking costs one atomic load when nothing happened.
#[derive(Debug)]
pub(crate) struct Changes {
    watched: Vec<Vec<u8>>,
    last: AtomicU64,
    recent: RwLock<VecDeque<(u64, Change)>>,
}

impl Changes {
    pub(crate) fn watching(prefixes: &[&str]) -> Self {
        Self {
            watched: prefixes.iter().map(|prefix| prefix.as_bytes().to_vec()).collect(),
            last: AtomicU64::new(1),
            recent: RwLock::new(VecDeque::new()),
        }
    }

    /// The keys that are watched.
    pub(crate) fn watched(&self) -> impl Iterator<Item = Range> {
        self.watched.iter().map(|prefix| prefix_range(prefix))
    }

    pub(crate) fn watches(&self, key: &[u8]) -> bool {
        self.watched.iter().any(|prefix| key.starts_with(prefix))
    }

    /// Adds what a commit did to watched rows; called before the commit is acknowledged, by one
    /// thread at a time.
    pub(crate) fn publish(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        let mut number = self.last.load(Ordering::Acquire);
        for change in changes {
            number = number.saturating_add(1);
            recent.push_back((number, change));
        }
        while recent.len() > KEPT {
            recent.pop_front();
        }
        self.last.store(number, Ordering::Release);
    }

    /// Forgets what happened: whoever asks is told to read everything again.
    pub(crate) fn reset(&self) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.clear();
        let number = self.last.load(Ordering::Acquire).saturating_add(1);
        self.last.store(number, Ordering::Release);
    }

    pub(crate) fn since(&self, cursor: Cursor) -> (Cursor, Delta) {
        let last = self.last.load(Ordering::Acquire);
        if cursor.0 == last {
            return (cursor, Delta::Changes(Vec::new()));
        }
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let last = Cursor(self.last.load(Ordering::Acquire));
        let oldest = recent.front().map_or(last.0.saturating_add(1), |(number, _)| *number);
        if cursor.0 == 0 || cursor.0.saturating_add(1) < oldest || cursor.0 > last.0 {
            return (last, Delta::Reset);
        }
        let newer = recent.iter().filter(|(number, _)| *number > cursor.0);
        (last, Delta::Changes(newer.map(|(_, change)| change.clone()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: usize) -> Change {
        Change { key: number.to_string().into_bytes(), value: None }
    }

    #[test]
    fn each_change_is_told_once_and_a_late_asker_is_told_to_read_again() {
        let changes = Changes::watching(&["v/"]);
        assert_eq!(changes.since(Cursor::default()).1, Delta::Reset);
        let (start, _) = changes.since(Cursor::default());
        assert_eq!(changes.since(start), (start, Delta::Changes(Vec::new())));
        changes.publish(vec![change(1), change(2)]);
        let (next, delta) = changes.since(start);
        assert_eq!(delta, Delta::Changes(vec![change(1), change(2)]));
        changes.publish((0..KEPT).map(change).collect());
        assert_eq!(changes.since(start).1, Delta::Reset);
        let (last, Delta::Changes(all)) = changes.since(next) else { panic!("reset too early") };
        assert_eq!(all.len(), KEPT);
        changes.reset();
        let (anew, delta) = changes.since(last);
        assert_eq!(delta, Delta::Reset);
        assert_eq!(changes.since(anew), (anew, Delta::Changes(Vec::new())));
    }
}
