//! What was acknowledged is there after the process was killed; commits share syncs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use strongroom_store::{Batch, Sqlite, Store, Sync};

use crate::witness::Checksum;

const CHILD: &str = "STRONGROOM_STORE_CHILD";
/// What the child that defers a commit finds where it runs.
const DEFERRING: &str = "deferring";
/// What the child finds whose syncs fail: it is to empty the log, or to fill it.
const FAILING: [&str; 2] = ["forgetting", "filling"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_commits_share_a_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let store =
        Arc::new(Sqlite::open(&directory.path().join("s.db"), &[], Checksum::new()).unwrap());
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..100 {
                    let key = format!("{writer}/{number}").into_bytes();
                    store.commit(Batch::new().put(key, vec![0; 512])).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.commits, 1600);
    assert!(stats.groups * 2 < stats.commits, "{stats:?}");
    assert_eq!(stats.syncs, stats.groups);
}

#[tokio::test]
async fn the_log_is_moved_into_the_database_beside_the_commits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let store = Sqlite::open(&path, &[], Checksum::new()).unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    let empty = size();
    // About two thousand pages, far from what makes the writer do it.
    for number in 0..450_u16 {
        let batch = Batch::new().put(number.to_be_bytes().to_vec(), vec![0; 512]);
        store.commit(batch.sync(Sync::Deferred)).await.unwrap();
    }
    for _ in 0..500 {
        if size() > empty + 128 * 1024 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} bytes at first, {} now", empty, size());
}

#[tokio::test]
async fn deferred_commits_do_not_wait_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("s.db"), &[], Checksum::new()).unwrap();
    for number in 0..20_u8 {
        let batch = Batch::new().put(vec![number], Vec::new()).sync(Sync::Deferred);
        store.commit(batch).await.unwrap();
    }
    assert_eq!(store.stats().syncs, 0);
    store.close();
    assert_eq!(store.stats().syncs, 1);
}

#[tokio::test]
async fn steady_deferred_commits_reach_the_disk_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("s.db"), &[], Checksum::new()).unwrap();
    for number in 0..30_u8 {
        let batch = Batch::new().put(vec![number], Vec::new()).sync(Sync::Deferred);
        store.commit(batch).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(store.stats().syncs >= 2, "{:?}", store.stats());
}

/// Defers a commit, and ends as one that is killed later. Runs only as the child of the test below.
#[tokio::test]
async fn child_that_defers_a_commit() {
    if !Path::new(DEFERRING).exists() {
        return;
    }
    let store = Sqlite::open(Path::new("s.db"), &[], Checksum::new()).unwrap();
    store.commit(Batch::new().put(b"a".to_vec(), vec![7; 700]).sync(Sync::Deferred)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    std::process::abort();
}

/// What the kernel was asked for, not what the store counted: a transaction that writes nothing syncs
/// nothing.
#[test]
fn a_deferred_commit_is_synced_though_nothing_follows_it() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join(DEFERRING)).unwrap();
    let calls = directory.path().join("calls");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=pwrite64,fsync,fdatasync", "-o", calls.to_str().unwrap()])
        .arg(std::env::current_exe().unwrap())
        .args(["durability::child_that_defers_a_commit", "--exact"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(!traced.status.success(), "the child ended by itself");
    let calls = std::fs::read_to_string(calls).unwrap();
    let last = |name: &str| calls.rfind(name).unwrap();
    assert!(last("sync(") > last("pwrite64("), "written, and not synced:\n{calls}");
}

/// Finds a system that fails to sync the database's own file. Runs only as the child of the test below.
#[tokio::test]
async fn child_whose_log_cannot_be_moved() {
    let [forgets, fills] = FAILING.map(|name| Path::new(name).exists());
    if !forgets && !fills {
        return;
    }
    let store = Sqlite::open(Path::new("s.db"), &[], Checksum::new()).unwrap();
    let large = |byte| Batch::new().put(b"a".to_vec(), vec![byte; 8 << 20]);
    store.commit(large(0)).await.unwrap();
    if forgets {
        store.forget().await.unwrap_err();
        let refused = store.commit(Batch::new().put(b"b".to_vec(), Vec::new())).await;
        refused.expect_err("acknowledged after a failed sync");
    } else {
        let mut refused = 0;
        for byte in 1..12 {
            refused += u32::from(store.commit(large(byte)).await.is_err());
        }
        assert!(refused > 0, "the log grows, or what fails is not told");
    }
}

/// After a failed sync nothing that the system says of the file can be believed: not where a log is
/// emptied, and not where it became long.
#[test]
fn no_commit_is_acknowledged_after_the_log_could_not_be_moved() {
    for how in FAILING {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.db");
        drop(Sqlite::open(&path, &[], Checksum::new()).unwrap());
        std::fs::create_dir(directory.path().join(how)).unwrap();
        let child = Command::new("strace")
            .args(["-f", "-qq", "-o", "calls", "-P", path.to_str().unwrap()])
            .args(["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"])
            .arg(std::env::current_exe().unwrap())
            .args(["durability::child_whose_log_cannot_be_moved", "--exact"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{how}: {told}");
        let calls = std::fs::read_to_string(directory.path().join("calls")).unwrap();
        assert!(calls.contains("INJECTED"), "{how}: no sync failed");
    }
}

/// Writes until killed, saying on standard output what was acknowledged. Runs only as the child of
/// the test below.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test talks to its own child process")]
async fn child_that_writes_until_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let store = Sqlite::open(path.as_ref(), &[], Checksum::new()).unwrap();
    for number in 0_u32.. {
        let sync = if number.is_multiple_of(3) { Sync::Full } else { Sync::Deferred };
        let batch = Batch::new().put(number.to_be_bytes().to_vec(), vec![7; 700]).sync(sync);
        store.commit(batch).await.unwrap();
        println!("\nacknowledged {number}");
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_to_sigkill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["durability::child_that_writes_until_killed", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u32>().ok());
        let mut acknowledged = 0;
        for number in said {
            acknowledged = number;
            if number >= 40 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let store = Sqlite::open(&path, &[], Checksum::new()).unwrap();
        store.integrity_check().unwrap();
        for number in 0..=acknowledged {
            let found = store.get(&[&number.to_be_bytes()]).await.unwrap();
            assert_eq!(
                found[0].as_ref().unwrap().value,
                vec![7; 700],
                "{number} of {acknowledged}"
            );
        }
    }
}
