//! The key hierarchy: sealing and opening of keys and secret contents; the only room that sees plaintext keys.

mod asymmetric;
mod authority;
mod ciphertext;
mod gcm;
mod generated;
mod hierarchy;
pub mod ledger;
mod locked;
mod material;
mod passphrase;
pub mod pkcs11;
mod random;
mod region;
mod retry;
pub mod root_file;
mod scrub;
mod seal;
mod sha224;
mod stream;
#[cfg(test)]
mod vectors;
mod version_key;
pub mod wrapping;

pub use asymmetric::{AsymmetricKey, KeyError, Oaep, PublicKey, digest};
pub use authority::AuthorityKey;
pub use ciphertext::{Context, version_of};
pub use generated::generate_content;
pub use hierarchy::{RootKey, VaultKey};
pub use locked::{
    LockedBytes, MemoryProtection, give_back_program, harden_process, memory_protection,
};
pub use material::{Material, SealedSecret, SymmetricKey};
pub use passphrase::Passphrase;
pub use random::SystemRandom;
pub use region::{RegionKeys, RegionPublicKeys};
pub use retry::RetryKey;
pub use seal::{Binding, OpenError, SealError, Sealed};
pub use stream::{
    HEADER_TAG_BYTES, RunningDigest, STREAM_SALT_BYTES, StreamError, StreamKey, StreamOpener,
    StreamSealer,
};
pub use version_key::{TokenKey, UseError, VersionKey, token_id};
