//! The commands that take secrets to and from applications.

pub(crate) mod env;
pub(crate) mod get;
pub(crate) mod ls;
mod output;
pub(crate) mod put;
mod reference;
mod settings;
pub(crate) mod versions;
