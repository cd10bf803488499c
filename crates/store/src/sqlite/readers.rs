use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::{Connection, Row};

use super::file::{io, open_for_reading};
use crate::types::{Order, Range, Revision, StoreError, Versioned};

const CONNECTIONS: usize = 4;
const GET: &str = "SELECT v, ver FROM kv WHERE k = ?1";
const SCAN_UP: &str = "SELECT k, v, ver FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k ASC LIMIT ?3";
const SCAN_DOWN: &str =
    "SELECT k, v, ver FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k DESC LIMIT ?3";

/// Connections that read. A point read takes microseconds, so it runs where it is asked.
#[derive(Debug)]
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = |_| open_for_reading(path).map(Mutex::new);
        let connections = (0..CONNECTIONS).map(open).collect::<Result<_, _>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    /// Takes a free connection, or waits for one.
    fn connection(&self) -> Result<MutexGuard<'_, Connection>, StoreError> {
        for connection in &self.connections {
            match connection.try_lock() {
                Ok(free) => return Ok(free),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let connection = self.connections.get(turn).ok_or(StoreError::Closed)?;
        Ok(connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let connection = self.connection()?;
        if let [key] = keys {
            return Ok(vec![point(&connection, key)?]);
        }
        let snapshot = connection.unchecked_transaction().map_err(io)?;
        let rows = keys.iter().map(|key| point(&connection, key)).collect();
        snapshot.finish().map_err(io)?;
        rows
    }

    pub(super) fn scan(
        &self,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Versioned)>, StoreError> {
        let connection = self.connection()?;
        let statement = match order {
            Order::Ascending => SCAN_UP,
            Order::Descending => SCAN_DOWN,
        };
        let mut statement = connection.prepare_cached(statement).map_err(io)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows = statement.query_map((&range.start, &range.end, limit), read).map_err(io)?;
        rows.map(|row| {
            let (key, value, revision) = row.map_err(io)?;
            Ok((key, versioned(value, revision)?))
        })
        .collect()
    }

    pub(super) fn integrity_check(&self) -> Result<(), StoreError> {
        let check = "PRAGMA integrity_check(1)";
        let found: String =
            self.connection()?.query_row(check, [], |row| row.get(0)).map_err(io)?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
    }
}

pub(super) fn versioned(value: Vec<u8>, revision: i64) -> Result<Versioned, StoreError> {
    let negative = |_error| StoreError::Corrupt("a revision is negative".to_owned());
    Ok(Versioned { value, revision: Revision(u64::try_from(revision).map_err(negative)?) })
}

pub(super) fn point(connection: &Connection, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
    let mut statement = connection.prepare_cached(GET).map_err(io)?;
    let mut rows = statement.query([key]).map_err(io)?;
    let Some(row) = rows.next().map_err(io)? else {
        return Ok(None);
    };
    versioned(row.get(0).map_err(io)?, row.get(1).map_err(io)?).map(Some)
}
