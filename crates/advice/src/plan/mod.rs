//! What a cache does for reads of secrets: requests, price and age of what is served for each TTL,
//! and the TTL that fits. The reads are replayed through the cache that applications use.

mod chart;
mod error;
mod events;
mod prices;
mod replay;
mod spell;
mod table;
#[cfg(test)]
mod tests;
mod trace;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use strongroom_client::{Lifetimes, SecurityClass, TTL_MAX};

pub use self::chart::chart;
pub use self::error::PlanError;
pub use self::prices::{Amount, Prices};
pub use self::spell::{grouped, spell};
pub use self::trace::{MONTH, Trace, TraceAbout, TraceKind};

use self::replay::{Replay, replay};

/// TTLs that are always shown, in minutes.
const LADDER: [u64; 8] = [0, 1, 5, 10, 15, 30, 45, 60];
/// Between two TTLs of a class that are tried: of those up to a quarter of an hour, and above.
const STEPS: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(5));
const MINUTE: Duration = Duration::from_mins(1);

/// What is wanted of a cache.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A TTL to look at.
    pub ttl: Option<Duration>,
    /// How much the secrets are worth protecting.
    pub class: SecurityClass,
    /// How often they rotate; what the class says if absent.
    pub rotation: Option<Duration>,
    /// How many requests a second the service answers.
    pub limit: Option<u32>,
    /// What requests cost.
    pub prices: Prices,
    /// What they may cost in a month: a shorter TTL is worth that much.
    pub budget: Amount,
}

/// What a cache does for the reads of a trace.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What is known of the reads.
    pub trace: TraceAbout,
    /// `high`, `standard` or `development`.
    pub class: &'static str,
    /// The TTLs that the class allows, in seconds.
    pub class_ttl_secs: [u64; 2],
    /// How often the secrets rotate, in seconds; absent if that does not matter.
    pub rotation_secs: Option<u64>,
    /// The TTL that was asked about, in seconds.
    pub ttl_secs: Option<u64>,
    /// The limit, in requests a second.
    pub limit_per_second: Option<u32>,
    /// What requests cost.
    pub prices: Prices,
    /// What requests may cost in a month.
    pub budget: Amount,
    /// The reads of a month as so many requests, none of them free.
    pub price_without_free_requests: Amount,
    /// One row for each TTL that was tried, the shortest first; the first has no cache.
    pub rows: Vec<PlanRow>,
    /// The TTL that fits, in seconds.
    pub recommended_ttl_secs: u64,
}

/// What a cache with some TTL does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanRow {
    /// The TTL, in seconds; 0 is no cache.
    pub ttl_secs: u64,
    /// Requests, in the time that the trace spans.
    pub requests: u64,
    /// Requests in a month.
    pub requests_per_month: u64,
    /// Requests in a month if there were one for each TTL in which there are reads.
    pub plain_requests_per_month: u64,
    /// Their price.
    pub price_per_month: Amount,
    /// What is saved in a month against no cache.
    pub saved_per_month: Amount,
    /// Thousandths of the requests that are saved.
    pub saved_thousandths: u64,
    /// Mean age of the values that were served, in milliseconds.
    pub age_mean_millis: u64,
    /// Their greatest age: for so long after a rotation an old password was used at most.
    pub age_max_millis: u64,
    /// For how long after a rotation an old password can be used at most, in seconds.
    pub old_value_max_secs: u64,
    /// Requests in the busiest second.
    pub peak_per_second: usize,
    /// The same without each consumer's first.
    pub peak_per_second_warm: usize,
    /// Requests of a month that the limit refuses, where there is one.
    pub throttled_per_month: Option<u64>,
    /// Whether the class allows the TTL.
    pub is_in_class: bool,
    /// Whether no value is used beyond the next rotation.
    pub is_below_rotation: bool,
}

impl Plan {
    /// Returns the row of a TTL.
    #[must_use]
    pub fn row(&self, ttl_secs: u64) -> Option<&PlanRow> {
        self.rows.iter().find(|row| row.ttl_secs == ttl_secs)
    }

