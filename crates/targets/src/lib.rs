//! What the server dials: target systems whose secrets are rotated (functions over HTTP, roles of PostgreSQL), other regions, and where the audit log and traces go.

mod dialling;
mod function;
mod otlp;
mod postgres;
mod posting;
mod region;
mod sinks;

pub use function::{Function, FunctionParts};
pub use otlp::OtlpSink;
pub use postgres::{Postgres, PostgresParts, TlsMode};
pub use posting::Post;
pub use region::{HttpLine, NoReply};
pub use sinks::{Dialect, FileSink, SocketSink, WebhookSink};
