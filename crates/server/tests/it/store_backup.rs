//! Backups of a store: what is in them comes back, and what was changed in them is told.

use std::io::{Cursor, ErrorKind, Read};
use std::sync::Arc;

use strongroom_keyring::{RootKey, StreamError, SystemRandom};
use strongroom_model::{Clock, Limits, Random, Region, Sensitive, SystemClock};
use strongroom_server::{
    Backup, Beat, Ledger, NewBackup, NewTenancy, Parts, Restore, Semantics, Shared,
    StoreBackupError, Summary, Targets, Vouching, WATCHED, back_up, found_tenancy, restore,
};
use strongroom_signing::PrivateKey;
use strongroom_store::{Batch, Memory, Order, Revision, Sqlite, Store, Versioned, prefix_range};

const ROOT_FILE: &[u8] = b"what stands in root.key";

fn root_key(material: u8) -> RootKey {
    RootKey::from_bytes(Sensitive::new(vec![material; 32])).unwrap()
}

/// A tenancy, and rows of all sizes that more than fill a chunk.
async fn founded() -> Arc<Memory> {
    let store = Arc::new(Memory::new(WATCHED));
    let public = PrivateKey::generate().unwrap().public().unwrap();
    let new = NewTenancy {
        name: "test",
        region: Region::named("iad").unwrap(),
        fingerprint: &public.fingerprint(),
        public_key_pem: &public.to_pem(),
        now: SystemClock.now(),
        sample: None,
    };
    found_tenancy(&*store, &root_key(1), &SystemRandom, &new).await.unwrap();
    for number in 0..3000_usize {
        let mut value = vec![0; number % 120];
        SystemRandom.fill(&mut value);
        let batch = Batch::new().put(format!("sv/{number}").into_bytes(), value);
        store.commit(batch.put(b"st/last".to_vec(), Vec::new())).await.unwrap();
    }
    store.commit(Batch::new().put(b"sv/large".to_vec(), vec![7; 300_000])).await.unwrap();
    store.commit(Batch::new().delete(b"sv/1".to_vec())).await.unwrap();
    store
}

async fn try_backup_of(store: &dyn Store) -> Result<(Summary, Vec<u8>), StoreBackupError> {
    let new = NewBackup {
        root_key: &root_key(1),
        root_file: ROOT_FILE,
        now: SystemClock.now(),
        random: &SystemRandom,
    };
    let mut snapshot = store.snapshot().await.unwrap();
    back_up(&mut *snapshot, &new, Vec::new()).await
}

async fn backup_of(store: &dyn Store) -> (Summary, Vec<u8>) {
    try_backup_of(store).await.unwrap()
}

fn verify(file: &[u8], key: &RootKey) -> Result<Summary, StoreBackupError> {
    let mut backup = Backup::begin(file)?;
    assert_eq!(backup.header().root_file, ROOT_FILE);
    backup.unlock(key)?;
    backup.verify()
}

fn target(store: Arc<dyn Store>, accepts_rollback: bool) -> Restore<'static> {
    Restore { store, accepts_rollback, now: SystemClock.now(), random: &SystemRandom }
}

fn opened<R: Read>(file: R) -> Backup<R> {
    let mut backup = Backup::begin(file).unwrap();
    backup.unlock(&root_key(1)).unwrap();
    backup
}

async fn rows_of(store: &dyn Store) -> Vec<(Vec<u8>, Versioned)> {
    let rows = store.scan(prefix_range(b""), Order::Ascending, usize::MAX).await.unwrap();
    let told = |key: &[u8]| key.starts_with(b"audit/") || key.starts_with(b"l/");
    rows.into_iter().filter(|(key, _)| !told(key)).collect()
}

async fn records_of(store: &dyn Store) -> Vec<String> {
    let rows = store.scan(prefix_range(b"audit/"), Order::Ascending, 9).await.unwrap();
    rows.into_iter().map(|(_, row)| String::from_utf8(row.value).unwrap()).collect()
}

async fn loads(store: Arc<dyn Store>) -> Result<(), String> {
    loads_vouching(store, None).await
}

async fn loads_vouching(store: Arc<dyn Store>, ledger: Option<&Ledger>) -> Result<(), String> {
    let parts = Parts {
        store,
        root_key: root_key(1),
        root_file: None,
        token: None,
        clock: Arc::new(SystemClock),
        turnable_clock: None,
        random: Arc::new(SystemRandom),
        semantics: Semantics::Strict,
        limits: Limits::WIDE,
        rates: strongroom_server::Rates::default(),
        secret_cache_bytes: 0,
        backup_places: Vec::new(),
        targets: Targets::new(),
        expected_networks: Vec::new(),
        machine_id: None,
        is_alone: true,
        beat: Beat::Exact,
        vouching: ledger.cloned().map(Vouching::with),
        tracing: None,
    };
    Shared::load(parts).await.map(drop).map_err(|error| error.to_string())
}

