//! Functions that rotate secrets: an HTTP call for each step.

use std::future::ready;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use strongroom_model::{AddressRange, Clock, RotationStep};
use strongroom_server::{StepAnswer, StepFailure, StepOutcome, StepWork, TargetSystem};
use strongroom_signing::{Outgoing, PrivateKey, sign};
use tokio::time::timeout;
use tower_service::Service;

/// How long a step may take. Source: OCI documentation, "Secret Rotation Functions".
const STEP_TIME: Duration = Duration::from_mins(5);
const CONNECT_TIME: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const MESSAGE_CHARS_MAX: usize = 400;

/// What a function is made of.
pub struct FunctionParts {
    /// Where steps are sent, `http` or `https`.
    pub url: String,
    /// Addresses that may be dialled.
    pub allowed: Vec<AddressRange>,
    /// `keyId` of the signature.
    pub key_id: String,
    /// Key that signs.
    pub key: PrivateKey,
    /// Time of signatures.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for FunctionParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionParts").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A function that is called over HTTP: it gets `{step, secretId, versionNo}` in a request signed as
/// OCI's are, and answers `{responseCode, versionNo, returnMessage}`. It fetches and stores contents
/// itself.
pub struct Function {
    parts: FunctionParts,
    uri: Uri,
    host: String,
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("uri", &self.uri).finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Returned {
    response_code: u16,
    version_no: Option<u64>,
    return_message: Option<String>,
}

impl Function {
    /// Makes the target.
    ///
    /// # Errors
    /// What is wrong with the URL, or that its address may not be dialled.
    pub fn new(parts: FunctionParts) -> Result<Self, String> {
        let uri: Uri = parts.url.parse().map_err(|_no_url| "url must be a URL".to_owned())?;
        let over_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("url must begin with http:// or https://".to_owned()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(|| "url must name a host, and no user".to_owned())?;
        // A literal address is not resolved, so it is checked here.
        let literal = authority.host().trim_start_matches('[').trim_end_matches(']').parse();
        if let Ok(address) = literal
            && !is_allowed(&parts.allowed, address)
        {
            return Err(format!("url: {address} is none of the addresses that may be dialled"));
        }
        let host = authority.as_str().to_owned();
        let mut connector =
            HttpConnector::new_with_resolver(Resolver(parts.allowed.clone().into()));
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIME));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let builder = if over_tls {
            builder.with_provider_and_native_roots(provider).map_err(|error| error.to_string())?
        } else {
            let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(rustls::RootCertStore::empty());
            builder.with_tls_config(config.with_no_client_auth())
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { parts, uri, host, client })
    }

    async fn call(&self, work: &StepWork) -> Result<StepOutcome, StepFailure> {
        let body = serde_json::json!({
            "step": work.step.name(), "secretId": work.secret_id, "versionNo": work.version,
        });
        let answered = timeout(STEP_TIME, self.exchange(body.to_string().into_bytes())).await;
        let late = |_elapsed| StepFailure::passing("the function did not answer in 300 seconds");
        let (status, body) = answered.map_err(late)??;
        if status != 200 {
            let message = format!("the function answered {status}, and redirects are not followed");
            return Err(StepFailure::passing(message));
        }
        let returned: Returned = serde_json::from_slice(&body).map_err(|_error| {
            StepFailure::passing(
                "the function's answer is not {responseCode, versionNo, returnMessage}",
            )
        })?;
        if returned.response_code != 200 {
            let said = returned.return_message.unwrap_or_default();
            let said: String =
                said.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
            let message = format!("the function returned {}: {said}", returned.response_code);
            return Err(StepFailure::passing(message));
        }
        match (work.step, returned.version_no) {
            (RotationStep::CreatePendingVersion, Some(number)) => Ok(StepOutcome::Version(number)),
            (RotationStep::CreatePendingVersion, None) => {
                Err(StepFailure::passing("the function named no versionNo"))
            }
            _ => Ok(StepOutcome::Done),
        }
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<(u16, Bytes), StepFailure> {
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let outgoing = Outgoing {
            method: "POST",
            target,
            host: &self.host,
            body: Some(("application/json", &body)),
        };
        let now = self.parts.clock.now();
        let headers = sign(&outgoing, &self.parts.key_id, &self.parts.key, now);
        let headers = headers.map_err(|error| StepFailure::passing(error.to_string()))?;
        let mut request = Request::post(self.uri.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let failed =
            |what: String| StepFailure::passing(format!("the function cannot be called: {what}"));
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| failed(error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| failed(chain(&error)))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|error| failed(error.to_string()))?.to_bytes()))
    }
}

impl TargetSystem for Function {
    fn takes_content(&self) -> bool {
        false
    }

    fn step<'a>(&'a self, work: &'a StepWork) -> StepAnswer<'a> {
        if work.step == RotationStep::RetirePreviousVersion {
            return Box::pin(ready(Ok(StepOutcome::Done)));
        }
        Box::pin(self.call(work))
    }
}

fn is_allowed(allowed: &[AddressRange], address: IpAddr) -> bool {
    allowed.iter().any(|range| range.contains(address))
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Looks names up, and keeps the addresses that may be dialled: what was checked is what is dialled.
#[derive(Debug, Clone)]
struct Resolver(Arc<[AddressRange]>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let may: Vec<SocketAddr> =
                found.filter(|address| is_allowed(&allowed, address.ip())).collect();
            if may.is_empty() {
                let what = "none of its addresses is one that may be dialled";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
            }
            Ok(may.into_iter())
        })
    }
}
