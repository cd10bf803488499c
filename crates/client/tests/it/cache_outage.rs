use std::time::Duration;

use strongroom_client::{CacheError, CacheSettings, SecretKey};
use tokio::time::{Instant, advance, sleep};

use crate::cache_world::{
    Mood, World, cache, cache_with, lifetimes, named, read_at_once, status, version,
};

/// A TTL of a minute, five minutes beyond it, and ten minutes without the service.
#[tokio::test(start_paused = true)]
async fn an_outage_is_bridged_within_the_bound_then_told_and_recovered_from_with_one_call() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 300));
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    world.be(Mood::IsLost);
    let begun = Instant::now();
    let (mut last_answer, mut first_error) = (Duration::ZERO, None);
    while begun.elapsed() < Duration::from_mins(10) {
        match cache.get(&key).await {
            Ok(found) => {
                assert!(first_error.is_none(), "an answer after an error");
                assert!(found.age() < Duration::from_secs(366));
                assert!(found.is_stale() || found.age() < Duration::from_secs(66));
                last_answer = begun.elapsed();
            }
            Err(error) => {
                first_error.get_or_insert_with(|| (begun.elapsed(), error.to_string()));
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
    let (failed_after, told) = first_error.unwrap();
    assert!((354..=366).contains(&failed_after.as_secs()), "{failed_after:?}");
    assert!(last_answer < failed_after && cache.metrics().stale_answers > 250);
    let wanted = "cannot read secret `a`, and the value of ";
    assert!(told.starts_with(wanted), "{told}");
    assert!(
        told.ends_with(
            "is too old: cannot read secret `a`: no answer from vault:1: connection refused"
        ),
        "{told}"
    );
    let calls = world.calls();
    assert!((120..=250).contains(&calls), "{calls} calls in 10 minutes of pauses of 2.5 to 5 s");
    world.be(Mood::Answers);
    sleep(Duration::from_secs(5)).await;
    for answer in read_at_once(&cache, &key, 1_000).await {
        assert!(!answer.unwrap().is_stale());
    }
    assert_eq!(world.calls(), calls + 1);
}

#[tokio::test(start_paused = true)]
async fn many_secrets_recover_with_one_call_each() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 300));
    let keys: Vec<_> = (0..50).map(|number| SecretKey::of_id(&number.to_string())).collect();
    for key in &keys {
        cache.get(key).await.unwrap();
    }
    world.be(Mood::Refuses(503));
    advance(Duration::from_secs(70)).await;
    for _ in 0..60 {
        for key in &keys {
            assert!(cache.get(key).await.unwrap().is_stale());
        }
        sleep(Duration::from_secs(1)).await;
    }
    world.be(Mood::Answers);
    let calls = world.calls();
    for _ in 0..20 {
        for key in &keys {
            read_at_once(&cache, key, 20).await;
        }
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(world.calls(), calls + keys.len());
    assert!(world.state().most_at_once <= 16);
}

