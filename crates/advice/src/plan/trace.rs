use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::error::PlanError;

/// The month that is planned for: the mission's 24 × 30 hours.
pub const MONTH: Duration = Duration::from_hours(24 * 30);
/// Most reads that a trace may have.
pub(super) const READS_MAX: usize = 10_000_000;

/// Reads of even traces that are replayed: of more a month has, fewer hours are.
const EVEN_READS: u64 = 750_000;
/// But so many hours at least: some times the longest TTL.
const EVEN_HOURS_MIN: u64 = 6;
const HOUR_NANOS: u64 = 3_600_000_000_000;

/// A read of one secret by one consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Read {
    /// From the first.
    pub(super) at_nanos: u64,
    /// Number of the consumer and secret.
    pub(super) pair: u32,
}

/// Reads of secrets, in the order of time. Every consumer has a cache of its own.
#[derive(Debug, Clone)]
pub struct Trace {
    pub(super) reads: Vec<Read>,
    pub(super) pairs: u32,
    /// What can be said of it.
    pub about: TraceAbout,
}

/// What can be said of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceAbout {
    /// What it is made from.
    pub kind: TraceKind,
    /// How many reads it has.
    pub reads: u64,
    /// By how many.
    pub consumers: usize,
    /// Of how many.
    pub secrets: usize,
    /// The time that it spans, in seconds.
    pub span_secs: u64,
    /// Reads in a month at the same rate.
    pub reads_per_month: u64,
    /// Events that are no reads that were answered.
    pub left_out: usize,
    #[serde(skip)]
    pub(super) span_nanos: u64,
}

/// What a trace is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceKind {
    /// Numbers: reads evenly spaced.
    Even,
    /// A table of times, consumers and secrets.
    Table,
    /// Audit records of a Strongroom vault.
    Strongroom,
    /// Events of Oracle's Audit.
    Oracle,
}

impl TraceAbout {
    /// Returns how many there are in a month of what the trace has so many of.
    #[must_use]
    pub fn per_month(&self, many: u64) -> u64 {
        let span = u128::from(self.span_nanos.max(1));
        let scaled = (u128::from(many) * MONTH.as_nanos() + span / 2) / span;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

impl Trace {
    /// Makes a trace of a month in which so many reads an hour are spread evenly over consumers of
    /// one secret. They begin together, as after a deployment: the worst case for the peak. Of a month
    /// with more reads than can be replayed, the first hours are made.
    ///
    /// # Errors
    /// [`PlanError::IdleConsumers`].
    pub fn even(reads_per_hour: u32, consumers: u32) -> Result<Self, PlanError> {
        let (rate, each) = (u64::from(reads_per_hour.max(1)), u64::from(consumers.max(1)));
        let month_hours = MONTH.as_secs() / 3600;
        if each > rate * month_hours {
            return Err(PlanError::IdleConsumers { consumers, reads: rate * month_hours });
        }
        let hours = (EVEN_READS / rate).clamp(EVEN_HOURS_MIN, month_hours).max(each.div_ceil(rate));
        let read = |number: u64| {
            let turn = u128::from(number / each * each) * u128::from(HOUR_NANOS) / u128::from(rate);
            Read {
                at_nanos: u64::try_from(turn).unwrap_or(u64::MAX),
                pair: u32::try_from(number % each).unwrap_or(u32::MAX),
            }
        };
        let reads: Vec<Read> = (0..hours * rate).map(read).collect();
        let about = TraceAbout {
            kind: TraceKind::Even,
            reads: hours * rate,
            consumers: usize::try_from(each).unwrap_or(usize::MAX),
            secrets: 1,
            span_secs: hours * 3600,
            reads_per_month: rate * month_hours,
            left_out: 0,
            span_nanos: hours * HOUR_NANOS,
        };
        Ok(Self { reads, pairs: consumers.max(1), about })
    }
}

/// Gathers reads in whatever order they come.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    reads: Vec<(i128, u32)>,
    names: HashMap<String, u32>,
    pairs: HashMap<(u32, u32), u32>,
    consumers: HashSet<u32>,
    secrets: HashSet<u32>,
    pub(super) left_out: usize,
}

impl Gathered {
    /// Takes a read.
    ///
    /// # Errors
    /// [`PlanError::Trace`] if there are too many.
    pub(super) fn add(
        &mut self,
        at_nanos: i128,
        consumer: &str,
        secret: &str,
    ) -> Result<(), PlanError> {
        if self.reads.len() == READS_MAX {
            return Err(PlanError::Trace(format!("it has more than {READS_MAX} reads")));
        }
        let (consumer, secret) = (self.number(consumer), self.number(secret));
        self.consumers.insert(consumer);
        self.secrets.insert(secret);
        let next = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        let pair = *self.pairs.entry((consumer, secret)).or_insert(next);
        self.reads.push((at_nanos, pair));
        Ok(())
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.insert(name.to_owned(), number);
        number
    }

