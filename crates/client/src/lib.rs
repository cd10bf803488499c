//! Typed, signed calls for applications, with retries and the credentials of Oracle's tools.

mod answers;
mod calls;
mod client;
mod endpoint;
mod error;
mod ini;
mod profile;
mod transport;

pub use answers::{Secret, SecretBundle, SecretSummary, SecretVersionSummary, VaultSummary};
pub use calls::{NewSecret, Selector};
pub use client::{ApiKey, Client};
pub use endpoint::{BaseUrl, Endpoints};
pub use error::{ClientError, ServiceError};
pub use profile::{Profile, ProfileError};
pub use transport::Authorities;
