use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use strongroom_client::SecretKey;
use tokio::sync::watch;

/// OCID and version number of what each key of a sink had.
pub(super) type Versions = Vec<(String, u64)>;

/// Which versions the sinks have.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// By the numbers that the sinks have for as long as they are kept.
    sinks: Mutex<BTreeMap<u64, Holding>>,
    /// How many have not been as they should be yet.
    unmade: watch::Sender<usize>,
}

#[derive(Debug)]
struct Holding {
    keys: Vec<SecretKey>,
    versions: Option<Versions>,
    /// Whether it has been as it should be once.
    is_made: bool,
}

impl Default for Holdings {
    fn default() -> Self {
        Self { sinks: Mutex::default(), unmade: watch::Sender::new(0) }
    }
}

impl Holdings {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Holding>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of the sinks that there are from now on. What is known of one that was there before
    /// stays.
    pub(super) fn follow(&self, sinks: impl Iterator<Item = (u64, Vec<SecretKey>)>) {
        let mut held = self.lock();
        let mut before = std::mem::take(&mut *held);
        for (number, keys) in sinks {
            let known = before.remove(&number);
            // Of other secrets it is not known yet which versions it has.
            let versions = known.as_ref().filter(|known| known.keys == keys);
            let versions = versions.and_then(|known| known.versions.clone());
            let is_made = known.is_some_and(|known| known.is_made);
            held.insert(number, Holding { keys, versions, is_made });
        }
        self.unmade.send_replace(held.values().filter(|sink| !sink.is_made).count());
    }

    /// Takes note that a sink is as it should be, but perhaps for its command.
    pub(super) fn made(&self, number: u64) {
        if let Some(sink) = self.lock().get_mut(&number) {
            let is_first = !std::mem::replace(&mut sink.is_made, true);
            self.unmade.send_modify(|count| *count = count.saturating_sub(usize::from(is_first)));
        }
    }

    /// Takes note of what a sink and whoever reads it have.
    pub(super) fn has(&self, number: u64, versions: Versions) {
        if let Some(sink) = self.lock().get_mut(&number) {
            sink.versions = Some(versions);
        }
    }

    /// Returns how many have not been as they should be yet.
    pub(crate) fn unmade(&self) -> usize {
        *self.unmade.borrow()
    }

    /// Waits until each has been as it should be once.
    pub(super) async fn whole(&self) {
        // It fails with the sender, which is here.
        drop(self.unmade.subscribe().wait_for(|count| *count == 0).await);
    }

    /// Returns the secrets that sinks follow.
    pub(crate) fn keys(&self) -> Vec<SecretKey> {
        self.lock().values().flat_map(|sink| sink.keys.clone()).collect()
    }

    /// Returns the version of a secret that this machine uses, where the cache has `current`: the one
    /// that a sink has still. None if a sink is not known to have any.
    pub(crate) fn version_in_use(&self, key: &SecretKey, current: (&str, u64)) -> Option<u64> {
        let (id, current) = current;
        for sink in self.lock().values().filter(|sink| sink.keys.contains(key)) {
            let versions = sink.versions.as_ref()?;
            let held = versions.iter().find(|(held, number)| held == id && *number != current);
            if let Some((_, number)) = held {
                return Some(*number);
            }
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sink_has_still_is_what_is_in_use() {
        let holdings = Holdings::default();
        let (a, b) = (SecretKey::of_id("a"), SecretKey::of_id("b"));
        let in_use = |key, current| holdings.version_in_use(key, current);
        assert_eq!(in_use(&a, ("a", 7)), Some(7));
        let sinks = [(0, vec![a.clone(), b.clone()]), (1, vec![a.clone()])];
        holdings.follow(sinks.clone().into_iter());
        assert_eq!((holdings.unmade(), in_use(&a, ("a", 7))), (2, None));
        holdings.has(0, vec![("a".to_owned(), 7), ("b".to_owned(), 1)]);
        assert_eq!((in_use(&a, ("a", 7)), in_use(&b, ("b", 2))), (None, Some(1)));
        holdings.has(1, vec![("a".to_owned(), 6)]);
        assert_eq!((in_use(&a, ("a", 7)), in_use(&a, ("a", 6))), (Some(6), Some(7)));
        for (number, left) in [(0, 1), (0, 1), (1, 0), (1, 0), (2, 0)] {
            holdings.made(number);
            assert_eq!(holdings.unmade(), left);
        }
        let [kept, _] = sinks;
        holdings.follow([kept, (2, vec![b.clone()])].into_iter());
        assert_eq!(
            (holdings.unmade(), in_use(&a, ("a", 8)), in_use(&b, ("b", 2))),
            (1, Some(7), Some(1))
        );
        holdings.follow([(2, vec![b.clone()])].into_iter());
        assert_eq!(in_use(&b, ("b", 2)), None);
        // What a sink has of other secrets than before is not known, though it is made.
        holdings.has(2, vec![("b".to_owned(), 1)]);
        holdings.made(2);
        holdings.follow([(2, vec![a.clone(), b.clone()])].into_iter());
        assert_eq!((holdings.unmade(), in_use(&b, ("b", 2))), (0, None));
    }
}
