//! Ordered keys with conditional commits: the engines that keep what was acknowledged.

mod changes;
mod memory;
mod postgres;
mod sqlite;
mod types;
mod warrant;
mod witness;

pub use memory::Memory;
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use types::{
    Answer, Batch, Change, Cursor, Delta, Order, Range, Require, Revision, Snapshot, Stats, Store,
    StoreError, Sync, Versioned, Visit, prefix_range,
};
pub use witness::{Chain, Effect, Entered, Mac, Witness};
