//! A witness with a checksum for a MAC, and what becomes of rows that somebody else wrote.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use strongroom_store::{
    Batch, Chain, Cursor, Delta, Effect, Entered, Mac, Order, Postgres, Require, Revision, Sqlite,
    Store, StoreError, Sync, Witness, prefix_range,
};

/// Finds any edit that is not made on purpose. With a chain, each group's row tells its effects.
#[derive(Debug, Default)]
pub(crate) struct Checksum {
    chained: bool,
    /// What its chains were asked, in turn.
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Checksum {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }
}

impl Witness for Checksum {
    fn mac(&self, key: &[u8], value: Option<&[u8]>, revision: Revision) -> Mac {
        let sum = |bytes: &[u8], seed: u64| {
            bytes
                .iter()
                .fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
        };
        let mut mac = [0; 32];
        let parts = [sum(key, 1), sum(value.unwrap_or(b"none"), 2), revision.0, 3];
        for (place, part) in mac.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part.to_be_bytes());
        }
        mac
    }

    fn tracks(&self, key: &[u8]) -> bool {
        !key.starts_with(b"l/")
    }

    fn chain(&self) -> Box<dyn Chain> {
        let calls = Arc::clone(&self.calls);
        Box::new(Effects { chained: self.chained, next: AtomicU64::new(0), calls })
    }
}

