//! The client's cache: a read of what it holds beside a bare `quick_cache`, and what reads see of a
//! TTL that ends while they go on.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use strongroom_client::{
    CacheSettings, ClientError, Lifetimes, SecretBundle, SecretCache, SecretChanges, SecretKey,
    Upstream,
};
use strongroom_model::{Random, Sensitive, SystemClock};
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::histogram::Histogram;
use crate::plan::Plan;
use crate::report::spread;

/// Secrets that are read in turn.
const SECRETS: usize = 256;
/// Readers at the same time, and how long the service takes to answer.
const READERS: usize = 64;
const UPSTREAM: Duration = Duration::from_millis(50);
const TTL: Duration = Duration::from_secs(1);

/// Measures and prints both.
pub(crate) fn run(plan: &Plan) -> Outcome<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    hits(plan, &runtime)?;
    ends(plan, &runtime)
}

/// A service that answers everything after a while.
#[derive(Debug, Clone)]
struct Slow(Arc<AtomicU64>);

impl Upstream for Slow {
    async fn bundle(&self, key: &SecretKey) -> Result<SecretBundle, ClientError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(UPSTREAM).await;
        Ok(SecretBundle {
            secret_id: key.title().to_owned(),
            version_number: 1,
            version_name: None,
            stages: vec!["CURRENT".to_owned()],
            time_created: None,
            metadata: BTreeMap::new(),
            content: Sensitive::new(vec![7; 32]),
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
        _after: Option<&str>,
        _wait: Duration,
    ) -> Result<SecretChanges, ClientError> {
        Err(ClientError::Endpoint("there is no feed"))
    }
}

#[derive(Debug)]
struct Chance(AtomicU64);

impl Random for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let drawn = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (drawn.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8;
        }
    }
}

/// Takes the hash that a key brings along, as the client's cache does.
#[derive(Debug, Clone, Default)]
struct Brought;

#[derive(Debug, Default)]
struct BroughtHasher(u64);

impl BuildHasher for Brought {
    type Hasher = BroughtHasher;

    fn build_hasher(&self) -> BroughtHasher {
        BroughtHasher::default()
    }
}

impl Hasher for BroughtHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

fn started(ttl: Duration) -> Outcome<(SecretCache<Slow>, Arc<AtomicU64>)> {
    let calls = Arc::<AtomicU64>::default();
    let lifetimes = Lifetimes::default().with_ttl(ttl);
    let settings = CacheSettings { lifetimes, calls_max: SECRETS, ..CacheSettings::default() };
    let random = Arc::new(Chance(AtomicU64::new(1)));
    let upstream = Slow(Arc::clone(&calls));
    Ok((SecretCache::start(upstream, settings, Arc::new(SystemClock), random)?, calls))
}

/// Nanoseconds of a read, over about so long.
fn timed<T>(during: Duration, of: &[T], read: impl Fn(&T)) -> f64 {
    let begun = Instant::now();
    let mut reads = 0_u64;
    while begun.elapsed() < during {
        for one in of.iter().cycle().take(SECRETS * 16) {
            read(one);
        }
        reads += (SECRETS * 16) as u64;
    }
    begun.elapsed().as_nanos() as f64 / reads as f64
}