    /// Tells whether a row is among the few to show: the usual TTLs, what was asked about, and what is
    /// recommended.
    #[must_use]
    pub fn is_shown(&self, row: &PlanRow) -> bool {
        let is_usual = row.ttl_secs.is_multiple_of(60) && LADDER.contains(&(row.ttl_secs / 60));
        is_usual || row.ttl_secs == self.recommended_ttl_secs || Some(row.ttl_secs) == self.ttl_secs
    }
}

/// Reads a trace: JSON (audit records of a Strongroom vault, events of Oracle's Audit) if it begins
/// with a brace or bracket, a table `time,consumer,secret` otherwise.
///
/// # Errors
/// [`PlanError::Record`] and [`PlanError::Trace`].
pub fn parse_trace(text: &str) -> Result<Trace, PlanError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) { events::parse(text) } else { table::parse(text) }
}

/// Replays a trace with every TTL that comes into question.
///
/// # Errors
/// [`PlanError::TtlExceedsRotation`], [`PlanError::TtlTooLong`] and [`PlanError::Replay`].
pub fn plan(trace: &Trace, wanted: &Wanted) -> Result<Plan, PlanError> {
    let rotation = wanted.rotation.or(rotation_of(wanted.class));
    if let Some(ttl) = wanted.ttl {
        check(ttl, rotation, wanted.class)?;
    }
    let (shortest, _longest) = wanted.class.ttl_range();
    check(shortest, rotation, wanted.class)?;
    let mut rows = Vec::new();
    for ttl in ttls(wanted) {
        let lifetimes = Lifetimes::default().with_ttl(ttl);
        let replayed = replay(trace, lifetimes, wanted.limit)?;
        rows.push(row(trace, wanted, rotation, lifetimes, &replayed));
    }
    let recommended_ttl_secs = recommended(&rows, wanted).unwrap_or(shortest.as_secs());
    let (shortest, longest) = wanted.class.ttl_range();
    Ok(Plan {
        trace: trace.about.clone(),
        class: name(wanted.class),
        class_ttl_secs: [shortest.as_secs(), longest.as_secs()],
        rotation_secs: rotation.map(|rotation| rotation.as_secs()),
        ttl_secs: wanted.ttl.map(|ttl| ttl.as_secs()),
        limit_per_second: wanted.limit,
        prices: wanted.prices.clone(),
        budget: wanted.budget,
        price_without_free_requests: wanted.prices.of_each(trace.about.reads_per_month),
        rows,
        recommended_ttl_secs,
    })
}

/// How often secrets of a class rotate, by the mission's table.
const fn rotation_of(class: SecurityClass) -> Option<Duration> {
    match class {
        SecurityClass::High => Some(Duration::from_hours(24)),
        SecurityClass::Standard => Some(MONTH),
        SecurityClass::Development => None,
    }
}

const fn name(class: SecurityClass) -> &'static str {
    match class {
        SecurityClass::High => "high",
        SecurityClass::Standard => "standard",
        SecurityClass::Development => "development",
    }
}

fn check(ttl: Duration, rotation: Option<Duration>, class: SecurityClass) -> Result<(), PlanError> {
    if let Some(rotation) = rotation.filter(|rotation| !is_below(ttl, *rotation)) {
        let longest = Lifetimes::default().with_ttl(ttl).longest_use();
        let (class, instead) = instead(rotation, class);
        return Err(PlanError::TtlExceedsRotation { ttl, longest, rotation, class, instead });
    }
    if ttl > TTL_MAX { Err(PlanError::TtlTooLong { ttl, most: TTL_MAX }) } else { Ok(()) }
}

fn is_below(ttl: Duration, rotation: Duration) -> bool {
    ttl.is_zero() || Lifetimes::default().with_ttl(ttl).longest_use() < rotation
}

/// Returns a class that has a TTL below the rotation, and the longest such in whole minutes.
fn instead(rotation: Duration, class: SecurityClass) -> (SecurityClass, Duration) {
    let longest = |class: SecurityClass| {
        let (shortest, longest) = class.ttl_range();
        let minutes = (shortest.as_secs() / 60..=longest.as_secs() / 60).rev();
        let ttl = minutes.map(Duration::from_mins).find(|ttl| is_below(*ttl, rotation))?;
        Some((class, ttl))
    };
    // Without a cache every rotation will do.
    let uncached = (SecurityClass::Development, Duration::ZERO);
    longest(class).or_else(|| longest(SecurityClass::High)).unwrap_or(uncached)
}

