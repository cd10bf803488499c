//! Listeners and connections.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use strongroom_model::VaultState;
use strongroom_store::StoreError;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::catalog::{Catalog, VaultEntry};
use crate::door::Door;
use crate::duty::{keep_duty, leave_duty};
use crate::endpoints::Endpoints;
use crate::ledger::{keep_checkpoints, keep_verifying, write_checkpoints};
use crate::lobby::{ACCEPT_PAUSE, Lobby};
use crate::metrics::{self, Running};
use crate::nodes::{keep_counted, leave_nodes};
use crate::pipeline::answer;
use crate::regions::{self, RegionLine, keep_replicating};
use crate::resealing::keep_resealing;
use crate::rotation::keep_rotating;
use crate::schedule::keep_schedule;
use crate::shared::Shared;
use crate::sightings::{keep_noted, note_rest};
use crate::sinks::{self, NamedSink};
use crate::sweep::{keep_audit_swept, keep_swept};
use crate::tls::TlsIdentity;

const HEADER_TIME: Duration = Duration::from_secs(15);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const REQUEST_TIME: Duration = Duration::from_mins(1);
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long a sink that is just taking audit events is waited for.
const SENDING_TIME: Duration = Duration::from_secs(2);
const VAULT_PAUSE: Duration = Duration::from_secs(1);
const HEADER_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;
/// Bytes that are on their way in one direction at most.
const ON_THE_WAY: usize = 64 * 1024;

/// A server whose listener is bound.
#[derive(Debug)]
pub struct Server {
    entry: Entry,
    address: SocketAddr,
    tls: Option<TlsIdentity>,
    host: Option<String>,
    regions: Option<Arc<dyn RegionLine>>,
    metrics: Option<TcpListener>,
    sinks: Vec<NamedSink>,
}

#[derive(Debug)]
enum Entry {
    Bound(TcpListener),
    Answered(Lobby),
}

/// A server that answers.
#[derive(Debug)]
pub struct Serving {
    base_url: String,
    stop: watch::Sender<bool>,
    doors: tokio::task::JoinHandle<()>,
    keepers: JoinSet<()>,
    senders: JoinSet<()>,
    rotator: tokio::task::JoinHandle<()>,
    duty: tokio::task::JoinHandle<()>,
    shared: Arc<Shared>,
}

/// A server without a listener, which is spoken to within its process; requests take the same road.
/// Dropped, it ends at once, as a process that is killed.
#[derive(Debug)]
pub struct InProcess {
    entrance: Entrance,
    door: Arc<Door>,
    tasks: JoinSet<()>,
    /// Nobody asks it to stop: it is dropped.
    _stop: watch::Sender<bool>,
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
        let address = listener.local_addr().map_err(listen_error(address))?;
        let entry = Entry::Bound(listener);
        let (tls, host, regions, metrics) = (None, None, None, None);
        Ok(Self { entry, address, tls, host, regions, metrics, sinks: Vec::new() })
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

    /// Pulls from the tenancy's other regions over `line`.
    #[must_use]
    pub fn with_regions(self, line: Arc<dyn RegionLine>) -> Self {
        Self { regions: Some(line), ..self }
    }

    /// Sends the audit log to `sinks`.
    #[must_use]
    pub fn with_sinks(self, sinks: Vec<NamedSink>) -> Self {
        Self { sinks, ..self }
    }

    /// Serves metrics at an address of their own, without TLS and to anyone who reaches it.
    ///
    /// # Errors
    /// [`StartError::Listen`] if the address is taken or not this machine's.
    pub async fn with_metrics(self, address: SocketAddr) -> Result<Self, StartError> {
        let listener = TcpListener::bind(address).await.map_err(listen_error(address))?;
        Ok(Self { metrics: Some(listener), ..self })
    }

    /// Answers from now on that it is starting.
    #[must_use]
    pub fn starting(self) -> Self {
        let entry = match self.entry {
            Entry::Bound(listener) => Entry::Answered(Lobby::open(listener, self.tls.clone())),
            entry @ Entry::Answered(_) => entry,
        };
        Self { entry, ..self }
    }

