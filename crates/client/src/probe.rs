//! Looks at the way to a service, without a signature.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use jiff::Timestamp;
use rustls::CertificateError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::endpoint::BaseUrl;
use crate::network::Network;
use crate::proxies::{Exceptions, Proxies};
use crate::road::NoTunnel;
use crate::transport::Transport;

/// How long a connection, and an answer, may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// What a proxy answers to who does not say who they are.
const LOGIN_WANTED: u16 = 407;

/// Longest answer of a proxy to `CONNECT` that is looked at.
const PROXY_ANSWER_BYTES: usize = 64;

/// A host with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectFault {
    /// Nothing listens there.
    Refused,
    /// No answer came.
    TimedOut,
    /// Something else; what the system says.
    Other(String),
}

/// Why there is no answer over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerFault {
    /// The certificate authorities to trust cannot be read.
    Authorities(String),
    /// It took too long.
    TimedOut,
    /// Nobody who is trusted vouches for the certificate.
    UnknownAuthority,
    /// The certificate is not valid now.
    CertificateNotNow(String),
    /// The certificate is of another name.
    CertificateOfOtherName(String),
    /// The answer to a TLS greeting is none.
    NotTls,
    /// TLS fails otherwise.
    Tls(String),
    /// The proxy on the way does not pass it on.
    Proxy {
        /// Its host and port.
        place: String,
        /// Its answer's status.
        status: u16,
    },
    /// The answer is not HTTP, or ends too early.
    NotHttp(String),
}

/// What a service answers to whom it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// What its clock shows, if it says.
    pub date: Option<Timestamp>,
    /// How long it took, connection and TLS included.
    pub took: Duration,
}

impl BaseUrl {
    /// Returns host and port.
    #[must_use]
    pub fn host_port(&self) -> HostPort {
        let uri: Uri = self.to_string().parse().unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let usual = if self.is_over_tls() { 443 } else { 80 };
        HostPort { host, port: uri.port_u16().unwrap_or(usual) }
    }

    /// Returns the same URL by the other scheme, `http` or `https`.
    #[must_use]
    pub fn by_other_scheme(&self) -> Option<Self> {
        let text = self.to_string();
        let (scheme, rest) = text.split_once(':')?;
        let other = if scheme.eq_ignore_ascii_case("https") { "http" } else { "https" };
        format!("{other}:{rest}").parse().ok()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Returns the proxy that leads to a URL, if one does.
#[must_use]
pub fn proxy_to(url: &BaseUrl, proxies: &Proxies) -> Option<HostPort> {
    let uri: Uri = url.to_string().parse().ok()?;
    let proxy: BaseUrl = proxies.to(&uri)?.to_string().parse().ok()?;
    Some(proxy.host_port())
}

/// Returns the proxy that would lead to a URL, were its host not listed as one to reach directly.
#[must_use]
pub fn spared_proxy(url: &BaseUrl, proxies: &Proxies) -> Option<HostPort> {
    if proxy_to(url, proxies).is_some() {
        return None;
    }
    proxy_to(url, &Proxies { exceptions: Exceptions::default(), ..proxies.clone() })
}

/// Returns the addresses that a host's name leads to.
///
/// # Errors
/// What the system says.
pub async fn addresses(of: &HostPort) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((of.host.as_str(), of.port)).await;
    let found: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
    if found.is_empty() { Err("the name has no address".to_owned()) } else { Ok(found) }
}

/// Connects to one of several addresses, and hangs up.
///
/// # Errors
/// A [`ConnectFault`] of the last address.
pub async fn connect(addresses: &[SocketAddr]) -> Result<SocketAddr, ConnectFault> {
    let mut fault = ConnectFault::Other("there is no address".to_owned());
    for address in addresses {
        match connected(*address).await {
            Ok(_stream) => return Ok(*address),
            Err(this) => fault = this,
        }
    }
    Err(fault)
}

async fn connected(address: SocketAddr) -> Result<TcpStream, ConnectFault> {
    let connecting = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address));
    let connected = connecting.await.map_err(|_late| ConnectFault::TimedOut)?;
    connected.map_err(|error: io::Error| match error.kind() {
        ErrorKind::ConnectionRefused => ConnectFault::Refused,
        ErrorKind::TimedOut => ConnectFault::TimedOut,
        _ => ConnectFault::Other(error.to_string()),
    })
}

