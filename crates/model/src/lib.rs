//! The nouns of the product: identifiers, resources, operations, time and sensitive bytes; pure state moves.

mod clock;
mod ocid;
mod operation;
mod permission;
mod principal;
pub mod private_file;
mod random;
mod region;
mod resources;
mod secret;
mod sensitive;
mod tags;

pub use clock::{Clock, SystemClock, Timestamp, rfc3339};
pub use ocid::{Ocid, OcidKind, ParseOcidError, VaultTag};
pub use operation::{Operation, Service};
pub use permission::{Permission, PermissionSet};
pub use principal::Principal;
pub use random::Random;
pub use region::{Realm, Region};
pub use resources::{
    ApiKey, Compartment, CompartmentState, Group, Key, KeyAlgorithm, KeyShape, KeyState,
    KeyVersion, KeyVersionState, Policy, ProtectionMode, Tenancy, User, Vault, VaultState,
    VaultType,
};
pub use secret::{
    NewVersion, Secret, SecretChange, SecretError, SecretState, SecretVersion, Stage, Stages,
    VersionMove,
};
pub use sensitive::Sensitive;
pub use tags::{DefinedTags, Tags};
