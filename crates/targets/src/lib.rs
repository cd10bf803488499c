//! What the server dials: target systems whose secrets are rotated (functions over HTTP, roles of PostgreSQL), and other regions.

mod function;
mod postgres;
mod region;

pub use function::{Function, FunctionParts};
pub use postgres::{Postgres, PostgresParts, TlsMode};
pub use region::HttpLine;