struct Effects {
    chained: bool,
    next: AtomicU64,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Chain for Effects {
    fn next(&mut self, effects: &[Effect<'_>]) -> Result<Option<Entered>, StoreError> {
        let told = effects.iter().map(|effect| {
            let key = String::from_utf8_lossy(effect.key);
            format!(
                "{key}:{}{};",
                u8::from(effect.before.is_some()),
                match effect.after {
                    Some((value, _)) => String::from_utf8_lossy(value).into_owned(),
                    None => "-".to_owned(),
                }
            )
        });
        self.calls.lock().unwrap().push("next");
        let number = self.next.load(Ordering::Relaxed);
        let key = format!("l/{number:04}").into_bytes();
        Ok(self.chained.then(|| (key, told.collect::<String>().into_bytes())))
    }

    fn kept(&mut self, _sync: Sync) {
        self.calls.lock().unwrap().push("kept");
        self.next.fetch_add(1, Ordering::Relaxed);
    }

    fn lost(&mut self) {}
}

fn put(key: &str, value: &str) -> Batch {
    Batch::new().put(key.as_bytes().to_vec(), value.as_bytes().to_vec())
}

/// Runs a statement on the file as somebody who has it.
fn edit(path: &std::path::Path, statement: &str) {
    let connection = Connection::open(path).unwrap();
    assert!(connection.execute(statement, []).unwrap() > 0, "{statement}");
}

fn is_corrupt<T: std::fmt::Debug>(outcome: Result<T, StoreError>, says: &str) {
    match outcome {
        Err(StoreError::Corrupt(why)) => assert_eq!(why, says),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_that_somebody_else_wrote_are_not_read() {
    for (statement, says) in [
        ("UPDATE kv SET v = x'78' WHERE k = CAST('a/1' AS BLOB)", "is not as it was written"),
        ("UPDATE kv SET ver = ver + 1 WHERE k = CAST('a/1' AS BLOB)", "is not as it was written"),
        ("UPDATE kv SET mac = zeroblob(32) WHERE k = CAST('a/1' AS BLOB)", "is not as it was written"),
        ("UPDATE kv SET mac = x'' WHERE k = CAST('a/1' AS BLOB)", "is not as it was written"),
        (
            "UPDATE kv SET (ver, mac, v) = (SELECT ver, mac, v FROM kv WHERE k = CAST('a/2' AS BLOB))
             WHERE k = CAST('a/1' AS BLOB)",
            "is not as it was written",
        ),
        ("DELETE FROM kv WHERE k = CAST('a/1' AS BLOB)", "is not the last that was written"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.db");
        let store = Sqlite::open(&path, &["a/"], Checksum::new()).unwrap();
        store.commit(put("a/1", "one")).await.unwrap();
        store.commit(put("a/2", "two")).await.unwrap();
        edit(&path, statement);
        let says = format!("a row of kind `a` {says}");
        is_corrupt(store.get(&[b"a/1"]).await, &says);
        is_corrupt(store.get(&[b"a/2", b"a/1"]).await, &says);
        assert!(store.get(&[b"a/2"]).await.is_ok());
        if !statement.starts_with("DELETE") {
            is_corrupt(store.scan(prefix_range(b"a/"), Order::Ascending, 9).await, &says);
            is_corrupt(store.walk(b"", Box::new(|_, _| Ok(()))).await, &says);
        }
        let unless = put("a/1", "three").require(b"a/1".to_vec(), Require::Absent);
        let replaced = store.commit(unless).await;
        assert!(matches!(replaced, Err(StoreError::Unknown(_))), "{replaced:?}");
    }
}

/// Everything finds rows through the index: one that is taken out of it is as good as gone.
#[tokio::test]
async fn rows_that_somebody_took_out_of_the_index_are_noticed_by_a_walk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let store = Sqlite::open(&path, &[], Checksum::new()).unwrap();
    for key in ["a/1", "a/2", "a/3"] {
        store.commit(put(key, "x")).await.unwrap();
    }
    store.walk(b"", Box::new(|_, _| Ok(()))).await.unwrap();
    drop(store);
    let index = |rest: &str| {
        format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema
             SET sql = 'CREATE UNIQUE INDEX kv_k ON kv (k){rest}' WHERE name = 'kv_k'"
        )
    };
    for statement in [&index(" WHERE k <> x''612f32''"), "REINDEX kv_k", &index("")] {
        Connection::open(&path).unwrap().execute_batch(statement).unwrap();
    }
    let store = Sqlite::open(&path, &[], Checksum::new()).unwrap();
    assert_eq!(store.scan(prefix_range(b"a/"), Order::Ascending, 9).await.unwrap().len(), 2);
    for sorted in [b"".as_slice(), b"a/", b"b/"] {
        let walked = store.walk(sorted, Box::new(|_, _| Ok(()))).await;
        match sorted {
            b"b/" => is_corrupt(walked, "the index of the keys is not that of the rows"),
            // By the index on either side: the ledger tells of gaps by itself.
            _ => walked.unwrap(),
        }
    }
}

#[tokio::test]
async fn an_older_row_in_its_place_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let store = Sqlite::open(&path, &[], Checksum::new()).unwrap();
    store.commit(put("a", "old")).await.unwrap();
    edit(&path, "INSERT INTO last_revision SELECT 0");
    let keep = Connection::open(&path).unwrap();
    keep.execute_batch("CREATE TABLE kept AS SELECT * FROM kv").unwrap();
    let second = store.commit(put("a", "new")).await.unwrap();
    keep.execute_batch("DELETE FROM kv; INSERT INTO kv SELECT * FROM kept").unwrap();
    let says = "a row of kind `a` is not the last that was written";
    is_corrupt(store.get(&[b"a"]).await, says);
    is_corrupt(store.scan(prefix_range(b"a"), Order::Ascending, 9).await, says);
    let batch = put("b", "x").require(b"a".to_vec(), Require::Revision(second));
    assert!(matches!(store.commit(batch).await, Err(StoreError::Unknown(_))));
}

#[tokio::test]
async fn a_row_that_was_deleted_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let store = Sqlite::open(&path, &[], Checksum::new()).unwrap();
    store.commit(put("a", "old")).await.unwrap();
    let keep = Connection::open(&path).unwrap();
    keep.execute_batch("CREATE TABLE kept AS SELECT * FROM kv").unwrap();
    store.commit(Batch::new().delete(b"a".to_vec())).await.unwrap();
    assert_eq!(store.get(&[b"a"]).await.unwrap(), [None]);
    keep.execute_batch("INSERT INTO kv SELECT * FROM kept").unwrap();
    is_corrupt(store.get(&[b"a"]).await, "a row of kind `a` is not the last that was written");
}

#[tokio::test]
async fn readers_beside_a_writer_are_not_alarmed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let store = Arc::new(Sqlite::open(&path, &[], Checksum::new()).unwrap());
    store.commit(put("a", "0")).await.unwrap();
    let reading = Arc::clone(&store);
    let reader = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        for _ in 0..2_000 {
            let rows = runtime.block_on(reading.get(&[b"a"])).unwrap();
            assert!(rows[0].is_some());
            let rows = runtime.block_on(reading.scan(prefix_range(b"a"), Order::Ascending, 2));
            assert_eq!(rows.unwrap().len(), 1);
        }
    });
    for number in 0..400 {
        store.commit(put("a", &number.to_string()).sync(Sync::Deferred)).await.unwrap();
    }
    reader.await.unwrap();
}

