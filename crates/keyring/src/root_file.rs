//! The file that holds the root key: open to its owner alone, or sealed by a passphrase besides.

use std::io;
use std::path::Path;

use strongroom_model::{AesLength, KeyShape, Random, Sensitive, private_file};

use crate::hierarchy::RootKey;
use crate::passphrase::{Cost, Passphrase};
use crate::pkcs11::{Token, TokenError};
use crate::seal::{Layer, SealError, Sealed, SealingKey};

const OPEN_MAGIC: &[u8] = b"strongroom root key 1\n";
const SEALED_MAGIC: &[u8] = b"strongroom sealed root key 1\n";
const TOKEN_MAGIC: &[u8] = b"strongroom root key in a token 1\n";

/// Identifier of the token's key that seals the root key.
const TOKEN_ID: &[u8] = b"strongroom-root";

const SALT_BYTES: usize = 16;
const NUMBER_BYTES: usize = 4;

/// Why a root key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum RootFileError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is of another kind, or damaged.
    #[error("the file holds no root key of this kind")]
    Format,
    /// The passphrase is not the one, or the file is damaged.
    #[error("the passphrase does not open the root key")]
    Passphrase,
    /// The cryptographic library refused.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The token refused, or is away.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Writes a root key to a new file, mode 0600 from birth. For development: whoever reads the file
/// has the key.
///
/// # Errors
/// A [`RootFileError`]; `AlreadyExists` if the file is there.
pub fn create(path: &Path, root_key: &RootKey) -> Result<(), RootFileError> {
    let content = Sensitive::new([OPEN_MAGIC, root_key.material().expose()].concat());
    Ok(private_file::create_new(path, content.expose())?)
}

/// Reads a root key that [`create`] wrote. A file that others may read is refused.
///
/// # Errors
/// A [`RootFileError`].
pub fn open(path: &Path) -> Result<RootKey, RootFileError> {
    let content = Sensitive::new(private_file::read_private(path)?);
    let material = content.expose().strip_prefix(OPEN_MAGIC).ok_or(RootFileError::Format)?;
    RootKey::from_bytes(Sensitive::new(material.to_vec())).map_err(|_error| RootFileError::Format)
}

/// Writes a root key to a new file, sealed by a passphrase: magic line, memory in KiB, passes and
/// lanes (u32 big-endian each), salt, sealed key.
///
/// # Errors
/// A [`RootFileError`]; `AlreadyExists` if the file is there.
pub fn create_sealed(
    path: &Path,
    root_key: &RootKey,
    passphrase: &Passphrase,
    random: &dyn Random,
) -> Result<(), RootFileError> {
    Ok(private_file::create_new(path, &sealed_content(root_key, passphrase, random)?)?)
}

/// Seals a root key by a passphrase, as it stands in the file that [`create_sealed`] writes.
///
/// # Errors
/// A [`RootFileError`].
pub fn sealed_content(
    root_key: &RootKey,
    passphrase: &Passphrase,
    random: &dyn Random,
) -> Result<Vec<u8>, RootFileError> {
    let mut salt = [0_u8; SALT_BYTES];
    random.fill(&mut salt);
    let cost = Cost::DEFAULT;
    let stretched = passphrase.stretch(cost, &salt).map_err(|_error| SealError)?;
    let mut content = SEALED_MAGIC.to_vec();
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        content.extend_from_slice(&number.to_be_bytes());
    }
    content.extend_from_slice(&salt);
    let material = root_key.material().expose();
    let sealed =
        SealingKey::new(stretched.expose()).seal(Layer::Root, &content, material, random)?;
    content.extend_from_slice(sealed.as_bytes());
    Ok(content)
}

/// Reads a root key from what stands in a file that [`create_sealed`] wrote.
///
/// # Errors
/// A [`RootFileError`].
pub fn open_sealed(content: &[u8], passphrase: &Passphrase) -> Result<RootKey, RootFileError> {
    let header_bytes = SEALED_MAGIC.len() + 3 * NUMBER_BYTES + SALT_BYTES;
    let (header, sealed) = content.split_at_checked(header_bytes).ok_or(RootFileError::Format)?;
    let rest = header.strip_prefix(SEALED_MAGIC).ok_or(RootFileError::Format)?;
    let (numbers, salt) = rest.split_at_checked(3 * NUMBER_BYTES).ok_or(RootFileError::Format)?;
    let mut numbers = numbers.chunks_exact(NUMBER_BYTES).map(number);
    let (Some(memory_kib), Some(passes), Some(lanes)) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        return Err(RootFileError::Format);
    };
    let cost = Cost { memory_kib, passes, lanes };
    let refused = |_error| RootFileError::Passphrase;
    let stretched = passphrase.stretch(cost, salt).map_err(refused)?;
    let material = SealingKey::new(stretched.expose())
        .open(Layer::Root, header, &Sealed::from_bytes(sealed.to_vec()))
        .map_err(refused)?;
    RootKey::from_bytes(material).map_err(refused)
}

