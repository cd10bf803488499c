//! Several nodes at one PostgreSQL database, and what becomes of them when its primary dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use strongroom_store::{
    Batch, Cursor, Delta, Order, Postgres, Require, Revision, Store, StoreError, Sync, prefix_range,
};

use crate::witness::Checksum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::NoTls;

use crate::agreement::told_once;
use crate::postgres::{Server, psql};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_change_is_told_on_every_node_once() {
    let server = Server::start();
    let url = server.new_database("fresh");
    let one = Arc::new(Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap());
    let other = Arc::new(Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap());
    let (cursor, delta) = other.fresh(Cursor::default()).await.unwrap();
    assert_eq!(delta, Delta::Reset);
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (one, other) = (Arc::clone(&one), Arc::clone(&other));
            tokio::spawn(async move {
                for number in 0..50 {
                    let key = format!("v/{writer}/{number}").into_bytes();
                    let sync = if number % 2 == 0 { Sync::Full } else { Sync::Deferred };
                    let batch = Batch::new().put(key.clone(), vec![1]).sync(sync);
                    one.commit(batch).await.unwrap();
                    let (_, delta) = other.fresh(Cursor(2)).await.unwrap();
                    let Delta::Changes(changes) = delta else { panic!("reset") };
                    let is_told = changes.iter().any(|change| change.key == key);
                    assert!(is_told, "acknowledged, not told");
                }
            })
        })
        .collect();
    told_once(&*other, cursor, writers, 200).await;
}

/// Plans that were made when there was next to nothing do not read all rows later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_goes_through_all_rows() {
    let server = Server::start();
    let url = server.new_database("plans");
    let store = Postgres::open(&url, None, &[], Checksum::new()).await.unwrap();
    let key = |number: u32| format!("v/{number:08}").into_bytes();
    for number in 0..20 {
        store.commit(Batch::new().put(key(number), vec![1])).await.unwrap();
        store.get(&[key(number).as_slice()]).await.unwrap();
        store.scan(prefix_range(b"v/"), Order::Ascending, 2).await.unwrap();
    }
    for start in (1000..21_000).step_by(1000) {
        let batch = (start..start + 1000).fold(Batch::new(), |batch, n| batch.put(key(n), vec![1]));
        store.commit(batch).await.unwrap();
    }
    for number in 0..50 {
        let found = store.get(&[key(number + 5000).as_slice()]).await.unwrap();
        let revision = found[0].as_ref().unwrap().revision;
        let batch = Batch::new().require(key(number + 5000), Require::Revision(revision));
        let batch = batch.put(key(number + 5000), vec![2]).delete(key(number + 9000));
        store.commit(batch).await.unwrap();
        store.scan(prefix_range(b"v/"), Order::Descending, 2).await.unwrap();
    }
    // The database counts with a delay of a second at most.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let read = "(SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'kv')";
    let check = format!("DO $$ BEGIN ASSERT {read} < 20000, {read}::text; END $$");
    psql(&["-d", &url, "-c", &check]);
}

/// Of commits that require the same, on two nodes, one happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_hold_across_nodes() {
    let server = Server::start();
    let url = server.new_database("races");
    let mut nodes = Vec::new();
    for _ in 0..2 {
        nodes.push(Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap()));
    }
    for round in 0..40 {
        let name = format!("name/{round}").into_bytes();
        let tasks: Vec<_> = (0..8_u8)
            .map(|number| {
                let store = Arc::clone(&nodes[usize::from(number % 2)]);
                let batch = Batch::new()
                    .require(name.clone(), Require::Absent)
                    .put(name.clone(), vec![number])
                    .put(format!("row/{round}/{number}").into_bytes(), vec![number]);
                tokio::spawn(async move { store.commit(batch).await })
            })
            .collect();
        let mut done = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(revision) => done.push(revision),
                Err(error) => assert_eq!(error, StoreError::Conflict { key: name.clone() }),
            }
        }
        assert_eq!(done.len(), 1, "round {round}");
        let rows = prefix_range(format!("row/{round}/").as_bytes());
        let rows = nodes[0].scan(rows, Order::Ascending, 9).await.unwrap();
        assert_eq!(rows.len(), 1, "what was refused changed something");
    }
}

/// FNV-1a, as it has been since the first version: nodes of two versions share the locks.
fn lock_of(key: &[u8]) -> i64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    key.iter().fold(0xcbf2_9ce4_8422_2325, step).cast_signed()
}

