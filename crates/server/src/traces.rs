//! Traces: a span for each request and one for each stage of its road, for whoever collects them. They
//! are told what operators may see, and are left out where there is no room: nothing waits for them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use strongroom_model::{Random, Timestamp};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout};

use crate::metrics::Metrics;
use crate::sinks::SinkAnswer;

/// Traces that wait at most, and that are sent at once.
const WAITING: usize = 2048;
const AT_ONCE: usize = 256;

const SEND_EVERY: Duration = Duration::from_secs(1);
const SENDING_TIME: Duration = Duration::from_secs(10);

/// Stages of a request at most.
const STAGES: usize = 8;

/// Where a trace goes on that somebody else began, or begins.
///
/// Source: W3C Trace Context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    is_sampled: bool,
}

impl Parent {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let text = values.next()?.to_str().ok().filter(|_| values.next().is_none())?;
        let mut parts = text.split('-');
        let version: [u8; 1] = hex(parts.next()?)?;
        let (trace_id, span_id) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex(parts.next()?)?;
        let ends = version != [0] || parts.next().is_none();
        let named = trace_id != [0; 16] && span_id != [0; 8];
        let is_sampled = flags & 1 == 1;
        (version != [0xff] && ends && named).then_some(Self { trace_id, span_id, is_sampled })
    }
}

/// Reads lower-case hexadecimal of just so many bytes.
fn hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let is_lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * BYTES || !text.as_bytes().iter().all(is_lower) {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A request that is traced.
#[derive(Debug)]
pub(crate) struct Trace {
    id: [u8; 16],
    span_id: [u8; 8],
    parent_id: Option<[u8; 8]>,
    time: Timestamp,
    began: Instant,
    stages: Vec<(&'static str, Instant)>,
}

impl Trace {
    /// Notes that a stage has ended; the next begins.
    pub(crate) fn mark(trace: &mut Option<Self>, stage: &'static str) {
        if let Some(trace) = trace {
            trace.stages.push((stage, Instant::now()));
        }
    }
}

/// What a request came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'a> {
    pub(crate) operation: Option<&'static str>,
    pub(crate) method: &'a str,
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) request_id: &'a str,
    pub(crate) source: &'a str,
}

/// A traced request as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedRequest {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The request in it.
    pub span_id: [u8; 8],
    /// The caller's span, if there is one.
    pub parent_id: Option<[u8; 8]>,
    /// When it began and ended, in nanoseconds since 1970.
    pub time: (u64, u64),
    /// OCI's name of the operation; none if it did not come to one.
    pub operation: Option<&'static str>,
    /// The method of HTTP.
    pub method: String,
    /// The status of HTTP.
    pub status: u16,
    /// OCI's code, if it was refused.
    pub code: Option<&'static str>,
    /// `opc-request-id`.
    pub request_id: String,
    /// The caller's address.
    pub source: String,
    /// Its stages: name, identifier, beginning and end.
    pub stages: Vec<(&'static str, [u8; 8], (u64, u64))>,
}

/// Where traces go: the server itself dials nobody.
pub trait TraceSink: Debug + Send + Sync + 'static {
    /// Takes requests; what fails is not given again.
    fn take(&self, requests: Vec<TracedRequest>) -> SinkAnswer<'_>;
}

/// How much is traced, and where it goes.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// Where traces go.
    pub sink: Arc<dyn TraceSink>,
    /// Of a thousand requests whose caller does not say whether they are traced, how many are.
    pub per_mille: u16,
}

/// Traces requests.
#[derive(Debug)]
pub(crate) struct Tracer {
    per_mille: u16,
    queue: Sender<TracedRequest>,
    metrics: Arc<Metrics>,
    sending: tokio::task::JoinHandle<()>,
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

impl Tracer {
    /// Starts the task that sends.
    pub(crate) fn start(tracing: Tracing, metrics: &Arc<Metrics>) -> Self {
        let (queue, traced) = channel(WAITING);
        let metrics = Arc::clone(metrics);
        let sending = tokio::spawn(send(traced, tracing.sink, Arc::clone(&metrics)));
        Self { per_mille: tracing.per_mille, queue, metrics, sending }
    }

