use std::time::Duration;

use strongroom_client::{CacheSettings, SecretKey};
use tokio::time::sleep;

use crate::cache_world::{World, cache, cache_with, lifetimes, version};

const CAPACITY: u64 = 64 * 1024;

#[tokio::test(start_paused = true)]
async fn what_is_held_stays_below_the_capacity() {
    let world = World::new(false);
    world.state().bytes = 1024;
    let settings = CacheSettings {
        capacity_bytes: CAPACITY,
        lifetimes: lifetimes(60, 0),
        ..CacheSettings::default()
    };
    let cache = cache_with(&world, settings);
    for number in 0..500 {
        version(&cache, &SecretKey::of_id(&format!("n{number}"))).await;
        assert!(cache.metrics().bytes <= CAPACITY);
    }
    let metrics = cache.metrics();
    assert!((10..=21).contains(&metrics.entries), "{metrics:?}");
    assert_eq!(metrics.evictions + metrics.entries, 500);
    world.state().bytes = 128 * 1024;
    let large = cache.get(&SecretKey::of_id("large")).await.unwrap();
    assert_eq!(large.content().expose().len(), 128 * 1024);
    assert!(cache.metrics().bytes <= CAPACITY);
}

#[tokio::test(start_paused = true)]
async fn what_is_read_anew_makes_room_for_nothing() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 600));
    for calls in 1..4 {
        version(&cache, &SecretKey::of_id("a")).await;
        assert_eq!((world.calls(), cache.metrics().evictions), (calls, 0));
        sleep(Duration::from_secs(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_over_does_not_stay_in_memory() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 60));
    for number in 0..10 {
        version(&cache, &SecretKey::of_id(&format!("n{number}"))).await;
    }
    sleep(Duration::from_secs(90)).await;
    assert_eq!(cache.metrics().entries, 10);
    sleep(Duration::from_secs(70)).await;
    assert_eq!((cache.metrics().entries, cache.metrics().bytes), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_takes_everything_along() {
    let world = World::new(true);
    let cache = cache(&world, lifetimes(60, 60));
    version(&cache, &SecretKey::of_id("a")).await;
    let calls = world.state().feed_calls;
    drop(cache);
    sleep(Duration::from_mins(5)).await;
    assert!(world.state().feed_calls <= calls + 1);
    assert_eq!(std::sync::Arc::strong_count(&world), 1, "the cache is still there");
}
