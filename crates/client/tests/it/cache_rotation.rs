use std::collections::HashMap;
use std::time::Duration;

use strongroom_client::{CacheError, SecretKey};
use tokio::time::sleep;

use crate::cache_world::{Mood, World, cache, lifetimes, named, version};

#[tokio::test(start_paused = true)]
async fn a_ttl_that_is_not_below_the_rotation_interval_is_refused() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let minutes = |minutes: u64| Some(Duration::from_mins(minutes));
    for key in [SecretKey::of_id("a"), named("a")] {
        world.state().interval = minutes(30);
        let error = cache.set_checked_lifetimes(&key, lifetimes(1800, 0)).await.unwrap_err();
        assert!(matches!(error, CacheError::TtlExceedsRotation { .. }));
        let told = error.to_string();
        assert!(told.contains("TTL 30 min") && told.ends_with("a`, 30 min"), "{told}");
        cache.set_checked_lifetimes(&key, lifetimes(600, 0)).await.unwrap();
        world.state().interval = None;
        cache.set_checked_lifetimes(&key, lifetimes(3600, 0)).await.unwrap();
        let error = cache.set_checked_lifetimes(&key, lifetimes(3601, 0)).await.unwrap_err();
        assert!(matches!(error, CacheError::LifetimeTooLong { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_has_the_ttl_that_was_laid_down_for_it() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let (short, usual) = (SecretKey::of_id("a"), SecretKey::of_id("b"));
    version(&cache, &short).await;
    version(&cache, &usual).await;
    cache.set_lifetimes(&short, lifetimes(5, 0), None).unwrap();
    cache.set_lifetimes(&short, lifetimes(5, 0), Some(Duration::from_secs(5))).unwrap_err();
    version(&cache, &short).await;
    assert_eq!(world.calls(), 2);
    sleep(Duration::from_secs(6)).await;
    version(&cache, &short).await;
    version(&cache, &usual).await;
    assert_eq!(world.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_outlasts_lifetimes_that_are_laid_down_while_nothing_answers() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let (own, usual) = (SecretKey::of_id("a"), SecretKey::of_id("b"));
    version(&cache, &own).await;
    version(&cache, &usual).await;
    world.be(Mood::IsLost);
    for _ in 0..2 {
        cache.set_lifetimes(&own, lifetimes(30, 600), None).unwrap();
        assert_eq!(version(&cache, &own).await, 1);
    }
    cache
        .replace_lifetimes(lifetimes(40, 0), HashMap::from([(own.clone(), lifetimes(3601, 0))]))
        .unwrap_err();
    cache
        .replace_lifetimes(lifetimes(60, 300), HashMap::from([(own.clone(), lifetimes(30, 600))]))
        .unwrap();
    sleep(Duration::from_mins(2)).await;
    for key in [&own, &usual] {
        assert!(cache.get(key).await.unwrap().is_stale());
    }
    cache.replace_lifetimes(lifetimes(60, 0), HashMap::new()).unwrap();
    for key in [&own, &usual] {
        cache.get(key).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn other_lifetimes_are_in_force_for_what_is_held_and_those_that_are_not_named_any_more_end() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(3600, 0));
    let (own, usual) = (SecretKey::of_id("a"), SecretKey::of_id("b"));
    cache.set_lifetimes(&own, lifetimes(5, 0), None).unwrap();
    version(&cache, &own).await;
    version(&cache, &usual).await;
    cache.replace_lifetimes(lifetimes(600, 0), HashMap::new()).unwrap();
    sleep(Duration::from_mins(5)).await;
    assert!(cache.held(&own).is_some() && cache.held(&usual).is_some());
    sleep(Duration::from_secs(400)).await;
    assert!(cache.held(&own).is_none() && cache.held(&usual).is_none());
    version(&cache, &own).await;
    cache.replace_lifetimes(lifetimes(0, 0), HashMap::new()).unwrap();
    assert!(cache.held(&own).is_none());
    assert_eq!((world.calls(), cache.metrics().entries), (3, 0));
}
