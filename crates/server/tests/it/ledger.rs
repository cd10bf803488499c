//! The ledger over a real file, and somebody who edits the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{Clock, Sensitive, SystemClock, private_file};
use strongroom_server::{Ledger, Semantics, Targets, Verified, Vouching, WATCHED, check_export};
use strongroom_store::{
    Batch, Chain, Effect, Entered, Mac, Order, Revision, Sqlite, Store, StoreError, Sync, Witness,
    prefix_range,
};

use crate::house::House;

/// A store in a directory, opened anew for each part of a story.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("s.db")
    }

    fn open(&self) -> (Ledger, Sqlite) {
        let root_key = RootKey::from_bytes(Sensitive::new(vec![7; 32])).unwrap();
        let ledger = Ledger::new(&root_key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
        let store = Sqlite::open(&self.path(), &["p/"], Arc::new(ledger.clone())).unwrap();
        (ledger, store)
    }

    /// Opens the store as a server does, commits, and closes it.
    async fn process(&self, batches: Vec<Batch>) -> Ledger {
        let (ledger, store) = self.open();
        ledger.begin(&store).await.unwrap();
        for batch in batches {
            store.commit(batch).await.unwrap();
        }
        store.close();
        ledger
    }

    async fn verify(&self) -> Result<Verified, StoreError> {
        let (ledger, store) = self.open();
        ledger.verify(&store).await
    }

    fn edit(&self, statement: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch(statement).unwrap();
    }

    /// The keys of all entries, for a statement.
    fn entries(&self) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let keys = "SELECT quote(k) FROM kv WHERE CAST(k AS TEXT) GLOB 'l/*' ORDER BY k";
        let mut keys = connection.prepare(keys).unwrap();
        let rows = keys.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}

fn put(key: &str, value: &str) -> Batch {
    Batch::new().put(key.as_bytes().to_vec(), value.as_bytes().to_vec())
}

/// An audit row without records.
const RECORDS: &[u8] = br#"{"v":1,"row":[]}"#;

async fn written() -> Desk {
    let desk = Desk::new();
    let first = vec![
        put("s/a", "1").put(b"sv/a/1".to_vec(), b"one".to_vec()),
        put("s/a", "2").put(b"audit/0000/1".to_vec(), RECORDS.to_vec()),
        put("p/x", "policy").put(b"sv/a/2".to_vec(), b"two".to_vec()),
    ];
    desk.process(first).await;
    desk.process(vec![
        Batch::new().delete(b"sv/a/1".to_vec()).put(b"audit/0000/2".to_vec(), RECORDS.to_vec()),
        put("p/x", "policy 2").put(b"audit/0000/3".to_vec(), RECORDS.to_vec()),
    ])
    .await;
    desk
}

