use std::sync::atomic::{AtomicU64, Ordering};

use strongroom_client::CacheMetrics;

/// What the agent has answered.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) files_written: AtomicU64,
    pub(super) sink_failures: AtomicU64,
    pub(super) commands_run: AtomicU64,
    pub(super) command_failures: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, status: u16) {
        let counter = match status {
            200..=299 => &self.answered,
            400..=499 => &self.refused,
            _ => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Renders everything in Prometheus' text format.
    pub(super) fn render(&self, cache: &CacheMetrics, unmade: usize) -> String {
        let own = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let lines = [
            ("requests_answered_total", "counter", own(&self.answered)),
            ("requests_refused_total", "counter", own(&self.refused)),
            ("requests_failed_total", "counter", own(&self.failed)),
            ("files_written_total", "counter", own(&self.files_written)),
            ("sink_failures_total", "counter", own(&self.sink_failures)),
            ("sinks_unmade", "gauge", u64::try_from(unmade).unwrap_or(u64::MAX)),
            ("commands_run_total", "counter", own(&self.commands_run)),
            ("command_failures_total", "counter", own(&self.command_failures)),
            ("cache_hits_total", "counter", cache.hits),
            ("cache_misses_total", "counter", cache.misses),
            ("cache_stale_answers_total", "counter", cache.stale_answers),
            ("cache_negative_answers_total", "counter", cache.negative_answers),
            ("cache_calls_total", "counter", cache.calls),
            ("cache_refreshes_total", "counter", cache.refreshes),
            ("cache_failures_total", "counter", cache.failures),
            ("cache_evictions_total", "counter", cache.evictions),
            ("cache_invalidations_total", "counter", cache.invalidations),
            ("cache_entries", "gauge", cache.entries),
            ("cache_bytes", "gauge", cache.bytes),
            ("feed_followed", "gauge", u64::from(cache.is_following)),
        ];
        let line = |(name, kind, value): (&str, &str, u64)| {
            format!("# TYPE strongroom_agent_{name} {kind}\nstrongroom_agent_{name} {value}\n")
        };
        lines.map(line).concat()
    }
}
