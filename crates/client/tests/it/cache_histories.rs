use std::sync::{Arc, Mutex};
use std::time::Duration;

use strongroom_client::{CacheError, CachedSecret, SecretKey};
use strongroom_testkit::Dice;
use tokio::time::{Instant, sleep};

use crate::cache_world::{Cache, Mood, World, cache, lifetimes, reading};

const TTL: u64 = 10;
const STALE: u64 = 20;
/// The longest use of a value: TTL with jitter, and the bound beyond it.
const BOUND: Duration = Duration::from_secs(11 + STALE);

/// What a read was asked and answered, and when.
struct Read {
    begun: Instant,
    ended: Instant,
    answer: Result<CachedSecret, CacheError>,
}

/// When the cache had been told of a change, and the version that it made.
struct Invalidation {
    told: Instant,
    version: u64,
}

fn mood(dice: &mut Dice) -> Mood {
    match dice.roll(12) {
        0 => Mood::Refuses(401),
        1 => Mood::Refuses(403),
        2 => Mood::Refuses(404),
        3 => Mood::Refuses(503),
        4 => Mood::Refuses(400),
        5 | 6 => Mood::IsLost,
        _ => Mood::Answers,
    }
}

/// Reads of one key beside changes, invalidations, delays, refusals and outages, in an order that a
/// seed decides.
async fn history(seed: u64, has_feed: bool) -> (Arc<World>, Vec<Read>, Vec<Invalidation>) {
    let mut dice = Dice::new(Some(seed));
    let world = World::new(has_feed);
    let cache = cache(&world, lifetimes(TTL, STALE));
    let key = SecretKey::of_id("a");
    let (reads, mut invalidated) = (Arc::new(Mutex::new(Vec::new())), Vec::new());
    let mut tasks = Vec::new();
    sleep(Duration::from_secs(1)).await;
    for _ in 0..300 {
        match dice.roll(20) {
            0 => world.be(mood(&mut dice)),
            1 => {
                let millis = [0, 50, 3_000][dice.roll(3)];
                world.state().delay = Duration::from_millis(millis);
            }
            2 if has_feed => {
                world.change("a");
                let version = world.state().version;
                sleep(Duration::from_millis(1)).await;
                invalidated.push(Invalidation { told: Instant::now(), version });
            }
            2 | 3 => {
                world.state().version += 1;
                cache.invalidate("a");
                let (told, version) = (Instant::now(), world.state().version);
                invalidated.push(Invalidation { told, version });
            }
            4..8 => {
                let millis = u64::try_from(dice.roll(8_000)).unwrap();
                sleep(Duration::from_millis(millis)).await;
            }
            8..12 => sleep(Duration::from_millis(200)).await,
            _ => tasks.push(tokio::spawn(read(cache.clone(), key.clone(), Arc::clone(&reads)))),
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let reads = std::mem::take(&mut *reads.lock().unwrap());
    (world, reads, invalidated)
}

async fn read(cache: Cache, key: SecretKey, reads: Arc<Mutex<Vec<Read>>>) {
    let begun = Instant::now();
    let answer = cache.get(&key).await;
    reads.lock().unwrap().push(Read { begun, ended: Instant::now(), answer });
}

/// Checks a read against all that was known when it began.
fn check(world: &World, read: &Read, invalidated: &[Invalidation]) -> Result<(), String> {
    let Ok(found) = &read.answer else { return Ok(()) };
    let state = world.state();
    let from = state.readings[reading(found)];
    if from.version != found.bundle().version_number {
        return Err("the version of another call".to_owned());
    }
    let age = read.ended - from.begun;
    if age > BOUND + Duration::from_secs(3) {
        return Err(format!("used for {age:?}"));
    }
    let is_old = |at: &&Invalidation| at.told <= read.begun && at.version > from.version;
    if let Some(at) = invalidated.iter().rev().find(is_old) {
        let (found, made) = (from.version, at.version);
        return Err(format!("version {found} after the cache was told of version {made}"));
    }
    let is_masked = |(asked, told): &&(Instant, Instant)| *told < read.begun && *asked > from.begun;
    match state.refused.iter().find(is_masked) {
        Some((_, told)) => Err(format!("{:?} after a refusal", read.begun - *told)),
        None => Ok(()),
    }
}

async fn run(has_feed: bool) {
    let first = Dice::new(None).seed();
    let (mut answered, mut stale, mut refused) = (0, 0, 0);
    for number in 0..200 {
        let seed = first.wrapping_add(number);
        let (world, reads, invalidated) = history(seed, has_feed).await;
        for read in &reads {
            let checked = check(&world, read, &invalidated);
            assert_eq!(checked, Ok(()), "seed {seed}");
            answered += usize::from(read.answer.is_ok());
            refused += usize::from(read.answer.is_err());
            stale += usize::from(read.answer.as_ref().is_ok_and(CachedSecret::is_stale));
        }
    }
    assert!(answered > 1_000 && stale > 50 && refused > 1_000, "{answered} {stale} {refused}");
}

#[tokio::test(start_paused = true)]
async fn no_history_shows_a_value_that_is_too_old_or_was_taken_away() {
    run(false).await;
}

#[tokio::test(start_paused = true)]
async fn no_history_beside_a_feed_does_either() {
    run(true).await;
}
