//! Listeners and connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use strongroom_model::VaultState;
use strongroom_store::StoreError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::door::Door;
use crate::pipeline::answer;
use crate::resealing::keep_resealing;
use crate::rotation::keep_rotating;
use crate::schedule::keep_schedule;
use crate::shared::Shared;
use crate::sweep::keep_swept;
use crate::tls::TlsIdentity;

const HEADER_TIME: Duration = Duration::from_secs(15);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const REQUEST_TIME: Duration = Duration::from_mins(1);
const DRAIN_TIME: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const HEADER_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

/// A server whose listener is bound.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsIdentity>,
    host: Option<String>,
}

/// A server that answers.
#[derive(Debug)]
pub struct Serving {
    base_url: String,
    stop: watch::Sender<bool>,
    doors: tokio::task::JoinHandle<()>,
    sweeper: tokio::task::JoinHandle<()>,
    scheduler: tokio::task::JoinHandle<()>,
    rotator: tokio::task::JoinHandle<()>,
    resealer: tokio::task::JoinHandle<()>,
    shared: Arc<Shared>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listen_error(address: SocketAddr) -> impl FnOnce(std::io::Error) -> StartError {
    move |source| StartError::Listen { address: address.to_string(), source }
}

impl Server {
    /// Binds `address`.
    ///
    /// # Errors
    /// [`StartError::Listen`] if the address is taken or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let listener = TcpListener::bind(address).await.map_err(listen_error(address))?;
        Ok(Self { listener, tls: None, host: None })
    }

    /// Serves TLS with `identity`.
    #[must_use]
    pub fn with_tls(self, identity: TlsIdentity) -> Self {
        Self { tls: Some(identity), ..self }
    }

    /// Puts `host` into the endpoints that vaults are given, in place of the address.
    #[must_use]
    pub fn with_host(self, host: Option<String>) -> Self {
        Self { host, ..self }
    }

    /// Binds every vault's port and starts to answer.
    ///
    /// # Errors
    /// A [`StartError`]; nothing is served then.
    pub async fn serve(self, shared: Arc<Shared>) -> Result<Serving, StartError> {
        let address = self.listener.local_addr().map_err(|source| StartError::Listen {
            address: "the chosen address".to_owned(),
            source,
        })?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = self.host.unwrap_or_else(|| host_of(address.ip()));
        let endpoints = &shared.endpoints;
        let opened = endpoints.open(address.ip(), scheme, &host);
        let catalog = shared.catalog().await?;
        for entry in catalog.vaults.values() {
            if entry.vault.state == VaultState::Deleted {
                continue;
            }
            let id = &entry.vault.id;
            let own = (Door::Vault(id.clone()), entry.port);
            let replica = entry.replica_port.map(|port| (Door::Replica(id.clone()), port));
            for (door, port) in std::iter::once(own).chain(replica) {
                let address = SocketAddr::new(address.ip(), port);
                let listener = TcpListener::bind(address).await.map_err(listen_error(address))?;
                endpoints.serve(door, listener);
            }
        }
        let (stop, stopping) = watch::channel(false);
        let entrance = Entrance { shared: Arc::clone(&shared), tls: self.tls, stopping };
        let base_url = format!("{scheme}://{host}:{}", address.port());
        let sweeper = Arc::clone(&entrance.shared);
        let sweeper = tokio::spawn(async move { keep_swept(&sweeper).await });
        let doors = tokio::spawn(keep_doors(entrance, self.listener, opened));
        let keeper = Arc::clone(&shared);
        let scheduler = tokio::spawn(async move { keep_schedule(&keeper).await });
        let rotator = tokio::spawn(keep_rotating(Arc::clone(&shared)));
        let resealing = Arc::clone(&shared);
        let resealer = tokio::spawn(async move { keep_resealing(&resealing).await });
        Ok(Serving { base_url, stop, doors, sweeper, scheduler, rotator, resealer, shared })
    }
}

impl Serving {
    /// Returns the URL of the listener that answers everything but a vault's own operations.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Stops listening, lets requests that are in flight finish, for at most ten seconds.
    pub async fn stop(self) {
        self.sweeper.abort();
        self.scheduler.abort();
        self.rotator.abort();
        self.resealer.abort();
        self.shared.feed().close();
        self.stop.send_replace(true);
        if self.doors.await.is_err() {
            tracing::error!("the listeners ended early");
        }
    }
}

fn host_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Returns when the server is to stop, or is gone.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    while !*stopping.borrow_and_update() {
        if stopping.changed().await.is_err() {
            return;
        }
    }
}

#[derive(Clone)]
struct Entrance {
    shared: Arc<Shared>,
    tls: Option<TlsIdentity>,
    stopping: watch::Receiver<bool>,
}

/// Runs the main listener and one more for each vault, those made later included.
async fn keep_doors(
    entrance: Entrance,
    main: TcpListener,
    mut opened: tokio::sync::mpsc::UnboundedReceiver<crate::endpoints::VaultDoor>,
) {
    let mut doors = JoinSet::new();
    doors.spawn(accept(entrance.clone(), main, Door::Main));
    let mut stopping = entrance.stopping.clone();
    loop {
        tokio::select! {
            Some(door) = opened.recv() => {
                doors.spawn(accept(entrance.clone(), door.listener, door.door));
            }
            () = told_to_stop(&mut stopping) => break,
        }
    }
    while doors.join_next().await.is_some() {}
}

async fn accept(mut entrance: Entrance, listener: TcpListener, door: Door) {
    let mut connections = JoinSet::new();
    let door = Arc::new(door);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(converse(entrance.clone(), Arc::clone(&door), stream, peer));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = told_to_stop(&mut entrance.stopping) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_TIME, drained).await.is_err() {
        tracing::warn!("connections were cut after {DRAIN_TIME:?}");
    }
}

async fn converse(entrance: Entrance, door: Arc<Door>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    match entrance.tls.as_ref().map(TlsIdentity::acceptor) {
        None => speak(entrance, door, stream, peer.ip()).await,
        Some(acceptor) => match timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => speak(entrance, door, stream, peer.ip()).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_elapsed) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

async fn speak<S>(mut entrance: Entrance, door: Arc<Door>, stream: S, peer: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(&entrance.shared);
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, door) = (Arc::clone(&shared), Arc::clone(&door));
        async move {
            let answered = answer(&shared, &door, peer, request);
            timeout(REQUEST_TIME, answered).await.map_err(|_elapsed| "the request took too long")
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .half_close(true)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut entrance.stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
