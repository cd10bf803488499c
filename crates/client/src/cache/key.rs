use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use crate::calls::Selector;

/// Draws the seed of all keys of this process once, so that nobody can choose keys that collide.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// How a secret is named when its content is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretName {
    /// By its OCID.
    Id(String),
    /// By its name in a vault.
    InVault {
        /// OCID of the vault.
        vault_id: String,
        /// Name of the secret.
        name: String,
    },
}

/// What a cache keeps contents under: a secret and which of its versions. Made once and used for
/// every read: its hash is taken when it is made, and a clone shares its text.
#[derive(Clone)]
pub struct SecretKey {
    hash: u64,
    named: Arc<Named>,
}

#[derive(PartialEq, Eq, Hash)]
struct Named {
    secret: SecretName,
    selector: Selector,
}

impl SecretKey {
    /// Makes a key.
    #[must_use]
    pub fn new(secret: SecretName, selector: Selector) -> Self {
        let named = Named { secret, selector };
        Self { hash: SEED.hash_one(&named), named: Arc::new(named) }
    }

    /// Makes the key of the version in use of the secret with this OCID.
    #[must_use]
    pub fn of_id(secret_id: &str) -> Self {
        Self::new(SecretName::Id(secret_id.to_owned()), Selector::Current)
    }

    /// Returns how the secret is named.
    #[must_use]
    pub fn secret(&self) -> &SecretName {
        &self.named.secret
    }

    /// Returns which version is meant.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        &self.named.selector
    }

    /// Returns what the secret is called in messages: its OCID, or its name.
    #[must_use]
    pub fn title(&self) -> &str {
        match self.secret() {
            SecretName::Id(id) => id,
            SecretName::InVault { name, .. } => name,
        }
    }

    /// Tells whether this may be the secret with that OCID, and of that name if it is known. The
    /// vault is not compared: a replica answers under a name of its own.
    pub(super) fn may_name(&self, secret_id: &str, secret_name: Option<&str>) -> bool {
        match self.secret() {
            SecretName::Id(id) => id == secret_id,
            SecretName::InVault { name, .. } => secret_name.is_none_or(|known| known == name),
        }
    }

    /// Returns the bytes that the key's text takes.
    pub(super) fn len(&self) -> usize {
        let selector = match self.selector() {
            Selector::Stage(text) | Selector::Name(text) => text.len(),
            Selector::Current | Selector::Number(_) => 0,
        };
        let secret = match self.secret() {
            SecretName::Id(id) => id.len(),
            SecretName::InVault { vault_id, name } => vault_id.len() + name.len(),
        };
        secret + selector
    }

    /// Returns the hash that was taken when the key was made.
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({:?}, {:?})", self.secret(), self.selector())
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        let same = || Arc::ptr_eq(&self.named, &other.named) || self.named == other.named;
        self.hash == other.hash && same()
    }
}

impl Eq for SecretKey {}

impl Hash for SecretKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Takes the hash that a key brings along.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Brought;

/// See [`Brought`].
#[derive(Debug, Default)]
pub(super) struct BroughtHasher(u64);

impl BuildHasher for Brought {
    type Hasher = BroughtHasher;

    fn build_hasher(&self) -> BroughtHasher {
        BroughtHasher::default()
    }
}

impl Hasher for BroughtHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_name(vault_id: &str, name: &str, selector: Selector) -> SecretKey {
        let (vault_id, name) = (vault_id.to_owned(), name.to_owned());
        SecretKey::new(SecretName::InVault { vault_id, name }, selector)
    }

    #[test]
    fn a_key_is_a_secret_and_a_version() {
        let keys = [
            SecretKey::of_id("a"),
            SecretKey::of_id("b"),
            SecretKey::new(SecretName::Id("a".to_owned()), Selector::Number(1)),
            SecretKey::new(SecretName::Id("a".to_owned()), Selector::Stage("1".to_owned())),
            SecretKey::new(SecretName::Id("a".to_owned()), Selector::Name("1".to_owned())),
            by_name("v", "a", Selector::Current),
            by_name("w", "a", Selector::Current),
        ];
        for (at, one) in keys.iter().enumerate() {
            for (beside, other) in keys.iter().enumerate() {
                assert_eq!(one == other, at == beside, "{one:?} {other:?}");
            }
        }
        assert_eq!(by_name("v", "a", Selector::Current), keys[5]);
    }

    #[test]
    fn a_change_concerns_every_key_that_may_name_the_secret() {
        assert!(SecretKey::of_id("a").may_name("a", None));
        assert!(!SecretKey::of_id("a").may_name("b", Some("a")));
        let named = by_name("v", "db", Selector::Current);
        assert!(named.may_name("a", Some("db")) && named.may_name("a", None));
        assert!(!named.may_name("a", Some("mail")));
    }
}
