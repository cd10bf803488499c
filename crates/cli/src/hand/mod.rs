//! The commands that take secrets to and from applications.

mod change;
pub(crate) mod config;
pub(crate) mod configuration;
pub(crate) mod credentials;
pub(crate) mod development;
pub(crate) mod env;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod life;
pub(crate) mod ls;
pub(crate) mod output;
pub(crate) mod pointer;
mod principals;
pub(crate) mod put;
pub(crate) mod reference;
pub(crate) mod render;
pub(crate) mod retire;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod similar;
mod values;
pub(crate) mod versions;

pub(crate) use reference::{SCHEME, canonical_alias};
pub(crate) mod why;
