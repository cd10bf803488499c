use std::fmt;

use strongroom_model::{KeyShape, Random, Sensitive};
use zeroize::Zeroizing;

use crate::locked::LockedBytes;
use crate::material::Material;
use crate::seal::{Binding, Layer, OpenError, SealError, Sealed, SealingKey};
use crate::stream::{STREAM_SALT_BYTES, StreamKey, hex};

const KEY_BYTES: usize = 32;

/// What a root key is sealed for under another.
const ROTATION: &[u8] = b"rotation";

pub(crate) fn fresh(length: usize, random: &dyn Random) -> LockedBytes {
    LockedBytes::with(length, |bytes| random.fill(bytes))
}

macro_rules! redacted {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

redacted!(RootKey VaultKey);

/// What the key that lasts is derived for.
const LASTING: &[u8] = b"strongroom/1/lasting";

/// The key at the top: seals the vaults' keys. Beside it is a key that lasts when the root key is
/// rotated, and that others know the installation by: the ledger's keys and the region's are derived
/// from it. That of an installation's first root key is derived from the root key.
pub struct RootKey {
    /// The key, and behind it the one that lasts if that is not derived.
    material: LockedBytes,
    sealing: SealingKey,
}

impl RootKey {
    /// Makes a new root key.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self::from_material(fresh(KEY_BYTES, random))
    }

    /// Makes a new root key that comes after this one.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn generate_next(&self, random: &dyn Random) -> Result<Self, SealError> {
        let lasting = self.lasting_material()?;
        let material = LockedBytes::with(2 * KEY_BYTES, |bytes| {
            let (key, behind) = bytes.split_at_mut(KEY_BYTES);
            random.fill(key);
            behind.copy_from_slice(&lasting);
        });
        Ok(Self::from_material(material))
    }

    /// Takes the bytes of a root key: 32, or 64 with the key that lasts.
    ///
    /// # Errors
    /// [`OpenError`] if there are neither 32 nor 64 of them.
    pub fn from_bytes(material: Sensitive) -> Result<Self, OpenError> {
        if [KEY_BYTES, 2 * KEY_BYTES].contains(&material.expose().len()) {
            Ok(Self::from_material(LockedBytes::from_sensitive(material)))
        } else {
            Err(OpenError)
        }
    }

    fn from_material(material: LockedBytes) -> Self {
        let sealing = SealingKey::new(material.expose().get(..KEY_BYTES).unwrap_or_default());
        Self { material, sealing }
    }

    fn lasting_material(&self) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if let Some(lasting) = self.material.expose().get(KEY_BYTES..2 * KEY_BYTES) {
            return Ok(Zeroizing::new(lasting.to_vec()));
        }
        let mut derived = self.sealing.derive(LASTING, &[], KEY_BYTES).ok_or(SealError)?;
        derived.truncate(KEY_BYTES);
        Ok(derived)
    }

    /// Returns the key that lasts when the root key is rotated.
    pub(crate) fn lasting(&self) -> Result<SealingKey, SealError> {
        Ok(SealingKey::new(&self.lasting_material()?))
    }

    pub(crate) const fn material(&self) -> &LockedBytes {
        &self.material
    }

    pub(crate) const fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// Seals a backup.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn seal_backup(
        &self,
        binding: &Binding<'_>,
        content: &[u8],
        random: &dyn Random,
    ) -> Result<Sealed, SealError> {
        self.sealing.seal(Layer::Backup, &binding.encode(), content, random)
    }

    /// Opens a backup.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding or bytes are not those it was sealed with.
    pub fn open_backup(
        &self,
        binding: &Binding<'_>,
        sealed: &Sealed,
    ) -> Result<Sensitive, OpenError> {
        self.sealing.open(Layer::Backup, &binding.encode(), sealed)
    }

    /// Derives the key of a stream from its salt, which is drawn for it.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn stream_key(&self, salt: &[u8; STREAM_SALT_BYTES]) -> Result<StreamKey, SealError> {
        StreamKey::derive(&self.sealing, salt)
    }

    /// Returns a name of this key that tells nothing about it: 24 hexadecimal digits.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn id(&self) -> Result<String, SealError> {
        let derived = self.sealing.derive(b"strongroom/1/root-key-id", b"", 0).ok_or(SealError)?;
        Ok(hex(&derived))
    }

    /// Seals another root key, so that this one opens it while one takes the other's place.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn seal_root(&self, other: &Self, random: &dyn Random) -> Result<Sealed, SealError> {
        self.sealing.seal(Layer::Root, ROTATION, other.material.expose(), random)
    }

    /// Opens another root key.
    ///
    /// # Errors
    /// [`OpenError`] if it was not sealed under this one.
    pub fn open_root(&self, sealed: &Sealed) -> Result<Self, OpenError> {
        Self::from_bytes(self.sealing.open(Layer::Root, ROTATION, sealed)?)
    }

    pub(crate) fn seal_authority(
        &self,
        binding: &[u8],
        pkcs8: &[u8],
        random: &dyn Random,
    ) -> Result<Sealed, SealError> {
        self.sealing.seal(Layer::Authority, binding, pkcs8, random)
    }

    pub(crate) fn open_authority(
        &self,
        binding: &[u8],
        sealed: &Sealed,
    ) -> Result<Sensitive, OpenError> {
        self.sealing.open(Layer::Authority, binding, sealed)
    }

    /// Makes a vault's key, open and sealed.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn new_vault_key(
        &self,
        binding: &Binding<'_>,
        random: &dyn Random,
    ) -> Result<(VaultKey, Sealed), SealError> {
        let material = fresh(KEY_BYTES, random);
        let sealed =
            self.sealing.seal(Layer::VaultKey, &binding.encode(), material.expose(), random)?;
        Ok((VaultKey(SealingKey::new(material.expose())), sealed))
    }

    /// Opens a vault's key.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding or bytes are not those it was sealed with.
    pub fn open_vault_key(
        &self,
        binding: &Binding<'_>,
        sealed: &Sealed,
    ) -> Result<VaultKey, OpenError> {
        let material = self.sealing.open(Layer::VaultKey, &binding.encode(), sealed)?;
        Ok(VaultKey(SealingKey::new(material.expose())))
    }
}

