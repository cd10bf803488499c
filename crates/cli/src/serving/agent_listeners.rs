//! Where the agent is asked: sockets that it opens, or that systemd hands over.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use strongroom_agent::{HttpListener, SocketListener};
use strongroom_model::private_file::{self, FileIdentity};
use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};

use super::agent_file::AgentFile;
use crate::failure::Failure;

/// The listeners of an agent.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) socket: Option<SocketListener>,
    pub(super) http: Option<HttpListener>,
    /// The socket's file, if it is taken away in the end: one that was handed over stays.
    pub(super) own_socket: Option<OwnSocket>,
}

/// A socket that this process made.
#[derive(Debug)]
pub(super) struct OwnSocket {
    path: PathBuf,
    file: FileIdentity,
}

impl OwnSocket {
    /// Takes it away, unless another one is in its place by now.
    pub(super) fn remove(self) -> io::Result<()> {
        match FileIdentity::of(&self.path) {
            Ok(there) if there == self.file => private_file::remove_if_present(&self.path),
            _ => Ok(()),
        }
    }
}

/// Bytes of a socket's path at most (`sockaddr_un`), the one that ends it not counted.
const PATH_BYTES_MAX: usize = 107;

/// Connections that wait to be taken at most, if the system allows as many.
const WAITING_MAX: u32 = 1024;

/// Checks what can be checked without opening anything.
pub(super) fn check(file: &AgentFile) -> Result<(), Failure> {
    let Some(path) = &file.socket else { return Ok(()) };
    let length = path.as_os_str().len();
    if length == 0 || length > PATH_BYTES_MAX {
        let why = format!("a socket's path has 1 to {PATH_BYTES_MAX} bytes");
        return Err(refused_socket(path, why));
    }
    private_file::check_socket_place(path).map_err(|error| refused_socket(path, error.to_string()))
}

/// What systemd hands over (`sd_listen_fds(3)`).
#[derive(Debug, Default)]
struct Handed {
    socket: Option<(PathBuf, std::os::unix::net::UnixListener)>,
    http: Option<(SocketAddr, std::net::TcpListener)>,
}

impl Listeners {
    /// Opens what the configuration names, but for what is handed over.
    pub(super) async fn open(file: &AgentFile) -> Result<Self, Failure> {
        let handed = Handed::take().map_err(|why| refused_handover(&why))?;
        handed.check(file).map_err(|why| refused_handover(&why))?;
        let mut own_socket = None;
        let socket = match (handed.socket, &file.socket) {
            (Some((path, listener)), _) => {
                let listener = UnixListener::from_std(listener);
                Some(listener.map_err(|error| busy(&path.display(), error.to_string()))?)
            }
            (None, Some(path)) => {
                let (listener, own) = bind(path, file.socket_mode).await?;
                own_socket = Some(own);
                Some(listener)
            }
            (None, None) => None,
        };
        let http = match (handed.http, file.http) {
            (Some((address, listener)), _) => Some((address, TcpListener::from_std(listener))),
            (None, Some(address)) => Some((address, TcpListener::bind(address).await)),
            (None, None) => None,
        };
        let http = match http {
            Some((address, Err(error))) => return Err(busy(&address, error.to_string())),
            Some((_, Ok(listener))) => Some(HttpListener(listener)),
            None => None,
        };
        Ok(Self { socket: socket.map(SocketListener), http, own_socket })
    }
}

impl Handed {
    fn take() -> Result<Self, String> {
        let mut handed = Self::default();
        let mut descriptors = ListenFd::from_env();
        for number in 0..descriptors.len() {
            if let Ok(Some(listener)) = descriptors.take_unix_listener(number) {
                let path = path_of(&listener).map_err(|error| error.to_string())?;
                if handed.socket.replace((path, listener)).is_some() {
                    return Err("there are two sockets in the file system".to_owned());
                }
            } else if let Ok(Some(listener)) = descriptors.take_tcp_listener(number) {
                let address = address_of(&listener).map_err(|error| error.to_string())?;
                if handed.http.replace((address, listener)).is_some() {
                    return Err("there are two loopback addresses".to_owned());
                }
            } else {
                return Err(format!("number {number} is neither a Unix nor a TCP listener"));
            }
        }
        Ok(handed)
    }

    /// The configuration says who may ask where, so it must name what is handed over.
    fn check(&self, file: &AgentFile) -> Result<(), String> {
        let differs = |what: &str, handed: String, named: Option<String>| {
            let named = named.unwrap_or_else(|| "nothing".to_owned());
            format!("`{handed}` is handed over, and the configuration has {named} as {what}")
        };
        if let Some((path, _)) = &self.socket
            && file.socket.as_ref() != Some(path)
        {
            let named = file.socket.as_ref().map(|path| format!("`{}`", path.display()));
            return Err(differs("socket", path.display().to_string(), named));
        }
        if let Some((address, _)) = &self.http
            && file.http != Some(*address)
        {
            return Err(differs(
                "http",
                address.to_string(),
                file.http.map(|at| format!("`{at}`")),
            ));
        }
        Ok(())
    }
}

fn path_of(listener: &std::os::unix::net::UnixListener) -> io::Result<PathBuf> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let path = address.as_pathname().map(Path::to_owned);
    path.ok_or_else(|| io::Error::other("the socket has no path"))
}

fn address_of(listener: &std::net::TcpListener) -> io::Result<SocketAddr> {
    listener.set_nonblocking(true)?;
    listener.local_addr()
}

fn refused_handover(why: &str) -> Failure {
    Failure::configuration("bad-socket", "cannot use the sockets that are handed over").because(why)
}

fn busy(place: &impl std::fmt::Display, why: String) -> Failure {
    Failure::configuration("port-busy", format!("cannot listen on `{place}`")).because(why)
}

/// Binds the socket; one that a dead agent left is replaced, one that answers is not.
async fn bind(path: &Path, mode: u32) -> Result<(UnixListener, OwnSocket), Failure> {
    let refused = |why: String| refused_socket(path, why);
    if let Some(parent) = path.parent() {
        private_file::create_passage(parent, mode >> 2 & 0o011)
            .map_err(|error| refused(error.to_string()))?;
    }
    match UnixStream::connect(path).await {
        Ok(_) => return Err(refused("another agent answers there".to_owned())),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            private_file::check_socket_place(path).map_err(|error| refused(error.to_string()))?;
            private_file::remove_if_present(path).map_err(|error| refused(error.to_string()))?;
        }
        Err(_) => {}
    }
    let socket = bound(path, mode).map_err(|error| refused(error.to_string()))?;
    let listener = socket.listen(WAITING_MAX).map_err(|error| refused(error.to_string()))?;
    let file = FileIdentity::of(path).map_err(|error| refused(error.to_string()))?;
    Ok((listener, OwnSocket { path: path.to_owned(), file }))
}

/// Makes a socket with its file. Nobody can connect before it listens, whatever mode the umask has given
/// the file until it has its own.
fn bound(path: &Path, mode: u32) -> io::Result<UnixSocket> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    private_file::open_socket(path, mode)?;
    Ok(socket)
}

fn refused_socket(path: &Path, why: String) -> Failure {
    let message = format!("cannot listen on `{}`", path.display());
    Failure::configuration("socket-busy", message).because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_can_connect_before_the_socket_has_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.sock");
        let socket = bound(&path, 0o620).unwrap();
        assert_eq!(private_file::mode(&path).unwrap(), 0o620);
        let refused = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let listener = socket.listen(WAITING_MAX).unwrap();
        UnixStream::connect(&path).await.unwrap();
        drop(listener);
    }
}
