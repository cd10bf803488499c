use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Uri};
use strongroom_model::{Clock, Random};
use strongroom_signing::{Outgoing, sign};
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::credentials::{ApiKey, Credentials};
use crate::endpoint::{BaseUrl, Endpoints, Service};
use crate::error::ClientError;
use crate::network::Network;
use crate::transport::{Answer, Transport};

const TRIES: u32 = 5;
const FIRST_PAUSE_MS: u64 = 100;
/// How long a try may take, and a call with all its tries and pauses.
const TRY_TIME: Duration = Duration::from_secs(20);
const CALL_TIME: Duration = Duration::from_mins(1);

/// Calls the services of OCI.
#[derive(Debug, Clone)]
pub struct Client {
    endpoints: Endpoints,
    credentials: Arc<Credentials>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    transport: Transport,
    breaker: Arc<Breaker>,
    tries: u32,
}

/// How often a call is tried, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Tries, the first one among them.
    pub tries: u32,
    /// The longest pause after the first try, in milliseconds; it doubles with every try, and how much
    /// of it is waited is drawn at random.
    pub first_pause_ms: u64,
    /// How long a call may take with all tries and pauses.
    pub call_time: Duration,
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
    /// Whether nothing is different afterwards, though it is sent with a body.
    pub(crate) is_read: bool,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// [`ClientError::Authorities`] if no certificate authority can be read, and one is needed.
    pub fn new<'a>(
        endpoints: Endpoints,
        network: impl Into<Network<'a>>,
        credentials: impl Into<Credentials>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ClientError> {
        Self::sharing(Arc::new(credentials.into()), endpoints, network, (clock, random))
    }

    /// Makes a client that signs with credentials that others sign with too.
    pub(crate) fn sharing<'a>(
        credentials: Arc<Credentials>,
        endpoints: Endpoints,
        network: impl Into<Network<'a>>,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Result<Self, ClientError> {
        let transport = Transport::new(network, endpoints.over_tls())?;
        let (breaker, tries) = (Arc::default(), TRIES);
        Ok(Self { endpoints, credentials, clock, random, transport, breaker, tries })
    }

    /// How every client tries again, unless it is made to try once.
    pub const BACKOFF: Backoff =
        Backoff { tries: TRIES, first_pause_ms: FIRST_PAUSE_MS * 2, call_time: CALL_TIME };

    /// Returns a client with the same credentials that tries every call once.
    #[must_use]
    pub fn trying_once(&self) -> Self {
        Self { tries: 1, breaker: Arc::default(), ..self.clone() }
    }

    /// Returns the one URL that answers all services, if there is one.
    #[must_use]
    pub const fn base_url(&self) -> Option<&BaseUrl> {
        match &self.endpoints {
            Endpoints::One(url) => Some(url),
            Endpoints::Region(_) | Endpoints::Elsewhere(_) => None,
        }
    }

    /// Returns a client for what `endpoint` answers, with the same credentials.
    pub(crate) fn at(&self, endpoint: BaseUrl) -> Result<Self, ClientError> {
        if endpoint.is_over_tls() != self.endpoints.over_tls() {
            let why = "it is of another scheme than the services' endpoints";
            return Err(ClientError::Endpoint(why));
        }
        Ok(Self { endpoints: Endpoints::One(endpoint), ..self.clone() })
    }

    /// Returns where the services are.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Returns what the services know the key by that signs the next request: tenancy, user and
    /// fingerprint, or `ST$` and a token.
    pub(crate) async fn key_id(&self) -> Result<String, ClientError> {
        Ok(self.credentials.current().await?.id.clone())
    }

    /// Returns the name of the kind of credentials, as Oracle's command line has it.
    #[must_use]
    pub fn credentials_name(&self) -> &'static str {
        self.credentials.name()
    }

    /// Sends a call; what may pass when tried again is tried again, after a pause that grows and is
    /// drawn at random (full jitter). What was refused because its credentials were is signed with
    /// others, once; if there are no others, it stays refused.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let base_url = self.endpoints.base_url(call.service);
        let url = format!("{base_url}{}", call.target);
        let uri: Uri = url.parse().map_err(|_error| ClientError::Endpoint("it is no URL"))?;
        let token = call.retry_token.then(|| self.retry_token());
        let until = Instant::now() + CALL_TIME;
        let (mut tried, mut refused) = (0, None);
        loop {
            self.breaker.check(&base_url, Instant::now())?;
            let key = match self.key(until).await {
                Ok(key) => key,
                Err(error) => return Err(refused.unwrap_or(error)),
            };
            let outcome = self.send_once(&call, (&uri, &key), token.as_deref(), until).await;
            tried += 1;
            self.take_note(&base_url, &outcome);
            let pause = self.pause(tried).max(asked_pause(&outcome));
            let error = match outcome {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_refused = matches!(&error, ClientError::Service(error) if error.status == 401);
            if is_refused && refused.is_none() && self.drop_refused(&key, until).await {
                refused = Some(error);
                continue;
            }
            let is_in_time = Instant::now().checked_add(pause).is_some_and(|then| then < until);
            if tried >= self.tries || !may_pass(&error, &call) || !is_in_time {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Tells whether other credentials may do. Waiting for those who renew them counts as well.
    async fn drop_refused(&self, key: &Arc<ApiKey>, until: Instant) -> bool {
        let dropped = tokio::time::timeout_at(until, self.credentials.drop_refused(key)).await;
        dropped.unwrap_or(false)
    }

    /// Returns what to sign with. Getting it counts as part of the call.
    async fn key(&self, until: Instant) -> Result<Arc<ApiKey>, ClientError> {
        let got = tokio::time::timeout_at(until, self.credentials.current()).await;
        got.unwrap_or_else(|_late| {
            let (what, why) = (self.credentials.name(), "getting them took too long".to_owned());
            Err(ClientError::Credentials { what, why, is_refused: false })
        })
    }

    /// An answer that refuses what was asked is still an answer.
    fn take_note(&self, base_url: &str, outcome: &Result<Answer, ClientError>) {
        let failure = outcome.as_ref().err().filter(|error| match error {
            ClientError::Unreachable { .. } | ClientError::Proxy { .. } => true,
            ClientError::Service(error) => error.status >= 500 && error.status != 501,
            _ => false,
        });
        match failure {
            Some(error) => self.breaker.failed(base_url, error, Instant::now()),
            None => self.breaker.succeeded(base_url),
        }
    }

    async fn send_once(
        &self,
        call: &Call,
        (uri, key): (&Uri, &ApiKey),
        token: Option<&str>,
        until: Instant,
    ) -> Result<Answer, ClientError> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let outgoing = Outgoing {
            method: call.method.as_str(),
            target,
            host: uri.authority().map_or("", |authority| authority.as_str()),
            body: call.body.as_ref().map(|body| ("application/json", body.as_ref())),
        };
        let mut headers = sign(&outgoing, &key.id, &key.key, self.clock.now())
            .map_err(|error| ClientError::Signing(error.to_string()))?;
        headers.push(("accept", "application/json".to_owned()));
        headers.push(("user-agent", concat!("strongroom/", env!("CARGO_PKG_VERSION")).to_owned()));
        if let Some(token) = token {
            headers.push(("opc-retry-token", token.to_owned()));
        }
        let mut request = Request::builder().method(call.method.clone()).uri(uri.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(call.body.clone().unwrap_or_default()))
            .map_err(|error| ClientError::Signing(error.to_string()))?;
        self.transport.send(request, until.min(Instant::now() + TRY_TIME)).await
    }

    fn retry_token(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.random.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    /// Draws how long to wait: up to a bound that doubles with every try.
    fn pause(&self, tried: u32) -> Duration {
        let most = FIRST_PAUSE_MS.saturating_mul(1 << tried.min(6));
        let mut bytes = [0_u8; 8];
        self.random.fill(&mut bytes);
        Duration::from_millis(u64::from_be_bytes(bytes) % most)
    }
}

/// How long the service wants to be left alone, if it says so.
fn asked_pause(outcome: &Result<Answer, ClientError>) -> Duration {
    match outcome {
        Err(ClientError::Service(error)) => {
            Duration::from_secs(error.retry_after_secs.unwrap_or_default())
        }
        _ => Duration::ZERO,
    }
}

/// An update carries no token, so one that may have been carried out is not sent again.
fn may_pass(error: &ClientError, call: &Call) -> bool {
    let is_read = call.method == Method::GET || call.is_read;
    let repeatable = is_read || call.retry_token || call.body.is_none();
    match error {
        ClientError::Unreachable { perhaps_arrived, .. } => repeatable || !perhaps_arrived,
        ClientError::Proxy { status, .. } => matches!(status, 429 | 500..),
        ClientError::Service(error) => match error.status {
            429 => true,
            // A state that passes: Oracle's SDKs try again as well. Nothing has been carried out.
            409 => error.code == "IncorrectState",
            501 => false,
            500.. => repeatable,
            _ => false,
        },
        ClientError::Endpoint(_)
        | ClientError::Authorities(_)
        | ClientError::Signing(_)
        | ClientError::Credentials { .. }
        | ClientError::LeftAlone { .. }
        | ClientError::Answer(_) => false,
    }
}
