use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, Uri};
use strongroom_model::{Clock, Random};
use strongroom_signing::{Outgoing, PrivateKey, sign};

use crate::endpoint::{Endpoints, Service};
use crate::error::ClientError;
use crate::transport::{Answer, Transport};

const TRIES: u32 = 5;
const FIRST_PAUSE_MS: u64 = 100;

/// Calls the services of OCI with a user's API key.
#[derive(Debug, Clone)]
pub struct Client {
    endpoints: Endpoints,
    key_id: Arc<str>,
    key: Arc<PrivateKey>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    transport: Transport,
}

/// A call before it is signed.
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) method: Method,
    /// Path and query, percent-encoded.
    pub(crate) target: String,
    pub(crate) body: Option<Bytes>,
    /// Whether sending it twice with one token is doing it once.
    pub(crate) retry_token: bool,
}

impl Client {
    /// Makes a client that signs as `key_id` with `key`.
    #[must_use]
    pub fn new(
        endpoints: Endpoints,
        key_id: &str,
        key: PrivateKey,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let transport = Transport::new();
        Self { endpoints, key_id: key_id.into(), key: Arc::new(key), clock, random, transport }
    }

    /// Sends a call; what may pass when tried again is tried again, after a pause that grows and is
    /// drawn at random (full jitter).
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let url = format!("{}{}", self.endpoints.base_url(call.service), call.target);
        let uri: Uri = url.parse().map_err(|_error| ClientError::Endpoint(url.clone()))?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.authority().map(ToString::to_string).filter(|_| known);
        let host = host.ok_or_else(|| ClientError::Endpoint(url.clone()))?;
        let token = call.retry_token.then(|| self.retry_token());
        let mut tried = 0;
        loop {
            let outcome = self.send_once(&call, &uri, &host, token.as_deref()).await;
            tried += 1;
            match &outcome {
                Err(error) if tried < TRIES && may_pass(error, &call) => self.pause(tried).await,
                _ => return outcome,
            }
        }
    }

    async fn send_once(
        &self,
        call: &Call,
        uri: &Uri,
        host: &str,
        token: Option<&str>,
    ) -> Result<Answer, ClientError> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let outgoing = Outgoing {
            method: call.method.as_str(),
            target,
            host,
            body: call.body.as_ref().map(|body| ("application/json", body.as_ref())),
        };
        let mut headers = sign(&outgoing, &self.key_id, &self.key, self.clock.now())
            .map_err(|error| ClientError::Signing(error.to_string()))?;
        headers.push(("accept", "application/json".to_owned()));
        headers.push(("user-agent", concat!("strongroom/", env!("CARGO_PKG_VERSION")).to_owned()));
        if let Some(token) = token {
            headers.push(("opc-retry-token", token.to_owned()));
        }
        let body = call.body.clone().unwrap_or_default();
        self.transport.send(call.method.clone(), uri.clone(), &headers, body).await
    }

    fn retry_token(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.random.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    async fn pause(&self, tried: u32) {
        let most = FIRST_PAUSE_MS.saturating_mul(1 << tried.min(6));
        let mut bytes = [0_u8; 8];
        self.random.fill(&mut bytes);
        tokio::time::sleep(Duration::from_millis(u64::from_be_bytes(bytes) % most)).await;
    }
}

/// An update carries no token, so one whose answer was lost is not sent again.
fn may_pass(error: &ClientError, call: &Call) -> bool {
    let repeatable = call.method == Method::GET || call.retry_token || call.body.is_none();
    match error {
        ClientError::Unreachable { .. } => repeatable,
        ClientError::Service(error) => match error.status {
            429 => true,
            501 => false,
            500.. => repeatable,
            _ => false,
        },
        ClientError::Endpoint(_) | ClientError::Signing(_) | ClientError::Answer(_) => false,
    }
}
