//! What nodes at one PostgreSQL database learn of each other, and commits that lock much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use strongroom_store::{
    Batch, Cursor, Delta, Order, Postgres, Require, Store, StoreError, prefix_range,
};

use crate::postgres::{Server, psql};
use crate::witness::Checksum;

/// A node that must learn everything anew reads what is told of, not what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learning_reads_what_is_watched_alone() {
    let server = Server::start();
    let url = server.new_database("learnt");
    let store = Postgres::open(&url, None, &[], Checksum::new()).await.unwrap();
    for start in (0..40_000).step_by(20_000) {
        let rows = (start..start + 20_000).map(|n| format!("audit/{n}").into_bytes());
        store.commit(rows.fold(Batch::new(), |batch, key| batch.put(key, vec![1]))).await.unwrap();
    }
    let watched = (0..1_500).map(|n| format!("v/{n}").into_bytes());
    let revision = store.commit(watched.fold(Batch::new(), |batch, key| batch.put(key, vec![1])));
    let revision = revision.await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let read =
        "(SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'kv')";
    psql(&["-d", &url, "-c", &format!("CREATE TABLE before AS SELECT {read} AS read")]);
    let other = Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap();
    other.fresh(Cursor::default()).await.unwrap();
    let row = other.get(&[b"v/1499"]).await.unwrap().remove(0).unwrap();
    assert_eq!(row.revision, revision);
    // A connection tells what it counted when it is used again, a second later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    other.fresh(Cursor::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let check = format!(
        "DO $$ BEGIN ASSERT {read} - (SELECT read FROM before) BETWEEN 1500 AND 2000, {read}::text; END $$"
    );
    psql(&["-d", &url, "-c", &check]);
}

/// What is forgotten was told before, so that nobody must learn everything anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forgotten_makes_no_node_begin_anew() {
    let server = Server::start();
    let url = server.new_database("forgotten");
    let one = Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap();
    let other = Arc::new(Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap());
    let (mut cursor, _) = other.fresh(Cursor::default()).await.unwrap();
    one.commit(Batch::new().put(b"v/1".to_vec(), b"secret".to_vec())).await.unwrap();
    one.commit(Batch::new().delete(b"v/1".to_vec())).await.unwrap();
    one.forget().await.unwrap();
    for _ in 0..9 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (next, delta) = other.fresh(cursor).await.unwrap();
        assert!(matches!(delta, Delta::Changes(_)), "begins anew");
        cursor = next;
    }
    let left = "(SELECT count(*) FROM strongroom.changes)";
    let check = format!("DO $$ BEGIN ASSERT {left} = 0, {left}::text; END $$");
    psql(&["-d", &url, "-c", &check]);
}

/// A list is answered however fast others change what is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_others_change_all_the_time_are_read() {
    let server = Server::start();
    let url = server.new_database("busy");
    let one = Arc::new(Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap());
    let other = Arc::new(Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap());
    let all = (0..4).flat_map(|w| (0..250).map(move |n| format!("v/{w}/{n}").into_bytes()));
    one.commit(all.fold(Batch::new(), |batch, key| batch.put(key, vec![0]))).await.unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (one, ends) = (Arc::clone(&one), Arc::clone(&ends));
            tokio::spawn(async move {
                while !ends.load(Ordering::Relaxed) {
                    let keys = (0..20).map(|n| format!("v/{writer}/{n}").into_bytes());
                    let batch = keys.fold(Batch::new(), |batch, key| batch.put(key, vec![writer]));
                    one.commit(batch).await.unwrap();
                }
            })
        })
        .collect();
    let probes = Arc::clone(&other);
    let stop = Arc::clone(&ends);
    let probing = tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            probes.fresh(Cursor(2)).await.unwrap();
        }
    });
    for _ in 0..100 {
        other.scan(prefix_range(b"v/"), Order::Ascending, 1_001).await.unwrap();
        other.get(&[b"v/0/1", b"v/3/19"]).await.unwrap();
    }
    ends.store(true, Ordering::Relaxed);
    for task in writers.into_iter().chain([probing]) {
        task.await.unwrap();
    }
}

/// A commit of more keys than the server has locks happens, and keeps its conditions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_commits_share_the_locks_of_small_ones() {
    let server = Server::start();
    let url = server.new_database("large");
    let mut nodes = Vec::new();
    for _ in 0..2 {
        nodes.push(Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap()));
    }
    let counter = b"counter".to_vec();
    let zero = Batch::new().put(counter.clone(), 0_u32.to_be_bytes().to_vec());
    nodes[0].commit(zero).await.unwrap();
    let tasks =
        [0, 1_500, 0, 40_000].into_iter().zip(nodes.iter().cycle()).map(|(beside, node)| {
            let (node, counter) = (Arc::clone(node), counter.clone());
            tokio::spawn(async move {
                let (mut done, rounds) = (0, if beside > 1_000 { 5 } else { 30 });
                while done < rounds {
                    let row = node.get(&[counter.as_slice()]).await.unwrap().remove(0).unwrap();
                    let value = u32::from_be_bytes(row.value.try_into().unwrap()) + 1;
                    let more = (0..beside).map(|n| format!("more/{n}").into_bytes());
                    let batch = Batch::new()
                        .require(counter.clone(), Require::Revision(row.revision))
                        .put(counter.clone(), value.to_be_bytes().to_vec());
                    let batch = more.fold(batch, |batch, key| batch.put(key, vec![1]));
                    match node.commit(batch).await {
                        Ok(_) => done += 1,
                        Err(StoreError::Conflict { key }) => assert_eq!(key, counter),
                        Err(error) => panic!("{beside}: {error}"),
                    }
                }
            })
        });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let row = nodes[0].get(&[counter.as_slice()]).await.unwrap().remove(0).unwrap();
    assert_eq!(row.value, 70_u32.to_be_bytes(), "an increment was lost");
}

/// Reads that wait together share statements, and only whoever asked for a row learns what is wrong with
/// it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_share_statements_and_no_troubles() {
    let server = Server::start();
    let url = server.new_database("shared");
    let store = Arc::new(Postgres::open(&url, None, &[], Checksum::new()).await.unwrap());
    let keys = (0..400).map(|n| format!("r/{n}").into_bytes());
    let batch = keys.clone().fold(Batch::new(), |batch, key| {
        let value = key.clone();
        batch.put(key, value)
    });
    store.commit(batch).await.unwrap();
    psql(&["-d", &url, "-c", "UPDATE strongroom.kv SET v = 'x' WHERE k = 'r/7'"]);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let done = "(SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())";
    psql(&["-d", &url, "-c", &format!("CREATE TABLE before AS SELECT {done} AS done")]);
    let readers: Vec<_> = keys
        .map(|key| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let absent = [key.as_slice(), b"/absent"].concat();
                let read = store.get(&[&absent, &key]).await;
                if key == b"r/7" {
                    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
                } else {
                    let read = read.unwrap();
                    assert_eq!(read[0], None);
                    assert_eq!(read[1].as_ref().unwrap().value, key);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    for _ in 0..2 {
        // A connection tells what it counted when it is used again, a second later.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        for _ in 0..20 {
            store.get(&[b"r/0"]).await.unwrap();
        }
    }
    let check = format!(
        "DO $$ BEGIN ASSERT {done} - (SELECT done FROM before) < 300, {done}::text; END $$"
    );
    psql(&["-d", &url, "-c", &check]);
}
