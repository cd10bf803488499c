use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::set_ipv6_unicast_hops;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;

use super::Agent;
use super::gate::{Asker, Caller};

/// How long a connection waits for a whole request at least; at most twice as long.
const HEADER_TIME: Duration = Duration::from_secs(5);
const HEADER_BYTES_MAX: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections of each kind at a time. Together they leave room below the 1,024 files that a process may
/// usually have open, for the way to the vault and for files of secrets.
const SOCKET_CONNECTIONS_MAX: usize = 512;
const HTTP_CONNECTIONS_MAX: usize = 256;

/// No router forwards a packet of this lifetime: answers stay on this machine.
const TTL: u8 = 1;

/// A socket in the file system: the kernel says who asks.
#[derive(Debug)]
pub struct SocketListener(pub UnixListener);

/// A loopback address: the token says who asks.
#[derive(Debug)]
pub struct HttpListener(pub TcpListener);

impl SocketListener {
    /// Answers for as long as it is polled.
    pub async fn serve(self, agent: Arc<Agent>) {
        let places = Arc::new(Semaphore::new(SOCKET_CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = self.0.accept().await.and_then(|(stream, _)| {
                let peer = stream.peer_cred()?;
                Ok((stream, peer))
            });
            match accepted {
                Ok((stream, peer)) => {
                    let asker =
                        Asker::Process { uid: peer.uid(), gid: peer.gid(), pid: peer.pid() };
                    let agent = Arc::clone(&agent);
                    tokio::spawn(async move {
                        converse(agent, asker, stream).await;
                        drop(place);
                    });
                }
                Err(error) => refused(&error).await,
            }
        }
    }
}

impl HttpListener {
    /// Answers for as long as it is polled.
    pub async fn serve(self, agent: Arc<Agent>) {
        let places = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = self.0.accept().await.and_then(|(stream, peer)| {
                stream.set_nodelay(true)?;
                stay_here(&stream, peer)?;
                Ok((stream, peer))
            });
            match accepted {
                Ok((stream, peer)) => {
                    let agent = Arc::clone(&agent);
                    tokio::spawn(async move {
                        converse(agent, Asker::Loopback(peer.ip()), stream).await;
                        drop(place);
                    });
                }
                Err(error) => refused(&error).await,
            }
        }
    }
}

/// The two protocols have a setting each.
fn stay_here(stream: &TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    match peer {
        SocketAddr::V4(_) => stream.set_ttl(TTL.into()),
        SocketAddr::V6(_) => Ok(set_ipv6_unicast_hops(stream, Some(TTL))?),
    }
}

async fn refused(error: &std::io::Error) {
    tracing::warn!(%error, "a connection was not accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn converse<S>(agent: Arc<Agent>, asker: Asker, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (agent, caller, traffic) = (&*agent, &Caller::from(asker), &Traffic::default());
    let service = service_fn(|request: Request<Incoming>| async move {
        traffic.begin();
        let answer = agent.answer(caller, request).await;
        traffic.end();
        Ok::<_, Infallible>(answer)
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended");
        },
        () = traffic.has_stopped() => tracing::debug!("a connection was not used"),
    }
}

/// What a connection is used for. A clock for each request would cost more than the request.
#[derive(Debug, Default)]
struct Traffic {
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Traffic {
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until no whole request has come for as long as one may take.
    async fn has_stopped(&self) {
        let mut looks = tokio::time::interval(HEADER_TIME);
        looks.tick().await;
        let mut before = None;
        loop {
            let now = (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
            if now.0 == now.1 && before == Some(now) {
                return;
            }
            before = Some(now);
            looks.tick().await;
        }
    }
}
