//! What the server dials: target systems whose secrets are rotated (functions over HTTP, roles of PostgreSQL), other regions, and where the audit log goes.

mod dialling;
mod function;
mod postgres;
mod region;
mod sinks;

pub use function::{Function, FunctionParts};
pub use postgres::{Postgres, PostgresParts, TlsMode};
pub use region::HttpLine;
pub use sinks::{Dialect, FileSink, SocketSink, WebhookSink};
