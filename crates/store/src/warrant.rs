use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::types::{Revision, StoreError, Versioned};
use crate::witness::{Mac, Witness};

/// What every row that leaves a store is held against: its witness, and the commit that wrote it last.
#[derive(Debug)]
pub(crate) struct Warrant {
    pub(crate) witness: Arc<dyn Witness>,
    hasher: RandomState,
    /// By a hash of the key: sixteen bytes a row, where the key would take a hundred.
    latest: RwLock<HashMap<u64, Mark, BuildHasherDefault<Hashed>>>,
    /// The last commit that was taken note of with [`Self::note_at`].
    highest: AtomicU64,
    committing: Mutex<()>,
}

impl Warrant {
    pub(crate) fn new(witness: Arc<dyn Witness>) -> Self {
        let (hasher, latest, highest, committing) = Default::default();
        Self { witness, hasher, latest, highest, committing }
    }

    /// Checks that a row is as some commit wrote it.
    pub(crate) fn check(&self, key: &[u8], row: &Versioned, mac: &[u8]) -> Result<Mac, StoreError> {
        self.check_value(key, Some(&row.value), (row.revision, mac))
    }

    /// Checks the same of what was written, or removed.
    pub(crate) fn check_value(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        (revision, mac): (Revision, &[u8]),
    ) -> Result<Mac, StoreError> {
        let expected = self.witness.mac(key, value, revision);
        if are_same(&expected, mac) {
            return Ok(expected);
        }
        Err(StoreError::Corrupt(format!("a row of kind `{}` is not as it was written", kind(key))))
    }

    /// Tells whether a row, or its absence, is what the last commit left.
    pub(crate) fn is_latest(&self, key: &[u8], found: Option<Revision>) -> bool {
        if !self.witness.tracks(key) {
            return true;
        }
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        let mark = latest.get(&self.hasher.hash_one(key)).copied().unwrap_or_default();
        mark == found.map_or(Mark::default(), |revision| Mark::new(revision, true))
    }

    /// Takes note of which commits wrote rows last, or removed them.
    pub(crate) fn note<'a>(&self, rows: impl Iterator<Item = (&'a [u8], Option<Revision>)>) {
        let tracked = rows.filter(|(key, _)| self.witness.tracks(key));
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        for (key, revision) in tracked {
            let hash = self.hasher.hash_one(key);
            match revision {
                Some(revision) => latest.insert(hash, Mark::new(revision, true)),
                None => latest.remove(&hash),
            };
        }
    }

    /// Takes note of a commit of any node; a row that it removed is remembered too.
    pub(crate) fn note_at(&self, key: &[u8], revision: Revision, is_there: bool) {
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        latest.insert(self.hasher.hash_one(key), Mark::new(revision, is_there));
        self.highest.fetch_max(revision.0, Ordering::AcqRel);
    }

    /// Returns the highest revision that is known.
    pub(crate) fn highest(&self) -> Revision {
        Revision(self.highest.load(Ordering::Acquire))
    }

    /// Returns the last commit that is known to have written or removed a row; zero is none.
    pub(crate) fn revision(&self, key: &[u8]) -> Revision {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        latest.get(&self.hasher.hash_one(key)).copied().unwrap_or_default().revision()
    }

    /// Tells whether a row, or its absence, is what some node's last commit left, as far as this one
    /// was told: another may have committed since.
    pub(crate) fn is_known(&self, key: &[u8], row: Option<&Versioned>) -> bool {
        if !self.witness.tracks(key) {
            return true;
        }
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        let mark = latest.get(&self.hasher.hash_one(key)).copied().unwrap_or_default();
        match row {
            Some(row) if mark.is_there() => row.revision >= mark.revision(),
            Some(row) => mark.is_known() && row.revision > mark.revision(),
            None => !mark.is_there(),
        }
    }

    /// Forgets all of it.
    pub(crate) fn forget(&self) {
        self.latest.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until no commit is between the store and what is noted of it.
    pub(crate) fn settled(&self) -> MutexGuard<'_, ()> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fails because a row is older than one that was there before.
pub(crate) fn stale(key: &[u8]) -> StoreError {
    StoreError::Corrupt(format!("a row of kind `{}` is not the last that was written", kind(key)))
}

/// The commit that wrote a row last, or removed it; the lowest bit says which. Zero is no commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Mark(u64);

impl Mark {
    const fn new(revision: Revision, is_there: bool) -> Self {
        Self(revision.0 << 1 | if is_there { 1 } else { 0 })
    }

    const fn revision(self) -> Revision {
        Revision(self.0 >> 1)
    }

    const fn is_there(self) -> bool {
        self.0 & 1 == 1
    }

    const fn is_known(self) -> bool {
        self.0 != 0
    }
}

/// The first part of a key: what follows may name something.
fn kind(key: &[u8]) -> String {
    let part = key.split(|byte| *byte == b'/').next().unwrap_or_default();
    part.iter().take(8).flat_map(|byte| byte.escape_ascii()).map(char::from).collect()
}

/// Compares without telling by the time where the first difference is.
fn are_same(expected: &Mac, found: &[u8]) -> bool {
    let differences = expected.iter().zip(found).fold(0, |all, (one, other)| all | (one ^ other));
    found.len() == expected.len() && differences == 0
}

/// A hash that is used as it is.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_the_length_are_compared() {
        let mac = [7; 32];
        assert!(are_same(&mac, &mac) && !are_same(&mac, &mac[..31]));
        assert!(!are_same(&mac, &[mac.as_slice(), &[7]].concat()) && !are_same(&mac, &[]));
        for position in 0..32 {
            let mut bent = mac;
            bent[position] ^= 1;
            assert!(!are_same(&mac, &bent), "{position}");
        }
    }

    #[test]
    fn a_kind_names_nothing_below_it() {
        assert_eq!(kind(b"sn/ocid/password"), "sn");
        assert_eq!(kind(b"no-slash-at-all"), "no-slash");
        assert_eq!(kind(&[0xff, b'\n', b'/']), "\\xff\\n");
    }
}
