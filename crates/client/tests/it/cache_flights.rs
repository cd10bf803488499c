use std::time::Duration;

use strongroom_client::{
    CacheError, CacheSettings, Lifetimes, SecretKey, SecretName, SecurityClass, Selector,
};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

use crate::cache_world::{
    Mood, World, cache, cache_with, lifetimes, read_at_once, status, version,
};

#[tokio::test(start_paused = true)]
async fn ten_thousand_misses_are_one_call() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let answers = read_at_once(&cache, &SecretKey::of_id("a"), 10_000).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().bundle().version_number == 1));
    let metrics = cache.metrics();
    assert_eq!((world.calls(), metrics.calls, metrics.misses), (1, 1, 10_000));
}

/// The same with four threads at work and time as it passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_misses_of_four_threads_are_one_call() {
    let world = World::new(false);
    world.state().delay = Duration::from_millis(500);
    let cache = cache(&world, lifetimes(600, 0));
    let key = SecretKey::of_id("a");
    for round in 1..4 {
        let answers = read_at_once(&cache, &key, 10_000).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(world.calls(), round);
        cache.invalidate("a");
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_four_readers_of_an_expired_key_make_one_call() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(1, 0));
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    for round in 2..10 {
        advance(Duration::from_secs(2)).await;
        let answers = read_at_once(&cache, &key, 64).await;
        assert!(answers.into_iter().all(|answer| !answer.unwrap().is_stale()));
        assert_eq!(world.calls(), round);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_while_a_value_in_use_is_asked_for_again() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(1, 0));
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    let read = |at: u64| {
        let (cache, key) = (cache.clone(), key.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(at)).await;
            for _ in 0..6_000 {
                let asked = Instant::now();
                let found = cache.get(&key).await.unwrap();
                assert_eq!(asked.elapsed(), Duration::ZERO);
                assert!(!found.is_stale() && found.age() < Duration::from_millis(1_100));
                sleep(Duration::from_millis(10)).await;
            }
        })
    };
    let readers: Vec<_> = (0..64).map(read).collect();
    for reader in readers {
        reader.await.unwrap();
    }
    let calls = world.calls();
    assert!((64..=92).contains(&calls), "{calls} calls in a minute of a TTL of 1 s");
    assert_eq!(cache.metrics().refreshes, u64::try_from(calls).unwrap() - 1);
    assert_eq!(cache.metrics().hits, 64 * 6_000);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_goes_away_takes_nothing_with_it() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let key = SecretKey::of_id("a");
    let begin = || {
        let (cache, key) = (cache.clone(), key.clone());
        tokio::spawn(async move { cache.get(&key).await.map(|found| found.is_stale()) })
    };
    let leader = begin();
    yield_now().await;
    let follower = begin();
    yield_now().await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    assert!(!follower.await.unwrap().unwrap());
    cache.invalidate_all();
    let alone = begin();
    yield_now().await;
    yield_now().await;
    alone.abort();
    sleep(Duration::from_secs(1)).await;
    cache.get(&key).await.unwrap();
    assert_eq!((world.calls(), cache.metrics().hits), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_told_to_all_and_over() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let key = SecretKey::of_id("a");
    world.be(Mood::Panics);
    for answer in read_at_once(&cache, &key, 100).await {
        let error = answer.unwrap_err();
        assert!(matches!(error, CacheError::BrokenOff { .. }));
        assert_eq!(error.to_string(), "the read of secret `a` broke off");
    }
    assert_eq!((world.calls(), cache.metrics().failures), (1, 1));
    world.be(Mood::Answers);
    sleep(Duration::from_millis(101)).await;
    assert_eq!(version(&cache, &key).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_value_outlives_a_refresh_that_panics() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(10, 0));
    let key = SecretKey::of_id("a");
    cache.get(&key).await.unwrap();
    world.be(Mood::Panics);
    advance(Duration::from_millis(8_600)).await;
    for _ in 0..3 {
        cache.get(&key).await.unwrap();
        sleep(Duration::from_millis(60)).await;
    }
    assert!(world.calls() > 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_shared_by_all_who_waited_and_believed_for_a_moment() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let key = SecretKey::of_id("a");
    world.be(Mood::Refuses(503));
    for answer in read_at_once(&cache, &key, 100).await {
        let error = answer.unwrap_err();
        assert_eq!(error.to_string(), "cannot read secret `a`: 503 Code503: m");
    }
    assert_eq!(status(&cache.get(&key).await.unwrap_err()), 503);
    assert_eq!((world.calls(), cache.metrics().negative_answers), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn versions_are_entries_apart() {
    let world = World::new(false);
    let cache = cache(&world, lifetimes(60, 0));
    let of = |selector| SecretKey::new(SecretName::Id("a".to_owned()), selector);
    for selector in [Selector::Current, Selector::Number(1), Selector::Stage("PENDING".to_owned())]
    {
        cache.get(&of(selector.clone())).await.unwrap();
        cache.get(&of(selector)).await.unwrap();
    }
    assert_eq!((world.calls(), cache.metrics().entries), (3, 3));
    cache.invalidate("a");
    assert_eq!((cache.metrics().entries, cache.metrics().invalidations), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_than_allowed_are_made_at_once() {
    let world = World::new(false);
    let settings =
        CacheSettings { calls_max: 3, lifetimes: lifetimes(60, 0), ..CacheSettings::default() };
    let cache = cache_with(&world, settings);
    let read = |number: usize| {
        let (cache, key) = (cache.clone(), SecretKey::of_id(&number.to_string()));
        tokio::spawn(async move { cache.get(&key).await.map(|_found| ()) })
    };
    let reads: Vec<_> = (0..30).map(read).collect();
    for read in reads {
        read.await.unwrap().unwrap();
    }
    assert_eq!((world.calls(), world.state().most_at_once), (30, 3));
}

#[tokio::test(start_paused = true)]
async fn development_is_always_fresh() {
    let world = World::new(false);
    let cache = cache(&world, Lifetimes::of(SecurityClass::Development));
    let key = SecretKey::of_id("a");
    for number in 1..4 {
        assert_eq!(version(&cache, &key).await, number);
        world.change("a");
    }
    let metrics = cache.metrics();
    assert_eq!((world.calls(), metrics.hits, metrics.entries), (3, 0, 0));
    assert_eq!(cache.get(&key).await.unwrap().bundle().version_number, 4);
}
