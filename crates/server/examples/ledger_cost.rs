//! What the ledger costs: commits beside a store without one, the verification of a start, memory.
//!
//! usage: `ledger_cost [SECONDS]`

#![expect(clippy::print_stdout, reason = "a program that tells what it measured")]
#![expect(
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a measurement: it takes the time, and ends where it cannot go on"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::SystemClock;
use strongroom_server::{Ledger, WATCHED};
use strongroom_store::{
    Batch, Chain, Effect, Entered, Mac, Revision, Sqlite, Store, StoreError, Sync, Witness,
};

const CLIENTS: usize = 64;
const ROUNDS: usize = 5;
const ROWS: usize = 100_000;
const TRACKED: usize = 1_000_000;

/// Vouches for nothing.
#[derive(Debug)]
struct Nothing;

impl Witness for Nothing {
    fn mac(&self, _key: &[u8], _value: Option<&[u8]>, _revision: Revision) -> Mac {
        [0; 32]
    }

    fn tracks(&self, _key: &[u8]) -> bool {
        false
    }

    fn chain(&self) -> Box<dyn Chain> {
        Box::new(Self)
    }
}

impl Chain for Nothing {
    fn next(&mut self, _effects: &[Effect<'_>]) -> Result<Option<Entered>, StoreError> {
        Ok(None)
    }

    fn kept(&mut self, _sync: Sync) {}

    fn lost(&mut self) {}
}

fn ledger() -> Ledger {
    let root_key = RootKey::generate(&SystemRandom);
    Ledger::new(&root_key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

#[tokio::main]
async fn main() {
    let secs = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(2);
    let directory = tempfile::tempdir().unwrap();
    for sync in [Sync::Full, Sync::Deferred] {
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let path = |name: &str| directory.path().join(format!("{name}-{sync:?}-{round}"));
            let time = Duration::from_secs(secs);
            let without = rate(&path("without"), Arc::new(Nothing), (sync, time)).await;
            let with = rate(&path("with"), Arc::new(ledger()), (sync, time)).await;
            println!("{sync:?}: {without:.0} commits/s without, {with:.0} with");
            ratios.push(with / without);
        }
        ratios.sort_by(f64::total_cmp);
        println!("{sync:?}: ratio {:.2}, median of {ROUNDS}", ratios[ROUNDS / 2]);
    }
    verify(&directory.path().join("verify")).await;
    remember(&directory.path().join("remember"));
}

/// Commits of what a change of a secret writes: six rows, 1.5 KiB in all.
async fn rate(path: &Path, witness: Arc<dyn Witness>, (sync, time): (Sync, Duration)) -> f64 {
    let store = Arc::new(Sqlite::open(path, WATCHED, witness).unwrap());
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut done = 0_usize;
            while began.elapsed() < time {
                store.commit(change(client, done).sync(sync)).await.unwrap();
                done += 1;
            }
            done
        })
    });
    let mut done = 0;
    for client in clients.collect::<Vec<_>>() {
        done += client.await.unwrap();
    }
    done as f64 / began.elapsed().as_secs_f64()
}

fn change(client: usize, number: usize) -> Batch {
    let key = |text: String| text.into_bytes();
    Batch::new()
        .put(key(format!("s/ocid1.vaultsecret.oc1.iad.{client:060}")), vec![b'x'; 600])
        .put(
            key(format!("sv/ocid1.vaultsecret.oc1.iad.{client:060}/{number:020}")),
            vec![b'x'; 500],
        )
        .put(key(format!("sf/ocid1.vaultsecret.oc1.iad.{client:060}/{number:064}")), Vec::new())
        .put(key(format!("r/{client:032}{number:032}")), vec![b'x'; 100])
        .put(key(format!("due/{number:020}/{client:060}")), Vec::new())
        .put(key(format!("audit/{number:020}/{client:016}")), vec![b'x'; 500])
}

async fn verify(path: &Path) {
    let ledger = ledger();
    let store = Sqlite::open(path, WATCHED, Arc::new(ledger.clone())).unwrap();
    for number in 0..ROWS / 6 {
        store.commit(change(0, number).sync(Sync::Deferred)).await.unwrap();
    }
    store.close();
    drop(store);
    let began = Instant::now();
    let store = Sqlite::open(path, WATCHED, Arc::new(ledger.clone())).unwrap();
    let opened = began.elapsed();
    let verified = ledger.verify(&store).await.unwrap();
    let (rows, entries) = (verified.rows, verified.entries);
    let took = began.elapsed();
    println!("opened in {opened:?}; {rows} rows and {entries} entries verified in {took:?} in all");
}

/// Memory for knowing by heart which commit wrote each row.
fn remember(path: &Path) {
    let witness = || Arc::new(ledger());
    drop(Sqlite::open(path, WATCHED, witness()).unwrap());
    let mut connection = rusqlite::Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    let insert = "INSERT INTO kv (k, ver, mac, v) VALUES (?1, 1, zeroblob(32), x'')";
    for number in 0..TRACKED {
        let key = format!("s/ocid1.vaultsecret.oc1.iad.{number:060}").into_bytes();
        transaction.prepare_cached(insert).unwrap().execute([key]).unwrap();
    }
    transaction.execute("UPDATE last_revision SET revision = 1", []).unwrap();
    transaction.commit().unwrap();
    drop(connection);
    let before = resident_kib();
    let began = Instant::now();
    let store = Sqlite::open(path, WATCHED, witness()).unwrap();
    let (took, grown) = (began.elapsed(), resident_kib() - before);
    println!(
        "{TRACKED} rows known by heart in {took:?}; {grown} KiB more resident, SQLite's cache included"
    );
    drop(store);
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
