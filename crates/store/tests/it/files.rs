//! Files: their modes, and whose they are.

use std::os::unix::fs::MetadataExt;

use strongroom_model::private_file;
use strongroom_store::{Batch, Sqlite, Store, StoreError};

use crate::witness::Checksum;

#[tokio::test]
async fn all_files_are_for_the_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("s.db"), &[], Checksum::new()).unwrap();
    store.commit(Batch::new().put(b"k".to_vec(), b"v".to_vec())).await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["s.db", "s.db-shm", "s.db-wal"]);
}

#[test]
fn foreign_and_newer_files_are_refused_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    private_file::create_new(&text, "x".repeat(4096).as_bytes()).unwrap();
    let other = directory.path().join("other.db");
    let made = rusqlite::Connection::open(&other).unwrap();
    made.execute_batch("CREATE TABLE t (a)").unwrap();
    drop(made);
    let newer = directory.path().join("newer.db");
    drop(Sqlite::open(&newer, &[], Checksum::new()).unwrap());
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.execute_batch("PRAGMA user_version = 3").unwrap();
    drop(connection);
    for path in [text, other, newer] {
        let before = std::fs::read(&path).unwrap();
        assert!(
            matches!(Sqlite::open(&path, &[], Checksum::new()), Err(StoreError::Foreign(_))),
            "{path:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