/// Asks a proxy for a tunnel to a host, and hangs up. Returns the status of its answer.
///
/// # Errors
/// A [`ConnectFault`] if the proxy does not answer.
pub async fn tunnel(proxy: &HostPort, to: &HostPort) -> Result<u16, ConnectFault> {
    let found = addresses(proxy).await.map_err(ConnectFault::Other)?;
    let address = connect(&found).await?;
    let asked = async {
        let mut stream = connected(address).await?;
        let HostPort { host, port } = to;
        let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
        let other = |error: io::Error| ConnectFault::Other(error.to_string());
        stream.write_all(request.as_bytes()).await.map_err(other)?;
        let mut answer = [0_u8; PROXY_ANSWER_BYTES];
        let length = stream.read(&mut answer).await.map_err(other)?;
        let text: Vec<u8> = answer.into_iter().take(length).collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| ConnectFault::Other("it does not answer as a proxy".to_owned()))
    };
    let answered = tokio::time::timeout(CONNECT_TIME, asked).await;
    answered.map_err(|_late| ConnectFault::TimedOut)?
}

/// Asks a service for nothing in particular, without a signature.
///
/// # Errors
/// An [`AnswerFault`].
pub async fn answer(url: &BaseUrl, network: &Network<'_>) -> Result<Answered, AnswerFault> {
    let transport = Transport::new(network.clone(), url.is_over_tls());
    let transport = transport.map_err(|error| AnswerFault::Authorities(error.to_string()))?;
    let request = Request::get(format!("{url}/")).header("accept", "application/json");
    let request = request.body(Full::new(Bytes::new()));
    let request = request.map_err(|error| AnswerFault::NotHttp(error.to_string()))?;
    let began = Instant::now();
    let head = tokio::time::timeout(ANSWER_TIME, transport.head(request)).await;
    let head = head.map_err(|_late| AnswerFault::TimedOut)?;
    let (status, date) = head.map_err(|error| fault_of(&error))?;
    if let Some(proxy) = proxy_to(url, &network.proxies).filter(|_| status == LOGIN_WANTED) {
        return Err(AnswerFault::Proxy { place: proxy.to_string(), status });
    }
    let date = date.and_then(|text| jiff::fmt::rfc2822::parse(&text).ok());
    let date = date.map(|date| date.timestamp());
    Ok(Answered { status, date, took: began.elapsed() })
}

/// Finds what TLS, or HTTP, complains of.
fn fault_of(error: &(dyn Error + 'static)) -> AnswerFault {
    if let Some(NoTunnel { place, status }) = NoTunnel::below(error) {
        return AnswerFault::Proxy { place: place.clone(), status: status.as_u16() };
    }
    let mut cause = Some(error);
    let mut text = error.to_string();
    while let Some(this) = cause {
        if let Some(tls) = tls_error(this) {
            return of_tls(tls);
        }
        text = this.to_string();
        cause = this.source();
    }
    AnswerFault::NotHttp(text)
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref::<rustls::Error>().or_else(|| {
        let within = error.downcast_ref::<io::Error>()?.get_ref()?;
        tls_error(within)
    })
}

fn of_tls(error: &rustls::Error) -> AnswerFault {
    let text = error.to_string();
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                AnswerFault::UnknownAuthority
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => AnswerFault::CertificateNotNow(text),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                AnswerFault::CertificateOfOtherName(text)
            }
            _ => AnswerFault::Tls(text),
        },
        rustls::Error::InvalidMessage(_) => AnswerFault::NotTls,
        _ => AnswerFault::Tls(text),
    }
}
