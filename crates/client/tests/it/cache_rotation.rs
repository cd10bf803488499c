use std::time::Duration;

use strongroom_client::{CacheError, SecretKey};
use tokio::time::sleep;

use crate::cache_world::{World, cache, lifetimes, named, version};

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
    assert_eq!(world.calls(), 3);
    sleep(Duration::from_secs(6)).await;
    version(&cache, &short).await;
    version(&cache, &usual).await;
    assert_eq!(world.calls(), 4);
}