#[tokio::test]
async fn each_group_is_entered_with_what_it_did_to_each_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let witness = Arc::new(Checksum { chained: true, ..Checksum::default() });
    let store = Sqlite::open(&path, &[], Arc::<Checksum>::clone(&witness)).unwrap();
    store.commit(put("a", "1").put(b"b".to_vec(), b"2".to_vec())).await.unwrap();
    store.commit(put("a", "3").delete(b"b".to_vec())).await.unwrap();
    let refused = store.commit(put("a", "4").require(b"a".to_vec(), Require::Absent)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    let rows = store.scan(prefix_range(b"l/"), Order::Ascending, 9).await.unwrap();
    let told: Vec<_> = rows.iter().map(|(_, row)| String::from_utf8_lossy(&row.value)).collect();
    assert_eq!(told, ["a:01;b:02;", "a:13;b:1-;"]);
    store.close();
    let again = Sqlite::open(&path, &[], witness).unwrap();
    assert_eq!(again.get(&[b"a"]).await.unwrap()[0].as_ref().unwrap().value, b"3");
}

/// An entry that was not written is not kept by the next group, which writes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_written_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let server = crate::postgres::Server::start();
    let url = server.new_database("kept");
    let (of_file, of_server) = (Checksum::new(), Checksum::new());
    let file = Sqlite::open(&path, &[], Arc::<Checksum>::clone(&of_file)).unwrap();
    let witness = Arc::<Checksum>::clone(&of_server);
    let database = Postgres::open(&url, None, &[], witness).await.unwrap();
    let stores: [(&dyn Store, _); 2] = [(&file, of_file), (&database, of_server)];
    for (store, _) in &stores {
        store.commit(put("a", "1")).await.unwrap();
    }
    crate::postgres::psql(&[
        "-d",
        &url,
        "-c",
        "ALTER TABLE strongroom.kv ADD CHECK (k <> 'refused')",
    ]);
    // Each of the writers has its turn.
    for _ in 0..4 {
        let refused = database.commit(put("refused", "1")).await;
        assert!(matches!(refused, Err(StoreError::Io(_))), "{refused:?}");
    }
    for (store, witness) in stores {
        for _ in 0..4 {
            let unmet = store.commit(put("a", "2").require(b"a".to_vec(), Require::Absent)).await;
            assert!(matches!(unmet, Err(StoreError::Conflict { .. })), "{unmet:?}");
        }
        let calls = witness.calls.lock().unwrap().clone();
        assert_eq!(calls.iter().filter(|call| **call == "kept").count(), 1, "{calls:?}");
    }
}

/// What proves a row is taken out of sums when it goes: it must be the row's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_changed_as_it_was_seen_must_be_as_it_was_written() {
    let server = crate::postgres::Server::start();
    let url = server.new_database("seen");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let sqlite = Sqlite::open(&path, &[], Checksum::new()).unwrap();
    let postgres = Postgres::open(&url, None, &[], Checksum::new()).await.unwrap();
    let borrow = "SET mac = (SELECT mac FROM kv WHERE k = b) WHERE k = a";
    let stores: [(&dyn Store, bool); 2] = [(&sqlite, true), (&postgres, false)];
    for (store, is_file) in stores {
        for change in [Batch::new().delete(b"a".to_vec()), put("a", "2")] {
            store.commit(put("b", "1")).await.unwrap();
            let seen = store.commit(put("a", "1")).await.unwrap();
            if is_file {
                let statement = borrow.replace("= b)", "= x'62')").replace("= a", "= x'61'");
                edit(&path, &format!("UPDATE kv {statement}"));
            } else {
                let statement = borrow.replace("= b)", "= 'b')").replace("= a", "= 'a'");
                let statement = statement.replace("FROM kv", "FROM strongroom.kv");
                let port = server.port.to_string();
                let to = ["-h", "127.0.0.1", "-p", &port, "-U", "strongroom", "-d", "seen"];
                let statement = format!("UPDATE strongroom.kv {statement}");
                crate::postgres::psql(&[&to[..], &["-c", &statement]].concat());
            }
            let unless = change.require(b"a".to_vec(), Require::Revision(seen));
            let refused = store.commit(unless).await;
            if is_file {
                assert!(matches!(refused, Err(StoreError::Unknown(_))), "{refused:?}");
                break;
            }
            is_corrupt(refused, "a row of kind `a` is not as it was written");
            store.commit(Batch::new().delete(b"a".to_vec())).await.unwrap();
        }
    }
}