    /// Binds every vault's port and starts to answer.
    ///
    /// # Errors
    /// A [`StartError`]; nothing is served then.
    pub async fn serve(self, shared: Arc<Shared>) -> Result<Serving, StartError> {
        let address = self.address;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = self.host.unwrap_or_else(|| host_of(address.ip()));
        let endpoints = &shared.endpoints;
        let opened = endpoints.open(address.ip(), scheme, &host);
        if let Some((_, error)) = open_vaults(&shared, address.ip()).await?.into_iter().next() {
            return Err(error);
        }
        shared.nodes.look(&*shared.store, shared.clock.now()).await?;
        sinks::begin(&*shared.store, &self.sinks).await?;
        let listener = match self.entry {
            Entry::Bound(listener) => listener,
            Entry::Answered(lobby) => {
                let gone = || std::io::Error::other("the listener was lost");
                lobby.close().await.ok_or_else(gone).map_err(listen_error(address))?
            }
        };
        let (stop, stopping) = watch::channel(false);
        let entrance = Entrance { shared: Arc::clone(&shared), tls: self.tls, stopping };
        let base_url = format!("{scheme}://{host}:{}", address.port());
        let doors = tokio::spawn(keep_doors(entrance, listener, opened));
        let rotator = tokio::spawn(keep_rotating(Arc::clone(&shared), stop.subscribe()));
        let keeper = Arc::clone(&shared);
        let duty = tokio::spawn(async move { keep_duty(&keeper).await });
        let mut keepers = start_keepers(&shared, address.ip(), self.metrics);
        if let Some(line) = self.regions {
            keepers.spawn(keep_replicating(Arc::clone(&shared), line));
        }
        let mut senders = JoinSet::new();
        for sink in self.sinks {
            senders.spawn(sinks::keep_sending(Arc::clone(&shared), sink, stop.subscribe()));
        }
        Ok(Serving { base_url, stop, doors, keepers, senders, rotator, duty, shared })
    }
}

/// Starts what goes on beside the answers, until it is cut.
fn start_keepers(
    shared: &Arc<Shared>,
    address: IpAddr,
    metrics_door: Option<TcpListener>,
) -> JoinSet<()> {
    let mut keepers = JoinSet::new();
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_swept(&keeper).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_audit_swept(&keeper).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_schedule(&keeper).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_counted(&keeper).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_vaults_open(&keeper, address).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_checkpoints(&keeper).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_verifying(&keeper).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_resealing(&keeper).await });
    let keeper = Arc::clone(shared);
    keepers.spawn(async move { keep_noted(&keeper).await });
    if let Some(listener) = metrics_door {
        keepers.spawn(metrics::serve(Arc::clone(shared), listener));
    }
    keepers
}

impl Serving {
    /// Returns the URL of the listener that answers everything but a vault's own operations.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Says that requests are to go elsewhere, and goes on answering for `time`, so that whoever goes by
    /// that can hear of it; nobody is waited for if nobody has asked lately.
    pub async fn drain(&self, time: Duration) {
        self.shared.readiness.drain();
        if self.shared.readiness.is_watched() {
            tracing::info!(?time, "draining");
            tokio::time::sleep(time).await;
        }
    }

    /// Stops listening, lets requests that are in flight finish, for at most ten seconds.
    pub async fn stop(mut self) {
        self.shared.readiness.drain();
        self.shared.feed().close();
        self.stop.send_replace(true);
        let rotating = self.rotator.abort_handle();
        if timeout(DRAIN_TIME, self.rotator).await.is_err() {
            rotating.abort();
            tracing::warn!("a step of a rotation was cut after {DRAIN_TIME:?}");
        }
        let sent = async { while self.senders.join_next().await.is_some() {} };
        if timeout(SENDING_TIME, sent).await.is_err() {
            tracing::warn!("audit events that were on their way may be sent again");
        }
        self.keepers.shutdown().await;
        self.duty.abort();
        leave_duty(&self.shared).await;
        leave_nodes(&self.shared).await;
        if self.doors.await.is_err() {
            tracing::error!("the listeners ended early");
        }
        note_rest(&self.shared).await;
        write_checkpoints(&self.shared).await;
    }
}

/// A port that cannot be bound, and why.
type Unbound = (u16, StartError);

/// Serves every vault that is not served yet, other nodes' included.
async fn open_vaults(shared: &Shared, address: IpAddr) -> Result<Vec<Unbound>, StoreError> {
    let catalog = shared.catalog().await?;
    Ok(bind_doors(&shared.endpoints, address, doors_of(&catalog)).await)
}

/// The doors that the vaults have, each with its port.
fn doors_of(catalog: &Catalog) -> Vec<(Door, u16)> {
    let all = catalog.vaults.values().filter(|entry| entry.vault.state != VaultState::Deleted);
    let doors = |entry: &Arc<VaultEntry>| {
        let id = &entry.vault.id;
        let own = (Door::Vault(id.clone()), entry.port);
        let replica = entry.replica_port.map(|port| (Door::Replica(id.clone()), port));
        std::iter::once(own).chain(replica)
    };
    all.flat_map(doors).collect()
}

