//! Backups of a whole store: every row as of one moment, sealed under the root key. The form of the
//! file is `docs/format.md`.

mod file;
mod restore;

use std::io;

use strongroom_keyring::{RunningDigest, SealError, StreamError};
use strongroom_store::{Revision, Snapshot, StoreError, Versioned};

pub use self::file::{Backup, Header, NewBackup, back_up};
pub use self::restore::{Restore, add_records, restore};
use crate::rows;

/// Rows that are read, or written, at a time.
const ROWS_AT_ONCE: usize = 1024;

/// Why a store was not backed up or restored. Messages hold no values.
#[derive(Debug, thiserror::Error)]
pub enum StoreBackupError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(io::Error),
    /// The file is something else.
    #[error("it is no backup of a store")]
    Foreign,
    /// The file was written by a newer version.
    #[error("it has format {0}, this program reads format 1")]
    Newer(String),
    /// The header is not what was written, or the root key is not the one that it was written under.
    #[error("its header is not what was written under this root key")]
    Header,
    /// The rest of the file is not what was written.
    #[error(transparent)]
    Stream(StreamError),
    /// The file was whole when it was sealed, but its rows are in no form that this program knows.
    #[error("its rows are in no form that this program knows")]
    Rows,
    /// The store has no tenancy.
    #[error("the store has no tenancy: there is nothing to back up")]
    Unfounded,
    /// The root key is not the one of the store's rows.
    #[error("the root key was rotated: this `root.key` is not the one of the store any more")]
    OtherRootKey,
    /// The store holds something.
    #[error(
        "the store is not empty: its last commit is {}, the backup's is {}", there.0, backup.0
    )]
    Occupied {
        /// Number of the store's last commit.
        there: Revision,
        /// Number of the last commit in the backup.
        backup: Revision,
    },
    /// A restore of another backup was begun.
    #[error("the restore of another backup was begun and is not finished")]
    OtherBegun,
    /// What was read back is not what was written.
    #[error(
        "the rows read back from the store are not those of the backup: something else wrote to it \
         meanwhile; stop every server, and restore with --accept-rollback"
    )]
    Differs,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cryptographic library refused.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<io::Error> for StoreBackupError {
    fn from(error: io::Error) -> Self {
        let stream = error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>());
        stream.copied().map_or_else(|| Self::Io(error), Self::Stream)
    }
}

/// What a store, or a backup of it, holds: equal for equal rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// Bytes of keys, values and what separates them.
    pub bytes: u64,
    /// SHA-256 of those bytes, in hexadecimal.
    pub digest: String,
}

/// Counts rows and digests them.
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    bytes: u64,
    digest: RunningDigest,
}

impl Tally {
    fn take(&mut self, encoded: &[u8]) {
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(encoded.len()).unwrap_or(u64::MAX));
        self.digest.update(encoded);
    }

    fn summary(&self) -> Summary {
        let digest = self.digest.clone().finish();
        Summary { rows: self.rows, bytes: self.bytes, digest }
    }
}

/// Tells whether a row is content, and neither the state that the store itself is in nor its ledger:
/// what is restored is entered in the ledger of where it is restored to.
fn is_content(key: &[u8]) -> bool {
    !key.starts_with(rows::MODE.as_bytes()) && !key.starts_with(rows::LEDGER)
}

/// Sums up what a store holds.
async fn summary_of(snapshot: &mut dyn Snapshot) -> Result<Summary, StoreBackupError> {
    let mut tally = Tally::default();
    loop {
        let rows = snapshot.next(ROWS_AT_ONCE).await?;
        if rows.is_empty() {
            return Ok(tally.summary());
        }
        for (key, row) in rows.iter().filter(|(key, _)| is_content(key)) {
            tally.take(&encode(key, row)?);
        }
    }
}

const ROW: u8 = 1;
const END: u8 = 0;

/// A row: 1, then key and value, each with its length before it (u32 big-endian), and between them
/// the number of the commit that wrote it (u64 big-endian).
fn encode(key: &[u8], row: &Versioned) -> Result<Vec<u8>, StoreBackupError> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_error| StoreBackupError::Rows);
    let mut encoded = Vec::with_capacity(17 + key.len() + row.value.len());
    encoded.push(ROW);
    encoded.extend_from_slice(&length(key)?.to_be_bytes());
    encoded.extend_from_slice(key);
    encoded.extend_from_slice(&row.revision.0.to_be_bytes());
    encoded.extend_from_slice(&length(&row.value)?.to_be_bytes());
    encoded.extend_from_slice(&row.value);
    Ok(encoded)
}
