//! Where each vault is reached: an authority of its own, since `CreateKey` and `ListKeys` name no
//! vault.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, RwLock};

use strongroom_model::Random;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::door::Door;

/// Ports that a vault may get: below the range from which Linux takes ports for outgoing
/// connections, so that a vault finds its port free again after a restart.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
const TRIES: usize = 64;

/// A listener that is to serve a vault.
#[derive(Debug)]
pub(crate) struct VaultDoor {
    pub(crate) door: Door,
    pub(crate) listener: TcpListener,
}

#[derive(Debug)]
struct Place {
    address: IpAddr,
    scheme: &'static str,
    host: String,
    doors: mpsc::UnboundedSender<VaultDoor>,
    open: BTreeSet<u16>,
}

/// The authorities of all vaults.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(RwLock<Option<Place>>);

impl Endpoints {
    /// Says where vaults listen and how their URLs begin, and returns the listeners to serve.
    pub(crate) fn open(
        &self,
        address: IpAddr,
        scheme: &'static str,
        host: &str,
    ) -> mpsc::UnboundedReceiver<VaultDoor> {
        let (doors, opened) = mpsc::unbounded_channel();
        let place = Place { address, scheme, host: host.to_owned(), doors, open: BTreeSet::new() };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(place);
        opened
    }

    /// Binds a port for a vault that is about to be made.
    pub(crate) async fn reserve(&self, random: &dyn Random) -> std::io::Result<TcpListener> {
        let address = {
            let place = self.0.read().unwrap_or_else(PoisonError::into_inner);
            place.as_ref().map(|place| place.address)
        };
        let closed = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        reserve_port(address.ok_or_else(closed)?, random).await
    }

    /// Starts serving a vault at `listener`.
    pub(crate) fn serve(&self, door: Door, listener: TcpListener) {
        let port = listener.local_addr().map(|address| address.port());
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let door = VaultDoor { door, listener };
        match (place.as_mut(), port) {
            (Some(place), Ok(port)) if place.doors.send(door).is_ok() => {
                place.open.insert(port);
            }
            _ => tracing::warn!("a vault was made while the server was stopping"),
        }
    }

    /// Tells whether a vault's port is served.
    pub(crate) fn is_open(&self, port: u16) -> bool {
        let place = self.0.read().unwrap_or_else(PoisonError::into_inner);
        place.as_ref().is_some_and(|place| place.open.contains(&port))
    }

    /// Returns the URL of the management and crypto endpoint at `port`.
    pub(crate) fn url(&self, port: u16) -> String {
        let place = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let url = |place: &Place| format!("{}://{}:{port}", place.scheme, place.host);
        place.as_ref().map(url).unwrap_or_default()
    }
}

/// Binds a free port of [`PORTS`].
pub(crate) async fn reserve_port(
    address: IpAddr,
    random: &dyn Random,
) -> std::io::Result<TcpListener> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let mut bytes = [0_u8; 2];
        random.fill(&mut bytes);
        let span = PORTS.end - PORTS.start;
        let port = PORTS.start + u16::from_be_bytes(bytes) % span;
        match TcpListener::bind(SocketAddr::new(address, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}
