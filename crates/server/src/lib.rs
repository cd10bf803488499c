//! The vault: the road of a request from the socket to the audited reply, and the operations.

mod ask;
mod audit;
mod audit_event;
mod authn;
mod authority;
mod authz;
mod backup_places;
mod beat;
mod bootstrap;
mod catalog;
mod catalog_cell;
mod consumers;
mod controls;
mod decode;
mod denial;
mod doomed;
mod door;
mod duty;
mod endpoints;
mod failure;
mod feed;
mod http;
mod ledger;
mod lobby;
mod locate;
mod metadata;
mod metrics;
mod nodes;
mod ops;
mod panics;
mod pipeline;
mod probes;
mod rates;
mod regions;
mod reply;
mod resealing;
mod roots;
mod rotation;
mod rows;
mod schedule;
mod secret_cache;
mod secret_deletion;
mod secret_rows;
mod shared;
mod sightings;
mod sinks;
mod store_backup;
mod sweep;
mod target;
mod tls;
mod traces;

pub use backup_places::{BackupFront, BackupPlace};
pub use beat::Beat;
pub use bootstrap::{
    FoundError, Founded, NewSample, NewTenancy, Sample, clock_turned, found_tenancy,
    free_vault_port, sample_of,
};
pub use http::{InProcess, Server, Serving, StartError};
pub use ledger::{
    Checkpoint, CheckpointError, ExportError, Exported, Ledger, Verified, Vouching, check_export,
};
pub use rates::{RateClass, Rates};
pub use regions::{
    JoinError, NewRegion, OPERATOR_TIME, RegionAnswer, RegionCommand, RegionIdentity, RegionLine,
    SignedMessage, join_tenancy,
};
pub use rows::check_founded;
pub use secret_cache::SECRET_CACHE_BYTES;
pub use shared::{LoadError, Parts, Shared};
pub use sinks::{AuditSink, NamedSink, SinkAnswer, SinkEvent};
pub use store_backup::{
    Backup, Header, NewBackup, Restore, StoreBackupError, Summary, add_records, back_up, restore,
};
pub use strongroom_policy::Semantics;
pub use target::{
    ConfiguredTarget, StepAnswer, StepFailure, StepOutcome, StepWork, TargetSystem, Targets,
};
pub use tls::{TlsError, TlsIdentity};
pub use traces::{TraceSink, TracedRequest, Tracing};

/// Prefixes of the rows whose changes a store must tell, see [`strongroom_store::Store::fresh`].
pub const WATCHED: &[&str] = &rows::WATCHED;
