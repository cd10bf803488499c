//! The load generator: requests signed beforehand, connections that each send one at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use strongroom_model::{Clock, SystemClock};
use strongroom_signing::{Outgoing, PrivateKey, sign};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Outcome;

/// Who signs.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) key_id: String,
    pub(crate) key: PrivateKey,
}

/// Where a server is, and the certificate to trust if it speaks TLS.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) port: u16,
    tls: Option<TlsConnector>,
}

/// What a round of load did.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    pub(crate) secs: f64,
    /// Sorted, in microseconds.
    pub(crate) latencies: Vec<u32>,
}

impl Place {
    pub(crate) fn new(port: u16, certificate: Option<&[u8]>) -> Outcome<Self> {
        let Some(certificate) = certificate else { return Ok(Self { port, tls: None }) };
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { port, tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    async fn connect(&self) -> Outcome<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                Box::new(tls.connect(ServerName::try_from("127.0.0.1")?.to_owned(), stream).await?)
            }
        };
        Ok(Connection { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends one request on a connection of its own and returns the body of a success.
    pub(crate) async fn once(&self, request: &[u8]) -> Outcome<Vec<u8>> {
        let mut connection = self.connect().await?;
        connection.exchange(request).await
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn exchange(&mut self, request: &[u8]) -> Outcome<Vec<u8>> {
        let (head, length) = self.round_trip(request).await?;
        Ok(self.buffer.get(head..head + length).unwrap_or_default().to_vec())
    }

    /// Returns where the body of the answer is; anything but 200 is an error.
    async fn round_trip(&mut self, request: &[u8]) -> Outcome<(usize, usize)> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let free = self.buffer.get_mut(filled..).ok_or("the answer is too large")?;
            let read = self.stream.read(free).await?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            filled += read;
            let got = self.buffer.get(..filled).unwrap_or_default();
            let Some(end) = got.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = got.get(..end).unwrap_or_default();
            let length = content_length(head)?;
            if filled >= end + 4 + length {
                if head.starts_with(b"HTTP/1.1 200") {
                    return Ok((end + 4, length));
                }
                return Err(String::from_utf8_lossy(got).into_owned().into());
            }
        }
    }
}

fn content_length(head: &[u8]) -> Outcome<usize> {
    let head = std::str::from_utf8(head)?;
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(line.ok_or("no content-length")?.parse()?)
}

/// Signs a request and renders it.
pub(crate) fn request(
    identity: &Identity,
    method: &str,
    target: &str,
    port: u16,
    body: Option<&[u8]>,
) -> Outcome<Vec<u8>> {
    let host = format!("127.0.0.1:{port}");
    let sent = body.map(|body| ("application/json", body));
    let outgoing = Outgoing { method, target, host: &host, body: sent };
    let headers = sign(&outgoing, &identity.key_id, &identity.key, SystemClock.now())?;
    let lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {target} HTTP/1.1\r\n{}\r\n", lines.concat());
    Ok([head.as_bytes(), body.unwrap_or_default()].concat())
}

/// Loads a server for a while: one connection for each list of requests, which it repeats.
pub(crate) async fn run(
    place: &Place,
    requests: &[Arc<Vec<Vec<u8>>>],
    duration: Duration,
) -> Outcome<Served> {
    let mut connections = Vec::new();
    for requests in requests {
        connections.push((place.connect().await?, Arc::clone(requests)));
    }
    let began = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(number, (connection, requests))| {
            tokio::spawn(client(connection, requests, number, began + duration))
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let secs = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Served { requests: latencies.len() as u64, secs, latencies })
}

async fn client(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    number: usize,
    until: Instant,
) -> Outcome<Vec<u32>> {
    let mut latencies = Vec::with_capacity(64 * 1024);
    for request in requests.iter().cycle().skip(number) {
        let sent = Instant::now();
        if sent >= until {
            break;
        }
        connection.round_trip(request).await?;
        latencies.push(sent.elapsed().as_micros() as u32);
    }
    Ok(latencies)
}
