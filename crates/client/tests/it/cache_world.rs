use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use strongroom_client::{
    CacheError, CacheSettings, CachedSecret, ClientError, Lifetimes, SecretBundle, SecretCache,
    SecretChange, SecretChanges, SecretKey, SecretName, Selector, ServiceError, Upstream,
};
use strongroom_model::{Random, Sensitive};
use strongroom_testkit::Dice;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::script::FixedClock;

/// What the service does with the next calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answers,
    Refuses(u16),
    IsLost,
    Hangs,
    Panics,
}

/// A call that was answered with a value: its number is the value's content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) begun: Instant,
    pub(crate) version: u64,
}

pub(crate) struct State {
    pub(crate) mood: Mood,
    pub(crate) feed: Mood,
    pub(crate) delay: Duration,
    pub(crate) version: u64,
    pub(crate) bytes: usize,
    pub(crate) calls: usize,
    pub(crate) at_once: usize,
    pub(crate) most_at_once: usize,
    pub(crate) feed_calls: usize,
    pub(crate) readings: Vec<Reading>,
    pub(crate) refused: Vec<(Instant, Instant)>,
    pub(crate) interval: Option<Duration>,
    changes: Vec<(String, String)>,
    is_reset: bool,
}

/// The service, as the tests have it be.
pub(crate) struct World {
    state: Mutex<State>,
    pulse: Notify,
    has_feed: bool,
}

/// The cache's end of it.
pub(crate) struct Fake(Arc<World>);

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl World {
    pub(crate) fn new(has_feed: bool) -> Arc<Self> {
        let state = State {
            mood: Mood::Answers,
            feed: Mood::Answers,
            delay: Duration::from_millis(50),
            version: 1,
            bytes: 8,
            calls: 0,
            at_once: 0,
            most_at_once: 0,
            feed_calls: 0,
            readings: Vec::new(),
            refused: Vec::new(),
            interval: None,
            changes: Vec::new(),
            is_reset: false,
        };
        Arc::new(Self { state: Mutex::new(state), pulse: Notify::new(), has_feed })
    }

    pub(crate) fn fake(self: &Arc<Self>) -> Fake {
        Fake(Arc::clone(self))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Makes a new version, and tells the feed.
    pub(crate) fn change(&self, secret_id: &str) {
        let mut state = self.state();
        state.version += 1;
        state.changes.push((secret_id.to_owned(), format!("name of {secret_id}")));
        drop(state);
        self.pulse.notify_waiters();
    }

    pub(crate) fn reset_feed(&self) {
        self.state().is_reset = true;
        self.pulse.notify_waiters();
    }

    fn told(&self, after: Option<&str>) -> Option<SecretChanges> {
        let mut state = self.state();
        let known = after.map_or(state.changes.len(), |after| after.parse().unwrap());
        let is_reset = std::mem::take(&mut state.is_reset);
        let change = |(id, name): &(String, String)| SecretChange {
            secret_id: id.clone(),
            secret_name: Some(name.clone()),
            lifecycle_state: "ACTIVE".to_owned(),
            current_version_number: 2,
            etag: "e".to_owned(),
        };
        let changes: Vec<_> = state.changes[known..].iter().map(change).collect();
        let cursor = state.changes.len().to_string();
        let is_news = is_reset || after.is_none() || !changes.is_empty();
        is_news.then_some(SecretChanges { cursor, is_reset, changes })
    }
}

fn service(status: u16) -> ClientError {
    let (code, message) = (format!("Code{status}"), "m".to_owned());
    ClientError::Service(ServiceError {
        status,
        code,
        message,
        request_id: None,
        retry_after_secs: None,
    })
}

/// Does as told: comes back if the call is to be answered.
async fn act(mood: Mood) -> Result<(), ClientError> {
    match mood {
        Mood::Answers => Ok(()),
        Mood::Refuses(status) => Err(service(status)),
        Mood::IsLost => {
            let (host, why) = ("vault:1".to_owned(), "connection refused".to_owned());
            Err(ClientError::Unreachable { host, why, perhaps_arrived: false })
        }
        Mood::Hangs => pending().await,
        Mood::Panics => panic!("told to"),
    }
}

struct AtOnce<'a>(&'a World);

impl Drop for AtOnce<'_> {
    fn drop(&mut self) {
        self.0.state().at_once -= 1;
    }
}

