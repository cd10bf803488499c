use std::path::Path;

use rusqlite::{Connection, Row};

use super::file::{io, open_for_reading, recognize};
use super::readers::versioned;
use crate::types::{Answer, Revision, Snapshot, StoreError, Versioned};

const NEXT: &str = "SELECT k, v, ver FROM kv WHERE k > ?1 ORDER BY k ASC LIMIT ?2";

/// A connection in a transaction that only reads: in WAL mode it sees what was committed before its
/// first statement, and holds up nobody.
#[derive(Debug)]
pub(super) struct SqliteSnapshot {
    connection: Connection,
    last: Revision,
    after: Vec<u8>,
}

impl SqliteSnapshot {
    pub(super) fn begin(path: &Path) -> Result<Self, StoreError> {
        let connection = open_for_reading(path)?;
        connection.execute_batch("BEGIN").map_err(io)?;
        if !recognize(&connection)? {
            return Err(StoreError::Foreign("the database is empty".to_owned()));
        }
        let last: i64 = connection
            .query_row("SELECT revision FROM last_revision", [], |row| row.get(0))
            .map_err(io)?;
        let last = versioned(Vec::new(), last)?.revision;
        Ok(Self { connection, last, after: Vec::new() })
    }

    fn rows(&mut self, limit: usize) -> Result<Vec<(Vec<u8>, Versioned)>, StoreError> {
        let mut statement = self.connection.prepare_cached(NEXT).map_err(io)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found = statement.query_map((&self.after, limit), read).map_err(io)?;
        let mut rows = Vec::new();
        for row in found {
            let (key, value, revision): (Vec<u8>, Vec<u8>, i64) = row.map_err(io)?;
            rows.push((key, versioned(value, revision)?));
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
