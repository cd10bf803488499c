use std::fmt;

use strongroom_model::{AesLength, KeyShape, Random, Sensitive};

use crate::asymmetric::{AsymmetricKey, KeyError};
use crate::ciphertext::{self, Context};
use crate::hierarchy::fresh;
use crate::locked::LockedBytes;
use crate::scrub::{DEEP, scrub_stack};
use crate::seal::{Binding, Layer, OpenError, SealError, Sealed, SealingKey};

const DATA_KEY_BYTES: usize = 32;

/// The material of a key version in software.
#[derive(Debug)]
pub enum Material {
    /// AES.
    Symmetric(SymmetricKey),
    /// RSA or ECDSA.
    Asymmetric(AsymmetricKey),
}

impl Material {
    /// Makes new material. An RSA key takes from tenths of a second to several seconds.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the cryptographic library refuses.
    pub fn generate(shape: KeyShape, random: &dyn Random) -> Result<Self, KeyError> {
        match shape {
            KeyShape::Aes(length) => {
                let material = fresh(usize::from(length.bytes()), random);
                Ok(Self::Symmetric(SymmetricKey::new(length, material)))
            }
            KeyShape::Rsa(length) => AsymmetricKey::generate_rsa(length).map(Self::Asymmetric),
            KeyShape::Ecdsa(curve) => AsymmetricKey::generate_ecdsa(curve).map(Self::Asymmetric),
        }
    }

    /// Reads material: the bytes of an AES key, PKCS#8 DER of an asymmetric one.
    ///
    /// # Errors
    /// [`KeyError::Material`] if it is of another shape.
    pub fn from_bytes(shape: KeyShape, bytes: Sensitive) -> Result<Self, KeyError> {
        let KeyShape::Aes(length) = shape else {
            return AsymmetricKey::from_pkcs8(shape, bytes.expose()).map(Self::Asymmetric);
        };
        if bytes.expose().len() != usize::from(length.bytes()) {
            return Err(KeyError::Material);
        }
        Ok(Self::Symmetric(SymmetricKey::new(length, LockedBytes::from_sensitive(bytes))))
    }

    /// Lends the bytes that [`Self::from_bytes`] takes.
    pub(crate) fn expose(&self) -> &[u8] {
        match self {
            Self::Symmetric(key) => key.material.expose(),
            Self::Asymmetric(key) => key.pkcs8(),
        }
    }

    /// Copies the bytes that [`Self::from_bytes`] takes, on their way into a token.
    #[must_use]
    pub fn copied(&self) -> Sensitive {
        Sensitive::new(self.expose().to_vec())
    }

