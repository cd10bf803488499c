use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a cache has done since it was made, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheMetrics {
    /// Reads that were answered with a value inside its TTL.
    pub hits: u64,
    /// Reads that found nothing to answer with at once.
    pub misses: u64,
    /// Reads that were answered with a value beyond its TTL, because no answer came.
    pub stale_answers: u64,
    /// Reads that were answered with a 404 or a failure of a moment ago.
    pub negative_answers: u64,
    /// Calls to the service.
    pub calls: u64,
    /// Calls that were made before a value's TTL was over.
    pub refreshes: u64,
    /// Calls that did not succeed.
    pub failures: u64,
    /// Values that made room for others.
    pub evictions: u64,
    /// Values and calls that were given up because the secret changed, or may have.
    pub invalidations: u64,
    /// What is held: values, and absences.
    pub entries: u64,
    /// The size of what is held.
    pub bytes: u64,
    /// Whether the vault's feed of changes is followed now.
    pub is_following: bool,
    /// Whether the last call, or question to the feed, had no answer, not even a refusal.
    pub is_unanswered: bool,
}

/// Hits are counted in several places, or else every read of every secret would write the same line
/// of memory.
const STRIPES: usize = 16;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe(AtomicU64);

/// What counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: [Stripe; STRIPES],
    pub(super) misses: Counter,
    pub(super) stale_answers: Counter,
    pub(super) negative_answers: Counter,
    pub(super) calls: Counter,
    pub(super) refreshes: Counter,
    pub(super) failures: Counter,
    pub(super) evictions: Counter,
    pub(super) invalidations: Counter,
    pub(super) is_following: AtomicBool,
    pub(super) is_unanswered: AtomicBool,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, many: u64) {
        self.0.fetch_add(many, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts a hit of the key with this hash.
    pub(super) fn hit(&self, hash: u64) {
        let [_, _, _, _, _, _, _, low] = hash.to_be_bytes();
        if let Some(Stripe(hits)) = self.hits.get(usize::from(low) % STRIPES) {
            hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns all numbers; `entries` and `bytes` are what is held.
    pub(super) fn read(&self, entries: u64, bytes: u64) -> CacheMetrics {
        CacheMetrics {
            hits: self.hits.iter().map(|Stripe(hits)| hits.load(Ordering::Relaxed)).sum(),
            misses: self.misses.read(),
            stale_answers: self.stale_answers.read(),
            negative_answers: self.negative_answers.read(),
            calls: self.calls.read(),
            refreshes: self.refreshes.read(),
            failures: self.failures.read(),
            evictions: self.evictions.read(),
            invalidations: self.invalidations.read(),
            entries,
            bytes,
            is_following: self.is_following.load(Ordering::Relaxed),
            is_unanswered: self.is_unanswered.load(Ordering::Relaxed),
        }
    }
}
