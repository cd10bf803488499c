//! The commands that take secrets to and from applications.

mod configuration;
pub(crate) mod development;
pub(crate) mod env;
pub(crate) mod get;
pub(crate) mod ls;
mod output;
pub(crate) mod put;
mod reference;
mod session;
mod settings;
pub(crate) mod versions;

pub(crate) use reference::canonical_alias;
