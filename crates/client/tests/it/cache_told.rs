use std::sync::Arc;
use std::time::Duration;

use strongroom_client::{CacheMetrics, CacheSettings, SecretCache, SecretKey, ToldTime};
use strongroom_model::{Clock, Timestamp};
use strongroom_testkit::Dice;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cache_world::{Cache, Chance, World, cache, lifetimes, version};

const TTL: u64 = 10;
/// Longer than a call takes, shorter than the time between two reads.
const A_WHILE: Duration = Duration::from_millis(5);

/// When to read which of three secrets.
fn trace(seed: u64) -> Vec<(Duration, SecretKey)> {
    let mut dice = Dice::new(Some(seed));
    let keys = ["a", "b", "c"].map(SecretKey::of_id);
    let mut at = 0;
    let read = |_| {
        at += 10 + u64::try_from(dice.roll(2_000)).unwrap();
        (Duration::from_millis(at), keys[dice.roll(3)].clone())
    };
    (0..400).map(read).collect()
}

fn world() -> Arc<World> {
    let world = World::new(false);
    world.state().delay = Duration::ZERO;
    world
}

/// Reads a secret that has a new version before every read; returns the version that was served.
async fn read(world: &World, cache: &Cache, key: &SecretKey) -> u64 {
    world.state().version += 1;
    let served = version(cache, key).await;
    sleep(A_WHILE).await;
    served
}

async fn waited_for(seed: u64) -> (Vec<u64>, CacheMetrics) {
    let world = world();
    let cache = cache(&world, lifetimes(TTL, 0));
    let (began, mut served) = (Instant::now(), Vec::new());
    for (at, key) in trace(seed) {
        sleep_until(began + at).await;
        served.push(read(&world, &cache, &key).await);
    }
    (served, cache.metrics())
}

async fn told(seed: u64) -> (Vec<u64>, CacheMetrics) {
    let world = world();
    let settings = CacheSettings { lifetimes: lifetimes(TTL, 0), ..CacheSettings::default() };
    let time = Arc::new(ToldTime::starting_at(Timestamp::UNIX_EPOCH));
    let cache =
        SecretCache::start_on_told_time(world.fake(), settings, &time, Chance::new(7)).unwrap();
    let mut served = Vec::new();
    for (at, key) in trace(seed) {
        time.pass_to(at);
        served.push(read(&world, &cache, &key).await);
    }
    assert!(Clock::now(&*time).as_second() > 100);
    (served, cache.metrics())
}

/// What is swept away when is the one thing that differs: nobody is given what is over.
#[tokio::test(start_paused = true)]
async fn a_cache_that_is_told_the_time_does_what_one_does_that_waits() {
    for seed in 0..10 {
        let (waited_for, told) = (waited_for(seed).await, told(seed).await);
        assert_eq!(waited_for.0, told.0, "seed {seed}");
        let counts = |of: CacheMetrics| (of.hits, of.misses, of.refreshes, of.calls, of.failures);
        assert_eq!(counts(waited_for.1), counts(told.1), "seed {seed}");
        assert!(told.1.calls > 30 && told.1.refreshes > 5 && told.1.hits > 200, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_value_is_in_the_time_that_was_told() {
    let world = world();
    let settings = CacheSettings { lifetimes: lifetimes(3600, 0), ..CacheSettings::default() };
    let time = Arc::new(ToldTime::starting_at(Timestamp::UNIX_EPOCH));
    let cache =
        SecretCache::start_on_told_time(world.fake(), settings, &time, Chance::new(7)).unwrap();
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    time.pass_to(Duration::from_secs(1234));
    assert_eq!(cache.held(&key).unwrap().age(), Duration::from_secs(1234));
    sleep(Duration::from_hours(2)).await;
    assert_eq!(cache.held(&key).unwrap().age(), Duration::from_secs(1234));
    time.pass_to(Duration::from_hours(1));
    assert!(cache.held(&key).is_none());
}
