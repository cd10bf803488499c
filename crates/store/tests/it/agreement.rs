//! The same history on every engine gives the same answers.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use strongroom_store::{
    Batch, Cursor, Delta, Memory, Order, Postgres, Require, Revision, Snapshot, Sqlite, Store,
    StoreError, Sync, Versioned, prefix_range,
};

use crate::witness::Checksum;

use tokio::task::JoinHandle;

use crate::postgres::Server;

#[derive(Debug, Clone)]
enum Step {
    Commit { require: Vec<(u8, bool)>, changes: Vec<(u8, Option<u8>)>, full: bool },
    Get(Vec<u8>),
    Scan { from: u8, to: u8, ascending: bool, limit: usize },
}

fn key(number: u8) -> Vec<u8> {
    let kind = if number.is_multiple_of(2) { "v" } else { "s" };
    format!("{kind}/{:02}", number % 12).into_bytes()
}

fn any_step() -> impl Strategy<Value = Step> {
    let number = 0..24_u8;
    prop_oneof![
        3 => (
            prop::collection::vec((number.clone(), any::<bool>()), 0..3),
            prop::collection::vec((number.clone(), any::<Option<u8>>()), 0..4),
            any::<bool>(),
        )
            .prop_map(|(require, changes, full)| Step::Commit { require, changes, full }),
        1 => prop::collection::vec(number.clone(), 0..4).prop_map(Step::Get),
        1 => (number.clone(), number, any::<bool>(), 0..9_usize)
            .prop_map(|(from, to, ascending, limit)| Step::Scan { from, to, ascending, limit }),
    ]
}

/// Runs a step and renders its outcome. A required revision is what the row has now, or one off.
async fn run(store: &dyn Store, step: &Step) -> String {
    match step {
        Step::Commit { require, changes, full } => {
            let mut batch = Batch::new().sync(if *full { Sync::Full } else { Sync::Deferred });
            for (number, right) in require {
                let found = store.get(&[&key(*number)]).await.unwrap().remove(0);
                let require = match (found, right) {
                    (Some(row), true) => Require::Revision(row.revision),
                    (Some(row), false) => Require::Revision(Revision(row.revision.0 + 1)),
                    (None, _) => Require::Absent,
                };
                batch = batch.require(key(*number), require);
            }
            for (number, value) in changes {
                batch = match value {
                    Some(value) => batch.put(key(*number), vec![*value]),
                    None => batch.delete(key(*number)),
                };
            }
            format!("{:?}", store.commit(batch).await)
        }
        Step::Get(numbers) => {
            let keys: Vec<Vec<u8>> = numbers.iter().map(|number| key(*number)).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let rows = store.get(&keys).await.unwrap();
            format!(
                "{:?}",
                rows.iter().flatten().map(|row| (&row.value, row.revision)).collect::<Vec<_>>()
            )
        }
        Step::Scan { from, to, ascending, limit } => {
            let order = if *ascending { Order::Ascending } else { Order::Descending };
            let rows = store.scan(key(*from)..key(*to), order, *limit).await.unwrap();
            format!(
                "{:?}",
                rows.iter().map(|(k, row)| (k, &row.value, row.revision)).collect::<Vec<_>>()
            )
        }
    }
}

async fn everything(store: &dyn Store) -> String {
    shown(&store.scan(prefix_range(b""), Order::Ascending, usize::MAX).await.unwrap())
}

fn shown(rows: &[(Vec<u8>, Versioned)]) -> String {
    format!("{:?}", rows.iter().map(|(k, row)| (k, &row.value, row.revision)).collect::<Vec<_>>())
}

/// Walks through all rows, and returns them in the order of their keys: those below `s/` came last,
/// in that order.
async fn walked(store: &dyn Store) -> String {
    let mut rows = Vec::new();
    let visit = |key: &[u8], row| {
        rows.push((key.to_vec(), row));
        Ok(())
    };
    store.walk(b"s/", Box::new(visit)).await.unwrap();
    let first = rows.iter().position(|(key, _)| key.starts_with(b"s/")).unwrap_or(rows.len());
    let (others, sorted) = rows.split_at(first);
    assert!(sorted.is_sorted_by_key(|(key, _)| key));
    assert!(sorted.iter().all(|(key, _)| key.starts_with(b"s/")), "{}", shown(&rows));
    let mut all = [sorted, others].concat();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    shown(&all)
}

