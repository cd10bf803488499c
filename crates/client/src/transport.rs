use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::PROXY_AUTHORIZATION;
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HttpClient, Error as ExchangeError};
use hyper_util::rt::TokioExecutor;
use strongroom_signing::parse_imf_date;
use tokio::time::Instant;

use crate::error::{ClientError, ServiceError};
use crate::network::Network;
use crate::proxies::{Proxies, Proxy};
use crate::road::{NoTunnel, Road};

const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// What a proxy answers to who does not say who they are.
const LOGIN_WANTED: u16 = 407;

/// Carries requests over HTTP and HTTPS.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: HttpClient<HttpsConnector<Road>, Full<Bytes>>,
    proxies: Arc<Proxies>,
}

/// What came back from a service that did as asked.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) next_page: Option<String>,
}

impl Transport {
    /// Makes a transport. The system's authorities are not looked for if TLS is not needed.
    pub(crate) fn new<'a>(
        network: impl Into<Network<'a>>,
        over_tls: bool,
    ) -> Result<Self, ClientError> {
        let Network { authorities, proxies } = network.into();
        let proxies = Arc::new(proxies);
        let road = Road { connector: connector(), proxies: Arc::clone(&proxies) };
        let builder = HttpsConnectorBuilder::new().with_tls_config(authorities.trusted(over_tls)?);
        let connector = builder.https_or_http().enable_http1().wrap_connector(road);
        let client = HttpClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, proxies })
    }

    /// A tunnel is its proxy's matter; what is not in one tells the proxy itself who it is.
    fn tell_proxy(&self, request: &mut Request<Full<Bytes>>) -> Option<&Proxy> {
        let is_plain = request.uri().scheme_str() == Some("http");
        let proxy = self.proxies.to(request.uri()).filter(|_| is_plain)?;
        if let Some(authorization) = &proxy.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        Some(proxy)
    }

    /// Sends a request and returns status and date of the answer, whose body is not read.
    pub(crate) async fn head(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(u16, Option<String>), ExchangeError> {
        self.tell_proxy(&mut request);
        let answer = self.client.request(request).await?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        Ok((answer.status().as_u16(), date.map(str::to_owned)))
    }

    /// Sends a request and reads the answer, until `until` at the latest.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        until: Instant,
    ) -> Result<Answer, ClientError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let unreachable = |why, perhaps_arrived| {
            let host = host.clone();
            ClientError::Unreachable { host, why, perhaps_arrived }
        };
        let proxy = self.tell_proxy(&mut request);
        let exchange = async {
            let lost = |error: ExchangeError| match NoTunnel::below(&error) {
                Some(NoTunnel { place, status }) => refused_by(place, status.as_u16()),
                None => unreachable(chain(&error), !error.is_connect()),
            };
            let (head, body) = self.client.request(request).await.map_err(lost)?.into_parts();
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
        if let Some(proxy) = proxy.filter(|_| status.as_u16() == LOGIN_WANTED) {
            return Err(refused_by(&proxy.place, LOGIN_WANTED));
        }
        let error = service_error(status.as_u16(), answer.body());
        let request_id = header("opc-request-id");
        let after = header("retry-after");
        let retry_after_secs = after.and_then(|after| seconds_until(&after, header("date")));
        Err(ClientError::Service(ServiceError { request_id, retry_after_secs, ..error }))
    }
}

/// Reads `Retry-After`: seconds, or an instant by the clock that dated the answer.
///
/// Source: RFC 9110, section 10.2.3.
fn seconds_until(after: &str, date: Option<String>) -> Option<u64> {
    after.trim().parse().ok().or_else(|| {
        let (at, now) = (parse_imf_date(after.trim())?, parse_imf_date(date?.trim())?);
        u64::try_from(at.as_second() - now.as_second()).ok()
    })
}

fn refused_by(place: &str, status: u16) -> ClientError {
    ClientError::Proxy { place: place.to_owned(), status }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIME));
    connector
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
