//! What a machine runs beside its applications: secrets out of a cache, and the metadata that proves who it is.

mod daemon;
mod identity;
mod imds;
mod renewal;

pub use daemon::{
    Agent, ChangeCommand, Contents, FileSink, HttpListener, Pattern, PatternError, References,
    Reports, Resolved, Rule, Rules, Sink, Sinks, SocketListener, WhenRefused,
};
pub use identity::{Identity, IdentityError};
pub use imds::{Imds, serve};
pub use renewal::{ClientOf, Renewal, RenewalError};
