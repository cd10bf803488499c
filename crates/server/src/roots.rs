//! The root key, and the one before it while the rows of the store are sealed anew.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_keyring::RootKey;
use strongroom_store::{Batch, Require, Revision, StoreError, Versioned};
use strongroom_wire::{ErrorCode, Refusal};

use crate::failure::Failure;
use crate::rows::{self, NextRootKeyRow};

/// The root key that this process would begin with if it read everything anew.
#[derive(Debug)]
pub(crate) struct HeldRoot(RwLock<Held>);

#[derive(Debug, Clone)]
struct Held {
    root_key: Arc<RootKey>,
    /// The one that was to take its place, in a rotation whose end was not seen.
    next: Option<Arc<RootKey>>,
}

impl HeldRoot {
    pub(crate) fn new(root_key: RootKey) -> Self {
        Self(RwLock::new(Held { root_key: Arc::new(root_key), next: None }))
    }

    fn get(&self) -> Held {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, root_key: &Arc<RootKey>, next: Option<&Arc<RootKey>>) {
        let held = Held { root_key: Arc::clone(root_key), next: next.map(Arc::clone) };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

/// The rotation that is under way.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    /// What `root.key` is to hold.
    pub(crate) root_file: Arc<[u8]>,
    pub(crate) revision: Revision,
    earlier: Arc<RootKey>,
}

/// The root keys as of one moment.
#[derive(Debug, Clone)]
pub(crate) struct Roots {
    /// Everything new is sealed under this one.
    pub(crate) current: Arc<RootKey>,
    pub(crate) rotation: Option<Rotation>,
    /// The revision of the key's name, which the end of each rotation writes.
    named_at: Option<Revision>,
}

impl Roots {
    pub(crate) fn begin(held: &HeldRoot) -> Self {
        Self { current: held.get().root_key, rotation: None, named_at: None }
    }

    /// Takes the key of this name where it is known from a rotation whose end was not seen; tells
    /// whether it has the key now.
    pub(crate) fn settle(&mut self, id: &str, held: &HeldRoot) -> bool {
        let is_named = |key: &Arc<RootKey>| key.id().is_ok_and(|known| known == id);
        if self.rotation.is_some() || is_named(&self.current) {
            return true;
        }
        let Some(next) = held.get().next.filter(is_named) else { return false };
        held.set(&next, None);
        self.current = next;
        true
    }

    /// Takes the row of the key's name, which a store has once its root key was rotated.
    pub(crate) fn named(&mut self, row: Option<&Versioned>) {
        self.named_at = row.map(|row| row.revision);
    }

    /// Takes the row of a rotation, which is gone when that is over.
    pub(crate) fn apply(
        &mut self,
        row: Option<&Versioned>,
        held: &HeldRoot,
    ) -> Result<(), StoreError> {
        let Some(row) = row else {
            held.set(&self.current, None);
            self.rotation = None;
            return Ok(());
        };
        let unopened = || StoreError::Corrupt("the next root key does not open".to_owned());
        let read: NextRootKeyRow = rows::decode(&rows::next_root_key(), &row.value)?;
        let root_file = STANDARD.decode(&read.root_file).map_err(|_position| unopened())?;
        let known = held.get().root_key;
        // After a start the file may hold either.
        let (earlier, current) = if let Ok(next) = known.open_root(&read.next) {
            let next = Arc::new(next);
            held.set(&known, Some(&next));
            (known, next)
        } else {
            let earlier = known.open_root(&read.previous).map_err(|_error| unopened())?;
            (Arc::new(earlier), known)
        };
        self.current = current;
        let root_file = root_file.into();
        self.rotation = Some(Rotation { root_file, revision: row.revision, earlier });
        Ok(())
    }

    /// Opens what is sealed under one of the keys.
    pub(crate) fn open<T, E>(&self, open: impl Fn(&RootKey) -> Result<T, E>) -> Result<T, E> {
        match (open(&self.current), &self.rotation) {
            (Err(_), Some(rotation)) => open(&rotation.earlier),
            (opened, _) => opened,
        }
    }

    /// Makes a commit fail that seals something under the current key when that is not it any more: if
    /// a rotation has begun, or begun and ended.
    pub(crate) fn require_current(&self, batch: Batch) -> Batch {
        let as_seen = |seen: Option<Revision>| seen.map_or(Require::Absent, Require::Revision);
        let rotation = self.rotation.as_ref().map(|one| one.revision);
        batch
            .require(rows::next_root_key(), as_seen(rotation))
            .require(rows::root_key_id(), as_seen(self.named_at))
    }

    /// Refuses what would carry values from one root key to the other.
    pub(crate) fn require_settled(&self) -> Result<(), Failure> {
        if self.rotation.is_none() {
            return Ok(());
        }
        let message = "The root key is being rotated, which takes seconds. Try again.";
        Err(Refusal::new(ErrorCode::Conflict, message).into())
    }
}

#[cfg(test)]
mod tests {
    use strongroom_keyring::SystemRandom;

    use super::*;

    #[test]
    fn the_key_of_a_rotation_whose_end_was_not_seen_is_taken_by_its_name_alone() {
        let random = &SystemRandom;
        let old = RootKey::generate(random);
        let new = old.generate_next(random).unwrap();
        let other = new.generate_next(random).unwrap().id().unwrap();
        let (next, previous) = (old.seal_root(&new, random), new.seal_root(&old, random));
        let (next, previous) = (next.unwrap(), previous.unwrap());
        let row = NextRootKeyRow { root_file: String::new(), next, previous };
        let row = Versioned { value: rows::encode(&row).unwrap(), revision: Revision(1) };
        let (id, held) = (new.id().unwrap(), HeldRoot::new(old));
        let mut before = Roots::begin(&held);
        assert!(!before.settle(&id, &held), "a key that was never here");
        before.apply(Some(&row), &held).unwrap();
        let mut after = Roots::begin(&held);
        assert!(!after.settle(&other, &held));
        assert!(after.settle(&id, &held));
        assert_eq!(after.current.id().unwrap(), id);
        assert_eq!(Roots::begin(&held).current.id().unwrap(), id, "held from then on");
    }
}