async fn is_waiting(task: &mut JoinHandle<Result<Revision, StoreError>>) -> bool {
    tokio::time::timeout(Duration::from_millis(300), task).await.is_err()
}

/// Many may have conditions on one row at a time, but not while it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_on_one_row_wait_only_for_its_changes() {
    let server = Server::start();
    let url = server.new_database("shared");
    let store = Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap());
    let guard = store.commit(Batch::new().put(b"guard".to_vec(), vec![1])).await.unwrap();
    let depends = |number: u8| {
        Batch::new()
            .require(b"guard".to_vec(), Require::Revision(guard))
            .put(b"row".to_vec(), vec![number])
    };
    let begin = |batch| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(batch).await })
    };
    let (other, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = lock_of(b"guard");
    let shared = format!("BEGIN; SELECT pg_advisory_xact_lock_shared({lock})");
    other.batch_execute(&shared).await.unwrap();
    store.commit(depends(1)).await.unwrap();
    let mut change = begin(Batch::new().put(b"guard".to_vec(), vec![2]));
    assert!(is_waiting(&mut change).await, "changed what another has a condition on");
    other.batch_execute("ROLLBACK").await.unwrap();
    change.await.unwrap().unwrap();
    let exclusive = format!("BEGIN; SELECT pg_advisory_xact_lock({lock})");
    other.batch_execute(&exclusive).await.unwrap();
    let mut dependent = begin(depends(2));
    assert!(is_waiting(&mut dependent).await, "decided while another changes it");
    other.batch_execute("ROLLBACK").await.unwrap();
    let key = b"guard".to_vec();
    assert_eq!(dependent.await.unwrap(), Err(StoreError::Conflict { key }));
}

/// Writers that note what was acknowledged.
struct Load {
    ends: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    writers: Vec<JoinHandle<(Vec<Vec<u8>>, Duration)>>,
}

impl Load {
    fn start(store: &Arc<Postgres>) -> Self {
        let (ends, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writers = (0..4).map(|writer| {
            let (store, ends) = (Arc::clone(store), Arc::clone(&ends));
            tokio::spawn(write(store, writer, ends, Arc::clone(&acknowledged)))
        });
        let writers = writers.collect();
        Self { ends, acknowledged, writers }
    }

    async fn until_more(&self, more: u64) {
        let enough = self.acknowledged.load(Ordering::Relaxed) + more;
        while self.acknowledged.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns the keys that were acknowledged.
    async fn end(self) -> Vec<Vec<u8>> {
        self.ends.store(true, Ordering::Relaxed);
        let mut there = Vec::new();
        for writer in self.writers {
            let (keys, gap) = writer.await.unwrap();
            println!("the longest gap of a writer was {} ms", gap.as_millis());
            there.extend(keys);
        }
        there
    }
}

async fn write(
    store: Arc<Postgres>,
    writer: u32,
    ends: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> (Vec<Vec<u8>>, Duration) {
    let (mut there, mut gap) = (Vec::new(), Duration::ZERO);
    let mut last = Instant::now();
    for number in 0_u32.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("w/{writer}/{number}").into_bytes();
        let batch = Batch::new().require(key.clone(), Require::Absent);
        match store.commit(batch.put(key.clone(), vec![7; 200])).await {
            Ok(_revision) => {
                there.push(key);
                acknowledged.fetch_add(1, Ordering::Relaxed);
                gap = gap.max(last.elapsed());
                last = Instant::now();
            }
            // Nobody else writes the key: it would have been tried again after it was done.
            Err(StoreError::Conflict { .. }) => panic!("a commit was made twice"),
            Err(_later) => {}
        }
    }
    (there, gap)
}

async fn all_there(store: &Postgres, keys: &[Vec<u8>]) {
    for keys in keys.chunks(100) {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let rows = store.get(&keys).await.unwrap();
        assert!(rows.iter().all(Option::is_some), "acknowledged, and not there");
    }
}

/// Stands before a server, and can lose what it answers, or hold it back.
struct Relay {
    port: u16,
    loses: Arc<AtomicBool>,
    holds: Arc<AtomicBool>,
    holds_commits: Arc<AtomicBool>,
}

impl Relay {
    async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, loses) = (listener.local_addr().unwrap().port(), Arc::<AtomicBool>::default());
        let (holds, holds_commits) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (is_losing, is_holding) = (Arc::clone(&loses), Arc::clone(&holds));
        let is_holding_commits = Arc::clone(&holds_commits);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let there = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let ways = [&is_losing, &is_holding, &is_holding_commits].map(Arc::clone);
                tokio::spawn(relay(client, there, ways));
            }
        });
        Self { port, loses, holds, holds_commits }
    }

    /// Holds back the answers to commits, or no longer.
    fn hold_commits(&self, holds: bool) {
        self.holds_commits.store(holds, Ordering::Relaxed);
    }

    /// Ends each connection on which something is answered for a moment.
    async fn lose_answers(&self) {
        self.loses.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.loses.store(false, Ordering::Relaxed);
    }
}

