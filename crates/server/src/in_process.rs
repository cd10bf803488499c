use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::door::Door;
use crate::http::{Entrance, speak};
use crate::schedule::keep_schedule;
use crate::shared::Shared;

/// Bytes that are on their way in one direction at most.
const ON_THE_WAY: usize = 64 * 1024;

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