    /// Wraps the material under the public key of who asked for it.
    ///
    /// # Errors
    /// [`KeyError::Input`] if it is longer than the algorithm takes.
    pub fn export(
        &self,
        to: &crate::PublicKey,
        algorithm: strongroom_model::WrappingAlgorithm,
        random: &dyn Random,
    ) -> Result<Vec<u8>, KeyError> {
        let wrapped = crate::wrapping::wrap(to, algorithm, self.expose(), random);
        scrub_stack::<DEEP>();
        wrapped
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

impl SealedSecret {
    /// Lends the data key and the content.
    #[must_use]
    pub const fn lend(&self) -> (&Sealed, &Sealed) {
        (&self.data_key, &self.content)
    }
}

/// A version of an AES master encryption key.
pub struct SymmetricKey {
    length: AesLength,
    material: LockedBytes,
    sealing: SealingKey,
}

impl SymmetricKey {
    fn new(length: AesLength, material: LockedBytes) -> Self {
        let sealing = SealingKey::new(material.expose());
        Self { length, material, sealing }
    }

    /// Encrypts for a caller. The ciphertext names the key version.
    ///
    /// # Errors
    /// [`SealError`] if the cryptographic library refuses.
    pub fn encrypt(
        &self,
        context: &Context<'_>,
        plaintext: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, SealError> {
        ciphertext::encrypt(&self.sealing, self.length, context, plaintext, random)
    }

    /// Decrypts for a caller.
    ///
    /// # Errors
    /// [`OpenError`] if key, version, associated data or bytes are not those of the encryption.
    pub fn decrypt(
        &self,
        context: &Context<'_>,
        ciphertext: &[u8],
    ) -> Result<Sensitive, OpenError> {
        ciphertext::decrypt(&self.sealing, self.length, context, ciphertext)
    }

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
        let (data_key, sealed) = seal_content(binding, content, random)?;
        let data_key =
            self.sealing.seal(Layer::DataKey, &binding.encode(), data_key.expose(), random)?;
        Ok(SealedSecret { data_key, content: sealed })
    }

    /// Opens the content of a secret version.
    ///
    /// # Errors
    /// [`OpenError`] if key, binding or bytes are not those it was sealed with.
    pub fn open_secret(
        &self,
        binding: &Binding<'_>,
        (data_key, content): (&Sealed, &Sealed),
    ) -> Result<Sensitive, OpenError> {
        let data_key = self.sealing.open(Layer::DataKey, &binding.encode(), data_key)?;
        open_content(binding, &data_key, content)
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SymmetricKey").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Seals content under a new data key, which the caller seals under a master key.
pub(crate) fn seal_content(
    binding: &Binding<'_>,
    content: &[u8],
    random: &dyn Random,
) -> Result<(LockedBytes, Sealed), SealError> {
    let data_key = fresh(DATA_KEY_BYTES, random);
    let sealing = SealingKey::new(data_key.expose());
    let sealed = sealing.seal(Layer::Content, &binding.encode(), content, random)?;
    Ok((data_key, sealed))
}

/// Opens content under its data key.
pub(crate) fn open_content(
    binding: &Binding<'_>,
    data_key: &Sensitive,
    content: &Sealed,
) -> Result<Sensitive, OpenError> {
    SealingKey::new(data_key.expose()).open(Layer::Content, &binding.encode(), content)
}

#[cfg(test)]
mod tests {
    use strongroom_model::Ocid;

    use super::*;
    use crate::{RootKey, SystemRandom};

    fn id(text: &str) -> Ocid {
        text.parse().unwrap()
    }

    #[test]
    fn content_opens_through_the_whole_hierarchy_and_only_there() {
        let (tenancy, vault) = (id("ocid1.tenancy.oc1..t"), id("ocid1.vault.oc1.iad.v"));
        let (version, secret) =
            (id("ocid1.keyversion.oc1.iad.v.k"), id("ocid1.vaultsecret.oc1.iad.s"));
        let bound = |object, version| Binding { tenancy: &tenancy, vault: &vault, object, version };
        let root = RootKey::generate(&SystemRandom);
        let (vault_key, sealed_vault) =
            root.new_vault_key(&bound(&vault, 1), &SystemRandom).unwrap();
        for length in [AesLength::Aes128, AesLength::Aes192, AesLength::Aes256] {
            let shape = KeyShape::Aes(length);
            let made = Material::generate(shape, &SystemRandom).unwrap();
            let sealed =
                vault_key.seal_material(&bound(&version, 1), &made, &SystemRandom).unwrap();
            let Material::Symmetric(made) = made else { panic!("not symmetric") };
            let content = made.seal_secret(&bound(&secret, 3), b"pw", &SystemRandom).unwrap();

            let again =
                RootKey::from_bytes(Sensitive::new(root.material().expose().to_vec())).unwrap();
            let vault_key = again.open_vault_key(&bound(&vault, 1), &sealed_vault).unwrap();
            let master = vault_key.open_material(&bound(&version, 1), shape, &sealed).unwrap();
            let Material::Symmetric(master) = master else { panic!("not symmetric") };
            assert_eq!(
                master.open_secret(&bound(&secret, 3), content.lend()).unwrap().expose(),
                b"pw"
            );
            assert!(master.open_secret(&bound(&secret, 2), content.lend()).is_err());
            assert!(master.open_secret(&bound(&vault, 3), content.lend()).is_err());
            assert!(vault_key.open_material(&bound(&version, 2), shape, &sealed).is_err());
            let swapped =
                SealedSecret { data_key: content.content.clone(), content: content.data_key };
            assert!(master.open_secret(&bound(&secret, 3), swapped.lend()).is_err());
            let shown = format!("{root:?} {vault_key:?} {master:?}");
            let silent =
                format!("RootKey(..) VaultKey(..) SymmetricKey {{ length: {length:?}, .. }}");
            assert_eq!(shown, silent);
        }
        assert!(RootKey::from_bytes(Sensitive::new(vec![0; 31])).is_err());
    }

    #[test]
    fn material_of_one_shape_never_opens_as_another() {
        let shape = KeyShape::Ecdsa(strongroom_model::Curve::P256);
        let made = Material::generate(shape, &SystemRandom).unwrap();
        let bytes = || Sensitive::new(made.expose().to_vec());
        assert!(Material::from_bytes(shape, bytes()).is_ok());
        for other in [
            KeyShape::Ecdsa(strongroom_model::Curve::P384),
            KeyShape::Rsa(strongroom_model::RsaLength::Rsa2048),
            KeyShape::Aes(AesLength::Aes256),
        ] {
            assert!(Material::from_bytes(other, bytes()).is_err(), "{other:?}");
        }
    }
}