impl RootKey {
    /// Seals a vault's key, which this key opens, under another root key.
    ///
    /// # Errors
    /// [`OpenError`] if it does not open, or the cryptographic library refuses.
    pub fn reseal_vault_key(
        &self,
        binding: &Binding<'_>,
        sealed: &Sealed,
        (other, random): (&Self, &dyn Random),
    ) -> Result<Sealed, OpenError> {
        let encoded = binding.encode();
        let material = self.sealing.open(Layer::VaultKey, &encoded, sealed)?;
        let anew = other.sealing.seal(Layer::VaultKey, &encoded, material.expose(), random);
        anew.map_err(|_error| OpenError)
    }
}

/// A vault's key: seals the material of the vault's keys.
pub struct VaultKey(SealingKey);

impl VaultKey {
    /// Seals the material of a key version.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn seal_material(
        &self,
        binding: &Binding<'_>,
        material: &Material,
        random: &dyn Random,
    ) -> Result<Sealed, SealError> {
        self.0.seal(Layer::KeyVersion, &binding.encode(), material.expose(), random)
    }

    /// Opens the material of a key version of `shape`.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding, shape or bytes are not those it was sealed with.
    pub fn open_material(
        &self,
        binding: &Binding<'_>,
        shape: KeyShape,
        sealed: &Sealed,
    ) -> Result<Material, OpenError> {
        let material = self.0.open(Layer::KeyVersion, &binding.encode(), sealed)?;
        Material::from_bytes(shape, material).map_err(|_error| OpenError)
    }

    /// Computes a tag of a content: equal for equal contents of one secret, and of no use to who has
    /// not this key. The binding's version does not count.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn fingerprint(
        &self,
        binding: &Binding<'_>,
        content: &Sensitive,
    ) -> Result<[u8; 32], SealError> {
        let binding = Binding { version: 0, ..*binding };
        self.0.fingerprint(&binding.encode(), content.expose()).ok_or(SealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn what_lasts_is_the_same_after_rotations_and_tells_nothing_of_the_keys_before() {
        let first = RootKey::generate(&SystemRandom);
        let second = first.generate_next(&SystemRandom).unwrap();
        let third = second.generate_next(&SystemRandom).unwrap();
        let lasting = first.lasting_material().unwrap();
        for next in [&second, &third] {
            assert_eq!(*next.lasting_material().unwrap(), *lasting);
            assert_ne!(next.id().unwrap(), first.id().unwrap());
            let bytes = next.material().expose();
            assert!(bytes.windows(KEY_BYTES).all(|part| part != first.material().expose()));
            let again = RootKey::from_bytes(Sensitive::new(bytes.to_vec())).unwrap();
            assert_eq!(again.id().unwrap(), next.id().unwrap());
            assert_eq!(*again.lasting_material().unwrap(), *lasting);
        }
        assert_ne!(third.id().unwrap(), second.id().unwrap());
        for length in [0, 31, 33, 63, 65] {
            assert!(RootKey::from_bytes(Sensitive::new(vec![7; length])).is_err(), "{length}");
        }
    }
}
