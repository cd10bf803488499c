//! Which secrets changed lately, for those who watch: identifiers only.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use strongroom_model::{Ocid, Random};
use strongroom_store::Cursor;
use tokio::sync::watch;

/// Changes remembered at most.
const CHANGES_MAX: usize = 64 * 1024;

/// The changes of secrets, as far as they are remembered.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Cursors of the process before mean nothing to this one.
    process: String,
    log: Mutex<Log>,
    pulse: watch::Sender<Pulse>,
}

#[derive(Debug, Default)]
struct Log {
    /// Changes after this are all here.
    complete_after: Cursor,
    /// Up to where changes were taken into account.
    cursor: Cursor,
    changes: VecDeque<(Cursor, Ocid)>,
}

/// Wakes those who wait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulse {
    beats: u64,
    /// Whether the server is about to stop.
    pub(crate) is_last: bool,
}

/// What happened since a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) cursor: String,
    /// Absent if too much happened to tell.
    pub(crate) changed: Option<BTreeSet<Ocid>>,
}

impl Feed {
    pub(crate) fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let process = format!("{:016x}", u64::from_be_bytes(bytes));
        Self { process, log: Mutex::default(), pulse: watch::Sender::default() }
    }

    /// Learns what changed on the way to `cursor`; without a list, anything may have, or who may
    /// read what has changed.
    pub(crate) fn advance(&self, cursor: Cursor, changed: Option<impl Iterator<Item = Ocid>>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if cursor <= log.cursor {
            return;
        }
        log.cursor = cursor;
        if let Some(changed) = changed {
            log.changes.extend(changed.map(|id| (cursor, id)));
        } else {
            log.changes.clear();
            log.complete_after = cursor;
        }
        while log.changes.len() > CHANGES_MAX {
            if let Some((cursor, _)) = log.changes.pop_front() {
                log.complete_after = cursor;
            }
        }
    }

    /// Tells what changed after a cursor that was given out before; one of another process, or of
    /// nobody, has missed everything.
    pub(crate) fn since(&self, after: &str) -> Since {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let cursor = format!("{}.{}", self.process, log.cursor.0);
        let known = after.split_once('.').filter(|(process, _)| *process == self.process);
        let after = known.and_then(|(_, number)| number.parse().ok()).map(Cursor);
        let after = after.filter(|after| (log.complete_after..=log.cursor).contains(after));
        let changed = after.map(|after| {
            let newest_first = log.changes.iter().rev().take_while(|(at, _)| *at > after);
            newest_first.map(|(_, id)| id.clone()).collect()
        });
        Since { cursor, changed }
    }

    /// Wakes those who wait: a secret was written, or who may read secrets has changed.
    pub(crate) fn beat(&self) {
        self.pulse.send_modify(|pulse| pulse.beats = pulse.beats.wrapping_add(1));
    }

    /// Wakes those who wait, for the last time.
    pub(crate) fn close(&self) {
        self.pulse.send_modify(|pulse| pulse.is_last = true);
    }

    /// Tells how many wait.
    pub(crate) fn subscribers(&self) -> usize {
        self.pulse.receiver_count()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn id(name: &str) -> Ocid {
        format!("ocid1.vaultsecret.oc1..{name}").parse().unwrap()
    }

    #[test]
    fn tells_what_changed_since_and_when_it_cannot() {
        let feed = Feed::new(&Sevens);
        feed.advance(Cursor(5), None::<std::iter::Empty<Ocid>>);
        let start = feed.since("").cursor;
        assert!(feed.since("").changed.is_none(), "who has no cursor has seen nothing");
        assert_eq!(feed.since(&start).changed, Some(BTreeSet::new()));
        feed.advance(Cursor(7), Some([id("a"), id("b"), id("a")].into_iter()));
        feed.advance(Cursor(6), Some([id("c")].into_iter()));
        let seen = feed.since(&start);
        assert_eq!(seen.changed, Some(BTreeSet::from([id("a"), id("b")])), "7 holds what 6 does");
        assert_eq!(feed.since(&seen.cursor).changed, Some(BTreeSet::new()));
        for foreign in ["0000000000000000.7", "0707070707070707.8", "0707070707070707.4", "x", "."]
        {
            assert_eq!(feed.since(foreign).changed, None, "{foreign}");
        }
        feed.advance(Cursor(9), None::<std::iter::Empty<Ocid>>);
        assert_eq!(feed.since(&seen.cursor).changed, None);
    }

    #[test]
    fn forgets_the_oldest_and_says_so() {
        let feed = Feed::new(&Sevens);
        for cursor in 1..=4_u64 {
            let many = (0..CHANGES_MAX / 2).map(|n| id(&format!("{cursor}x{n}")));
            feed.advance(Cursor(cursor), Some(many));
        }
        let at = |cursor: u64| feed.since(&format!("0707070707070707.{cursor}")).changed;
        assert_eq!(at(1), None);
        assert_eq!(at(2).unwrap().len(), CHANGES_MAX);
    }
}
