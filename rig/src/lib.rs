//! Servers under test for the proofs and the bench: PostgreSQL with a standby, nodes of ours, the
//! network between them, and a client that signs.

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "for developers: it starts programs, writes their files and takes times"
)]

mod cluster;
mod http;
mod network;
mod node;
mod postgres;
mod tls;

pub use cluster::{Cluster, SingleDatabase, Tenant, content, group_of, value_in};
pub use http::{Answer, Client, Identity, NoAnswer, Request, read, render, text};
pub use network::Machine;
pub use node::Node;
pub use postgres::Postgres;

/// What a failure looks like in a tool.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
