use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::{Connection, Row};

use super::file::{io, open_for_reading};
use crate::types::{Order, Range, Revision, StoreError, Versioned, Visit, prefix_range};
use crate::warrant::{Warrant, stale};
use crate::witness::{Mac, Witness};

const CONNECTIONS: usize = 4;
const GET: &str = "SELECT v, ver, mac FROM kv WHERE k = ?1";
const SCAN_UP: &str =
    "SELECT v, ver, mac, k FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k ASC LIMIT ?3";
const SCAN_DOWN: &str =
    "SELECT v, ver, mac, k FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k DESC LIMIT ?3";
/// As they lie in the file: in the order of the keys, each would be looked for on its own.
const WALK: &str = "SELECT v, ver, mac, k FROM kv NOT INDEXED WHERE k < ?1 OR k >= ?2";
const WALK_SORTED: &str = "SELECT v, ver, mac, k FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k ASC";

/// By the index, through which everything else finds rows.
const KEYS: &str = "SELECT k FROM kv INDEXED BY kv_k ORDER BY k ASC";

/// How many keys there are, and what their hashes come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum(u64, u128);

impl Sum {
    fn add(&mut self, hash: u64) {
        *self = Self(self.0.wrapping_add(1), self.1.wrapping_add(u128::from(hash)));
    }
}

type Found = Vec<(Vec<u8>, Versioned)>;

/// Connections that read. A point read takes microseconds, so it runs where it is asked.
#[derive(Debug)]
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    warrant: Arc<Warrant>,
    path: PathBuf,
}

impl Readers {
    pub(super) fn open(path: &Path, warrant: Arc<Warrant>) -> Result<Self, StoreError> {
        let open = |_| open_for_reading(path).map(Mutex::new);
        let connections = (0..CONNECTIONS).map(open).collect::<Result<_, _>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0), warrant, path: path.to_owned() })
    }

    pub(super) fn witness(&self) -> Arc<dyn Witness> {
        Arc::clone(&self.warrant.witness)
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

    /// Reads rows. What seems not to be the latest is read again when no commit is in the making.
    pub(super) fn get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let rows = self.points(keys)?;
        if self.outdated(keys, &rows).is_none() {
            return Ok(rows);
        }
        let _settled = self.warrant.settled();
        let rows = self.points(keys)?;
        self.outdated(keys, &rows).map_or(Ok(rows), |key| Err(stale(key)))
    }

    fn outdated<'a>(&self, keys: &[&'a [u8]], rows: &[Option<Versioned>]) -> Option<&'a [u8]> {
        let mut both = keys.iter().zip(rows);
        let is_old = |key: &[u8], row: &Option<Versioned>| {
            !self.warrant.is_latest(key, row.as_ref().map(|row| row.revision))
        };
        both.find(|(key, row)| is_old(key, row)).map(|(key, _)| *key)
    }

    fn points(&self, keys: &[&[u8]]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let connection = self.connection()?;
        if let [key] = keys {
            return Ok(vec![point(&connection, key, &self.warrant)?.map(|(row, _)| row)]);
        }
        let snapshot = connection.unchecked_transaction().map_err(io)?;
        let read = |key: &&[u8]| Ok(point(&connection, key, &self.warrant)?.map(|(row, _)| row));
        let rows = keys.iter().map(read).collect();
        snapshot.finish().map_err(io)?;
        rows
    }

    /// Reads rows of a range, in the same way. A row that is missing is not noticed.
    pub(super) fn scan(
        &self,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let outdated = |rows: &Found| {
            let mut each = rows.iter();
            each.find(|(key, row)| !self.warrant.is_latest(key, Some(row.revision)))
                .map(|(key, _)| stale(key))
        };
        let rows = self.range(range, order, limit)?;
        if outdated(&rows).is_none() {
            return Ok(rows);
        }
        let _settled = self.warrant.settled();
        let rows = self.range(range, order, limit)?;
        outdated(&rows).map_or(Ok(rows), Err)
    }

    fn range(&self, range: &Range, order: Order, limit: usize) -> Result<Found, StoreError> {
        let connection = self.connection()?;
        let statement = match order {
            Order::Ascending => SCAN_UP,
            Order::Descending => SCAN_DOWN,
        };
        let mut statement = connection.prepare_cached(statement).map_err(io)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((&range.start, &range.end, limit)).map_err(io)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(io)? {
            let key: Vec<u8> = row.get(3).map_err(io)?;
            let (versioned, _) = checked(row, &key, &self.warrant)?;
            found.push((key, versioned));
        }
        Ok(found)
    }

    /// Shows every row, on a connection of its own: a walk is long.
    pub(super) fn walk(&self, sorted: &[u8], mut visit: Visit<'_>) -> Result<(), StoreError> {
        let connection = open_for_reading(&self.path)?;
        connection.execute_batch("BEGIN").map_err(io)?;
        let (sorted, hasher) = (prefix_range(sorted), RandomState::new());
        let (mut shown, mut listed) = (Sum::default(), Sum::default());
        for select in [WALK, WALK_SORTED] {
            let mut statement = connection.prepare(select).map_err(io)?;
            let mut rows = statement.query((&sorted.start, &sorted.end)).map_err(io)?;
            while let Some(row) = rows.next().map_err(io)? {
                let key: Vec<u8> = row.get(3).map_err(io)?;
                shown.add(hasher.hash_one(&key));
                visit(&key, checked(row, &key, &self.warrant)?.0)?;
            }
        }
        let mut statement = connection.prepare(KEYS).map_err(io)?;
        let mut rows = statement.query(()).map_err(io)?;
        let mut last: Option<Vec<u8>> = None;
        while let Some(row) = rows.next().map_err(io)? {
            let key: Vec<u8> = row.get(0).map_err(io)?;
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(StoreError::Corrupt(
                    "the index of the keys is out of order".to_owned(),
                ));
            }
            listed.add(hasher.hash_one(&key));
            last = Some(key);
        }
        if shown == listed {
            return Ok(());
        }
        Err(StoreError::Corrupt("the index of the keys is not that of the rows".to_owned()))
    }

    pub(super) fn integrity_check(&self) -> Result<(), StoreError> {
        let check = "PRAGMA integrity_check(1)";
        let found: String =
            self.connection()?.query_row(check, [], |row| row.get(0)).map_err(io)?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
    }
}

/// Takes value, revision and MAC from the first columns.
pub(super) fn checked(
    row: &Row<'_>,
    key: &[u8],
    warrant: &Warrant,
) -> Result<(Versioned, Mac), StoreError> {
    let negative = |_error| StoreError::Corrupt("a revision is negative".to_owned());
    let revision = u64::try_from(row.get::<_, i64>(1).map_err(io)?).map_err(negative)?;
    let mac = row.get_ref(2).map_err(io)?.as_blob().unwrap_or_default();
    let versioned = Versioned { value: row.get(0).map_err(io)?, revision: Revision(revision) };
    let mac = warrant.check(key, &versioned, mac)?;
    Ok((versioned, mac))
}

pub(super) fn point(
    connection: &Connection,
    key: &[u8],
    warrant: &Warrant,
) -> Result<Option<(Versioned, Mac)>, StoreError> {
    let mut statement = connection.prepare_cached(GET).map_err(io)?;
    let mut rows = statement.query([key]).map_err(io)?;
    rows.next().map_err(io)?.map(|row| checked(row, key, warrant)).transpose()
}
