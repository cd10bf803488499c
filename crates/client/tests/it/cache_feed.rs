use std::sync::{Arc, Mutex};
use std::time::Duration;

use strongroom_client::{CacheSettings, SecretCache, SecretKey};
use strongroom_model::{Clock, Timestamp};
use tokio::time::{Instant, sleep};

use crate::cache_world::{Cache, Chance, Mood, World, cache, lifetimes, named, status, version};

const SETTLED: Duration = Duration::from_millis(200);

async fn following() -> (std::sync::Arc<World>, Cache) {
    let world = World::new(true);
    let cache = cache(&world, lifetimes(600, 600));
    sleep(SETTLED).await;
    assert!(cache.metrics().is_following);
    (world, cache)
}

#[tokio::test(start_paused = true)]
async fn a_change_is_felt_within_a_second_and_nothing_else_is_forgotten() {
    let (world, cache) = following().await;
    let (a, b) = (SecretKey::of_id("a"), SecretKey::of_id("b"));
    for key in [&a, &b, &named("a")] {
        assert_eq!(version(&cache, key).await, 1);
    }
    for number in 2..20 {
        world.change("a");
        sleep(Duration::from_secs(1)).await;
        for key in [&a, &named("a")] {
            assert_eq!(version(&cache, key).await, number);
        }
        assert_eq!(version(&cache, &b).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_policy_is_felt_at_once() {
    let (world, cache) = following().await;
    let key = SecretKey::of_id("a");
    version(&cache, &key).await;
    world.be(Mood::Refuses(404));
    world.reset_feed();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(status(&cache.get(&key).await.unwrap_err()), 404);
}

#[tokio::test(start_paused = true)]
async fn an_absence_ends_with_the_secret_that_is_made() {
    let (world, cache) = following().await;
    world.be(Mood::Refuses(404));
    cache.get(&named("a")).await.unwrap_err();
    world.be(Mood::Answers);
    world.change("a");
    sleep(Duration::from_millis(10)).await;
    assert_eq!(version(&cache, &named("a")).await, 2);
}

/// The slow call began before the change and comes back after the next call: its value goes to
/// those who waited for it, and is not kept.
#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let (world, cache) = following().await;
    for key in [SecretKey::of_id("a"), named("a")] {
        let before = world.state().version;
        world.state().delay = Duration::from_secs(10);
        let slow = {
            let (cache, key) = (cache.clone(), key.clone());
            tokio::spawn(async move { version(&cache, &key).await })
        };
        sleep(Duration::from_secs(5)).await;
        world.change("a");
        sleep(SETTLED).await;
        for delay in [1, 10] {
            world.state().delay = Duration::from_secs(delay);
            assert_eq!(version(&cache, &key).await, before + 1);
        }
        assert_eq!(slow.await.unwrap(), before);
        assert_eq!(version(&cache, &key).await, before + 1);
    }
    assert_eq!(world.calls(), 4);
}

/// A refusal that a change has overtaken takes nothing away.
#[tokio::test(start_paused = true)]
async fn a_refusal_from_before_a_change_is_not_kept_after_it() {
    let (world, cache) = following().await;
    let key = SecretKey::of_id("a");
    for refused in [403, 404, 503] {
        world.state().delay = Duration::from_secs(10);
        world.be(Mood::Refuses(refused));
        let slow = {
            let (cache, key) = (cache.clone(), key.clone());
            tokio::spawn(async move { status(&cache.get(&key).await.unwrap_err()) })
        };
        sleep(Duration::from_secs(5)).await;
        world.change("a");
        world.be(Mood::Answers);
        world.state().delay = Duration::from_secs(1);
        sleep(SETTLED).await;
        let found = version(&cache, &key).await;
        assert_eq!(slow.await.unwrap(), refused);
        let calls = world.calls();
        assert_eq!((version(&cache, &key).await, world.calls()), (found, calls));
        cache.invalidate("a");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_feed_leaves_it_to_the_ttl() {
    for absent in [404, 501] {
        let world = World::new(true);
        world.state().feed = Mood::Refuses(absent);
        let cache = cache(&world, lifetimes(60, 0));
        let key = SecretKey::of_id("a");
        version(&cache, &key).await;
        world.change("a");
        let begun = Instant::now();
        while version(&cache, &key).await == 1 {
            sleep(Duration::from_secs(1)).await;
        }
        assert!((40..=66).contains(&begun.elapsed().as_secs()));
        sleep(Duration::from_secs(200)).await;
        assert_eq!((world.state().feed_calls, cache.metrics().is_following), (1, false));
    }
}

/// A feed that was lost goes on where it was: what changed meanwhile is told then, the rest stays.
#[tokio::test(start_paused = true)]
async fn a_lost_feed_goes_on_where_it_was() {
    let (world, cache) = following().await;
    let (a, b) = (SecretKey::of_id("a"), SecretKey::of_id("b"));
    version(&cache, &a).await;
    version(&cache, &b).await;
    world.state().feed = Mood::Refuses(503);
    sleep(Duration::from_secs(40)).await;
    world.change("a");
    sleep(Duration::from_secs(2)).await;
    assert_eq!((version(&cache, &a).await, cache.metrics().is_following), (1, false));
    world.state().feed = Mood::Answers;
    sleep(Duration::from_secs(6)).await;
    assert_eq!((version(&cache, &a).await, version(&cache, &b).await), (2, 1));
    assert_eq!(world.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_missed_is_forgotten_with_the_rest() {
    let (world, cache) = following().await;
    for wrong in [None, Some(400), Some(401), Some(403)] {
        let key = SecretKey::of_id("a");
        version(&cache, &key).await;
        let calls = world.calls();
        version(&cache, &key).await;
        assert_eq!(world.calls(), calls);
        match wrong {
            Some(status) => world.state().feed = Mood::Refuses(status),
            None => world.reset_feed(),
        }
        sleep(Duration::from_secs(20)).await;
        version(&cache, &key).await;
        assert_eq!(world.calls(), calls + 1, "{wrong:?}");
        world.state().feed = Mood::Answers;
        sleep(Duration::from_secs(10)).await;
    }
}

/// Something before the service refuses what it does not know: that says nothing about secrets.
#[tokio::test(start_paused = true)]
async fn a_feed_that_was_never_there_takes_nothing_away() {
    let world = World::new(true);
    world.state().feed = Mood::Refuses(403);
    let cache = cache(&world, lifetimes(3000, 0));
    let key = SecretKey::of_id("a");
    for _ in 0..400 {
        version(&cache, &key).await;
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(world.calls(), 1);
    assert!(world.state().feed_calls < 30);
}

#[derive(Debug)]
struct Turned(Mutex<Timestamp>);

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// The machine slept: time has passed on the wall that nothing measured.
#[tokio::test(start_paused = true)]
async fn time_that_was_not_measured_counts() {
    let world = World::new(false);
    let clock = Arc::new(Turned(Mutex::new(Timestamp::UNIX_EPOCH)));
    let settings = CacheSettings { lifetimes: lifetimes(600, 600), ..CacheSettings::default() };
    let fake = world.fake();
    let cache =
        SecretCache::start(fake, settings, Arc::<Turned>::clone(&clock), Chance::new(1)).unwrap();
    let key = SecretKey::of_id("a");
    version(&cache, &key).await;
    for (leap_secs, calls) in [(1, 1), (3600, 2)] {
        sleep(Duration::from_secs(3)).await;
        {
            let mut now = clock.0.lock().unwrap();
            *now += Duration::from_secs(leap_secs);
        }
        sleep(Duration::from_secs(1)).await;
        version(&cache, &key).await;
        assert_eq!(world.calls(), calls);
    }
}