/// Reads a snapshot, three rows at a time.
async fn all_of(mut snapshot: Box<dyn Snapshot>) -> String {
    let mut all = Vec::new();
    loop {
        let rows = snapshot.next(3).await.unwrap();
        if rows.is_empty() {
            assert!(
                snapshot.last()
                    >= all
                        .iter()
                        .map(|(_, row): &(_, Versioned)| row.revision)
                        .max()
                        .unwrap_or_default()
            );
            return shown(&all);
        }
        all.extend(rows);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn memory_and_sqlite_agree(
        steps in prop::collection::vec(any_step(), 1..40),
        moment in any::<Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("s.db");
            let memory = Memory::new(&["v/"]);
            let sqlite = Sqlite::open(&path, &["v/"], Checksum::new()).unwrap();
            let start = memory.fresh(Cursor::default()).await.unwrap().0;
            let (before, after) = steps.split_at(moment.index(steps.len()));
            for step in before {
                assert_eq!(run(&memory, step).await, run(&sqlite, step).await, "{step:?}");
            }
            let then = everything(&memory).await;
            let snapshots = [memory.snapshot().await.unwrap(), sqlite.snapshot().await.unwrap()];
            let other = Sqlite::read(&path, Checksum::new()).unwrap();
            for step in after {
                assert_eq!(run(&memory, step).await, run(&sqlite, step).await, "{step:?}");
            }
            for snapshot in snapshots.into_iter().chain([other]) {
                assert_eq!(then, all_of(snapshot).await);
            }
            assert_eq!(memory.fresh(start).await, sqlite.fresh(start).await);
            let all = everything(&memory).await;
            assert_eq!((&all, &all), (&walked(&memory).await, &walked(&sqlite).await));
            drop(sqlite);
            let reopened = Sqlite::open(&path, &["v/"], Checksum::new()).unwrap();
            reopened.integrity_check().unwrap();
            assert_eq!(all, everything(&reopened).await);
        });
    }
}

/// A database of its own for each history, on one server.
#[test]
fn memory_and_postgres_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = Server::start();
    let histories = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(16));
    let any_history = (prop::collection::vec(any_step(), 1..40), any::<Index>());
    let agree = |(steps, moment): (Vec<Step>, Index)| {
        histories.set(histories.get() + 1);
        let url = server.new_database(&format!("history_{}", histories.get()));
        runtime.block_on(async {
            let memory = Memory::new(&["v/"]);
            let postgres = Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap();
            let start = memory.fresh(Cursor::default()).await.unwrap().0;
            let first = postgres.fresh(Cursor::default()).await.unwrap();
            assert_eq!(first.1, Delta::Reset);
            // A number is used up by a commit whose condition fails.
            let mut numbers = Numbers::default();
            let moment = moment.index(steps.len());
            let mut taken = None;
            for (number, step) in steps.iter().enumerate() {
                if number == moment {
                    let snapshot = postgres.snapshot().await.unwrap();
                    taken = Some((numbers.known(&everything(&memory).await), snapshot));
                }
                let expected = numbers.known(&run(&memory, step).await);
                assert_eq!(expected, numbers.other(&run(&postgres, step).await), "{step:?}");
            }
            let (then, snapshot) = taken.unwrap();
            assert_eq!(then, numbers.other(&all_of(snapshot).await));
            let told = |delta: Delta| match delta {
                Delta::Changes(changes) => format!("{changes:?}"),
                Delta::Reset => "reset".to_owned(),
            };
            let expected = told(memory.fresh(start).await.unwrap().1);
            let found = told(postgres.fresh(first.0).await.unwrap().1);
            assert_eq!(numbers.known(&expected), numbers.other(&found));
            let all = numbers.known(&everything(&memory).await);
            assert_eq!(all, numbers.other(&walked(&postgres).await));
            drop(postgres);
            let reopened = Postgres::open(&url, None, &["v/"], Checksum::new()).await.unwrap();
            assert_eq!(all, numbers.other(&everything(&reopened).await));
        });
        Ok(())
    };
    runner.run(&any_history, agree).unwrap();
}

