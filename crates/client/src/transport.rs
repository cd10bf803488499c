use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HttpClient, Error as ExchangeError};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use crate::error::{ClientError, ServiceError};

const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Carries requests over HTTP and HTTPS.
#[derive(Debug, Clone)]
pub(crate) struct Transport(HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What came back from a service that did as asked.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) next_page: Option<String>,
}

/// The certificate authorities to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities<'a> {
    /// Those of the system.
    System,
    /// Those of this PEM bundle, and no others.
    Bundle(&'a [u8]),
}

impl Transport {
    /// Makes a transport. The system's authorities are not looked for if TLS is not needed.
    pub(crate) fn new(authorities: Authorities<'_>, over_tls: bool) -> Result<Self, ClientError> {
        let refused = |why: String| ClientError::Authorities(why);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let builder = match authorities {
            Authorities::System if over_tls => builder
                .with_provider_and_native_roots(provider)
                .map_err(|error| refused(error.to_string()))?,
            Authorities::System => builder.with_tls_config(config(RootCertStore::empty())?),
            Authorities::Bundle(pem) => builder.with_tls_config(config(roots(pem)?)?),
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector());
        Ok(Self(HttpClient::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request and returns status and date of the answer, whose body is not read.
    pub(crate) async fn head(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(u16, Option<String>), ExchangeError> {
        let answer = self.0.request(request).await?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        Ok((answer.status().as_u16(), date.map(str::to_owned)))
    }

    /// Sends a request and reads the answer, until `until` at the latest.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        until: Instant,
    ) -> Result<Answer, ClientError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let unreachable = |why, perhaps_arrived| {
            let host = host.clone();
            ClientError::Unreachable { host, why, perhaps_arrived }
        };
        let exchange = async {
            let lost = |error: ExchangeError| unreachable(chain(&error), !error.is_connect());
            let (head, body) = self.0.request(request).await.map_err(lost)?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string(), true))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let answered = tokio::time::timeout_at(until, exchange).await;
        let answer =
            answered.map_err(|_late| unreachable("it took too long".to_owned(), true))??;
        let header = |name: &str| {
            let value = answer.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(Answer { next_page: header("opc-next-page"), body: answer.into_body() });
        }
        let error = service_error(status.as_u16(), answer.body());
        let (request_id, after) = (header("opc-request-id"), header("retry-after"));
        let retry_after_secs = after.and_then(|secs| secs.trim().parse().ok());
        Err(ClientError::Service(ServiceError { request_id, retry_after_secs, ..error }))
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIME));
    connector
}

fn roots(pem: &[u8]) -> Result<RootCertStore, ClientError> {
    let refused = |why: String| ClientError::Authorities(why);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("there is no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Authorities(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
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

fn service_error(status: u16, body: &[u8]) -> ServiceError {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| {
        let value = parsed.as_ref().and_then(|body| body.get(name)).and_then(|v| v.as_str());
        value.unwrap_or_default().to_owned()
    };
    let (code, message) = (field("code"), field("message"));
    ServiceError { status, code, message, request_id: None, retry_after_secs: None }
}