/// Half of the secrets have a value to go on with; of the others the failure is held.
#[tokio::test(start_paused = true)]
async fn no_pause_outlasts_the_silence_of_the_service() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 600));
    let keys: Vec<_> = (0..50).map(|number| SecretKey::of_id(&number.to_string())).collect();
    for key in &keys[..25] {
        cache.get(key).await.unwrap();
    }
    world.be(Mood::IsLost);
    advance(Duration::from_secs(70)).await;
    for _ in 0..60 {
        for key in &keys {
            read_at_once(&cache, key, 1).await;
        }
        sleep(Duration::from_secs(1)).await;
    }
    world.be(Mood::Answers);
    let calls = world.calls();
    while world.calls() == calls {
        for key in &keys {
            read_at_once(&cache, key, 1).await;
        }
        sleep(Duration::from_millis(10)).await;
    }
    for key in &keys {
        assert!(!read_at_once(&cache, key, 20).await.pop().unwrap().unwrap().is_stale());
    }
    assert_eq!(world.calls(), calls + keys.len());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_never_masked() {
    for refused in [401, 403, 404] {
        let world = World::new(false);
        let cache = cache(&world, lifetimes(60, 3600));
        let key = SecretKey::of_id("a");
        cache.get(&key).await.unwrap();
        advance(Duration::from_secs(70)).await;
        world.be(Mood::Refuses(refused));
        assert_eq!(status(&cache.get(&key).await.unwrap_err()), refused);
        world.be(Mood::IsLost);
        advance(Duration::from_secs(6)).await;
        let error = cache.get(&key).await.unwrap_err();
        assert!(matches!(error, CacheError::Upstream { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_felt_when_a_value_in_use_is_asked_for_again() {
    for refused in [401, 403, 404] {
        let world = World::new(false);
        let cache = cache(&world, lifetimes(60, 3600));
        let key = SecretKey::of_id("a");
        let begun = Instant::now();
        cache.get(&key).await.unwrap();
        world.be(Mood::Refuses(refused));
        while cache.get(&key).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_used_beyond_its_ttl_unless_told() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    world.be(Mood::Refuses(500));
    let begun = Instant::now();
    while cache.get(&key).await.is_ok() {
        sleep(Duration::from_millis(100)).await;
    }
    assert!((53..=66).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(cache.metrics().stale_answers, 0);
}

/// What says nothing about the service being down is no reason to use what is old.
#[tokio::test(start_paused = true)]
async fn a_wrong_request_is_not_bridged() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 3600));
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    world.be(Mood::Refuses(400));
    advance(Duration::from_secs(70)).await;
    assert_eq!(status(&cache.get(&key).await.unwrap_err()), 400);
}

#[tokio::test(start_paused = true)]
async fn one_read_is_patient_with_a_service_that_hangs() {
    let world = World::new(false);
    let patience = Duration::from_secs(2);
    let settings =
        CacheSettings { patience, lifetimes: lifetimes(60, 300), ..CacheSettings::default() };
    let cache = cache_with(&world, settings);
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    advance(Duration::from_secs(70)).await;
    world.be(Mood::Hangs);
    let asked = Instant::now();
    assert!(cache.get(&key).await.unwrap().is_stale());
    assert_eq!(asked.elapsed(), patience);
    for _ in 0..100 {
        assert!(cache.get(&key).await.unwrap().is_stale());
    }
    assert_eq!(asked.elapsed(), patience);
    assert_eq!(world.calls(), 2);
}

/// While a read waits for the service, another learns that the secret is the caller's no longer.
#[tokio::test(start_paused = true)]
async fn a_read_that_waits_does_not_fall_back_on_what_was_taken_away() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 300));
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    advance(Duration::from_secs(70)).await;
    {
        let mut state = world.state();
        state.delay = Duration::from_secs(10);
        state.mood = Mood::Refuses(503);
    }
    let waiting = {
        let (cache, key) = (cache.clone(), key.clone());
        tokio::spawn(async move { cache.get(&key).await.map(|found| found.is_stale()) })
    };
    sleep(Duration::from_millis(500)).await;
    cache.invalidate("a");
    assert_eq!(status(&waiting.await.unwrap().unwrap_err()), 503);
}

#[tokio::test(start_paused = true)]
async fn absence_is_believed_for_five_seconds_from_when_it_was_told() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    for key in [SecretKey::of_id("a"), named("b")] {
        world.be(Mood::Refuses(404));
        let calls = world.calls();
        for _ in 0..49 {
            assert_eq!(status(&cache.get(&key).await.unwrap_err()), 404);
            advance(Duration::from_millis(100)).await;
        }
        assert_eq!(world.calls(), calls + 1);
        world.be(Mood::Answers);
        advance(Duration::from_millis(101)).await;
        assert_eq!(version(&cache, &key).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_absence_is_believed() {
    for refused in [400, 401, 403, 409] {
        let world = World::new(false);
        world.be(Mood::Refuses(refused));
        let cache = cache(&world, lifetimes(60, 60));
        for reads in 1..4 {
            assert_eq!(status(&cache.get(&named("a")).await.unwrap_err()), refused);
            assert_eq!(world.calls(), reads);
        }
    }
}
