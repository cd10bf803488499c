//! How connections are made: directly, through a tunnel, or to a proxy.

use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::handshake;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::proxies::{Proxies, Proxy};

type BoxError = Box<dyn Error + Send + Sync>;

/// Makes connections to where requests go, or to the proxy on the way.
#[derive(Debug, Clone)]
pub(crate) struct Road {
    pub(crate) connector: HttpConnector,
    pub(crate) proxies: Arc<Proxies>,
}

/// A connection. At the other end of one to a proxy, requests name the host that they are for.
#[derive(Debug)]
pub(crate) struct Lane {
    stream: TokioIo<TcpStream>,
    is_to_proxy: bool,
}

/// Says which proxy did not connect.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {place}")]
struct ProxyFailed {
    place: String,
    source: BoxError,
}

/// A proxy's answer to who wants a tunnel, and gets none.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the proxy {place} answers {status}")]
pub(crate) struct NoTunnel {
    pub(crate) place: String,
    pub(crate) status: StatusCode,
}

impl NoTunnel {
    /// Finds it below what a client fails with.
    pub(crate) fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        error.downcast_ref().or_else(|| Self::below(error.source()?))
    }
}

impl Road {
    async fn connect(self, to: Uri) -> Result<Lane, BoxError> {
        let Some(proxy) = self.proxies.to(&to) else {
            let stream = dial(self.connector, to).await?;
            return Ok(Lane { stream, is_to_proxy: false });
        };
        let is_to_proxy = to.scheme_str() != Some("https");
        let stream = if is_to_proxy {
            dial(self.connector, proxy.uri.clone()).await
        } else {
            dig(self.connector, proxy, &to).await
        };
        let place = proxy.place.clone();
        let stream = stream.map_err(|source| ProxyFailed { place, source })?;
        Ok(Lane { stream, is_to_proxy })
    }
}

async fn dial(mut connector: HttpConnector, to: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
    connector.call(to).await.map_err(Into::into)
}

/// Has the proxy connect to a host, and returns the connection through it.
///
/// Source: RFC 9110, section 9.3.6.
async fn dig(
    connector: HttpConnector,
    proxy: &Proxy,
    to: &Uri,
) -> Result<TokioIo<TcpStream>, BoxError> {
    let request = wish(proxy, to)?;
    let stream = dial(connector, proxy.uri.clone()).await?;
    let (mut sender, connection) = handshake(stream).await?;
    let ask = async move { sender.send_request(request).await.map(|answer| answer.status()) };
    let (status, parts) = tokio::try_join!(ask, connection.without_shutdown())?;
    if !status.is_success() {
        return Err(NoTunnel { place: proxy.place.clone(), status }.into());
    }
    // The other end of a tunnel waits for the client's first word.
    if parts.read_buf.is_empty() {
        Ok(parts.io)
    } else {
        Err("it sends more than its answer".into())
    }
}

fn wish(proxy: &Proxy, to: &Uri) -> Result<Request<Empty<Bytes>>, BoxError> {
    let host = to.host().ok_or("there is no host to connect to")?;
    let place = format!("{host}:{}", to.port_u16().unwrap_or(443));
    let request = Request::connect(&place).header(HOST, &place);
    let request = match &proxy.authorization {
        Some(authorization) => request.header(PROXY_AUTHORIZATION, authorization),
        None => request,
    };
    Ok(request.body(Empty::new())?)
}

impl Service<Uri> for Road {
    type Response = Lane;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Lane, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().connect(to))
    }
}

impl Connection for Lane {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_to_proxy)
    }
}

impl Read for Lane {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Lane {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}