/// Writes a root key to a new file, sealed by an AES-256 key that a token makes for it and keeps.
///
/// # Errors
/// A [`RootFileError`]; `AlreadyExists` if the file is there.
pub async fn create_by_token(
    path: &Path,
    root_key: &RootKey,
    token: &Token,
) -> Result<(), RootFileError> {
    Ok(private_file::create_new(path, &content_by_token(root_key, token).await?)?)
}

/// Seals a root key by a token, as it stands in the file that [`create_by_token`] writes.
///
/// # Errors
/// A [`RootFileError`].
pub async fn content_by_token(root_key: &RootKey, token: &Token) -> Result<Vec<u8>, RootFileError> {
    if !token.exists(TOKEN_ID.to_vec()).await? {
        token.generate(TOKEN_ID.to_vec(), KeyShape::Aes(AesLength::Aes256)).await?;
    }
    let material = Sensitive::new(root_key.material().expose().to_vec());
    let sealed = token.seal(TOKEN_ID.to_vec(), TOKEN_MAGIC.to_vec(), material).await?;
    Ok([TOKEN_MAGIC, sealed.as_slice()].concat())
}

/// Reads a root key from what stands in a file that [`create_by_token`] wrote.
///
/// # Errors
/// A [`RootFileError`].
pub async fn open_by_token(content: &[u8], token: &Token) -> Result<RootKey, RootFileError> {
    let sealed = content.strip_prefix(TOKEN_MAGIC).ok_or(RootFileError::Format)?.to_vec();
    let material = token.open(TOKEN_ID.to_vec(), TOKEN_MAGIC.to_vec(), sealed).await?;
    RootKey::from_bytes(material).map_err(|_error| RootFileError::Format)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Sensitive::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_root_key_comes_back_from_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        let root_key = RootKey::generate(&SystemRandom);
        create(&path, &root_key).unwrap();
        assert_eq!(open(&path).unwrap().material().expose(), root_key.material().expose());
        assert!(create(&path, &root_key).is_err());
        assert!(matches!(
            open_sealed(&private_file::read(&path).unwrap(), &passphrase("x")),
            Err(RootFileError::Format)
        ));
    }

    #[test]
    fn only_the_passphrase_opens_the_sealed_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        let root_key = RootKey::generate(&SystemRandom);
        create_sealed(&path, &root_key, &passphrase("correct horse"), &SystemRandom).unwrap();
        let opened =
            open_sealed(&private_file::read(&path).unwrap(), &passphrase("correct horse\n"))
                .unwrap();
        assert_eq!(opened.material().expose(), root_key.material().expose());
        let wrong = open_sealed(&private_file::read(&path).unwrap(), &passphrase("correct horse "));
        assert!(matches!(wrong, Err(RootFileError::Passphrase)));
        let content = private_file::read(&path).unwrap();
        assert!(!content.windows(8).any(|w| root_key.material().expose().starts_with(w)));
    }

    #[test]
    fn a_planted_cost_is_refused_before_it_is_paid() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        let root_key = RootKey::generate(&SystemRandom);
        create_sealed(&path, &root_key, &passphrase("p"), &SystemRandom).unwrap();
        let mut content = private_file::read(&path).unwrap();
        content[SEALED_MAGIC.len()] = 0xff;
        private_file::replace(&path, &content).unwrap();
        assert!(matches!(
            open_sealed(&private_file::read(&path).unwrap(), &passphrase("p")),
            Err(RootFileError::Passphrase)
        ));
        private_file::replace(&path, &content[..40]).unwrap();
        assert!(matches!(
            open_sealed(&private_file::read(&path).unwrap(), &passphrase("p")),
            Err(RootFileError::Format)
        ));
    }
}