fn why(outcome: Result<Verified, StoreError>) -> String {
    match outcome {
        Err(StoreError::Corrupt(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_is_what_is_there() {
    let desk = written().await;
    let verified = desk.verify().await.unwrap();
    assert_eq!((verified.rows, verified.audit_rows), (6, 3));
    assert_eq!((verified.entries, verified.chains), (5, 2));
    let empty = Desk::new().verify().await.unwrap();
    assert_eq!((empty.rows, empty.entries, empty.last), (0, 0, None));
}

#[tokio::test]
async fn every_edit_is_told() {
    let key = |key: &str| format!("CAST('{key}' AS BLOB)");
    let put_back = "a row of kind `s` was removed, put back, or is an older one";
    let removed = "was removed, put back, or is an older one";
    let bent = "is not as it was written";
    let story: Vec<(String, &str)> = vec![
        (format!("UPDATE kv SET v = x'00' WHERE k = {}", key("s/a")), bent),
        (format!("UPDATE kv SET ver = 1 WHERE k = {}", key("p/x")), bent),
        (format!("UPDATE kv SET mac = zeroblob(32) WHERE k = {}", key("audit/0000/2")), bent),
        (format!("UPDATE kv SET k = {} WHERE k = {}", key("p/y"), key("p/x")), bent),
        (format!("DELETE FROM kv WHERE k = {}", key("s/a")), put_back),
        (format!("DELETE FROM kv WHERE k = {}", key("audit/0000/1")), removed),
        ("DELETE FROM kv WHERE k = LAST".to_owned(), removed),
        ("DELETE FROM kv WHERE k = FIRST".to_owned(), "entry 1 of chain"),
        ("DELETE FROM kv WHERE k = SECOND".to_owned(), "entry 2 of chain"),
        ("UPDATE kv SET v = (SELECT v FROM kv WHERE k = SECOND) WHERE k = FIRST".to_owned(), bent),
        (
            "UPDATE kv SET k = x'00' WHERE k = FIRST; UPDATE kv SET k = FIRST WHERE k = SECOND;
             UPDATE kv SET k = SECOND WHERE k = x'00'"
                .to_owned(),
            bent,
        ),
        ("DELETE FROM kv WHERE CAST(k AS TEXT) GLOB 'l/*'".to_owned(), removed),
        ("DELETE FROM kv WHERE NOT CAST(k AS TEXT) GLOB 'l/*'".to_owned(), removed),
    ];
    for (statement, says) in story {
        let desk = written().await;
        let entries = desk.entries();
        assert_eq!(entries.len(), 5);
        let statement = statement.replace("FIRST", &entries[0]);
        let statement = statement.replace("SECOND", &entries[1]).replace("LAST", &entries[4]);
        desk.edit(&statement);
        let why = why(desk.verify().await);
        assert!(why.contains(says), "{statement}: {why}");
    }
}

#[tokio::test]
async fn an_older_row_that_was_genuine_is_told() {
    let desk = Desk::new();
    desk.process(vec![put("p/x", "old"), put("p/gone", "gone")]).await;
    desk.edit("CREATE TABLE kept AS SELECT * FROM kv WHERE CAST(k AS TEXT) GLOB 'p/*'");
    desk.process(vec![put("p/x", "new"), Batch::new().delete(b"p/gone".to_vec())]).await;
    desk.verify().await.unwrap();
    for key in ["p/x", "p/gone"] {
        let undo = "CREATE TABLE undo AS SELECT * FROM kv";
        desk.edit(&format!(
            "{undo}; INSERT OR REPLACE INTO kv SELECT * FROM kept WHERE k = CAST('{key}' AS BLOB)"
        ));
        let why = why(desk.verify().await);
        assert_eq!(why, "a row of kind `p` was removed, put back, or is an older one", "{key}");
        desk.edit("DELETE FROM kv; INSERT INTO kv SELECT * FROM undo; DROP TABLE undo");
        desk.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_that_another_came_after_cannot_be_left_out_with_all_it_did() {
    let desk = Desk::new();
    desk.process(vec![put("s/a", "1")]).await;
    let entries = desk.entries();
    desk.process(vec![put("s/b", "2")]).await;
    let entry = &entries[0];
    desk.edit(&format!("DELETE FROM kv WHERE k = {entry} OR k = CAST('s/a' AS BLOB)"));
    let why = why(desk.verify().await);
    assert!(why.starts_with("entry 1 of chain") && why.ends_with("is missing"), "{why}");
}

#[tokio::test]
async fn a_store_that_was_rolled_back_is_older_than_its_checkpoint() {
    let desk = written().await;
    let before = Desk::new();
    copy(&desk.path(), &before.path());
    let later = desk.process(vec![put("s/b", "3")]).await;
    let (ledger, store) = desk.open();
    let checkpoint = ledger.read_checkpoint(later.checkpoint().as_bytes()).unwrap();
    ledger.is_after(&store, &checkpoint).await.unwrap();
    store.close();
    before.verify().await.unwrap();
    let (ledger, store) = before.open();
    let told = ledger.is_after(&store, &checkpoint).await.unwrap_err();
    assert!(told.to_string().contains("is missing"), "{told}");
    store.commit(put("s/b", "another history")).await.unwrap();
    assert!(ledger.is_after(&store, &checkpoint).await.is_err());
}

/// The ledger of a server whose chain cannot be written while `broken` is set.
#[derive(Debug)]
struct Breaking {
    ledger: Ledger,
    broken: Arc<AtomicBool>,
}

impl Witness for Breaking {
    fn mac(&self, key: &[u8], value: Option<&[u8]>, revision: Revision) -> Mac {
        self.ledger.mac(key, value, revision)
    }

    fn tracks(&self, key: &[u8]) -> bool {
        self.ledger.tracks(key)
    }

    fn chain(&self) -> Box<dyn Chain> {
        Box::new(BreakingChain(self.ledger.chain(), Arc::clone(&self.broken)))
    }
}

struct BreakingChain(Box<dyn Chain>, Arc<AtomicBool>);

impl Chain for BreakingChain {
    fn next(&mut self, effects: &[Effect<'_>]) -> Result<Option<Entered>, StoreError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(StoreError::Io("no chain".to_owned()));
        }
        self.0.next(effects)
    }

    fn kept(&mut self, sync: Sync) {
        self.0.kept(sync);
    }

    fn lost(&mut self) {
        self.0.lost();
    }
}

#[tokio::test]
async fn no_secret_leaves_while_the_chain_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = RootKey::from_bytes(Sensitive::new(vec![7; 32])).unwrap();
    let ledger = Ledger::new(&root_key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let witness = Breaking { ledger, broken: Arc::clone(&broken) };
    let store = Sqlite::open(&directory.path().join("s.db"), WATCHED, Arc::new(witness)).unwrap();
    let rest = (Semantics::Strict, Targets::new());
    let house = House::over((Arc::new(store), None), root_key, rest).await;
    let bundle = format!("/20190301/secretbundles/{}", house.sample.secret_id);
    let read = house.send(Some(&house.admin), &bundle, "GET", None).await;
    let content = read.body["secretBundleContent"]["content"].clone();
    assert_eq!((read.status, content.as_str().unwrap()), (200, "YzRuNHJ5"));
    broken.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let read = house.send(Some(&house.admin), &bundle, "GET", None).await;
        assert_eq!(read.status, 503);
        assert!(!read.body.to_string().contains("YzRuNHJ5"), "{}", read.body);
    }
    house.close().await;
}

#[tokio::test]
async fn a_store_that_somebody_changes_ends_all_answers_and_all_work() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let root_key = RootKey::from_bytes(Sensitive::new(vec![7; 32])).unwrap();
    let ledger = Ledger::new(&root_key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let store = Arc::new(Sqlite::open(&path, WATCHED, Arc::new(ledger.clone())).unwrap());
    let checkpoint = directory.path().join("checkpoint");
    let vouching = Vouching {
        verify_every: Duration::from_millis(50),
        checkpoint_files: vec![checkpoint.clone()],
        ..Vouching::with(ledger)
    };
    let rest = (Semantics::Strict, Targets::new());
    let house = House::over((store, Some(vouching)), root_key, rest).await;
    let list = format!("/20160918/policies?compartmentId={}", house.founded.tenancy_id);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(house.send(Some(&house.admin), &list, "GET", None).await.status, 200);
    }
    assert_eq!(house.send(None, "/readyz", "HEAD", None).await.status, 200);
    let deletion = serde_json::json!({});
    let secret = format!("/20180608/secrets/{}", house.sample.secret_id);
    let due = format!("{secret}/actions/scheduleDeletion");
    let scheduled = house.send(Some(&house.admin), &due, "POST", Some(&deletion)).await;
    assert_eq!(scheduled.status, 200, "{}", scheduled.body);
    let connection = Connection::open(&path).unwrap();
    connection.execute("DELETE FROM kv WHERE CAST(k AS TEXT) GLOB 'pn/*'", []).unwrap();
    let mut answers = 0;
    while house.send(Some(&house.admin), &list, "GET", None).await.status == 200 {
        answers += 1;
        assert!(answers < 1_000, "no alarm");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = house.send(Some(&house.admin), &list, "GET", None).await;
    assert_eq!(refused.status, 503);
    assert!(!refused.body.to_string().contains("pn"), "{}", refused.body);
    assert_eq!(house.send(None, "/readyz", "HEAD", None).await.status, 503);
    for path in ["pull", "operate"] {
        let url = format!("/_replication/v1/{path}");
        let refused = house.send(None, &url, "POST", Some(&deletion)).await;
        assert_eq!(refused.status, 503, "{path}");
    }
    let kept = private_file::read(&checkpoint).unwrap();
    let turned = serde_json::json!({ "advanceSeconds": 90 * 86_400 });
    let turning = house.send(Some(&house.admin), "/_strongroom/clock", "POST", Some(&turned)).await;
    assert_eq!(turning.status, 503, "what falls due is not done");
    let versions = prefix_range(format!("sv/{}/", house.sample.secret_id).as_bytes());
    let store = Arc::clone(&house.store);
    assert_eq!(store.scan(versions, Order::Ascending, 9).await.unwrap().len(), 1);
    house.close().await;
    assert!(private_file::read(&checkpoint).unwrap() == kept, "a checkpoint of what was altered");
}

/// A server's own checkpoint names what that server knows: it vouches for no end of the whole.
#[tokio::test]
async fn an_export_ends_with_a_checkpoint_of_its_own() {
    let desk = Desk::new();
    let tenancy = put("t/ocid1.tenancy.oc1..a", "1");
    let one = desk.process(vec![tenancy, put("audit/0000/1", r#"{"v":1,"row":[]}"#)]).await;
    desk.process(vec![put("audit/0000/2", r#"{"v":1,"row":[]}"#)]).await;
    let (ledger, store) = desk.open();
    let (mut file, before) = (Vec::new(), SystemClock.now());
    let exported = ledger.export(&store, &mut file).await.unwrap();
    assert_eq!((exported.entries, exported.chains), (3, 2));
    assert!((before..=SystemClock.now()).contains(&exported.time), "{exported:?}");
    let key = ledger.public_key();
    let read = check_export(&mut file.as_slice(), &key).unwrap();
    let cut = |time: strongroom_model::Timestamp| time.as_second();
    assert_eq!(cut(read.time), cut(exported.time));
    let text = String::from_utf8(file).unwrap();
    let kept: Vec<&str> = text.split_inclusive('\n').take(3).collect();
    let end = serde_json::json!({ "checkpoint": one.checkpoint() });
    let trimmed = format!("{}{end}\n", kept.concat());
    let refused = check_export(&mut trimmed.as_bytes(), &key).unwrap_err().to_string();
    assert!(refused.starts_with("line 4: checkpoint: it is one that a server keeps"), "{refused}");
    let last = text.lines().last().unwrap();
    let end: serde_json::Value = serde_json::from_str(last).unwrap();
    let note = end["checkpoint"].as_str().unwrap();
    assert!(note.starts_with("strongroom/export\n"), "{note}");
    assert!(ledger.read_checkpoint(note.as_bytes()).is_err());
    for (from, to, says) in [
        ("tenancy.oc1..a", "tenancy.oc1..b", "not of this tenancy"),
        (
            r#"{"audit/0000/1":"#,
            r#"{"audit/0000/1":"forged","audit/0000/1":"#,
            "not as it was written",
        ),
        (r#""events":[]"#, r#""events":[{}],"events":[]"#, "no line of an export"),
        (r#""number":1,"#, r#""number": 1,"#, "not as it was written"),
    ] {
        let forged = text.replacen(from, to, 1);
        assert_ne!(forged, text);
        let refused = check_export(&mut forged.as_bytes(), &key).unwrap_err().to_string();
        assert!(refused.contains(says), "{from}: {refused}");
    }
}

/// Later than all that a test enters.
fn later() -> strongroom_model::Timestamp {
    SystemClock.now() + Duration::from_hours(1)
}

/// A store whose records of old were removed, and their entries folded; and its rows before that.
async fn folded() -> (Desk, Desk) {
    let (desk, before) = (written().await, Desk::new());
    let gone = Batch::new().delete(b"audit/0000/1".to_vec()).delete(b"audit/0000/2".to_vec());
    desk.process(vec![put("t/ocid1.tenancy.oc1..a", "1"), gone]).await;
    copy(&desk.path(), &before.path());
    let (ledger, store) = desk.open();
    assert_eq!(
        ledger.fold(&store, SystemClock.now() - Duration::from_hours(1), |b| b).await,
        Ok(0)
    );
    assert_eq!(ledger.fold(&store, later(), |batch| batch).await, Ok(4));
    store.close();
    (desk, before)
}

#[tokio::test]
async fn one_entry_of_a_chain_stands_for_those_before_it() {
    let (desk, before) = folded().await;
    let (was, is) = (before.verify().await.unwrap(), desk.verify().await.unwrap());
    assert_eq!((before.entries().len(), desk.entries().len()), (7, 3));
    assert_eq!((is.entries, is.chains, is.last), (was.entries, was.chains, was.last));
    let checkpoint = desk.process(vec![put("s/b", "1"), put("s/b", "2")]).await.checkpoint();
    before.verify().await.unwrap();
    let (ledger, store) = desk.open();
    let checkpoint = ledger.read_checkpoint(checkpoint.as_bytes()).unwrap();
    assert_eq!(checkpoint.entries, 9);
    ledger.is_after(&store, &checkpoint).await.unwrap();
    assert_eq!(ledger.fold(&store, later(), |batch| batch).await, Ok(1));
    ledger.is_after(&store, &checkpoint).await.unwrap();
    store.close();
    assert_eq!(desk.verify().await.unwrap().entries, 9);
    assert_eq!(desk.entries().len(), 4);
}

#[tokio::test]
async fn every_edit_of_folded_entries_is_told() {
    let follow = "does not follow the one before it";
    let missing = "is missing";
    for (statement, says) in [
        ("DELETE FROM kv WHERE k = FOLDED", "removed, put back, or is an older one"),
        ("INSERT OR REPLACE INTO kv SELECT * FROM was.kv WHERE k = FOLDED", missing),
        ("INSERT OR REPLACE INTO kv SELECT * FROM was.kv WHERE k = FIRST", missing),
        ("INSERT INTO kv SELECT * FROM was.kv WHERE k = FIRST OR k = SECOND", follow),
        ("INSERT OR REPLACE INTO kv SELECT * FROM was.kv WHERE k = SECOND", missing),
        ("DELETE FROM kv WHERE k = CAST('s/a' AS BLOB)", "kind `s` was removed"),
        ("DELETE FROM kv WHERE k = CAST('audit/0000/3' AS BLOB)", "kind `audit` was removed"),
        ("DELETE FROM kv WHERE CAST(k AS TEXT) GLOB 'l/*'", "removed, put back"),
    ] {
        let (desk, before) = folded().await;
        // The first chain has three entries, of which the third stands for all.
        let entries = before.entries();
        let statement = statement.replace("FIRST", &entries[0]).replace("SECOND", &entries[1]);
        let statement = statement.replace("FOLDED", &entries[2]);
        desk.edit(&format!("ATTACH '{}' AS was; {statement}", before.path().display()));
        let why = why(desk.verify().await);
        assert!(why.contains(says), "{statement}: {why}");
    }
}

#[tokio::test]
async fn an_export_says_which_entries_stand_for_others_and_no_other_may() {
    let (desk, before) = folded().await;
    let (ledger, store) = desk.open();
    let key = ledger.public_key();
    let mut file = Vec::new();
    let exported = ledger.export(&store, &mut file).await.unwrap();
    assert_eq!((exported.entries, exported.chains), (3, 3));
    assert_eq!(check_export(&mut file.as_slice(), &key).unwrap().entries, 3);
    let text = String::from_utf8(file).unwrap();
    assert_eq!(text.matches("folded ").count(), 3, "{text}");
    // Nor is anything in such an entry believed that was not there: a record that was removed, or one.
    for forged in [r#"\"removed\":[\"audit/0000/3\"]"#, r#"\"audit\":{\"audit/0000/9\":\"\"}"#] {
        let forged = text.replacen(r#"\"folded\":"#, &format!(r#"{forged},\"folded\":"#), 1);
        assert_ne!(forged, text);
        check_export(&mut forged.as_bytes(), &key).unwrap_err();
    }
    let forged = text.replacen(r#"\"folded\":"#, r#"\"removed\":[],\"folded\":"#, 1);
    let refused = check_export(&mut forged.as_bytes(), &key).unwrap_err().to_string();
    assert!(refused.contains("nothing vouches for what is gone"), "{refused}");
    let (of_before, store) = before.open();
    let mut whole = Vec::new();
    of_before.export(&store, &mut whole).await.unwrap();
    let whole = String::from_utf8(whole).unwrap();
    // Who leaves out the first entries has the place of one that stands for them, and no signature.
    let folded = text.lines().nth(1).unwrap();
    let mut lines: Vec<&str> = whole.lines().collect();
    lines.splice(1..4, [folded]);
    let refused = check_export(&mut (lines.join("\n") + "\n").as_bytes(), &key).unwrap_err();
    assert!(refused.to_string().contains("nothing vouches for what is gone"), "{refused}");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(1);
    assert!(check_export(&mut (lines.join("\n") + "\n").as_bytes(), &key).is_err());
}

/// What writes a row that was not there.
fn effect(key: &[u8]) -> [Effect<'_>; 1] {
    [Effect { key, before: None, after: Some((b"v", [1; 32])) }]
}

/// How many entries a checkpoint tells of.
fn entries_in(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

/// A chain whose deferred entries may be lost with the machine: what is not on the disk is in no
/// checkpoint, and is not built upon.
#[tokio::test]
async fn a_checkpoint_has_what_is_on_the_disk_alone() {
    let desk = Desk::new();
    let (ledger, store) = desk.open();
    ledger.begin(&store).await.unwrap();
    let mut chain = ledger.chain();
    chain.next(&effect(b"s/a")).unwrap().unwrap();
    chain.kept(Sync::Deferred);
    assert_eq!(entries_in(&ledger.checkpoint()), 0, "one that is deferred");
    chain.next(&effect(b"s/b")).unwrap().unwrap();
    chain.kept(Sync::Full);
    assert_eq!(entries_in(&ledger.checkpoint()), 2, "a full one brings those before it");
    let mut other = ledger.chain();
    other.next(&effect(b"s/c")).unwrap().unwrap();
    chain.next(&effect(b"s/d")).unwrap().unwrap();
    other.kept(Sync::Deferred);
    chain.kept(Sync::Full);
    assert_eq!(
        entries_in(&ledger.checkpoint()),
        3,
        "one that was kept after the full one began may be behind it"
    );
    assert!(other.next(&effect(b"meta/seen")).unwrap().is_none());
    other.kept(Sync::Full);
    assert_eq!(entries_in(&ledger.checkpoint()), 4, "one that is not entered counts too");
    chain.next(&effect(b"s/e")).unwrap().unwrap();
    chain.kept(Sync::Deferred);
    chain.lost();
    let (key, entry) = chain.next(&effect(b"s/f")).unwrap().unwrap();
    assert!(key.ends_with(b"/00000000000000000001"), "another chain");
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(entry["row"]["after"][0]["number"], 3, "after what is on the disk: {entry}");
}

/// Connections of a process break one after the other. What one chain commits on its new connection
/// brings nothing to the disk that another entered before: the server may have lost that.
#[tokio::test]
async fn a_commit_on_another_connection_makes_nothing_durable_that_came_before_it() {
    let desk = Desk::new();
    let (ledger, store) = desk.open();
    ledger.begin(&store).await.unwrap();
    let (mut one, mut other) = (ledger.chain(), ledger.chain());
    one.next(&effect(b"s/a")).unwrap().unwrap();
    one.kept(Sync::Full);
    one.next(&effect(b"s/b")).unwrap().unwrap();
    one.kept(Sync::Deferred);
    other.lost();
    other.next(&effect(b"s/c")).unwrap().unwrap();
    other.kept(Sync::Full);
    assert_eq!(entries_in(&ledger.checkpoint()), 2, "the first of one, and that of the other");
    one.lost();
    let (_, entry) = one.next(&effect(b"s/d")).unwrap().unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(entry["row"]["after"][0]["number"], 1, "after what may be lost: {entry}");
    one.kept(Sync::Deferred);
    other.next(&effect(b"s/e")).unwrap().unwrap();
    other.kept(Sync::Full);
    assert_eq!(entries_in(&ledger.checkpoint()), 4, "what was kept since is on the disk");
}

/// The primary of a database is lost, and with it what another node committed last without waiting.
#[tokio::test]
async fn a_node_does_not_build_upon_what_is_lost_while_it_starts() {
    for settles in [true, false] {
        let desk = Desk::new();
        desk.process(vec![put("s/a", "1")]).await;
        desk.process(vec![put("audit/0000/1", "record")]).await;
        let last = desk.entries().pop().unwrap();
        let (ledger, store) = desk.open();
        let verified = ledger.begin(&store).await.unwrap();
        desk.edit(&format!("DELETE FROM kv WHERE k = {last} OR k = CAST('audit/0000/1' AS BLOB)"));
        if settles {
            ledger.settle(&store, verified).await.unwrap();
        }
        store.commit(put("s/b", "2")).await.unwrap();
        store.close();
        let verified = desk.verify().await;
        assert_eq!(verified.is_ok(), settles, "{verified:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    let from = Connection::open(from).unwrap();
    from.execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
}
