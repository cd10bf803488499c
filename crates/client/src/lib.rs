//! Typed, signed calls for applications, with retries, a cache and the credentials of Oracle's tools.

mod answers;
mod breaker;
mod cache;
mod calls;
mod client;
mod consumers;
mod controls;
mod credentials;
mod crypto;
mod denials;
mod endpoint;
mod error;
mod events;
mod identity;
mod ini;
mod kms;
mod network;
pub mod probe;
mod profile;
mod proxies;
mod road;
mod transport;
mod upkeep;
mod workloads;

pub use answers::{Key, Secret, SecretBundle, SecretSummary, SecretVersionSummary, VaultSummary};
pub use cache::{
    CacheError, CacheMetrics, CacheSettings, CachedSecret, Lifetimes, NEGATIVE_MAX, RenderedSecret,
    STALE_IF_ERROR_MAX, SecretCache, SecretKey, SecretName, SecurityClass, TTL_MAX, ToldTime,
    Upstream,
};
pub use calls::{NewContent, NewSecret, Selector};
pub use client::{Backoff, Client};
pub use consumers::{
    FeedLoss, SecretChange, SecretChanges, SecretConsumer, SecretRetirement, WATCH_TIME_MAX,
};
pub use controls::advance_clock;
pub use credentials::{
    ApiKey, Credentials, FederatedResource, FileOrText, IMDS_URL, InstancePrincipal,
    ResourcePrincipal, ServiceAccount, SessionToken, TokenPath, WorkloadIdentity,
};
pub use crypto::{
    Ciphertext, DataKey, EncryptionContext, EncryptionKey, Plaintext, Signature, SigningKey,
    VaultCrypto,
};
pub use denials::{Denial, DeniedNeed, DeniedPrincipal, DeniedStatement, UnmatchedGroup};
pub use endpoint::{BaseUrl, Elsewhere, Endpoints, RegionMetadata};
pub use error::{ClientError, ServiceError};
pub use identity::{
    CompartmentSummary, DefinedTagValues, GroupMembership, NamedSummary, PolicySummary,
    TenancyDetails,
};
pub use network::{Authorities, Network};
pub use profile::{Profile, ProfileError};
pub use proxies::{Exceptions, Proxies, Proxy};
pub use upkeep::NextRootKey;
pub use workloads::{IssuedCertificate, MachineProof, NewWorkload, TokenSigner, Workload};
