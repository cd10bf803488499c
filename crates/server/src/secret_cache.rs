//! Secrets that were read lately, decoded: their metadata, and their contents as they are sealed.
//! Plaintext never comes here.

use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use strongroom_model::{Ocid, Secret};
use strongroom_store::{Cursor, Revision};

use crate::rows::SecretVersionRow;

/// Memory for secrets that were read lately, in bytes, unless the operator says otherwise.
pub const SECRET_CACHE_BYTES: u64 = 512 * 1024 * 1024;

/// Bytes of an entry beyond what it holds: identifiers, maps, the cache's own.
const OVERHEAD_BYTES: u64 = 1024;

/// Entries that room is made for at first.
const ENTRIES: usize = 1024;

/// A secret and the commit that wrote it.
pub(crate) type SecretAt = (Secret, Revision);

/// What a look for a secret found. That there is none is kept as well, so that the way to an answer
/// is the same for what is hidden and what is absent.
#[derive(Debug, Clone)]
pub(crate) enum Looked {
    There(Arc<SecretAt>),
    Absent,
}

impl Looked {
    pub(crate) fn secret(self) -> Option<Arc<SecretAt>> {
        match self {
            Self::There(secret) => Some(secret),
            Self::Absent => None,
        }
    }
}

/// A version of a secret as of a commit; versions of a secret never change while it does not.
type VersionKey = (Ocid, u64, Revision);

/// Entries count by what is long in them.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Ocid, Looked> for Bytes {
    fn weight(&self, _key: &Ocid, value: &Looked) -> u64 {
        let Looked::There(found) = value else { return OVERHEAD_BYTES };
        let secret = &found.0;
        let texts =
            secret.metadata.iter().map(|(name, value)| name.len() + value.to_string().len());
        let described = secret.description.as_ref().map_or(0, String::len) + secret.name.len();
        u64::try_from(texts.sum::<usize>() + described).unwrap_or(u64::MAX) + OVERHEAD_BYTES
    }
}

impl Weighter<VersionKey, Arc<SecretVersionRow>> for Bytes {
    fn weight(&self, _key: &VersionKey, value: &Arc<SecretVersionRow>) -> u64 {
        let content = value.content.as_bytes().len();
        u64::try_from(content).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES)
    }
}

/// The cache. What a request finds in it is as of that request's view of the store, or newer.
#[derive(Debug)]
pub(crate) struct SecretCache {
    /// Up to where changes were taken into account. Whoever keeps something holds this lock
    /// meanwhile, so that no change is taken into account between the look and the deed.
    cursor: RwLock<Cursor>,
    secrets: Cache<Ocid, Looked, Bytes>,
    versions: Cache<VersionKey, Arc<SecretVersionRow>, Bytes>,
}

impl SecretCache {
    /// Makes a cache of so many bytes, half of them for contents as they are sealed.
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            cursor: RwLock::default(),
            secrets: Cache::with_weighter(ENTRIES, bytes / 2, Bytes),
            versions: Cache::with_weighter(ENTRIES, bytes / 2, Bytes),
        }
    }

    /// Forgets the secrets that changed on the way to `cursor`; without a list, all.
    pub(crate) fn advance<'a>(
        &self,
        cursor: Cursor,
        changed: Option<impl Iterator<Item = &'a Ocid>>,
    ) {
        let mut known = self.cursor.write().unwrap_or_else(PoisonError::into_inner);
        if cursor <= *known {
            return;
        }
        *known = cursor;
        let Some(changed) = changed else {
            self.secrets.clear();
            self.versions.clear();
            return;
        };
        for id in changed {
            self.secrets.remove(id);
        }
    }

    pub(crate) fn secret(&self, id: &Ocid) -> Option<Looked> {
        self.secrets.get(id)
    }

    /// Keeps what was found by a request whose view of the store is `cursor`. If another request
    /// has moved on meanwhile, what was read may be old, and is not kept.
    pub(crate) fn keep_secret(&self, cursor: Cursor, id: &Ocid, looked: Looked) {
        let known = self.cursor.read().unwrap_or_else(PoisonError::into_inner);
        if *known == cursor {
            self.secrets.insert(id.clone(), looked);
        }
    }

    /// Returns a version of a secret as of the commit that wrote the secret.
    pub(crate) fn version(&self, secret: &SecretAt, number: u64) -> Option<Arc<SecretVersionRow>> {
        self.versions.get(&(secret.0.id.clone(), number, secret.1))
    }

    /// Keeps a version that was read by a request whose view of the store is `cursor`, under the
    /// same condition.
    pub(crate) fn keep_version(
        &self,
        cursor: Cursor,
        secret: &SecretAt,
        row: &Arc<SecretVersionRow>,
    ) {
        let known = self.cursor.read().unwrap_or_else(PoisonError::into_inner);
        if *known == cursor {
            let key = (secret.0.id.clone(), row.secret_version.number, secret.1);
            self.versions.insert(key, Arc::clone(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use strongroom_model::{SecretPlace, Timestamp};

    use super::*;

    fn secret(name: &str) -> Arc<SecretAt> {
        let id = |kind: &str| -> Ocid { format!("ocid1.{kind}.oc1..{name}").parse().unwrap() };
        let place = SecretPlace {
            compartment_id: id("compartment"),
            vault_id: id("vault"),
            key_id: id("key"),
        };
        let secret = Secret::new(id("vaultsecret"), place, name, Timestamp::UNIX_EPOCH);
        Arc::new((secret, Revision(1)))
    }

    #[test]
    fn what_changed_is_forgotten_and_what_is_old_is_not_kept() {
        let cache = SecretCache::new(1 << 20);
        let (a, b) = (secret("a"), secret("b"));
        let keep = |cursor, secret: &Arc<SecretAt>| {
            cache.keep_secret(cursor, &secret.0.id, Looked::There(Arc::clone(secret)));
        };
        keep(Cursor(0), &a);
        keep(Cursor(0), &b);
        cache.advance(Cursor(2), Some([&a.0.id].into_iter()));
        assert!(cache.secret(&a.0.id).is_none() && cache.secret(&b.0.id).is_some());
        keep(Cursor(1), &a);
        assert!(cache.secret(&a.0.id).is_none(), "read before the change, kept after it");
        keep(Cursor(2), &a);
        assert!(cache.secret(&a.0.id).is_some());
        cache.advance(Cursor(1), None::<std::iter::Empty<&Ocid>>);
        assert!(cache.secret(&a.0.id).is_some(), "an older view has nothing to say");
        cache.advance(Cursor(3), None::<std::iter::Empty<&Ocid>>);
        assert!(cache.secret(&a.0.id).is_none());
    }

    #[test]
    fn what_is_absent_is_known_until_it_is_made() {
        let cache = SecretCache::new(1 << 20);
        let made = secret("a");
        cache.keep_secret(Cursor(0), &made.0.id, Looked::Absent);
        assert!(cache.secret(&made.0.id).is_some_and(|looked| looked.secret().is_none()));
        cache.advance(Cursor(1), Some([&made.0.id].into_iter()));
        assert!(cache.secret(&made.0.id).is_none());
    }

    #[test]
    fn what_is_too_much_leaves_and_the_rest_stays() {
        let cache = SecretCache::new(64 * 1024);
        for number in 0..1_000 {
            let made = secret(&format!("n{number}"));
            cache.keep_secret(Cursor(0), &made.0.id, Looked::There(Arc::clone(&made)));
        }
        let there = (0..1_000).filter(|n| cache.secret(&secret(&format!("n{n}")).0.id).is_some());
        assert!((8..=32).contains(&there.count()));
    }
}