impl Upstream for Fake {
    async fn bundle(&self, key: &SecretKey) -> Result<SecretBundle, ClientError> {
        let begun = Instant::now();
        let (mood, version, delay, bytes) = {
            let mut state = self.0.state();
            state.calls += 1;
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
            (state.mood, state.version, state.delay, state.bytes)
        };
        let _at_once = AtOnce(&self.0);
        sleep(delay).await;
        if let Mood::Refuses(401 | 403 | 404) = mood {
            self.0.state().refused.push((begun, Instant::now()));
        }
        act(mood).await?;
        let mut state = self.0.state();
        state.readings.push(Reading { begun, version });
        let number = state.readings.len() - 1;
        let mut content = number.to_be_bytes().to_vec();
        content.resize(bytes.max(8), 0);
        let secret_id = match key.secret() {
            SecretName::Id(id) => id.clone(),
            SecretName::InVault { name, .. } => name.trim_start_matches("name of ").to_owned(),
        };
        Ok(SecretBundle {
            secret_id,
            version_number: version,
            version_name: None,
            stages: vec!["CURRENT".to_owned()],
            time_created: None,
            metadata: BTreeMap::new(),
            content: Sensitive::new(content),
        })
    }

    async fn rotation_interval(&self, _secret_id: &str) -> Result<Option<Duration>, ClientError> {
        Ok(self.0.state().interval)
    }

    fn may_have_feed(&self) -> bool {
        self.0.has_feed
    }

    async fn changes(
        &self,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<SecretChanges, ClientError> {
        self.0.state().feed_calls += 1;
        let until = Instant::now() + wait;
        loop {
            let pulse = self.0.pulse.notified();
            let mood = self.0.state().feed;
            act(mood).await?;
            if let Some(told) = self.0.told(after) {
                return Ok(told);
            }
            let rest = until.saturating_duration_since(Instant::now());
            if timeout(rest, pulse).await.is_err() {
                let cursor = after.unwrap_or_default().to_owned();
                return Ok(SecretChanges { cursor, is_reset: false, changes: Vec::new() });
            }
        }
    }
}

/// Chance that can be repeated.
#[derive(Debug)]
pub(crate) struct Chance(Mutex<Dice>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Dice::new(Some(seed)))))
    }
}

impl Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap();
        bytes.fill_with(|| u8::try_from(dice.roll(256)).unwrap());
    }
}

pub(crate) type Cache = SecretCache<Fake>;

pub(crate) fn lifetimes(ttl_secs: u64, stale_secs: u64) -> Lifetimes {
    Lifetimes::default()
        .with_ttl(Duration::from_secs(ttl_secs))
        .with_stale_if_error(Duration::from_secs(stale_secs))
}

pub(crate) fn cache_with(world: &Arc<World>, settings: CacheSettings) -> Cache {
    SecretCache::start(world.fake(), settings, Arc::new(FixedClock), Chance::new(7)).unwrap()
}

pub(crate) fn cache(world: &Arc<World>, lifetimes: Lifetimes) -> Cache {
    cache_with(world, CacheSettings { lifetimes, ..CacheSettings::default() })
}

pub(crate) fn named(name: &str) -> SecretKey {
    let (vault_id, name) = ("v".to_owned(), format!("name of {name}"));
    SecretKey::new(SecretName::InVault { vault_id, name }, Selector::Current)
}

pub(crate) fn status(error: &CacheError) -> u16 {
    match error.client_error() {
        Some(ClientError::Service(error)) => error.status,
        _ => 0,
    }
}

/// Returns the number of the call that a value came from.
pub(crate) fn reading(found: &CachedSecret) -> usize {
    usize::from_be_bytes(found.content().expose()[..8].try_into().unwrap())
}

pub(crate) async fn version(cache: &Cache, key: &SecretKey) -> u64 {
    cache.get(key).await.unwrap().bundle().version_number
}

/// Reads at the same time, so many times, and returns what all were answered.
pub(crate) async fn read_at_once(
    cache: &Cache,
    key: &SecretKey,
    many: usize,
) -> Vec<Result<CachedSecret, CacheError>> {
    let read = || {
        let (cache, key) = (cache.clone(), key.clone());
        tokio::spawn(async move { cache.get(&key).await })
    };
    let reads: Vec<_> = (0..many).map(|_| read()).collect();
    let mut answers = Vec::new();
    for read in reads {
        answers.push(read.await.unwrap());
    }
    answers
}