async fn relay(
    client: TcpStream,
    server: TcpStream,
    [loses, holds, holds_commits]: [Arc<AtomicBool>; 3],
) {
    let ((mut asked, mut told), (mut answered, mut passed)) =
        (client.into_split(), server.into_split());
    let up = tokio::spawn(async move { tokio::io::copy(&mut asked, &mut passed).await });
    let mut bytes = vec![0; 16_384];
    while let Ok(count) = answered.read(&mut bytes).await {
        let is_commit = bytes[..count].windows(7).any(|part| part == b"COMMIT\0");
        while holds.load(Ordering::Relaxed) || (is_commit && holds_commits.load(Ordering::Relaxed))
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if count == 0 || loses.load(Ordering::Relaxed) {
            break;
        }
        if told.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    up.abort();
}

/// Connections end in the midst of commits, again and again: what was acknowledged is there, and
/// nothing is done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_whose_connection_breaks_are_settled() {
    let server = Server::start();
    let url = server.new_database("broken");
    let relay = Relay::before(server.port).await;
    let url = url.replace(&server.port.to_string(), &relay.port.to_string());
    let store = Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap());
    let load = Load::start(&store);
    for _ in 0..10 {
        load.until_more(10).await;
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'strongroom'",
        );
        load.until_more(10).await;
        relay.lose_answers().await;
    }
    let there = load.end().await;
    all_there(&store, &there).await;
    println!("{} commits acknowledged, all there", there.len());
}

/// The answer to a commit is given up, and then found to have been a success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_answered_too_late_is_acknowledged_with_its_revision() {
    let server = Server::start();
    let url = server.new_database("late");
    let relay = Relay::before(server.port).await;
    let url = url.replace(&server.port.to_string(), &relay.port.to_string());
    let store = Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap());
    store.commit(Batch::new().put(b"b".to_vec(), vec![0])).await.unwrap();
    relay.hold_commits(true);
    let (stored, refused) = (Arc::clone(&store), Arc::clone(&store));
    let batch = Batch::new().put(b"a".to_vec(), vec![1]);
    let mut commit = tokio::spawn(async move { stored.commit(batch).await });
    let batch = Batch::new().require(b"b".to_vec(), Require::Absent).put(b"c".to_vec(), vec![1]);
    let conflict = tokio::spawn(async move { refused.commit(batch).await });
    for _ in 0..18 {
        assert!(is_waiting(&mut commit).await, "acknowledged before it is known");
    }
    relay.hold_commits(false);
    let revision = commit.await.unwrap().unwrap();
    let found = store.get(&[b"a", b"c"]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().revision, revision);
    assert!(found[1].is_none());
    assert_eq!(conflict.await.unwrap(), Err(StoreError::Conflict { key: b"b".to_vec() }));
}

/// What never got as far as to write is known not to have happened, and keeps no locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waited_for_a_lock_too_long_is_tried_again() {
    let server = Server::start();
    let url = server.new_database("locked");
    let store = Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap());
    store.commit(Batch::new().put(b"b".to_vec(), vec![0])).await.unwrap();
    let (other, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({})", lock_of(b"a"));
    other.batch_execute(&lock).await.unwrap();
    let waiting = Arc::clone(&store);
    let put = |number| Batch::new().put(b"a".to_vec(), vec![number]);
    let (first, second) = (put(1), put(2));
    let commit = tokio::spawn(async move { waiting.commit(first).await });
    // Longer than the answer to a commit is waited for.
    tokio::time::sleep(Duration::from_millis(5_600)).await;
    other.batch_execute("ROLLBACK").await.unwrap();
    let first = commit.await.unwrap().unwrap();
    assert!(store.commit(second).await.unwrap() > first);
}