/// Binds the ports of doors that are not served yet. One that is taken keeps no other closed.
async fn bind_doors(
    endpoints: &Endpoints,
    address: IpAddr,
    doors: Vec<(Door, u16)>,
) -> Vec<Unbound> {
    let mut unbound = Vec::new();
    for (door, port) in doors.into_iter().filter(|(_, port)| !endpoints.is_open(*port)) {
        let address = SocketAddr::new(address, port);
        match TcpListener::bind(address).await {
            Ok(listener) => endpoints.serve(door, listener),
            Err(error) => unbound.push((port, listen_error(address)(error))),
        }
    }
    unbound
}

/// Looks every second for vaults that another node has made, for as long as it is polled. What cannot
/// be served is told once.
async fn keep_vaults_open(shared: &Shared, address: IpAddr) {
    let mut told = BTreeSet::new();
    loop {
        tokio::time::sleep(VAULT_PAUSE).await;
        let unbound = match open_vaults(shared, address).await {
            Ok(unbound) => unbound,
            Err(error) => {
                tracing::debug!(%error, "new vaults cannot be looked for");
                continue;
            }
        };
        for (_, error) in unbound.iter().filter(|(port, _)| !told.contains(port)) {
            tracing::warn!(%error, "a vault is not served here");
        }
        told = unbound.into_iter().map(|(port, _)| port).collect();
    }
}

impl InProcess {
    /// Starts to do what falls due, and waits to be spoken to.
    #[must_use]
    pub fn start(shared: Arc<Shared>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let keeper = Arc::clone(&shared);
        tasks.spawn(async move { keep_schedule(&keeper).await });
        let entrance = Entrance { shared, tls: None, stopping };
        Self { entrance, door: Arc::new(Door::Main), tasks, _stop: stop }
    }

    /// Makes a connection.
    pub fn connect(&mut self) -> DuplexStream {
        while self.tasks.try_join_next().is_some() {}
        let (near, far) = tokio::io::duplex(ON_THE_WAY);
        let (entrance, door) = (self.entrance.clone(), Arc::clone(&self.door));
        self.tasks.spawn(speak(entrance, door, far, IpAddr::V4(Ipv4Addr::LOCALHOST)));
        near
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

#[derive(Debug, Clone)]
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
    let shared = Arc::clone(&entrance.shared);
    let _open = Running::begin(&shared.metrics.connections);
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

/// How long the answer to a request may take.
fn time_for(door: &Door, path: &str) -> Duration {
    if regions::is_of_operator(door, path) { regions::OPERATOR_TIME } else { REQUEST_TIME }
}

/// Answers what comes in on a connection until it ends.
async fn speak<S>(mut entrance: Entrance, door: Arc<Door>, stream: S, peer: IpAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shared = Arc::clone(&entrance.shared);
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, door) = (Arc::clone(&shared), Arc::clone(&door));
        async move {
            let time = time_for(&door, request.uri().path());
            let answered = timeout(time, answer(&shared, &door, peer, request)).await;
            let mut response = answered.map_err(|_elapsed| "the request took too long")?;
            if shared.readiness.drains() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, &str>(response)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_command_may_take_longer_than_a_request() {
        let vault = Door::Vault("ocid1.vault.oc1..v".parse().unwrap());
        for (door, path, time) in [
            (&Door::Main, "/_replication/v1/operate", regions::OPERATOR_TIME),
            (&Door::Main, "/_replication/v1/pull", REQUEST_TIME),
            (&Door::Main, "/20180608/secrets", REQUEST_TIME),
            (&vault, "/_replication/v1/operate", REQUEST_TIME),
        ] {
            assert_eq!(time_for(door, path), time, "{path}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_keeps_no_other_vault_from_being_served() {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let taken = TcpListener::bind((address, 0)).await.unwrap();
        let taken = (taken.local_addr().unwrap().port(), taken);
        let free = TcpListener::bind((address, 0)).await.unwrap().local_addr().unwrap().port();
        let endpoints = Endpoints::default();
        let mut opened = endpoints.open(address, "http", "localhost");
        let door = |name: &str| Door::Vault(format!("ocid1.vault.oc1..{name}").parse().unwrap());
        let doors = vec![(door("a"), taken.0), (door("b"), free)];
        for _ in 0..2 {
            let unbound = bind_doors(&endpoints, address, doors.clone()).await;
            assert_eq!(unbound.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [taken.0]);
        }
        assert_eq!(opened.try_recv().unwrap().door, door("b"));
        assert!(
            endpoints.is_open(free) && !endpoints.is_open(taken.0) && opened.try_recv().is_err()
        );
    }
}
