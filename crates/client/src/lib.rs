//! Typed, signed calls for applications, with retries, a cache and the credentials of Oracle's tools.

mod answers;
mod breaker;
mod cache;
mod calls;
mod client;
mod consumers;
mod controls;
mod credentials;
mod denials;
mod endpoint;
mod error;
mod events;
mod identity;
mod ini;
mod profile;
mod transport;
mod workloads;

pub use answers::{Secret, SecretBundle, SecretSummary, SecretVersionSummary, VaultSummary};
pub use cache::{
    CacheError, CacheMetrics, CacheSettings, CachedSecret, Lifetimes, NEGATIVE_MAX,
    STALE_IF_ERROR_MAX, SecretCache, SecretKey, SecretName, SecurityClass, TTL_MAX, Upstream,
};
pub use calls::{NewContent, NewSecret, Selector};
pub use client::Client;
pub use consumers::{
    SecretChange, SecretChanges, SecretConsumer, SecretRetirement, WATCH_TIME_MAX,
};
pub use controls::advance_clock;
pub use credentials::{
    ApiKey, Credentials, FileOrText, IMDS_URL, InstancePrincipal, ResourcePrincipal, SessionToken,
};
pub use denials::{Denial, DeniedNeed, DeniedPrincipal, DeniedStatement, UnmatchedGroup};
pub use endpoint::{BaseUrl, Elsewhere, Endpoints, RegionMetadata};
pub use error::{ClientError, ServiceError};
pub use identity::{
    CompartmentSummary, DefinedTagValues, GroupMembership, NamedSummary, PolicySummary,
    TenancyDetails,
};
pub use profile::{Profile, ProfileError};
pub use transport::Authorities;
pub use workloads::{IssuedCertificate, MachineProof, NewWorkload, TokenSigner, Workload};