/// A database that could not answer for a while answers again when it is well again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_recovers_from_a_database_in_which_something_was_missing() {
    let server = Server::start();
    let url = server.new_database("missing");
    let store = Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap();
    let (cursor, _) = store.fresh(Cursor::default()).await.unwrap();
    let (other, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let away = "UPDATE strongroom.pruned SET x = '18446744073709551615';
                ALTER TABLE strongroom.kv RENAME TO away";
    let back = "UPDATE strongroom.pruned SET x = '0'; ALTER TABLE strongroom.away RENAME TO kv";
    other.batch_execute(away).await.unwrap();
    store.fresh(cursor).await.unwrap_err();
    other.batch_execute(back).await.unwrap();
    store.fresh(cursor).await.unwrap();
}

/// A server that crashes may give numbers anew of transactions that it had not written down: what a
/// node saw before says nothing about what came after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_learns_everything_anew_from_a_server_that_crashed() {
    let server = Server::start();
    let url = server.new_database("crashed");
    let store = Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap();
    let one = store.commit(Batch::new().put(b"v/1".to_vec(), vec![1])).await.unwrap();
    let (cursor, _) = store.fresh(Cursor::default()).await.unwrap();
    let one_of_its_own = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                          WHERE application_name = 'strongroom'";
    server.sql(one_of_its_own);
    let (cursor, delta) = until_fresh(&store, cursor).await;
    assert_eq!(delta, Delta::Changes(Vec::new()), "a connection that broke is no crash");
    // A process that is killed takes what all of them share along, but not the first of them.
    server.kill_a_backend();
    let (cursor, delta) = until_fresh(&store, cursor).await;
    assert_eq!(delta, Delta::Reset);
    server.kill().await;
    std::fs::remove_file(server.data().join("postmaster.pid")).unwrap();
    server.up();
    assert_eq!(until_fresh(&store, cursor).await.1, Delta::Reset);
    assert!(store.commit(Batch::new().put(b"v/2".to_vec(), vec![1])).await.unwrap() > one);
}

async fn until_fresh(store: &Postgres, cursor: Cursor) -> (Cursor, Delta) {
    loop {
        if let Ok(told) = store.fresh(cursor).await {
            return told;
        }
    }
}

/// An operator ends what waits for a standby: the commit can be seen then, but no standby has it, and
/// nobody is told that it is safe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_stopped_waiting_for_standbys_is_not_acknowledged_before_they_have_it() {
    let server = Server::start();
    let url = server.new_database("waits");
    let store = Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap());
    let standbys = |names: &str| {
        server.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        server.sql("SELECT pg_reload_conf()");
    };
    standbys("nobody");
    let committing = Arc::clone(&store);
    let batch = Batch::new().put(b"a".to_vec(), vec![1]);
    let mut commit = tokio::spawn(async move { committing.commit(batch).await });
    let mut seen = false;
    while !seen {
        assert!(is_waiting(&mut commit).await, "acknowledged without a standby");
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        );
        seen = store.get(&[b"a"]).await.unwrap()[0].is_some();
    }
    assert!(is_waiting(&mut commit).await, "acknowledged because it can be seen");
    standbys("");
    commit.await.unwrap().unwrap();
}