/// Returns the TTLs to try, the shortest first.
fn ttls(wanted: &Wanted) -> BTreeSet<Duration> {
    let mut ttls: BTreeSet<Duration> = LADDER.into_iter().map(Duration::from_mins).collect();
    ttls.extend(wanted.ttl);
    ttls.extend(candidates(wanted.class));
    ttls
}

/// Returns the TTLs of a class that are tried.
fn candidates(class: SecurityClass) -> impl Iterator<Item = Duration> {
    let (shortest, longest) = class.ttl_range();
    let next = move |ttl: &Duration| {
        let step = if *ttl < MINUTE * 15 { STEPS.0 } else { STEPS.1 };
        Some(*ttl + step).filter(|ttl| *ttl <= longest)
    };
    std::iter::successors(Some(shortest), next)
}

fn row(
    trace: &Trace,
    wanted: &Wanted,
    rotation: Option<Duration>,
    lifetimes: Lifetimes,
    replayed: &Replay,
) -> PlanRow {
    let ttl = lifetimes.ttl;
    let (about, prices) = (&trace.about, &wanted.prices);
    let requests_per_month = about.per_month(replayed.requests);
    let price_per_month = prices.of(requests_per_month);
    let saved = about.reads.saturating_sub(replayed.requests);
    let (shortest, longest) = wanted.class.ttl_range();
    PlanRow {
        ttl_secs: ttl.as_secs(),
        requests: replayed.requests,
        requests_per_month,
        plain_requests_per_month: about.per_month(plain(trace, ttl)),
        price_per_month,
        saved_per_month: prices.of(about.reads_per_month).less(price_per_month),
        saved_thousandths: saved * 1000 / about.reads.max(1),
        age_mean_millis: millis(replayed.age_mean),
        age_max_millis: millis(replayed.age_max),
        old_value_max_secs: if ttl.is_zero() { 0 } else { lifetimes.longest_use().as_secs() },
        peak_per_second: replayed.peak,
        peak_per_second_warm: replayed.peak_warm,
        throttled_per_month: wanted.limit.map(|_limit| about.per_month(replayed.throttled)),
        is_in_class: (shortest..=longest).contains(&ttl),
        is_below_rotation: rotation.is_none_or(|rotation| is_below(ttl, rotation)),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Counts the requests of the mission's arithmetic: one when a value is a TTL old, and none before.
fn plain(trace: &Trace, ttl: Duration) -> u64 {
    let ttl_nanos = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
    let mut next = vec![0_u64; usize::try_from(trace.pairs).unwrap_or(usize::MAX)];
    let mut requests = 0;
    for read in &trace.reads {
        let next = next.get_mut(usize::try_from(read.pair).unwrap_or(usize::MAX));
        if let Some(next) = next.filter(|next| **next <= read.at_nanos) {
            requests += 1;
            *next = read.at_nanos.saturating_add(ttl_nanos);
        }
    }
    requests
}

/// Returns the shortest TTL of the class that is below the rotation, keeps below the limit once caches
/// are warm (if one does), and costs no more than the budget, or else no more than the cheapest.
fn recommended(rows: &[PlanRow], wanted: &Wanted) -> Option<u64> {
    let allowed: Vec<&PlanRow> =
        rows.iter().filter(|row| row.is_in_class && row.is_below_rotation).collect();
    let limit = wanted.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let calm: Vec<&PlanRow> =
        allowed.iter().copied().filter(|row| row.peak_per_second_warm <= limit).collect();
    let rows = if calm.is_empty() { allowed } else { calm };
    let cheapest = rows.iter().map(|row| row.price_per_month).min()?;
    let most = cheapest.max(wanted.budget);
    let fits = rows.iter().filter(|row| row.price_per_month <= most);
    fits.map(|row| row.ttl_secs).min()
}
