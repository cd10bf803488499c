use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::{ClientError, ServiceError};

const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Carries requests over HTTP and HTTPS.
#[derive(Debug, Clone)]
pub(crate) struct Transport(HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What came back from a service that did as asked.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) next_page: Option<String>,
}

impl Transport {
    /// Makes a transport that trusts the system's certificate authorities. Without any, plain HTTP
    /// still works.
    pub(crate) fn new() -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = match HttpsConnectorBuilder::new().with_provider_and_native_roots(provider) {
            Ok(builder) => builder,
            Err(_no_authorities) => HttpsConnectorBuilder::new().with_tls_config(no_authorities()),
        };
        let connector = builder.https_or_http().enable_http1().build();
        Self(HttpClient::builder(TokioExecutor::new()).build(connector))
    }

    /// Sends a request with the headers that were signed.
    pub(crate) async fn send(
        &self,
        method: Method,
        uri: Uri,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let unreachable = |why: String| ClientError::Unreachable { host: host.clone(), why };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| ClientError::Signing(error.to_string()))?;
        let exchange = async {
            let answer =
                self.0.request(request).await.map_err(|error| unreachable(chain(&error)))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
            Ok((head, body))
        };
        let answered = tokio::time::timeout(ANSWER_TIME, exchange).await;
        let late = |_elapsed| unreachable(format!("nothing within {} s", ANSWER_TIME.as_secs()));
        let (head, body) = answered.map_err(late)??;
        let header = |name: &str| {
            head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        if head.status.is_success() {
            return Ok(Answer { body, next_page: header("opc-next-page") });
        }
        Err(ClientError::Service(service_error(
            head.status.as_u16(),
            &body,
            header("opc-request-id"),
        )))
    }
}

fn no_authorities() -> rustls::ClientConfig {
    rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn service_error(status: u16, body: &[u8], request_id: Option<String>) -> ServiceError {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| {
        let value = parsed.as_ref().and_then(|body| body.get(name)).and_then(|v| v.as_str());
        value.unwrap_or_default().to_owned()
    };
    ServiceError { status, code: field("code"), message: field("message"), request_id }
}
