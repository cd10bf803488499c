//! The nouns of the product: identifiers, resources, operations, time and sensitive bytes; pure state moves.

mod addresses;
mod algorithm;
mod clock;
mod key;
mod key_shape;
mod lifecycle;
mod limits;
mod ocid;
mod operation;
pub mod pem;
mod permission;
mod principal;
pub mod private_file;
mod random;
mod region;
mod resources;
mod rotation;
mod secret;
mod secret_consumers;
mod secret_deletion;
mod secret_generation;
mod secret_replication;
mod secret_rotation;
mod secret_rules;
mod sensitive;
mod stages;
mod tags;
mod vault;

pub use addresses::{AddressRange, ParseRangeError};
pub use algorithm::{
    EncryptionAlgorithm, Hash, MessageType, SignatureScheme, SigningAlgorithm, WrappingAlgorithm,
};
pub use clock::{Clock, SystemClock, Timestamp, TurnableClock, rfc3339};
pub use key::{
    Key, KeyChange, KeyState, KeyVersion, KeyVersionState, MissingInterval, Origin, ProtectionMode,
    RotationChange,
};
pub use key_shape::{AesLength, Curve, KeyAlgorithm, KeyShape, RsaLength, ShapeError};
pub use lifecycle::{
    DELETION_DAYS_MAX, DELETION_DAYS_MIN, LifecycleError, SECRET_DELETION_DAYS_MIN,
};
pub use limits::Limits;
pub use ocid::{Ocid, OcidKind, ParseOcidError, VaultTag};
pub use operation::{Operation, Service};
pub use permission::{Permission, PermissionSet};
pub use principal::{Principal, PrincipalKind, ResourcePrincipal};
pub use random::Random;
pub use region::{Realm, Region};
pub use resources::{
    ApiKey, Compartment, CompartmentState, DynamicGroup, Group, Policy, Tag, TagNamespace, Tenancy,
    User, Workload,
};
pub use rotation::{AutoRotation, ROTATION_DAYS_MAX, ROTATION_DAYS_MIN, RotationStatus};
pub use secret::{
    Moment, NewVersion, Secret, SecretChange, SecretError, SecretPlace, SecretState, SecretVersion,
    VersionMove,
};
pub use secret_consumers::{
    CONSUMER_LIVE_SECS, CONSUMER_LIVE_SECS_MAX, CONSUMERS_MAX, RETIREMENT_SECS_MAX, SecretConsumer,
};
pub use secret_generation::{
    Generated, PLACEHOLDER_BYTES, PLACEHOLDER_PASSPHRASE, PLACEHOLDER_PRIVATE_KEY,
    PLACEHOLDER_PUBLIC_KEY, PassphraseTemplate, SecretGeneration,
};
pub use secret_replication::{
    REPLICATION_TARGETS_MAX, ReplicaSource, ReplicationTarget, SecretReplication,
};
pub use secret_rotation::{
    Retirement, RotationConfig, RotationRun, RotationStep, RotationTarget,
    SECRET_ROTATION_DAYS_MAX, SECRET_ROTATION_DAYS_MIN, STEP_ATTEMPTS_MAX, SecretRotation, backoff,
};
pub use secret_rules::{
    ABSOLUTE_EXPIRY_DAYS_MAX, EXPIRY_DAYS_MAX, ExpiryRule, ReuseRule, SecretRules,
};
pub use sensitive::Sensitive;
pub use stages::{NumberSet, Stage, StageEvent, Stages};
pub use tags::{DefinedTags, Tags};
pub use vault::{Vault, VaultReplica, VaultState, VaultType};
