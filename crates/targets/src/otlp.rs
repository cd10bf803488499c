//! Where traces go: a collector of OpenTelemetry's, over HTTP in JSON.
//!
//! Source: OpenTelemetry Protocol Specification 1.9, "OTLP/HTTP" and "JSON Protobuf Encoding".

use std::fmt::Write;

use serde_json::{Value, json};
use strongroom_server::{SinkAnswer, TraceSink, TracedRequest};

use crate::posting::Post;

/// `SPAN_KIND_SERVER` and `SPAN_KIND_INTERNAL`.
const SERVER: u8 = 2;
const INTERNAL: u8 = 1;

/// `STATUS_CODE_UNSET` and `STATUS_CODE_ERROR`. What a caller did wrong is no error of the server's.
const UNSET: u8 = 0;
const ERROR: u8 = 2;

/// A collector's URL for traces, `…/v1/traces` as a rule.
#[derive(Debug)]
pub struct OtlpSink {
    post: Post,
    resource: Value,
}

impl OtlpSink {
    /// Makes a sink; `instance` is what this server is called in traces.
    #[must_use]
    pub fn new(post: Post, instance: &str) -> Self {
        let attributes = [
            text("service.name", "strongroom"),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", instance),
        ];
        Self { post, resource: json!({ "attributes": attributes }) }
    }

    async fn send(&self, requests: Vec<TracedRequest>) -> Result<(), String> {
        let spans: Vec<Value> = requests.iter().flat_map(spans).collect();
        let scope = json!({"name": "strongroom", "version": env!("CARGO_PKG_VERSION")});
        let body = json!({"resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{"scope": scope, "spans": spans}],
        }]});
        self.post.send(body.to_string()).await
    }
}

impl TraceSink for OtlpSink {
    fn take(&self, requests: Vec<TracedRequest>) -> SinkAnswer<'_> {
        Box::pin(self.send(requests))
    }
}

/// A request's span, and those of its stages.
fn spans(request: &TracedRequest) -> Vec<Value> {
    let (trace, span) = (hex(&request.trace_id), hex(&request.span_id));
    let mut attributes = vec![
        text("http.request.method", &request.method),
        number("http.response.status_code", request.status),
        text("client.address", &request.source),
        text("oci.request_id", &request.request_id),
    ];
    attributes.extend(request.operation.map(|name| text("oci.operation", name)));
    attributes.extend(request.code.map(|code| text("oci.code", code)));
    let name = request.operation.unwrap_or(&request.method);
    let parent = request.parent_id.map(|id| hex(&id)).unwrap_or_default();
    let whole = json!({
        "traceId": trace, "spanId": span, "parentSpanId": parent, "name": name, "kind": SERVER,
        "startTimeUnixNano": request.time.0.to_string(),
        "endTimeUnixNano": request.time.1.to_string(),
        "attributes": attributes,
        "status": { "code": if request.status >= 500 { ERROR } else { UNSET } },
    });
    let stage = |(name, id, (from, until)): &(&str, [u8; 8], (u64, u64))| {
        json!({
            "traceId": trace, "spanId": hex(id), "parentSpanId": span, "name": name,
            "kind": INTERNAL,
            "startTimeUnixNano": from.to_string(), "endTimeUnixNano": until.to_string(),
        })
    };
    std::iter::once(whole).chain(request.stages.iter().map(stage)).collect()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u16) -> Value {
    // 64-bit integers are texts in this encoding.
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a String takes everything");
        text
    })
}
