//! Secrets that were read lately, decoded: their metadata, and their contents as they are sealed.
//! Plaintext never comes here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use strongroom_model::{Ocid, Secret};
use strongroom_store::{Cursor, Revision};

use crate::rows::SecretVersionRow;

/// Secrets kept at most.
const SECRETS_MAX: usize = 16 * 1024;

/// Bytes of sealed content kept at most.
const CONTENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A secret and the commit that wrote it.
pub(crate) type SecretAt = (Secret, Revision);

#[derive(Debug, Default)]
struct Kept {
    /// Up to where changes were taken into account.
    cursor: Cursor,
    secrets: HashMap<Ocid, Arc<SecretAt>>,
    /// Versions of a secret never change while it does not.
    versions: HashMap<Ocid, HashMap<u64, Arc<SecretVersionRow>>>,
    content_bytes: usize,
}

impl Kept {
    fn forget_versions(&mut self, secret: &Ocid) {
        let forgotten = self.versions.remove(secret).unwrap_or_default();
        let bytes: usize = forgotten.values().map(|row| row.content.as_bytes().len()).sum();
        self.content_bytes = self.content_bytes.saturating_sub(bytes);
    }
}

/// The cache. What a request finds in it is as of that request's view of the store, or newer.
#[derive(Debug, Default)]
pub(crate) struct SecretCache(RwLock<Kept>);

impl SecretCache {
    /// Forgets the secrets that changed on the way to `cursor`; without a list, all.
    pub(crate) fn advance<'a>(
        &self,
        cursor: Cursor,
        changed: Option<impl Iterator<Item = &'a Ocid>>,
    ) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cursor <= kept.cursor {
            return;
        }
        kept.cursor = cursor;
        let Some(changed) = changed else {
            kept.secrets.clear();
            kept.versions.clear();
            kept.content_bytes = 0;
            return;
        };
        for id in changed {
            kept.secrets.remove(id);
            kept.forget_versions(id);
        }
    }

    pub(crate) fn secret(&self, id: &Ocid) -> Option<Arc<SecretAt>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.secrets.get(id).map(Arc::clone)
    }

    /// Keeps a secret that was read by a request whose view of the store is `cursor`. If another
    /// request has moved on meanwhile, what was read may be old, and is not kept.
    pub(crate) fn keep_secret(&self, cursor: Cursor, secret: &Arc<SecretAt>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.cursor != cursor {
            return;
        }
        if kept.secrets.len() >= SECRETS_MAX {
            kept.secrets.clear();
        }
        kept.secrets.insert(secret.0.id.clone(), Arc::clone(secret));
    }

    pub(crate) fn version(&self, secret: &Ocid, number: u64) -> Option<Arc<SecretVersionRow>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.versions.get(secret)?.get(&number).map(Arc::clone)
    }

    /// Keeps a version, under the same condition.
    pub(crate) fn keep_version(&self, cursor: Cursor, secret: &Ocid, row: &Arc<SecretVersionRow>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.cursor != cursor {
            return;
        }
        if kept.content_bytes >= CONTENT_BYTES_MAX {
            kept.versions.clear();
            kept.content_bytes = 0;
        }
        kept.content_bytes += row.content.as_bytes().len();
        let number = row.secret_version.number;
        kept.versions.entry(secret.clone()).or_default().insert(number, Arc::clone(row));
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
        let cache = SecretCache::default();
        let (a, b) = (secret("a"), secret("b"));
        cache.keep_secret(Cursor(0), &a);
        cache.keep_secret(Cursor(0), &b);
        cache.advance(Cursor(2), Some([&a.0.id].into_iter()));
        assert!(cache.secret(&a.0.id).is_none() && cache.secret(&b.0.id).is_some());
        cache.keep_secret(Cursor(1), &a);
        assert!(cache.secret(&a.0.id).is_none(), "read before the change, kept after it");
        cache.keep_secret(Cursor(2), &a);
        assert!(cache.secret(&a.0.id).is_some());
        cache.advance(Cursor(1), None::<std::iter::Empty<&Ocid>>);
        assert!(cache.secret(&a.0.id).is_some(), "an older view has nothing to say");
        cache.advance(Cursor(3), None::<std::iter::Empty<&Ocid>>);
        assert!(cache.secret(&a.0.id).is_none());
    }
}
