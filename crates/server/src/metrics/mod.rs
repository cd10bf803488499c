//! What operators see: counters, gauges and histograms in the text format that Prometheus reads.
//! `docs/monitoring.md` describes each. Labels are names of operations and codes, never identifiers.

mod door;
mod measured;
mod process;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use strongroom_wire::ErrorCode;

pub(crate) use self::door::serve;
pub(crate) use self::measured::MeasuredStore;
use self::process::Process;
use crate::shared::Shared;

/// Upper bounds of durations, in seconds.
const DURATIONS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What falls due, as audit records name it.
const FALLING_DUE: [&str; 7] = [
    "DeleteVault",
    "DeleteKey",
    "DeleteKeyVersion",
    "DeleteSecret",
    "DeleteSecretVersion",
    "RotateKey",
    "RotateSecret",
];

/// Requests by operation and class of status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    operation: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfOperation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Refused {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Done {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LookedUp {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfSink {
    sink: String,
}

/// A histogram of durations.
pub(crate) type Durations = Family<OfOperation, Histogram, fn() -> Histogram>;

fn durations() -> Histogram {
    Histogram::new(DURATIONS)
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<Answered, Counter>,
    request_duration: Durations,
    refusals: Family<Refused, Counter>,
    pub(crate) requests_running: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) unexpected_addresses: Counter,
    pub(crate) first_reads: Counter,
    pub(crate) scheduled: Family<Done, Counter>,
    pub(crate) scheduled_failures: Counter,
    secret_lookups: Family<LookedUp, Counter>,
    pub(crate) commit_duration: Histogram,
    pub(crate) fresh_duration: Histogram,
    pub(crate) store_errors: Counter,
    /// Whether the last commit came to nothing. There is one every few seconds.
    pub(crate) commits_fail: AtomicBool,
    store_altered: Gauge,
    pub(crate) traces_lost: Counter,
    sink_events: Family<OfSink, Counter>,
    sink_failures: Family<OfSink, Counter>,
    sink_behind: Family<OfSink, Gauge>,
    /// What is looked at when it is asked for.
    commits: Counter,
    commit_groups: Counter,
    feed_subscribers: Gauge,
    audit_waiting: Gauge,
    rotations_running: Gauge,
    on_duty: Gauge,
    nodes: Gauge,
    process: Process,
    registry: Registry,
}

/// Registers under the first name, with help and perhaps a unit.
fn add(registry: &mut Registry, name: &str, help: &str, metric: impl Metric + Clone) {
    let unit = name.ends_with("_duration").then_some(Unit::Seconds);
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric),
        None => registry.register(name, help, metric),
    }
}

impl Metrics {
    /// Makes them, all at nothing.
    pub(crate) fn new() -> Self {
        let mut made = Self {
            requests: Family::default(),
            request_duration: Family::new_with_constructor(durations),
            refusals: Family::default(),
            requests_running: Gauge::default(),
            connections: Gauge::default(),
            unexpected_addresses: Counter::default(),
            first_reads: Counter::default(),
            scheduled: Family::default(),
            scheduled_failures: Counter::default(),
            secret_lookups: Family::default(),
            commit_duration: durations(),
            fresh_duration: durations(),
            store_errors: Counter::default(),
            commits_fail: AtomicBool::new(false),
            store_altered: Gauge::default(),
            traces_lost: Counter::default(),
            sink_events: Family::default(),
            sink_failures: Family::default(),
            sink_behind: Family::default(),
            commits: Counter::default(),
            commit_groups: Counter::default(),
            feed_subscribers: Gauge::default(),
            audit_waiting: Gauge::default(),
            rotations_running: Gauge::default(),
            on_duty: Gauge::default(),
            nodes: Gauge::default(),
            process: Process::default(),
            registry: Registry::with_prefix("strongroom"),
        };
        // What alerts go by is there before it happens: an increase from nothing to one is seen.
        for code in ErrorCode::ALL {
            drop(made.refusals.get_or_create(&Refused { code: code.name() }));
        }
        for operation in FALLING_DUE {
            drop(made.scheduled.get_or_create(&Done { operation }));
        }
        for outcome in ["hit", "miss"] {
            drop(made.secret_lookups.get_or_create(&LookedUp { outcome }));
        }
        made.register();
        made
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        add(to, "requests", "Requests answered", self.requests.clone());
        add(
            to,
            "request_duration",
            "Time from a request's head to its answer",
            self.request_duration.clone(),
        );
        add(to, "refusals", "Requests refused, by OCI's code", self.refusals.clone());
        add(to, "requests_running", "Requests being answered", self.requests_running.clone());
        add(to, "connections", "Connections open", self.connections.clone());
        let help = "Requests from addresses outside of expected_networks";
        add(to, "unexpected_address_requests", help, self.unexpected_addresses.clone());
        let help = "Contents of a secret read by a principal who had not read that secret before";
        add(to, "first_reads", help, self.first_reads.clone());
        let help = "Steps of what falls due that this node did, by operation";
        add(to, "scheduled", help, self.scheduled.clone());
        let help = "Times that something was due and could not be done";
        add(to, "scheduled_failures", help, self.scheduled_failures.clone());
        let help = "Looks for a secret in memory, by outcome";
        add(to, "secret_lookups", help, self.secret_lookups.clone());
        let help = "Time until a commit was as safe as it was to be";
        add(to, "store_commit_duration", help, self.commit_duration.clone());
        let help = "Time until the store had told what is new";
        add(to, "store_fresh_duration", help, self.fresh_duration.clone());
        let help = "Calls to the store that failed, conflicts not counted";
        add(to, "store_errors", help, self.store_errors.clone());
        let help = "Whether the store was found to be changed by somebody else";
        add(to, "store_altered", help, self.store_altered.clone());
        add(to, "store_commits", "Commits that were acknowledged", self.commits.clone());
        add(
            to,
            "store_commit_groups",
            "Transactions that carried them",
            self.commit_groups.clone(),
        );
        add(to, "feed_subscribers", "Callers who wait for changes", self.feed_subscribers.clone());
        let help = "Audit records that wait to be written, and answers with them";
        add(to, "audit_records_waiting", help, self.audit_waiting.clone());
        let help = "Traces that were not taken, or for which there was no room";
        add(to, "traces_lost", help, self.traces_lost.clone());
        let help = "Audit events that a sink has taken";
        add(to, "audit_sink_events", help, self.sink_events.clone());
        let help = "Attempts to give a sink audit events that failed";
        add(to, "audit_sink_failures", help, self.sink_failures.clone());
        let help = "Age of the oldest audit event that a sink has not taken, zero if it has all";
        let behind = self.sink_behind.clone();
        to.register_with_unit("audit_sink_behind", help, Unit::Seconds, behind);
        let help = "Rotations of which a step is being done";
        add(to, "rotations_running", help, self.rotations_running.clone());
        let help = "Whether this node does what falls due";
        add(to, "on_duty", help, self.on_duty.clone());
        let help = "Nodes that this one knows of, itself included";
        add(to, "nodes", help, self.nodes.clone());
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        to.register("build", "The version that runs", version);
        self.process.register(to);
    }

