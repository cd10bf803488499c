//! The load generator: connections that each send one request at a time, in a closed loop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Outcome;
use crate::answer::Answer;
use crate::histogram::Histogram;
use crate::requests::Requests;

const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where a server is, and the certificate to trust if it speaks TLS.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) port: u16,
    address: IpAddr,
    tls: Option<TlsConnector>,
}

/// What a round of load did.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) secs: f64,
    /// Of all answers with status 200.
    pub(crate) latencies: Histogram,
    /// Answers with any other status.
    pub(crate) refused: u64,
}

impl Place {
    pub(crate) fn new(port: u16, certificate: Option<&[u8]>) -> Outcome<Self> {
        let Some(certificate) = certificate else {
            return Ok(Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Some(TlsConnector::from(Arc::new(config)));
        Ok(Self { port, address: Ipv4Addr::LOCALHOST.into(), tls })
    }

    /// A server that speaks plain HTTP.
    pub(crate) const fn at(address: SocketAddr) -> Self {
        Self { port: address.port(), address: address.ip(), tls: None }
    }

    pub(crate) async fn connect(&self) -> Outcome<Connection> {
        let stream = TcpStream::connect((self.address, self.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                Box::new(tls.connect(ServerName::try_from("127.0.0.1")?.to_owned(), stream).await?)
            }
        };
        Ok(Connection { stream, buffer: vec![0; ANSWER_BYTES_MAX] })
    }

    /// Sends one request on a connection of its own and returns the status.
    pub(crate) async fn status(&self, request: &[u8]) -> Outcome<u16> {
        Ok(self.connect().await?.exchange(request).await?.status)
    }

    /// Sends one request on a connection of its own and returns a success as it came.
    pub(crate) async fn once(&self, request: &[u8]) -> Outcome<Vec<u8>> {
        self.connect().await?.success(request).await
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends a request and returns a success as it came.
    pub(crate) async fn success(&mut self, request: &[u8]) -> Outcome<Vec<u8>> {
        let answer = self.exchange(request).await?;
        let received = self.buffer.get(..answer.whole).unwrap_or_default();
        if answer.status == 200 {
            return Ok(received.to_vec());
        }
        Err(String::from_utf8_lossy(received).into_owned().into())
    }

    /// Sends a request and returns the status of its answer.
    pub(crate) async fn status(&mut self, request: &[u8]) -> Outcome<u16> {
        Ok(self.exchange(request).await?.status)
    }

    async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer> {
        self.stream.write_all(request).await?;
        // TLS keeps what it could not send at once until it is told to go on.
        self.stream.flush().await?;
        let mut filled = 0;
        loop {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(free).await?;
            if read == 0 {
                return Err("the server closed the connection, or answered too much".into());
            }
            filled += read;
            if let Some(answer) = Answer::read(self.buffer.get(..filled).unwrap_or_default())? {
                return Ok(answer);
            }
        }
    }
}

/// Connections that are open and have been used once, each with what it sends.
pub(crate) struct Load(Vec<(Connection, Requests)>);

impl Load {
    /// Connects once for each list, so that neither handshakes nor first uses are measured.
    pub(crate) async fn connect(place: &Place, lists: &[Requests]) -> Outcome<Self> {
        let mut connections = Vec::with_capacity(lists.len());
        for list in lists {
            let mut connection = place.connect().await?;
            connection.exchange(list.last().ok_or("nothing to send")?).await?;
            connections.push((connection, Arc::clone(list)));
        }
        Ok(Self(connections))
    }

    /// Takes the connections of another as well.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Repeats the lists for a while, each connection starting at another place of its list.
    pub(crate) async fn run(self, duration: Duration) -> Outcome<Served> {
        self.run_paced(duration, Duration::ZERO).await
    }

    /// The same, with a pause before each request.
    pub(crate) async fn run_paced(self, duration: Duration, pause: Duration) -> Outcome<Served> {
        let began = Instant::now();
        let tasks: Vec<_> = self
            .0
            .into_iter()
            .enumerate()
            .map(|(number, (connection, list))| {
                let list = Turn { list, number, pause };
                tokio::spawn(client(connection, list, began + duration))
            })
            .collect();
        let mut served = Served::default();
        for task in tasks {
            let (latencies, refused) = task.await??;
            served.latencies.merge(&latencies);
            served.refused += refused;
        }
        served.secs = began.elapsed().as_secs_f64();
        Ok(served)
    }
}

impl Served {
    /// Passes on what was served if every answer was a success.
    pub(crate) fn checked(self, server: &str) -> Outcome<Self> {
        let (refused, accepted) = (self.refused, self.latencies.count());
        if refused == 0 && accepted > 0 {
            return Ok(self);
        }
        Err(format!("{server}: {refused} answers were not 200, {accepted} were").into())
    }
}

/// What a connection sends: from which place of the list on, and how long it waits before each.
struct Turn {
    list: Requests,
    number: usize,
    pause: Duration,
}

async fn client(
    mut connection: Connection,
    Turn { list, number, pause }: Turn,
    until: Instant,
) -> Outcome<(Histogram, u64)> {
    let (mut latencies, mut refused) = (Histogram::default(), 0);
    let mut sent = Instant::now();
    for request in list.iter().cycle().skip(number * 7 % list.len().max(1)) {
        if sent >= until {
            break;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
            sent = Instant::now();
        }
        let answer = connection.exchange(request).await?;
        let now = Instant::now();
        if answer.status == 200 {
            latencies.add(u64::try_from((now - sent).as_nanos())?);
        } else {
            refused += 1;
        }
        sent = now;
    }
    Ok((latencies, refused))
}
