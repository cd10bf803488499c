//! The service behind the agents: answers in OCI's and in AWS's protocol, after a delay, and counts.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Outcome;

const CALLER: &str = r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/bench</Arn><UserId>bench</UserId>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"#;

/// Runs within this process for as long as the runtime does.
pub(super) struct Upstream {
    pub(super) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    calls: AtomicU64,
    delay_ms: AtomicU64,
}

impl Upstream {
    pub(super) async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (port, state) = (listener.local_addr()?.port(), Arc::<State>::default());
        tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { port, state })
    }

    /// How often a content, or the description of one, was asked for.
    pub(super) fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// Has every answer from now on take so long.
    pub(super) fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(delay.as_millis() as u64, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A stream that cannot be set so is slower, not wrong.
        let _slow = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&state, request));
            let connection = hyper::server::conn::http1::Builder::new();
            // Agents end in the middle of a connection.
            let _ended = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    state: &State,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers().get("x-amz-target").cloned();
    let target = target.as_ref().and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().map(str::to_owned));
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let body = body.unwrap_or_default();
    if body.starts_with(b"Action=GetCallerIdentity") {
        return Ok(response("text/xml", CALLER.to_owned()));
    }
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let aws_name = || {
        let name = asked.get("SecretId").and_then(Value::as_str).unwrap_or_default();
        name.rsplit(':').next().unwrap_or_default().to_owned()
    };
    let found = match target.rsplit('.').next() {
        Some("GetSecretValue") => aws_value(&aws_name()),
        Some("DescribeSecret") => aws_description(&aws_name()),
        _ if path.starts_with("/20190301/secretbundles/") => {
            oci_bundle(parameter(query.as_deref().unwrap_or_default(), "secretName"))
        }
        _ => {
            let mut missing = response("application/json", "{}".to_owned());
            *missing.status_mut() = StatusCode::NOT_FOUND;
            return Ok(missing);
        }
    };
    state.calls.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(state.delay_ms.load(Ordering::Relaxed))).await;
    Ok(response("application/json", found.to_string()))
}

fn response(content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}

fn parameter<'a>(query: &'a str, name: &str) -> &'a str {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(given, _)| *given == name).map(|(_, value)| value).next().unwrap_or_default()
}

/// What every secret holds: an account, as an application reads it.
fn content(name: &str) -> String {
    json!({
        "username": "application", "password": "Zk3vQ9mR7tXw2LhB8nYc5DfG6jKpS4aE", "engine": "postgres",
        "host": format!("{name}.internal"), "port": 5432, "dbname": "orders",
    })
    .to_string()
}

fn aws_value(name: &str) -> Value {
    json!({
        "ARN": format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}"),
        "CreatedDate": 1_764_000_000.0, "Name": name, "SecretString": content(name),
        "VersionId": "6f2e0c1a-3b4d-4e5f-8a9b-0c1d2e3f4a5b", "VersionStages": ["AWSCURRENT"],
    })
}

fn aws_description(name: &str) -> Value {
    json!({
        "ARN": format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}"), "Name": name,
        "VersionIdsToStages": {"6f2e0c1a-3b4d-4e5f-8a9b-0c1d2e3f4a5b": ["AWSCURRENT"]},
    })
}

fn oci_bundle(name: &str) -> Value {
    json!({
        "secretId": format!("ocid1.vaultsecret.oc1.iad.{name}"), "versionNumber": 1,
        "versionName": "1", "timeCreated": "2026-01-01T00:00:00.000Z",
        "stages": ["CURRENT", "LATEST"], "metadata": {},
        "secretBundleContent": {"contentType": "BASE64", "content": STANDARD.encode(content(name))},
    })
}
