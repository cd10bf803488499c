use std::fmt;

use strongroom_model::{Random, Sensitive};

use crate::seal::{Binding, Layer, OpenError, SealError, Sealed, SealingKey};

const KEY_BYTES: usize = 32;

/// Length of a symmetric master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLength {
    /// 16 bytes.
    Aes128,
    /// 24 bytes.
    Aes192,
    /// 32 bytes.
    Aes256,
}

impl KeyLength {
    /// Finds a length by its number of bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u16) -> Option<Self> {
        match bytes {
            16 => Some(Self::Aes128),
            24 => Some(Self::Aes192),
            32 => Some(Self::Aes256),
            _ => None,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

fn fresh(length: usize, random: &dyn Random) -> Sensitive {
    let mut material = Sensitive::new(vec![0; length]);
    random.fill(material.expose_mut());
    material
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

redacted!(RootKey VaultKey MasterKey);

/// The key at the top: seals the vaults' keys.
pub struct RootKey {
    material: Sensitive,
    sealing: SealingKey,
}

impl RootKey {
    /// Makes a new root key.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self::from_material(fresh(KEY_BYTES, random))
    }

    /// Takes the 32 bytes of a root key.
    ///
    /// # Errors
    /// [`OpenError`] if there are not 32 of them.
    pub fn from_bytes(material: Sensitive) -> Result<Self, OpenError> {
        if material.expose().len() == KEY_BYTES {
            Ok(Self::from_material(material))
        } else {
            Err(OpenError)
        }
    }

    fn from_material(material: Sensitive) -> Self {
        let sealing = SealingKey::new(material.expose());
        Self { material, sealing }
    }

    pub(crate) const fn material(&self) -> &Sensitive {
        &self.material
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

/// A vault's key: seals the material of the vault's keys.
pub struct VaultKey(SealingKey);

impl VaultKey {
    /// Makes the material of a key version, open and sealed.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn new_key_version(
        &self,
        binding: &Binding<'_>,
        length: KeyLength,
        random: &dyn Random,
    ) -> Result<(MasterKey, Sealed), SealError> {
        let material = fresh(length.bytes(), random);
        let sealed =
            self.0.seal(Layer::KeyVersion, &binding.encode(), material.expose(), random)?;
        Ok((MasterKey(SealingKey::new(material.expose())), sealed))
    }

    /// Opens the material of a key version.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding or bytes are not those it was sealed with.
    pub fn open_key_version(
        &self,
        binding: &Binding<'_>,
        sealed: &Sealed,
    ) -> Result<MasterKey, OpenError> {
        let material = self.0.open(Layer::KeyVersion, &binding.encode(), sealed)?;
        Ok(MasterKey(SealingKey::new(material.expose())))
    }
}

/// The content of a secret version, sealed under a data key of its own, which is sealed under a
/// master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The data key.
    pub data_key: Sealed,
    /// The content.
    pub content: Sealed,
}

/// A version of a master encryption key.
pub struct MasterKey(SealingKey);

impl MasterKey {
    /// Seals the content of a secret version.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn seal_secret(
        &self,
        binding: &Binding<'_>,
        content: &[u8],
        random: &dyn Random,
    ) -> Result<SealedSecret, SealError> {
        let binding = binding.encode();
        let data_key = fresh(KEY_BYTES, random);
        let sealing = SealingKey::new(data_key.expose());
        Ok(SealedSecret {
            data_key: self.0.seal(Layer::DataKey, &binding, data_key.expose(), random)?,
            content: sealing.seal(Layer::Content, &binding, content, random)?,
        })
    }

    /// Opens the content of a secret version.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding or bytes are not those it was sealed with.
    pub fn open_secret(
        &self,
        binding: &Binding<'_>,
        sealed: &SealedSecret,
    ) -> Result<Sensitive, OpenError> {
        let binding = binding.encode();
        let data_key = self.0.open(Layer::DataKey, &binding, &sealed.data_key)?;
        SealingKey::new(data_key.expose()).open(Layer::Content, &binding, &sealed.content)
    }
}

#[cfg(test)]
mod tests {
    use strongroom_model::Ocid;

    use super::*;
    use crate::SystemRandom;

    #[test]
    fn content_opens_through_the_whole_hierarchy_and_only_there() {
        let id = |text: &str| text.parse::<Ocid>().unwrap();
        let (tenancy, vault) = (id("ocid1.tenancy.oc1..t"), id("ocid1.vault.oc1.iad.v"));
        let (version, secret) =
            (id("ocid1.keyversion.oc1.iad.v.k"), id("ocid1.vaultsecret.oc1.iad.s"));
        let bound = |object, version| Binding { tenancy: &tenancy, vault: &vault, object, version };
        let root = RootKey::generate(&SystemRandom);
        let (vault_key, sealed_vault) =
            root.new_vault_key(&bound(&vault, 1), &SystemRandom).unwrap();
        for length in [16, 24, 32] {
            let length = KeyLength::from_bytes(length).unwrap();
            let (master, sealed_master) =
                vault_key.new_key_version(&bound(&version, 1), length, &SystemRandom).unwrap();
            let content = master.seal_secret(&bound(&secret, 3), b"pw", &SystemRandom).unwrap();

            let again = RootKey::from_bytes(root.material().clone()).unwrap();
            let vault_key = again.open_vault_key(&bound(&vault, 1), &sealed_vault).unwrap();
            let master = vault_key.open_key_version(&bound(&version, 1), &sealed_master).unwrap();
            assert_eq!(master.open_secret(&bound(&secret, 3), &content).unwrap().expose(), b"pw");
            assert!(master.open_secret(&bound(&secret, 2), &content).is_err());
            assert!(master.open_secret(&bound(&vault, 3), &content).is_err());
            assert!(vault_key.open_key_version(&bound(&version, 2), &sealed_master).is_err());
            let swapped =
                SealedSecret { data_key: content.content.clone(), content: content.data_key };
            assert!(master.open_secret(&bound(&secret, 3), &swapped).is_err());
            assert_eq!(
                format!("{root:?} {vault_key:?} {master:?}"),
                "RootKey(..) VaultKey(..) MasterKey(..)"
            );
        }
        assert!(RootKey::from_bytes(Sensitive::new(vec![0; 31])).is_err());
    }
}
