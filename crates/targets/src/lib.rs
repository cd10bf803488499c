//! Target systems whose secrets are rotated: functions over HTTP, and roles of PostgreSQL.

mod addresses;
mod function;
mod postgres;

pub use addresses::{AddressRange, ParseRangeError};
pub use function::{Function, FunctionParts};
pub use postgres::{Postgres, PostgresParts, TlsMode};