/// A store in a file, and the ledger that vouches for its rows.
fn vouched(directory: &tempfile::TempDir) -> (Ledger, Arc<dyn Store>) {
    let ledger = Ledger::new(&root_key(1), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
    let path = directory.path().join("s.db");
    let store = Sqlite::open(&path, WATCHED, Arc::new(ledger.clone())).unwrap();
    (ledger, Arc::new(store))
}

#[tokio::test]
async fn rows_and_their_numbers_come_back_on_another_engine() {
    let store = founded().await;
    let (written, file) = backup_of(&*store).await;
    assert_eq!(written.rows, u64::try_from(rows_of(&*store).await.len()).unwrap());
    assert_eq!(verify(&file, &root_key(1)).unwrap(), written);
    let directory = tempfile::tempdir().unwrap();
    let (ledger, sqlite) = vouched(&directory);
    let restored = restore(&target(Arc::clone(&sqlite), false), opened(&file[..])).await.unwrap();
    assert_eq!(restored, written);
    assert_eq!(rows_of(&*sqlite).await, rows_of(&*store).await);
    let records = records_of(&*sqlite).await;
    assert!(records.len() == 1 && records[0].contains("RestoreStore"), "{records:?}");
    let last = store.snapshot().await.unwrap().last();
    let next = sqlite.commit(Batch::new().put(b"x/".to_vec(), Vec::new())).await.unwrap();
    assert!(next > last, "{next:?} {last:?}");
    // What was restored is in the ledger of where it was restored to.
    assert!(ledger.verify(&*sqlite).await.unwrap().rows > written.rows);
    loads(sqlite).await.unwrap();
}

#[tokio::test]
async fn whatever_was_changed_in_a_file_is_told() {
    let (_, file) = backup_of(&*founded().await).await;
    let header = file.windows(ROOT_FILE.len()).position(|part| part == ROOT_FILE).unwrap();
    let chunks = header + ROOT_FILE.len() + 32;
    for _ in 0..600 {
        let mut place = [0; 8];
        SystemRandom.fill(&mut place);
        let bits = u64::try_from(8 * file.len()).unwrap();
        let place = usize::try_from(u64::from_be_bytes(place) % bits).unwrap();
        let mut bent = file.clone();
        bent[place / 8] ^= 1 << (place % 8);
        let Ok(mut backup) = Backup::begin(&bent[..]) else {
            assert!(place / 8 < header);
            continue;
        };
        let error = match backup.unlock(&root_key(1)) {
            Ok(()) => backup.verify().unwrap_err(),
            Err(error) => error,
        };
        let told = match error {
            StoreBackupError::Header => place / 8 < chunks,
            StoreBackupError::Stream(StreamError::Damaged(_)) => place / 8 >= chunks,
            _ => false,
        };
        assert!(told, "bit {place}: {error}");
    }
    for length in (0..chunks).chain([file.len() / 2, file.len() - 1]) {
        let cut = Backup::begin(&file[..length])
            .and_then(|mut backup| backup.unlock(&root_key(1)).map(|()| backup))
            .and_then(Backup::verify);
        assert!(cut.is_err(), "cut off at {length}");
    }
    let whole = chunks + (65_536 + 16) * 2;
    let cut = verify(&file[..whole], &root_key(1)).unwrap_err();
    assert_eq!(cut.to_string(), "its end is missing: it was cut off after chunk 1");
    let other = verify(&file, &root_key(2)).unwrap_err();
    assert_eq!(other.to_string(), "its header is not what was written under this root key");
}

#[test]
fn other_files_are_told_by_their_first_line() {
    for (file, told) in [
        (&b""[..], "it is no backup of a store"),
        (b"SQLite format 3\0", "it is no backup of a store"),
        (b"strongroom backup 1\nAAAA", "it is no backup of a store"),
        (b"strongroom store backup \n", "it is no backup of a store"),
        (b"strongroom store backup 2\n\0\0", "it has format 2, this program reads format 1"),
        (b"strongroom store backup 1\n\0\0", "its header is not what was written"),
        (b"strongroom store backup 1\n\xff\xff\xff\xff", "its header is not what was written"),
    ] {
        let error = Backup::begin(file).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

/// Gives so many bytes, and then fails.
struct Broken<'a>(Cursor<&'a [u8]>, usize);

impl Read for Broken<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.1 == 0 {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = to.len().min(self.1);
        let count = self.0.read(&mut to[..room])?;
        self.1 -= count;
        Ok(count)
    }
}

#[tokio::test]
async fn an_interrupted_restore_never_looks_whole_and_goes_on() {
    let store = founded().await;
    let (written, file) = backup_of(&*store).await;
    let (_, other) = backup_of(&*store).await;
    let directory = tempfile::tempdir().unwrap();
    let (ledger, begun) = vouched(&directory);
    for part in [200, file.len() / 4, file.len() / 2, file.len() - 20_000] {
        let backup = opened(Broken(Cursor::new(&file), part.max(70_000)));
        assert!(restore(&target(Arc::clone(&begun), false), backup).await.is_err());
        let refused = loads_vouching(Arc::clone(&begun), Some(&ledger)).await.unwrap_err();
        assert!(refused.contains("not whole"), "{refused}");
        let another = restore(&target(Arc::clone(&begun), false), opened(&other[..])).await;
        assert!(matches!(another, Err(StoreBackupError::OtherBegun)), "{another:?}");
        let marked = try_backup_of(&*begun).await.unwrap_err().to_string();
        assert!(marked.contains("not whole"), "{marked}");
    }
    let restored = restore(&target(Arc::clone(&begun), false), opened(&file[..])).await.unwrap();
    assert_eq!(restored, written);
    assert_eq!(rows_of(&*begun).await, rows_of(&*store).await);
    loads_vouching(begun, Some(&ledger)).await.unwrap();
}

/// A server that still runs writes to the store while a backup is restored to it.
#[tokio::test]
async fn a_restore_that_somebody_wrote_into_can_be_begun_anew() {
    let store = founded().await;
    let (written, file) = backup_of(&*store).await;
    let begun: Arc<dyn Store> = Arc::new(Memory::new(&[]));
    let broken = opened(Broken(Cursor::new(&file), 70_000));
    assert!(restore(&target(Arc::clone(&begun), false), broken).await.is_err());
    let foreign = Batch::new().put(b"sv/foreign".to_vec(), b"foreign".to_vec());
    begun.commit(foreign).await.unwrap();
    for _ in 0..2 {
        let differs = restore(&target(Arc::clone(&begun), false), opened(&file[..])).await;
        assert!(matches!(differs, Err(StoreBackupError::Differs)), "{differs:?}");
        assert!(loads(Arc::clone(&begun)).await.unwrap_err().contains("not whole"));
    }
    let restored = restore(&target(Arc::clone(&begun), true), opened(&file[..])).await.unwrap();
    assert_eq!(restored, written);
    assert_eq!(rows_of(&*begun).await, rows_of(&*store).await);
    loads(begun).await.unwrap();
}

#[tokio::test]
async fn a_store_that_holds_something_is_replaced_only_when_asked_to() {
    let store = founded().await;
    let (written, file) = backup_of(&*store).await;
    let then = rows_of(&*store).await;
    let extra = Batch::new().put(b"sv/later".to_vec(), b"later".to_vec());
    let later = store.commit(extra).await.unwrap();
    let store: Arc<dyn Store> = store;
    let refused = restore(&target(Arc::clone(&store), false), opened(&file[..])).await.unwrap_err();
    let StoreBackupError::Occupied { there, backup } = refused else { panic!("{refused}") };
    assert_eq!((there, backup), (later, Revision(later.0 - 1)));
    assert!(store.get(&[b"sv/later"]).await.unwrap()[0].is_some());
    loads(Arc::clone(&store)).await.unwrap();
    let restored = restore(&target(Arc::clone(&store), true), opened(&file[..])).await.unwrap();
    assert_eq!(restored, written);
    assert_eq!(rows_of(&*store).await, then);
    let next = store.commit(Batch::new().put(b"x/".to_vec(), Vec::new())).await.unwrap();
    assert!(next > later, "a number would be given twice");
    loads(store).await.unwrap();
}

/// What a restore enters in its ledger was sent before: sinks go on with the restore's own record.
#[tokio::test]
async fn sinks_are_not_sent_again_what_was_restored() {
    let store = founded().await;
    let places = [("sink/siem/", 0), ("sink/siem/00", 7), ("sink/siem/01", 9), ("sink/file/", 0)];
    for (key, number) in places {
        let row = serde_json::json!({ "v": 1, "row": number }).to_string().into_bytes();
        store.commit(Batch::new().put(key.as_bytes().to_vec(), row)).await.unwrap();
    }
    let (_, file) = backup_of(&*store).await;
    let directory = tempfile::tempdir().unwrap();
    let (_, sqlite) = vouched(&directory);
    restore(&target(Arc::clone(&sqlite), false), opened(&file[..])).await.unwrap();
    let all = |prefix: &[u8]| sqlite.scan(prefix_range(prefix), Order::Ascending, usize::MAX);
    let (last, _) = all(b"l/").await.unwrap().pop().unwrap();
    let last = String::from_utf8(last).unwrap();
    let (chain, number) = last.trim_start_matches("l/").split_once('/').unwrap();
    let before = number.parse::<u64>().unwrap() - 1;
    assert!(before > 0, "the rows were entered before");
    let rows = all(b"sink/").await.unwrap();
    let told = rows.iter().map(|(key, row)| {
        let value: serde_json::Value = serde_json::from_slice(&row.value).unwrap();
        (String::from_utf8(key.clone()).unwrap(), value["row"].as_u64().unwrap())
    });
    let expected = ["file", "siem"].into_iter().flat_map(|name| {
        let place = format!("sink/{name}/{chain}");
        [(format!("sink/{name}/"), 0), (place, before)]
    });
    assert_eq!(told.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_without_a_tenancy_is_not_backed_up() {
    let refused = try_backup_of(&Memory::new(&[])).await.unwrap_err();
    assert!(matches!(refused, StoreBackupError::Unfounded));
}