    /// Counts a request that was answered with a status, and with a code if it was refused.
    pub(crate) fn note(
        &self,
        operation: Option<&'static str>,
        (status, code): (u16, Option<&'static str>),
        took: Duration,
    ) {
        let operation = operation.unwrap_or("none");
        let status = class(status);
        self.requests.get_or_create(&Answered { operation, status }).inc();
        self.request_duration.get_or_create(&OfOperation { operation }).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.refusals.get_or_create(&Refused { code }).inc();
        }
    }

    /// Counts a look into the cache of secrets.
    pub(crate) fn note_lookup(&self, was_there: bool) {
        let outcome = if was_there { "hit" } else { "miss" };
        self.secret_lookups.get_or_create(&LookedUp { outcome }).inc();
    }

    /// Counts a step of what falls due.
    pub(crate) fn note_scheduled(&self, operation: &'static str) {
        self.scheduled.get_or_create(&Done { operation }).inc();
    }

    /// Begins to count for a sink.
    pub(crate) fn begin_sink(&self, sink: &str) {
        self.note_taken(sink, 0);
        drop(self.sink_failures.get_or_create(&OfSink { sink: sink.to_owned() }));
        self.note_sent_until(sink, None);
    }

    /// Counts events that a sink has taken.
    pub(crate) fn note_taken(&self, sink: &str, events: usize) {
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        self.sink_events.get_or_create(&OfSink { sink: sink.to_owned() }).inc_by(events);
    }

    /// Counts an attempt that failed.
    pub(crate) fn note_not_taken(&self, sink: &str) {
        self.sink_failures.get_or_create(&OfSink { sink: sink.to_owned() }).inc();
    }

    /// Takes how many seconds ago the oldest event was that a sink has not taken, if it has not all.
    pub(crate) fn note_sent_until(&self, sink: &str, behind: Option<i64>) {
        self.sink_behind.get_or_create(&OfSink { sink: sink.to_owned() }).set(behind.unwrap_or(0));
    }

    /// Renders everything, as it is now.
    pub(crate) fn render(&self, shared: &Shared) -> Result<String, std::fmt::Error> {
        let stats = shared.store.stats();
        raise(&self.commits, stats.commits);
        raise(&self.commit_groups, stats.groups);
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.feed_subscribers.set(gauge(shared.feed().subscribers()));
        self.audit_waiting.set(gauge(shared.audit.waiting()));
        self.rotations_running.set(gauge(shared.rotations.running()));
        self.store_altered.set(i64::from(shared.check_alarm().is_err()));
        self.on_duty.set(i64::from(shared.duty.shift().is_some()));
        self.nodes.set(shared.nodes.count().into());
        self.process.look();
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A gauge that is one higher for as long as this is there.
pub(crate) struct Running<'a>(&'a Gauge);

impl<'a> Running<'a> {
    pub(crate) fn begin(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Brings a counter to what was counted elsewhere.
fn raise(counter: &Counter<u64, AtomicU64>, to: u64) {
    counter.inner().fetch_max(to, Ordering::Relaxed);
}

const fn class(status: u16) -> &'static str {
    match status {
        0..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