/// What one read of what is held costs, with one thread: four kinds in turn within a round.
fn hits(plan: &Plan, runtime: &Runtime) -> Outcome<()> {
    let ids: Vec<String> = (0..SECRETS)
        .map(|n| format!("ocid1.vaultsecret.oc1.iad.amaaaaaa{n:04}bcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstu"))
        .collect();
    let keys: Vec<SecretKey> = ids.iter().map(|id| SecretKey::of_id(id)).collect();
    let value = || Arc::new(Sensitive::new(vec![7; 32]));
    let by_text = Cache::<String, Arc<Sensitive>>::new(4 * SECRETS);
    let by_key = Cache::with(
        4 * SECRETS,
        4 * SECRETS as u64,
        UnitWeighter,
        Brought,
        DefaultLifecycle::default(),
    );
    let _entered = runtime.enter();
    let (ours, _calls) = started(Duration::from_hours(1))?;
    for (id, key) in ids.iter().zip(&keys) {
        by_text.insert(id.clone(), value());
        by_key.insert(key.clone(), value());
        runtime.block_on(ours.get(key))?;
    }
    let (mut rows, during) = (Vec::new(), plan.duration());
    for _ in 0..plan.rounds {
        let text = timed(during, &ids, |id| drop(black_box(by_text.get(id.as_str()))));
        let key = timed(during, &keys, |key| drop(black_box(by_key.get(key))));
        let clock = timed(during, &keys, |_| {
            black_box(Instant::now());
        });
        let held = timed(during, &keys, |key| drop(black_box(ours.held(key))));
        let read = runtime.block_on(async {
            let begun = Instant::now();
            let mut reads = 0_u64;
            while begun.elapsed() < during {
                for key in keys.iter().cycle().take(SECRETS * 16) {
                    drop(black_box(ours.get(key).await));
                }
                reads += (SECRETS * 16) as u64;
            }
            begun.elapsed().as_nanos() as f64 / reads as f64
        });
        rows.push([text, key, clock, held, read]);
    }
    println!("\nA read of what is held, one thread, {SECRETS} secrets in turn:\n");
    println!("| read | ns (min–max) |\n| --- | --- |");
    let titles = [
        "bare quick_cache, OCID",
        "bare quick_cache, hash taken before",
        "the time alone",
        "SecretCache::held",
        "SecretCache::get",
    ];
    for (at, title) in titles.iter().enumerate() {
        let (median, least, most) = spread(rows.iter().filter_map(|row| row.get(at).copied()));
        println!("| {title} | {median:.1} ({least:.1}–{most:.1}) |");
    }
    for (at, title) in titles.iter().enumerate().take(2) {
        let (median, least, most) =
            spread(rows.iter().filter_map(|row| Some(row.last()? / row.get(at)?)));
        println!("| SecretCache::get / {title} | **{median:.2}** ({least:.2}–{most:.2}) |");
    }
    Ok(())
}

/// How long reads take while TTLs end, beside reads of what never ends.
fn ends(plan: &Plan, runtime: &Runtime) -> Outcome<()> {
    let during = plan.duration().mul_f64(2.0);
    let mut rows = Vec::new();
    for _ in 0..plan.rounds {
        let (cached, _) = runtime.block_on(readers(Duration::from_hours(1), during))?;
        let (ending, calls) = runtime.block_on(readers(TTL, during))?;
        let at = |part| (cached.quantile_us(part), ending.quantile_us(part));
        rows.push((at(0.5), at(0.99), at(0.9999), calls));
    }
    println!(
        "\n{READERS} readers of one secret, {} ms to the service, {:.1} s a round:\n",
        UPSTREAM.as_millis(),
        during.as_secs_f64()
    );
    println!(
        "| round | p50 ns held / TTL 1 s | p99 ns held / TTL 1 s | ratio of p99 | p99.99 µs held / TTL 1 s | calls |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (round, (half, most, nearly, calls)) in rows.iter().enumerate() {
        let ns = |(one, other): (f64, f64)| format!("{:.0} / {:.0}", one * 1000.0, other * 1000.0);
        let (ratio, nearly) = (most.1 / most.0, format!("{:.1} / {:.1}", nearly.0, nearly.1));
        println!("| {round} | {} | {} | {ratio:.2} | {nearly} | {calls} |", ns(*half), ns(*most));
    }
    let (median, least, most) = spread(rows.iter().map(|(_, p99, _, _)| p99.1 / p99.0));
    println!("\nRatio of p99: **{median:.2}** ({least:.2}–{most:.2})");
    Ok(())
}

/// Reads with all readers for so long; one first read is not counted.
async fn readers(ttl: Duration, during: Duration) -> Outcome<(Histogram, u64)> {
    let (cache, calls) = started(ttl)?;
    let key = SecretKey::of_id("ocid1.vaultsecret.oc1.iad.read");
    cache.get(&key).await?;
    let until = Instant::now() + during;
    let read = || {
        let (cache, key) = (cache.clone(), key.clone());
        tokio::spawn(async move {
            let mut times = Histogram::default();
            loop {
                for _ in 0..256 {
                    let asked = Instant::now();
                    cache.get(&key).await?;
                    times.add(asked.elapsed().as_nanos() as u64);
                }
                if Instant::now() > until {
                    return Ok::<_, strongroom_client::CacheError>(times);
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let reading: Vec<_> = (0..READERS).map(|_| read()).collect();
    let mut times = Histogram::default();
    for reader in reading {
        times.merge(&reader.await??);
    }
    Ok((times, calls.load(Ordering::Relaxed)))
}
