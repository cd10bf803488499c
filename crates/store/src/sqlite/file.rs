use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use strongroom_model::private_file;

use crate::types::StoreError;

/// `Srm1`, in SQLite's header: tells the file from other programs'.
const APPLICATION_ID: i32 = 0x5372_6d31;

/// Version of the format; see `docs/format.md`.
const FORMAT: i32 = 2;

const SCHEMA: &str = "
    CREATE TABLE kv (k BLOB NOT NULL, ver INTEGER NOT NULL, mac BLOB NOT NULL, v BLOB NOT NULL) STRICT;
    CREATE UNIQUE INDEX kv_k ON kv (k);
    CREATE TABLE last_revision (revision INTEGER NOT NULL) STRICT;
    INSERT INTO last_revision VALUES (0);
";

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(super) fn io(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => StoreError::Corrupt(error.to_string()),
        Some(rusqlite::ErrorCode::NotADatabase) => {
            StoreError::Foreign("the file is no SQLite database".to_owned())
        }
        _ => StoreError::Io(error.to_string()),
    }
}

/// Makes an empty file for SQLite to fill: it takes over the mode, and gives it to its side files.
pub(super) fn create_if_absent(path: &Path) -> Result<(), StoreError> {
    match private_file::create_new(path, b"") {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::Io(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// How long a statement waits for another connection.
pub(super) const BUSY_TIME: Duration = Duration::from_secs(5);

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(io)?;
    connection.busy_timeout(BUSY_TIME).map_err(io)?;
    connection
        .execute_batch(
            "PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;
             PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -16384;",
        )
        .map_err(io)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Opens the connection that writes, after looking at whose file it is.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if !recognize(&connection)? {
        create(&connection)?;
    }
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA wal_autocheckpoint = 0;",
        )
        .map_err(io)?;
    Ok(connection)
}

/// Opens the connection that moves the log into the database.
pub(super) fn open_for_checkpoints(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")
        .map_err(io)?;
    Ok(connection)
}

/// Looks at whose file it is; one that is empty is nobody's yet.
pub(super) fn recognize(connection: &Connection) -> Result<bool, StoreError> {
    let number = |pragma: &str| {
        connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i32>(0))
            .map_err(io)
    };
    let tables: i32 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(io)?;
    match (number("application_id")?, number("user_version")?, tables) {
        (APPLICATION_ID, FORMAT, _) => Ok(true),
        (APPLICATION_ID, newer, _) => {
            let why =
                format!("the database has format {newer}, this program reads format {FORMAT}");
            Err(StoreError::Foreign(why))
        }
        (0, 0, 0) => Ok(false),
        _ => Err(StoreError::Foreign("the database is another program's".to_owned())),
    }
}

fn create(connection: &Connection) -> Result<(), StoreError> {
    let marks = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE; {SCHEMA}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    );
    connection.execute_batch(&marks).map_err(io)
}