/// Rows keep the numbers that they come with, and later commits go on from the highest.
async fn keep_their_numbers(store: &dyn Store) {
    let put = |key: &str| Batch::new().put(key.as_bytes().to_vec(), vec![1]);
    for (key, number) in [("b", 700), ("a", 20), ("c", 700)] {
        let made = store.commit(put(key).numbered(Revision(number))).await;
        assert_eq!(made, Ok(Revision(number)));
    }
    assert!(store.snapshot().await.unwrap().last() >= Revision(700));
    let next = store.commit(put("d")).await.unwrap();
    assert!(next > Revision(700), "{next:?}");
    let rows = store.get(&[b"a", b"b", b"c", b"d"]).await.unwrap();
    let numbers: Vec<u64> = rows.into_iter().map(|row| row.unwrap().revision.0).collect();
    assert_eq!(numbers, [20, 700, 700, next.0]);
    let refused = put("a").require(b"a".to_vec(), Require::Absent).numbered(Revision(9_000));
    assert_eq!(store.commit(refused).await, Err(StoreError::Conflict { key: b"a".to_vec() }));
}

#[tokio::test]
async fn rows_from_another_store_keep_their_numbers() {
    keep_their_numbers(&Memory::new(&[])).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.db");
    let sqlite = Sqlite::open(&path, &[], Checksum::new()).unwrap();
    keep_their_numbers(&sqlite).await;
    let last = sqlite.snapshot().await.unwrap().last();
    drop(sqlite);
    assert_eq!(Sqlite::read(&path, Checksum::new()).unwrap().last(), last);
    let server = Server::start();
    let url = server.new_database("numbered");
    keep_their_numbers(&Postgres::open(&url, None, &[], Checksum::new()).await.unwrap()).await;
}

/// Revisions in the order in which they are first told: engines number commits each in its way.
#[derive(Default)]
struct Numbers {
    known: Vec<String>,
    other: Vec<String>,
}

impl Numbers {
    fn known(&mut self, text: &str) -> String {
        renumbered(&mut self.known, text)
    }

    fn other(&mut self, text: &str) -> String {
        renumbered(&mut self.other, text)
    }
}

fn renumbered(seen: &mut Vec<String>, text: &str) -> String {
    let mut parts = text.split("Revision(");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(')').unwrap();
        let place = seen.iter().position(|known| known == number).unwrap_or_else(|| {
            seen.push(number.to_owned());
            seen.len() - 1
        });
        whole.extend(["Revision(#", &place.to_string(), ")", rest]);
    }
    whole
}

#[tokio::test]
async fn a_failed_condition_changes_nothing_and_names_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("s.db"), &[], Checksum::new()).unwrap();
    let first = store.commit(Batch::new().put(b"a".to_vec(), b"1".to_vec())).await.unwrap();
    let batch = Batch::new()
        .require(b"a".to_vec(), Require::Absent)
        .put(b"a".to_vec(), b"2".to_vec())
        .put(b"b".to_vec(), b"2".to_vec());
    let refused = store.commit(batch).await;
    assert_eq!(refused, Err(StoreError::Conflict { key: b"a".to_vec() }));
    let rows = store.get(&[b"a", b"b"]).await.unwrap();
    assert_eq!(rows[0].as_ref().unwrap().revision, first);
    assert_eq!(rows[1], None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_tells_every_acknowledged_change_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(
        Sqlite::open(&directory.path().join("s.db"), &["v/"], Checksum::new()).unwrap(),
    );
    let (cursor, _) = store.fresh(Cursor::default()).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..50 {
                    let key = format!("v/{writer}/{number}").into_bytes();
                    store.commit(Batch::new().put(key.clone(), Vec::new())).await.unwrap();
                    let (_, delta) = store.fresh(Cursor(1)).await.unwrap();
                    let Delta::Changes(changes) = delta else { panic!("reset") };
                    assert!(
                        changes.iter().any(|change| change.key == key),
                        "acknowledged, not told"
                    );
                }
            })
        })
        .collect();
    told_once(&*store, cursor, writers, 200).await;
}

/// Reads what is told until all writers ended, and after: each of their keys once.
pub(crate) async fn told_once(
    store: &dyn Store,
    mut cursor: Cursor,
    writers: Vec<JoinHandle<()>>,
    expected: usize,
) {
    let mut told = Vec::new();
    loop {
        let have_ended = writers.iter().all(JoinHandle::is_finished);
        let (next, delta) = store.fresh(cursor).await.unwrap();
        let Delta::Changes(changes) = delta else { panic!("reset") };
        told.extend(changes.into_iter().map(|change| change.key));
        cursor = next;
        if have_ended {
            break;
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    told.sort();
    let all = told.len();
    told.dedup();
    assert_eq!((all, told.len()), (expected, expected));
}
