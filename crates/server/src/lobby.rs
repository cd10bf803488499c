//! Who comes before the store is open is told so, and is not left to wait.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use strongroom_keyring::SystemRandom;
use strongroom_wire::{ErrorCode, Refusal, RequestId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::probes::{self, Probe};
use crate::reply;
use crate::tls::TlsIdentity;

/// How long a connection lasts here at most: one request is answered.
const VISIT_TIME: Duration = Duration::from_secs(5);

/// How long nothing is accepted after an accept that failed.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener whose server is about to be.
#[derive(Debug)]
pub(crate) struct Lobby {
    leave: oneshot::Sender<()>,
    listening: JoinHandle<TcpListener>,
}

impl Lobby {
    pub(crate) fn open(listener: TcpListener, tls: Option<TlsIdentity>) -> Self {
        let (leave, left) = oneshot::channel();
        Self { leave, listening: tokio::spawn(receive(listener, tls, left)) }
    }

    /// Gives the listener back; absent if the task ended early.
    pub(crate) async fn close(self) -> Option<TcpListener> {
        // A task that has ended does not wait for the word.
        let _gone = self.leave.send(());
        self.listening.await.ok()
    }
}

async fn receive(
    listener: TcpListener,
    tls: Option<TlsIdentity>,
    mut left: oneshot::Receiver<()>,
) -> TcpListener {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    visits.spawn(timeout(VISIT_TIME, visit(stream, tls.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = visits.join_next() => {}
            _ = &mut left => break,
        }
    }
    // Their few words are said while the server already answers others.
    visits.detach_all();
    listener
}

async fn visit(stream: TcpStream, tls: Option<TlsIdentity>) {
    match tls.as_ref().map(TlsIdentity::acceptor) {
        None => speak(stream).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(stream).await;
            }
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(probe) = Probe::at(request.uri().path()) {
        return Ok(probes::answer(None, probe, request.method()).await);
    }
    let message = "The service cannot answer now. Try again.";
    let refusal = Refusal::new(ErrorCode::ServiceUnavailable, message);
    Ok(reply::refusal(&refusal, &RequestId::compose(None, &SystemRandom)))
}
