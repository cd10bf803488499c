//! How the other regions are doing, as this process has seen it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use strongroom_model::{Ocid, Timestamp};

/// What is known of one other region.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerWatch {
    /// When this region last took a page from it.
    pub(super) taken: Option<Timestamp>,
    /// Changes that waited there then, and when the oldest of them was made, in microseconds.
    pub(super) waiting: u64,
    pub(super) oldest: Option<i64>,
    /// Why it cannot be asked.
    pub(super) fault: Option<String>,
    /// When it last took a page from this region.
    pub(super) served: Option<Timestamp>,
    /// Where its replicas of this region's vaults answer, and which commits they are copies of.
    pub(super) vaults: BTreeMap<Ocid, (String, u64)>,
    /// The term from which on it says that it is the home region, if it says so.
    pub(super) claim: Option<u64>,
    /// Changes of it that are of an earlier term, and were not taken.
    pub(super) fenced: u64,
}

/// What is known of all of them.
#[derive(Debug, Default)]
pub(crate) struct RegionWatch(Mutex<BTreeMap<String, PeerWatch>>);

impl RegionWatch {
    pub(super) fn of(&self, region: &str) -> PeerWatch {
        let watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watches.get(region).cloned().unwrap_or_default()
    }

    /// Returns where a region's replica of a vault answers, and which commit it is a copy of.
    pub(crate) fn vault_at(&self, region: &str, vault: &Ocid) -> Option<(String, u64)> {
        let watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watches.get(region)?.vaults.get(vault).cloned()
    }

    pub(super) fn note(&self, region: &str, change: impl FnOnce(&mut PeerWatch)) {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(watches.entry(region.to_owned()).or_default());
    }
}
