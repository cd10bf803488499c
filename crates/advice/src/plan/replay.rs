use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strongroom_client::{
    CacheSettings, ClientError, Lifetimes, SecretBundle, SecretCache, SecretChanges, SecretKey,
    ToldTime, Upstream,
};
use strongroom_model::{Random, Sensitive, Timestamp};
use tokio::task::yield_now;

use super::error::PlanError;
use super::trace::{Read, Trace};

/// Memory for each consumer and secret: more than an entry takes, so that nothing makes room, as in
/// caches that each consumer has for itself.
const BYTES_EACH: u64 = 4096;
const BYTES_MIN: u64 = 16 * 1024 * 1024;
/// How often a call that was begun is waited for.
const TURNS_MAX: usize = 1000;
const SECOND_NANOS: u64 = 1_000_000_000;

/// What a cache makes of a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Replay {
    /// Calls to the service.
    pub(super) requests: u64,
    /// Mean and greatest age of the values that were served.
    pub(super) age_mean: Duration,
    pub(super) age_max: Duration,
    /// Calls in the busiest second.
    pub(super) peak: usize,
    /// The same without the first call for each consumer and secret.
    pub(super) peak_warm: usize,
    /// Calls that a limit would have refused.
    pub(super) throttled: u64,
}

/// Replays a trace through the cache that applications use, on time that is told.
///
/// # Errors
/// [`PlanError::Replay`].
pub(super) fn replay(
    trace: &Trace,
    lifetimes: Lifetimes,
    limit: Option<u32>,
) -> Result<Replay, PlanError> {
    let broken = |error: std::io::Error| PlanError::Replay(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.map_err(broken)?.block_on(replay_within(trace, lifetimes, limit))
}

async fn replay_within(
    trace: &Trace,
    lifetimes: Lifetimes,
    limit: Option<u32>,
) -> Result<Replay, PlanError> {
    let bench = Bench::new(trace.pairs, lifetimes)?;
    let keys: Vec<SecretKey> =
        (0..trace.pairs).map(|pair| SecretKey::of_id(&pair.to_string())).collect();
    let mut tally = Tally::new(limit);
    let mut is_warm = vec![false; keys.len()];
    for &Read { at_nanos, pair } in &trace.reads {
        let index = usize::try_from(pair).unwrap_or(usize::MAX);
        let (Some(key), Some(warm)) = (keys.get(index), is_warm.get_mut(index)) else {
            return Err(PlanError::Replay(format!("there is no consumer {pair}")));
        };
        let Served { asked_at_nanos, calls } = bench.read(key, at_nanos).await?;
        (0..calls).for_each(|_call| tally.call(at_nanos, *warm));
        tally.serve(at_nanos, asked_at_nanos);
        *warm = true;
    }
    Ok(tally.replay())
}

/// What a read was answered with.
struct Served {
    /// When the value was asked for.
    asked_at_nanos: u64,
    /// How many calls the read led to.
    calls: u64,
}

/// A cache over a service that counts.
struct Bench {
    told: Arc<ToldTime>,
    called: Arc<AtomicU64>,
    cache: SecretCache<Counting>,
}

impl Bench {
    fn new(pairs: u32, lifetimes: Lifetimes) -> Result<Self, PlanError> {
        let told = Arc::new(ToldTime::starting_at(Timestamp::UNIX_EPOCH));
        let called = Arc::<AtomicU64>::default();
        let counting = Counting { told: Arc::clone(&told), called: Arc::clone(&called) };
        let settings = CacheSettings {
            capacity_bytes: (u64::from(pairs) * BYTES_EACH).max(BYTES_MIN),
            lifetimes,
            ..CacheSettings::default()
        };
        let random = Arc::new(Draws::default());
        let cache = SecretCache::start_on_told_time(counting, settings, &told, random);
        let cache = cache.map_err(|error| PlanError::Replay(error.to_string()))?;
        Ok(Self { told, called, cache })
    }

    async fn read(&self, key: &SecretKey, at_nanos: u64) -> Result<Served, PlanError> {
        self.told.pass_to(Duration::from_nanos(at_nanos));
        if let Some(held) = self.cache.held(key) {
            return Ok(Served { asked_at_nanos: held.bundle().version_number, calls: 0 });
        }
        let before = self.called.load(Ordering::Relaxed);
        let found = self.cache.get(key).await;
        let found = found.map_err(|error| PlanError::Replay(error.to_string()))?;
        self.settle().await?;
        let calls = self.called.load(Ordering::Relaxed) - before;
        Ok(Served { asked_at_nanos: found.bundle().version_number, calls })
    }

    /// Waits for the call that a read began and that its answer did not wait for.
    async fn settle(&self) -> Result<(), PlanError> {
        for _turn in 0..TURNS_MAX {
            let metrics = self.cache.metrics();
            if self.called.load(Ordering::Relaxed) == metrics.misses + metrics.refreshes {
                return Ok(());
            }
            yield_now().await;
        }
        Err(PlanError::Replay("a call did not come back".to_owned()))
    }
}

/// A service that always answers at once; a version's number is the time of the call.
#[derive(Debug)]
struct Counting {
    told: Arc<ToldTime>,
    called: Arc<AtomicU64>,
}

impl Upstream for Counting {
    async fn bundle(&self, key: &SecretKey) -> Result<SecretBundle, ClientError> {
        self.called.fetch_add(1, Ordering::Relaxed);
        Ok(SecretBundle {
            secret_id: key.title().to_owned(),
            version_number: u64::try_from(self.told.elapsed().as_nanos()).unwrap_or(u64::MAX),
            version_name: None,
            stages: Vec::new(),
            time_created: None,
            metadata: BTreeMap::new(),
            content: Sensitive::new(Vec::new()),
        })
    }

    async fn rotation_interval(&self, _secret_id: &str) -> Result<Option<Duration>, ClientError> {
        Ok(None)
    }

    fn may_have_feed(&self) -> bool {
        false
    }

    async fn changes(
        &self,
        after: Option<&str>,
        _wait: Duration,
    ) -> Result<SecretChanges, ClientError> {
        let cursor = after.unwrap_or_default().to_owned();
        Ok(SecretChanges { cursor, is_reset: false, changes: Vec::new() })
    }
}

/// Draws that are the same in every replay, so that a plan can be repeated (splitmix64).
#[derive(Debug, Default)]
pub(super) struct Draws(AtomicU64);

impl Random for Draws {
    fn fill(&self, bytes: &mut [u8]) {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in bytes.chunks_mut(8) {
            let mut drawn = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            drawn ^= drawn >> 31;
            for (byte, from) in chunk.iter_mut().zip(drawn.to_be_bytes()) {
                *byte = from;
            }
        }
    }
}

/// What is counted while a trace is replayed.
#[derive(Debug)]
struct Tally {
    requests: u64,
    served: u64,
    ages_nanos: u128,
    age_max_nanos: u64,
    all: Busiest,
    warm: Busiest,
    limit: Option<usize>,
    admitted: Busiest,
    throttled: u64,
}

impl Tally {
    fn new(limit: Option<u32>) -> Self {
        Self {
            requests: 0,
            served: 0,
            ages_nanos: 0,
            age_max_nanos: 0,
            all: Busiest::default(),
            warm: Busiest::default(),
            limit: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            admitted: Busiest::default(),
            throttled: 0,
        }
    }

    fn call(&mut self, at_nanos: u64, is_warm: bool) {
        self.requests += 1;
        self.all.add(at_nanos);
        if is_warm {
            self.warm.add(at_nanos);
        }
        if let Some(limit) = self.limit {
            if self.admitted.within(at_nanos) < limit {
                self.admitted.add(at_nanos);
            } else {
                self.throttled += 1;
            }
        }
    }

    fn serve(&mut self, at_nanos: u64, asked_at_nanos: u64) {
        let age = at_nanos.saturating_sub(asked_at_nanos);
        self.served += 1;
        self.ages_nanos += u128::from(age);
        self.age_max_nanos = self.age_max_nanos.max(age);
    }

    fn replay(self) -> Replay {
        let mean = self.ages_nanos / u128::from(self.served.max(1));
        Replay {
            requests: self.requests,
            age_mean: Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)),
            age_max: Duration::from_nanos(self.age_max_nanos),
            peak: self.all.most,
            peak_warm: self.warm.most,
            throttled: self.throttled,
        }
    }
}

/// The most calls within any second.
#[derive(Debug, Default)]
struct Busiest {
    last_second: VecDeque<u64>,
    most: usize,
}

impl Busiest {
    /// Returns how many there were in the second before.
    fn within(&mut self, at_nanos: u64) -> usize {
        let is_over = |then: &u64| then.saturating_add(SECOND_NANOS) <= at_nanos;
        while self.last_second.front().is_some_and(is_over) {
            self.last_second.pop_front();
        }
        self.last_second.len()
    }

    fn add(&mut self, at_nanos: u64) {
        let before = self.within(at_nanos);
        self.last_second.push_back(at_nanos);
        self.most = self.most.max(before + 1);
    }
}
