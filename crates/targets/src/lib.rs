//! Target systems whose secrets are rotated: functions over HTTP, and roles of PostgreSQL.

mod function;
mod postgres;

pub use function::{Function, FunctionParts};
pub use postgres::{Postgres, PostgresParts, TlsMode};