/// The news that nodes have of each other are rows too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_and_rows_of_a_database_are_not_believed_if_they_are_old_or_bent() {
    let server = crate::postgres::Server::start();
    let url = server.new_database("news");
    let edit = |statement: &str| {
        let port = server.port.to_string();
        let to = ["-h", "127.0.0.1", "-p", &port, "-U", "strongroom", "-d", "news"];
        crate::postgres::psql(&[&to[..], &["-v", "ON_ERROR_STOP=1", "-c", statement]].concat());
    };
    let store = Postgres::open(&url, None, &["p/"], Checksum::new()).await.unwrap();
    let (cursor, _) = store.fresh(Cursor::default()).await.unwrap();
    store.commit(put("p/x", "old")).await.unwrap();
    edit("CREATE TABLE old AS SELECT * FROM strongroom.changes");
    edit("CREATE TABLE old_row AS SELECT * FROM strongroom.kv");
    let second = store.commit(put("p/x", "new")).await.unwrap();
    let (cursor, delta) = store.fresh(cursor).await.unwrap();
    let Delta::Changes(told) = delta else { panic!("{delta:?}") };
    assert_eq!(told.len(), 2);
    // An old one that is told again, with a transaction of now.
    edit(
        "INSERT INTO strongroom.changes (x, n, k, v, ver, mac)
         SELECT pg_current_xact_id(), n, k, v, ver, mac FROM old",
    );
    let (cursor, delta) = store.fresh(cursor).await.unwrap();
    assert_eq!(delta, Delta::Changes(Vec::new()));
    // The row itself as it was, or gone.
    let stale = "a row of kind `p` is not the last that was written";
    edit("UPDATE strongroom.kv SET (v, ver, mac) = (SELECT v, ver, mac FROM old_row)");
    is_corrupt(store.get(&[b"p/x"]).await, stale);
    is_corrupt(store.scan(prefix_range(b"p/"), Order::Ascending, 9).await, stale);
    edit("DELETE FROM strongroom.kv");
    is_corrupt(store.get(&[b"p/x"]).await, stale);
    // One that was removed comes back.
    let gone = store.commit(put("p/y", "gone")).await.unwrap();
    edit("CREATE TABLE gone_row AS SELECT * FROM strongroom.kv");
    let remove = Batch::new().require(b"p/y".to_vec(), Require::Revision(gone));
    store.commit(remove.delete(b"p/y".to_vec())).await.unwrap();
    assert_eq!(store.get(&[b"p/y"]).await.unwrap(), [None]);
    edit("INSERT INTO strongroom.kv SELECT * FROM gone_row");
    is_corrupt(store.get(&[b"p/y"]).await, stale);
    // One that is withheld: no read tells, a walk does.
    edit("DELETE FROM strongroom.kv");
    let own = Postgres::open(&url, None, &["p/"], Checksum::new()).await.unwrap();
    let (before, _) = own.fresh(Cursor::default()).await.unwrap();
    own.commit(put("p/z", "told")).await.unwrap();
    assert_eq!(own.walk(b"", Box::new(|_, _| Ok(()))).await, Ok(()));
    edit(
        "CREATE FUNCTION withhold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER withhold BEFORE INSERT ON strongroom.changes
         FOR EACH ROW EXECUTE FUNCTION withhold()",
    );
    own.commit(put("p/z", "withheld")).await.unwrap();
    let (_, delta) = own.fresh(before).await.unwrap();
    assert!(matches!(&delta, Delta::Changes(told) if told.len() == 1), "{delta:?}");
    is_corrupt(own.walk(b"", Box::new(|_, _| Ok(()))).await, stale);
    edit("DROP TRIGGER withhold ON strongroom.changes");
    // A bent one.
    store.fresh(cursor).await.unwrap();
    edit(&format!(
        "INSERT INTO strongroom.changes (x, n, k, v, ver, mac)
         SELECT pg_current_xact_id(), n, k, v, {}, mac FROM old",
        second.0 + 9
    ));
    let bent = "a row of kind `p` is not as it was written";
    is_corrupt(store.fresh(cursor).await, bent);
}
