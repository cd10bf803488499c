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
/// What the child that shares a transaction finds where it runs.
const SHARING: &str = "sharing";
/// What the child finds one of whose files cannot be synced: it is to empty the log, to fill it, or to
/// rest after a deferred commit. Which file, and which of its syncs: the log's first is that of what was
/// deferred.
const FAILING: [(&str, &str, &str); 3] =
    [("forgetting", "s.db", ""), ("filling", "s.db", ""), ("resting", "s.db-wal", ":when=1")];

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

/// Commits what must be on the disk together with what need not, and says on standard output when the
/// former is acknowledged. Runs only as the child of the test below.
#[tokio::test]
async fn child_that_shares_a_transaction() {
    if !Path::new(SHARING).exists() {
        return;
    }
    let store = Sqlite::open(Path::new("s.db"), &[], Checksum::new()).unwrap();
    for _ in 0..10 {
        // The writer is at work on the first when the others come.
        let slow = Batch::new().put(b"a".to_vec(), vec![7; 1 << 20]).sync(Sync::Deferred);
        let deferred = Batch::new().put(b"b".to_vec(), vec![7; 700]).sync(Sync::Deferred);
        let full = Batch::new().put(b"c".to_vec(), vec![7; 700]);
        let full = async {
            store.commit(full).await.unwrap();
            println!("\nacknowledged");
        };
        let (slow, deferred, ()) = tokio::join!(store.commit(slow), store.commit(deferred), full);
        slow.and(deferred).unwrap();
    }
    let stats = store.stats();
    assert!(stats.groups < stats.commits, "nothing was shared: {stats:?}");
}

#[test]
fn a_commit_is_synced_though_it_shares_its_transaction_with_a_deferred_one() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join(SHARING)).unwrap();
    let child = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=pwrite64,write,fsync,fdatasync", "-o", "calls"])
        .arg(std::env::current_exe().unwrap())
        .args(["durability::child_that_shares_a_transaction", "--exact", "--nocapture"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let calls = std::fs::read_to_string(directory.path().join("calls")).unwrap();
    let (mut acknowledged, mut is_synced) = (0, true);
    for call in calls.lines() {
        if call.contains("pwrite64(") && call.contains("s.db-wal") {
            is_synced = false;
        } else if call.contains("sync") && call.ends_with("= 0") {
            is_synced = true;
        } else if call.contains("write(1<") && call.contains("acknowledged") {
            acknowledged += 1;
            assert!(is_synced, "{acknowledged}: written, and not synced");
        }
    }
    assert_eq!(acknowledged, 10);
}

/// Finds a system that fails to sync one of the files. Runs only as the child of the test below.
#[tokio::test]
async fn child_for_whom_a_sync_fails() {
    let [forgets, fills, rests] = FAILING.map(|(how, ..)| Path::new(how).exists());
    if !forgets && !fills && !rests {
        return;
    }
    let store = Sqlite::open(Path::new("s.db"), &[], Checksum::new()).unwrap();
    let small = || Batch::new().put(b"b".to_vec(), Vec::new());
    let large = |byte| Batch::new().put(b"a".to_vec(), vec![byte; 8 << 20]);
    if rests {
        store.commit(small().sync(Sync::Deferred)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let calls = std::fs::read_to_string("calls").unwrap();
        assert!(calls.contains("INJECTED"), "what was deferred was not synced");
        for sync in [Sync::Full, Sync::Deferred, Sync::Full] {
            let refused = store.commit(small().sync(sync)).await;
            refused.expect_err("acknowledged after a failed sync of what was deferred");
        }
        return;
    }
    store.commit(large(0)).await.unwrap();
    if forgets {
        store.forget().await.unwrap_err();
        store.commit(small()).await.expect_err("acknowledged after a failed sync");
    } else {
        let mut refused = 0;
        for byte in 1..12 {
            refused += u32::from(store.commit(large(byte)).await.is_err());
        }
        assert!(refused > 0, "the log grows, or what fails is not told");
    }
}

/// After a failed sync nothing that the system says of the file can be believed: not where a log is
/// emptied, not where it became long, and not where nobody waited for it.
#[test]
fn no_commit_is_acknowledged_after_a_sync_failed_that_none_waited_for() {
    for (how, file, when) in FAILING {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.db");
        drop(Sqlite::open(&path, &[], Checksum::new()).unwrap());
        std::fs::create_dir(directory.path().join(how)).unwrap();
        let file = directory.path().join(file);
        let inject = format!("inject=fsync,fdatasync:error=EIO{when}");
        let child = Command::new("strace")
            .args(["-f", "-qq", "-o", "calls", "-P", file.to_str().unwrap()])
            .args(["-e", "trace=fsync,fdatasync", "-e", &inject])
            .arg(std::env::current_exe().unwrap())
            .args(["durability::child_for_whom_a_sync_fails", "--exact"])
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
