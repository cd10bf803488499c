use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::file::{io, open_for_reading, recognize};
use super::readers::checked;
use crate::types::{Answer, Revision, Snapshot, StoreError, Versioned};
use crate::warrant::Warrant;
use crate::witness::Witness;

const NEXT: &str = "SELECT v, ver, mac, k FROM kv WHERE k > ?1 ORDER BY k ASC LIMIT ?2";

/// A connection in a transaction that only reads: in WAL mode it sees what was committed before its
/// first statement, and holds up nobody.
#[derive(Debug)]
pub(super) struct SqliteSnapshot {
    connection: Connection,
    warrant: Warrant,
    last: Revision,
    after: Vec<u8>,
}

impl SqliteSnapshot {
    pub(super) fn begin(path: &Path, witness: Arc<dyn Witness>) -> Result<Self, StoreError> {
        let connection = open_for_reading(path)?;
        connection.execute_batch("BEGIN").map_err(io)?;
        if !recognize(&connection)? {
            return Err(StoreError::Foreign("the database is empty".to_owned()));
        }
        let last: i64 = connection
            .query_row("SELECT revision FROM last_revision", [], |row| row.get(0))
            .map_err(io)?;
        let negative = |_error| StoreError::Corrupt("the last revision is negative".to_owned());
        let last = Revision(u64::try_from(last).map_err(negative)?);
        Ok(Self { connection, warrant: Warrant::new(witness), last, after: Vec::new() })
    }

    fn rows(&mut self, limit: usize) -> Result<Vec<(Vec<u8>, Versioned)>, StoreError> {
        let mut statement = self.connection.prepare_cached(NEXT).map_err(io)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found = statement.query((&self.after, limit)).map_err(io)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(io)? {
            let key: Vec<u8> = row.get(3).map_err(io)?;
            let (versioned, _) = checked(row, &key, &self.warrant)?;
            rows.push((key, versioned));
        }
        if let Some((key, _)) = rows.last() {
            self.after.clone_from(key);
        }
        Ok(rows)
    }
}

impl Snapshot for SqliteSnapshot {
    fn last(&self) -> Revision {
        self.last
    }

    fn next(&mut self, limit: usize) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        Box::pin(std::future::ready(self.rows(limit)))
    }
}