    /// Returns the trace: reads in the order of time, from the first on.
    ///
    /// # Errors
    /// [`PlanError::Trace`] if nothing was read, or everything at once.
    pub(super) fn trace(mut self, kind: TraceKind) -> Result<Trace, PlanError> {
        self.reads.sort_by_key(|(at, _pair)| *at);
        let [(first, _), .., (last, _)] = self.reads.as_slice() else {
            let (reads, others) = (self.reads.len(), self.left_out);
            let told =
                format!("it has {reads} reads of secrets ({others} other events): 2 are needed");
            return Err(PlanError::Trace(told));
        };
        let (first, span) = (*first, u64::try_from(last - first).unwrap_or(u64::MAX));
        if span < 1_000_000_000 {
            let told = "its reads span less than a second: no month follows from that";
            return Err(PlanError::Trace(told.to_owned()));
        }
        let from_first = |(at, pair): &(i128, u32)| Read {
            at_nanos: u64::try_from(at - first).unwrap_or(u64::MAX),
            pair: *pair,
        };
        let reads: Vec<Read> = self.reads.iter().map(from_first).collect();
        let many = u64::try_from(reads.len()).unwrap_or(u64::MAX);
        let mut about = TraceAbout {
            kind,
            reads: many,
            consumers: self.consumers.len(),
            secrets: self.secrets.len(),
            span_secs: span / 1_000_000_000,
            reads_per_month: 0,
            left_out: self.left_out,
            span_nanos: span,
        };
        about.reads_per_month = about.per_month(many);
        Ok(Trace { reads, pairs: u32::try_from(self.pairs.len()).unwrap_or(u32::MAX), about })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_month_has_the_reads_of_the_mission() {
        let trace = Trace::even(1000, 1).unwrap();
        assert_eq!((trace.reads.len(), trace.about.reads_per_month), (720_000, 720_000));
        assert_eq!(trace.reads[1].at_nanos, 3_600_000_000);
        assert_eq!(trace.about.per_month(720), 720);
        let shared = Trace::even(1000, 20).unwrap();
        assert_eq!(shared.reads.len(), 720_000);
        assert_eq!(shared.reads[19], Read { at_nanos: 0, pair: 19 });
        assert_eq!(shared.reads[20], Read { at_nanos: 72_000_000_000, pair: 0 });
    }

    #[test]
    fn of_many_reads_some_hours_are_made() {
        let trace = Trace::even(100_000, 3).unwrap();
        assert_eq!((trace.about.span_secs, trace.reads.len()), (7 * 3600, 700_000));
        assert_eq!(trace.about.reads_per_month, 72_000_000);
        assert_eq!(Trace::even(1_000_000, 1).unwrap().about.span_secs, 6 * 3600);
        assert_eq!(Trace::even(1, 720).unwrap().reads.len(), 720);
        let told = Trace::even(1, 721).unwrap_err().to_string();
        assert_eq!(told, "721 consumers make 720 reads in 30 days: each must read once at least");
    }
}