/// The primary is killed under load and a standby promoted: what was acknowledged is there, the gap
/// is short, and the old primary is not believed when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_loses_nothing_and_is_not_believed_when_it_returns() {
    let primary = Server::start();
    let standby = primary.standby("s1");
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (s1)'");
    primary.sql("SELECT pg_reload_conf()");
    primary.new_database("failover");
    let url = format!(
        "postgres://strongroom@127.0.0.1:{},127.0.0.1:{}/failover",
        primary.port, standby.port
    );
    let store = Arc::new(Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap());
    let (cursor, _) = store.fresh(Cursor::default()).await.unwrap();
    let load = Load::start(&store);
    load.until_more(300).await;
    primary.kill().await;
    standby.control(&["promote"]);
    load.until_more(300).await;
    let there = load.end().await;
    all_there(&store, &there).await;
    println!("{} commits acknowledged, all there", there.len());
    // Whoever held a cursor of the old timeline reads everything again.
    assert_eq!(store.fresh(cursor).await.unwrap().1, Delta::Reset);
    store.commit(Batch::new().put(b"new".to_vec(), b"1".to_vec())).await.unwrap();
    std::fs::remove_file(primary.data().join("postmaster.pid")).unwrap();
    primary.up();
    for _ in 0..40 {
        assert!(store.get(&[b"new"]).await.unwrap()[0].is_some(), "read from the old primary");
        store.fresh(Cursor(1)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let later = Postgres::open(&url, None, &[], Checksum::new()).await.unwrap();
    assert!(later.get(&[b"new"]).await.unwrap()[0].is_some());
}

/// What an old primary was asked before another was promoted, and answers after, is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_of_an_old_primary_is_not_believed() {
    let primary = Server::start();
    let standby = primary.standby("s1");
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (s1)'");
    primary.sql("SELECT pg_reload_conf()");
    primary.new_database("late");
    let relay = Relay::before(primary.port).await;
    let of = |hosts: &str| format!("postgres://strongroom@{hosts}/late");
    let new_primary = format!("127.0.0.1:{}", standby.port);
    let url = of(&format!("127.0.0.1:{},{new_primary}", relay.port));
    let store = Arc::new(Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap());
    store.commit(Batch::new().put(b"v/x".to_vec(), b"old".to_vec())).await.unwrap();
    let (cursor, _) = store.fresh(Cursor::default()).await.unwrap();
    relay.holds.store(true, Ordering::Relaxed);
    let (reader, asker) = (Arc::clone(&store), Arc::clone(&store));
    let read = tokio::spawn(async move { reader.get(&[b"v/x"]).await });
    let probed = tokio::spawn(async move { asker.fresh(cursor).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    standby.control(&["promote"]);
    let later = Postgres::open(&of(&new_primary), None, &[], Checksum::new()).await.unwrap();
    later.commit(Batch::new().put(b"v/x".to_vec(), b"new".to_vec())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    relay.holds.store(false, Ordering::Relaxed);
    let read = read.await.unwrap().unwrap();
    assert_eq!(read[0].as_ref().unwrap().value, b"new");
    assert_eq!(probed.await.unwrap().unwrap().1, Delta::Reset);
}

/// Whoever stands on the way could say that the server has no TLS, and be told the password.
#[tokio::test]
async fn a_server_without_tls_is_told_nothing_where_authorities_are_named() {
    let authority = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut asked = [0; 8];
        client.read_exact(&mut asked).await.unwrap();
        client.write_all(b"N").await.unwrap();
        let mut more = Vec::new();
        client.read_to_end(&mut more).await.unwrap();
        more
    });
    let url = format!("postgres://strongroom:hunter2@127.0.0.1:{port}/x");
    let open = |url: String| {
        let authority = authority.clone();
        async move {
            let open = Postgres::open(&url, Some(authority.as_bytes()), &[], Checksum::new());
            open.await.unwrap_err().to_string()
        }
    };
    let error = open(url.clone()).await;
    assert!(error.contains("does not support TLS"), "{error}");
    assert_eq!(told.await.unwrap(), b"");
    let error = open(format!("{url}?sslmode=disable")).await;
    assert!(error.contains("`sslmode`"), "{error}");
}

#[tokio::test]
async fn another_format_and_other_errors_are_told_without_the_password() {
    let server = Server::start();
    let url = server.new_database("format");
    drop(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap());
    let more = url.replace("strongroom@", "strongroom:hunter2@");
    let told = |error: StoreError| {
        assert!(!error.to_string().contains("hunter2"), "{error}");
        error
    };
    server.sql("SELECT 1");
    let none = more.replace("/format", "/absent");
    let error = told(Postgres::open(&none, None, &[], Checksum::new()).await.unwrap_err());
    assert!(error.to_string().contains("does not exist"), "{error}");
    for wrong in ["", "http://x", "postgres://"] {
        assert!(
            matches!(
                Postgres::open(wrong, None, &[], Checksum::new()).await,
                Err(StoreError::Io(_))
            ),
            "{wrong}"
        );
    }
    let tls = format!("{more}?sslmode=require");
    let error = told(Postgres::open(&tls, None, &[], Checksum::new()).await.unwrap_err());
    assert!(error.to_string().contains("authorities"), "{error}");
    let error =
        told(Postgres::open(&more, Some(b"no PEM"), &[], Checksum::new()).await.unwrap_err());
    assert!(error.to_string().contains("no certificate in PEM"), "{error}");
    let port = server.port.to_string();
    let arguments = [
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        "strongroom",
        "-d",
        "format",
        "-c",
        "UPDATE strongroom.format SET number = 3",
    ];
    crate::postgres::psql(&arguments);
    let newer = told(Postgres::open(&more, None, &[], Checksum::new()).await.unwrap_err());
    assert!(matches!(newer, StoreError::Foreign(_)), "{newer}");
}
