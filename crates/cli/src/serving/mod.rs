//! The commands that run a server.

pub(crate) mod agent;
mod agent_file;
mod agent_listeners;
mod agent_probe;
mod agent_sinks;
pub(crate) mod audit;
pub(crate) mod database;
pub(crate) mod dev;
pub(crate) mod directory;
pub(crate) mod imds;
pub(crate) mod init;
mod memory;
mod secret_file;
pub(crate) mod serve;
pub(crate) mod signals;
mod sinks;
mod supervisor;
mod targets;
pub(crate) mod token;
pub(crate) mod unseal;
