//! Worlds of three nodes in one thread, with time and chance from a seed: slow and broken ways to the
//! store, crashes, and clocks that jump.

mod checks;
mod clients;
mod lies;
mod seeded;
mod seen;
mod store;
mod world;

use std::num::NonZero;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{available_parallelism, scope};
use std::time::Instant;

use strongroom_testkit::Dice;

use self::clients::{Field, SECRETS, new_user, work};
use self::lies::Lie;
use self::seen::{Seen, Told};
use self::world::{People, World};
use crate::Outcome;
use crate::options::Options;

const SEEDS: u64 = 50_000;
const SMOKE_SEEDS: u64 = 2_000;
const OPS: usize = 60;
/// Worlds that are so many that what succeeds in them says something.
const WORLDS_ENOUGH: u64 = 100;
/// One world in so many is run twice, and must go the same way.
const TWICE_EVERY: u64 = 100;

/// How a world went.
#[derive(Debug)]
struct Went {
    hash: u64,
    ops: usize,
    told: Told,
    wrong: Vec<String>,
}

/// How all of them went.
#[derive(Debug, Default)]
struct Tally {
    ops: usize,
    told: Told,
    twice: u64,
    failures: Vec<String>,
    /// Of all traces, in any order.
    hash: u64,
}

/// Runs worlds on every core, and says what was found.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let first = options.first();
    if options.lies {
        return lies::run(first, options.ops);
    }
    let count = options.count(SMOKE_SEEDS, SEEDS);
    let ops = options.ops.unwrap_or(OPS);
    let began = Instant::now();
    let people = Arc::new(People::generate()?);
    let (next, tally) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    scope(|threads| {
        for _ in 0..available_parallelism().map_or(1, NonZero::get) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let is_twice = (seed - first).is_multiple_of(TWICE_EVERY) || count == 1;
                    let went = world(seed, ops, &people, None);
                    let again = is_twice.then(|| world(seed, ops, &people, None));
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.take(seed, went, again);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    for failure in tally.failures.iter().take(20) {
        println!("FAILED: {failure}");
    }
    println!(
        "simulate: {count} seeds from {first}, {} operations in {} s ({} writes acknowledged, {} etags \
         outdated, {} uses of a right allowed), {} of them twice, traces {:016x}: {} failed",
        tally.ops,
        began.elapsed().as_secs(),
        tally.told.writes,
        tally.told.mismatches,
        tally.told.allowed,
        tally.twice,
        tally.hash,
        tally.failures.len(),
    );
    if !tally.failures.is_empty() {
        return Err("what was promised did not hold".into());
    }
    if count >= WORLDS_ENOUGH && ops >= OPS && !tally.told.shows_something_of(tally.ops) {
        return Err("too little succeeded to show anything".into());
    }
    Ok(())
}

impl Tally {
    fn take(&mut self, seed: u64, went: Outcome<Went>, again: Option<Outcome<Went>>) {
        let went = match went {
            Ok(went) => went,
            Err(error) => {
                self.failures.push(format!("seed {seed}: {error}"));
                return;
            }
        };
        self.ops += went.ops;
        self.told.add(went.told);
        self.hash ^= went.hash;
        if !went.wrong.is_empty() {
            self.failures.push(format!("seed {seed}: {}", went.wrong.join("; ")));
        }
        let Some(again) = again else { return };
        self.twice += 1;
        if again.map(|again| again.hash).ok() != Some(went.hash) {
            self.failures.push(format!("seed {seed}: did not go the same way twice"));
        }
    }
}

/// Runs the world of a seed, in a time of its own.
fn world(seed: u64, ops: usize, people: &Arc<People>, lie: Option<Lie>) -> Outcome<Went> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(live(seed, ops, people, lie))
}

async fn live(seed: u64, ops: usize, people: &Arc<People>, lie: Option<Lie>) -> Outcome<Went> {
    let world = World::found(seed, people, lie).await?;
    let (reader, user) = new_user(&world, &people.reader).await?;
    let field = Arc::new(Field::prepare(&world, &reader, &user).await?);
    *world.seen() = Seen::about(SECRETS);
    world.begin_trouble(seed);
    let troubled = Arc::clone(&world);
    let dice = Dice::new(Some(seed.wrapping_mul(7).wrapping_add(3)));
    let trouble = tokio::spawn(async move { troubled.trouble(dice).await });
    work(&world, &field, seed, ops).await;
    trouble.abort();
    world.calm().await;
    let wrong = checks::broken(&world, &field).await?;
    let all = world.seen();
    Ok(Went { hash: all.hash(), ops: all.ops, told: all.told(), wrong })
}
