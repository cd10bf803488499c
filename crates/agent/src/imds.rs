//! The metadata service of a machine that is not OCI's: `/opc/v2/`, for its own processes.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use strongroom_wire::metadata::{self, Asked, FORWARDED};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::identity::Identity;

const HEADER_TIME: Duration = Duration::from_secs(5);
const HEADER_BYTES_MAX: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections at once.
const CONNECTIONS_MAX: usize = 256;

/// What is answered: the identity as it is at the moment.
#[derive(Debug)]
pub struct Imds(RwLock<Arc<Identity>>);

impl Imds {
    /// Begins with an identity.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self(RwLock::new(Arc::new(identity)))
    }

    /// Returns the identity.
    #[must_use]
    pub fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another identity in place.
    pub fn replace(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let identity = self.identity();
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let asked = Asked {
            method: request.method().as_str(),
            path: request.uri().path(),
            host: header("host"),
            authorization: header("authorization"),
            is_forwarded: FORWARDED.iter().any(|name| request.headers().contains_key(*name)),
        };
        let machine = metadata::Machine {
            id: &identity.id,
            name: &identity.name,
            compartment_id: &identity.compartment_id,
            tenancy_id: &identity.tenancy_id,
            region: identity.region,
            certificate: &identity.certificate,
            intermediate: &identity.intermediate,
            private_key: &identity.private_key,
        };
        let answer = metadata::answer(asked, &machine);
        tracing::debug!(status = answer.status, path = request.uri().path(), "asked");
        let mut response = Response::new(Full::new(Bytes::from_owner(answer.body.into_owner())));
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Answers at `listener` for as long as it is polled.
pub async fn serve(imds: Arc<Imds>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let imds = Arc::clone(&imds);
        tokio::spawn(async move {
            let answered = service_fn(|request: Request<Incoming>| {
                let response = imds.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIME)
                .max_buf_size(HEADER_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), answered);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
}
