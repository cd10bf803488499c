//! The floors: a bare hyper server that answers fixed bytes, and the same with the signature
//! verified by a key that was parsed once.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use strongroom_model::{Clock, SystemClock};
use strongroom_signing::{Claim, HeaderSource, HeaderValue, PublicKey, Scope};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Outcome;

struct Floor {
    answer: Bytes,
    key: Option<PublicKey>,
}

struct Headers<'a>(&'a HeaderMap);

impl HeaderSource for Headers<'_> {
    fn header(&self, name: &str) -> HeaderValue<'_> {
        let mut values = self.0.get_all(name).iter();
        match (values.next().map(|value| value.to_str()), values.next()) {
            (None, _) => HeaderValue::Absent,
            (Some(Ok(value)), None) => HeaderValue::One(value),
            _ => HeaderValue::Many,
        }
    }
}

impl Floor {
    fn holds(&self, request: &Request<Incoming>) -> bool {
        let Some(key) = &self.key else { return true };
        let headers = Headers(request.headers());
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let method = request.method().as_str();
        let request = strongroom_signing::Request { method, target, headers: &headers };
        let claim = Claim::read(&request, Scope::Api, SystemClock.now());
        claim.is_ok_and(|claim| claim.verify(&request, b"", key).is_ok())
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.answer.clone()));
        if !self.holds(request) {
            *response.status_mut() = hyper::StatusCode::UNAUTHORIZED;
        }
        let headers = response.headers_mut();
        for (name, value) in [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("etag", "0000000000000001"),
            (
                "opc-request-id",
                "5C1F5C1F5C1F5C1F5C1F5C1F5C1F5C1F/5C1F5C1F5C1F5C1F5C1F5C1F5C1F5C1F/5C1F5C1F5C1F5C1F5C1F5C1F5C1F5C1F",
            ),
        ] {
            headers.insert(name, hyper::header::HeaderValue::from_static(value));
        }
        response
    }
}

/// Runs a floor: `LENGTH-FILE KEY-FILE|- CERTIFICATE-FILE|- PRIVATE-KEY-FILE|-`. Prints its port.
pub(crate) fn run(arguments: &[&str]) -> Outcome<()> {
    let [answer, key, certificate, private_key] = arguments else {
        return Err("floor ANSWER KEY|- CERTIFICATE|- PRIVATE-KEY|-".into());
    };
    let file = |name: &str| (name != "-").then(|| std::fs::read(name)).transpose();
    let key = file(key)?.map(|pem| PublicKey::from_pem(&String::from_utf8_lossy(&pem)));
    let floor = Floor { answer: Bytes::from(std::fs::read(answer)?), key: key.transpose()? };
    let tls = match (file(certificate)?, file(private_key)?) {
        (Some(certificate), Some(key)) => Some(acceptor(&certificate, &key)?),
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(Arc::new(floor), tls))
}

fn acceptor(certificate: &[u8], key: &[u8]) -> Outcome<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(floor: Arc<Floor>, tls: Option<TlsAcceptor>) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (floor, tls) = (Arc::clone(&floor), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => converse(floor, stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(floor, stream).await;
                    }
                }
            }
        });
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    floor: Arc<Floor>,
    stream: S,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = floor.answer(&request);
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // The load generator closes connections in the middle.
    let _ended = connection.await;
}
