//! The key hierarchy: sealing and opening of keys and secret contents; the only room that sees plaintext keys.

mod hierarchy;
mod passphrase;
mod random;
pub mod root_file;
mod seal;

pub use hierarchy::{KeyLength, MasterKey, RootKey, SealedSecret, VaultKey};
pub use passphrase::Passphrase;
pub use random::SystemRandom;
pub use seal::{Binding, OpenError, SealError, Sealed};