    /// Begins to trace a request, unless it is not among those that are.
    pub(crate) fn begin(
        &self,
        headers: &HeaderMap,
        (time, began): (Timestamp, Instant),
        random: &dyn Random,
    ) -> Option<Trace> {
        let mut bytes = [0; 26];
        random.fill(&mut bytes);
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (span_id, lot) = rest.split_first_chunk::<8>()?;
        let lot = u16::from_be_bytes(lot.try_into().ok()?) % 1000;
        let parent = Parent::read(headers);
        if !parent.map_or(lot < self.per_mille, |parent| parent.is_sampled) {
            return None;
        }
        let id = parent.map_or(*id, |parent| parent.trace_id);
        let parent_id = parent.map(|parent| parent.span_id);
        let stages = Vec::with_capacity(STAGES);
        Some(Trace { id, span_id: *span_id, parent_id, time, began, stages })
    }

    /// Ends a trace and has it sent, if there is room.
    pub(crate) fn end(&self, trace: &Trace, outcome: &Outcome<'_>, random: &dyn Random) {
        let begin = u64::try_from(trace.time.as_nanosecond()).unwrap_or_default();
        let since = |at: Instant| {
            let nanos = at.saturating_duration_since(trace.began).as_nanos();
            begin.saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let (mut stages, mut from) = (Vec::with_capacity(trace.stages.len()), begin);
        for (stage, at) in &trace.stages {
            let mut id = [0; 8];
            random.fill(&mut id);
            let until = since(*at);
            stages.push((*stage, id, (from, until)));
            from = until;
        }
        let traced = TracedRequest {
            trace_id: trace.id,
            span_id: trace.span_id,
            parent_id: trace.parent_id,
            time: (begin, since(Instant::now())),
            operation: outcome.operation,
            method: outcome.method.to_owned(),
            status: outcome.status,
            code: outcome.code,
            request_id: outcome.request_id.to_owned(),
            source: outcome.source.to_owned(),
            stages,
        };
        if self.queue.try_send(traced).is_err() {
            self.metrics.traces_lost.inc();
        }
    }
}

async fn send(
    mut traced: Receiver<TracedRequest>,
    sink: Arc<dyn TraceSink>,
    metrics: Arc<Metrics>,
) {
    let mut told = false;
    loop {
        let mut group = Vec::new();
        let count = traced.recv_many(&mut group, AT_ONCE).await;
        if count == 0 {
            return;
        }
        let sent = timeout(SENDING_TIME, sink.take(group)).await;
        match sent.unwrap_or_else(|_elapsed| Err("it takes too long".to_owned())) {
            Ok(()) => told = false,
            Err(why) => {
                metrics.traces_lost.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
                if !told {
                    tracing::warn!(why, "traces were not taken");
                }
                told = true;
            }
        }
        if traced.len() < AT_ONCE {
            sleep(SEND_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(text: &str) -> Option<Parent> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", text.parse().unwrap());
        Parent::read(&headers)
    }

    #[test]
    fn a_parent_is_read_as_the_standard_says() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let read = parent(&format!("00-{trace}-{span}-01")).unwrap();
        assert_eq!((read.trace_id[0], read.span_id[7], read.is_sampled), (0x4b, 0xb7, true));
        assert!(!parent(&format!("00-{trace}-{span}-00")).unwrap().is_sampled);
        // A later version may say more.
        assert!(parent(&format!("01-{trace}-{span}-01-more")).is_some());
        for wrong in [
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{span}"),
            format!("0-{trace}-{span}-01"),
            "00".to_owned(),
            String::new(),
        ] {
            assert_eq!(parent(&wrong), None, "{wrong}");
        }
        let mut two = HeaderMap::new();
        for _ in 0..2 {
            two.append("traceparent", format!("00-{trace}-{span}-01").parse().unwrap());
        }
        assert_eq!(Parent::read(&two), None);
    }
}
