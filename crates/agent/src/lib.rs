//! What a machine runs beside its applications: the metadata that proves who it is.

mod identity;
mod imds;
mod renewal;

pub use identity::{Identity, IdentityError};
pub use imds::{Imds, serve};
pub use renewal::{ClientOf, Renewal, RenewalError};
