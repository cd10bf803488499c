//! Typed, signed calls for applications, with retries and the credentials of Oracle's tools.

mod answers;
mod calls;
mod client;
mod endpoint;
mod error;
mod profile;
mod transport;

pub use answers::{Secret, SecretBundle, SecretSummary, SecretVersionSummary};
pub use calls::{NewSecret, Selector};
pub use client::Client;
pub use endpoint::Endpoints;
pub use error::{ClientError, ServiceError};
pub use profile::{Profile, ProfileError};
