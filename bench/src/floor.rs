//! The floors: a bare hyper server that answers fixed bytes, and the same with the signature
//! verified by a key that was parsed once.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue as Value};
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
use crate::answer::Recorded;
use crate::load::Place;
use crate::ours::Tls;
use crate::process::Process;

/// Stands for a file that is not given.
const NONE: &str = "-";

struct Floor {
    answer: Bytes,
    headers: HeaderMap,
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
    fn new(recorded: Recorded, key: Option<PublicKey>) -> Outcome<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in recorded.headers {
            headers.append(HeaderName::try_from(name)?, Value::try_from(value)?);
        }
        Ok(Self { answer: Bytes::from(recorded.body), headers, key })
    }

    fn holds(&self, request: &Request<Bytes>) -> bool {
        let Some(key) = &self.key else { return true };
        let headers = Headers(request.headers());
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let (method, body) = (request.method().as_str(), request.body());
        let request = strongroom_signing::Request { method, target, headers: &headers };
        let claim = Claim::read(&request, Scope::Api, SystemClock.now());
        claim.is_ok_and(|claim| claim.verify(&request, body, key).is_ok())
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.answer.clone()));
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        if !self.holds(&Request::from_parts(head, body.unwrap_or_default())) {
            *response.status_mut() = hyper::StatusCode::UNAUTHORIZED;
        }
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

/// Starts a floor as a process of its own; it verifies signatures if a key is given.
pub(crate) fn start(
    answer: &Path,
    key: Option<&Path>,
    tls: Option<&Tls>,
) -> Outcome<(Process, Place)> {
    let none = Path::new(NONE);
    let (process, port) = Process::start_with_port(
        Command::new(std::env::current_exe()?)
            .arg("floor")
            .arg(answer)
            .arg(key.unwrap_or(none))
            .arg(tls.map_or(none, |tls| &tls.certificate))
            .arg(tls.map_or(none, |tls| &tls.key)),
    )?;
    let trusted = tls.map(|tls| std::fs::read(&tls.certificate)).transpose()?;
    Ok((process, Place::new(port, trusted.as_deref())?))
}

/// Runs a floor: `ANSWER-FILE KEY-FILE|- CERTIFICATE-FILE|- PRIVATE-KEY-FILE|-`. Prints its port.
pub(crate) fn run(arguments: &[&str]) -> Outcome<()> {
    let [answer, key, certificate, private_key] = arguments else {
        return Err("usage: floor ANSWER KEY|- CERTIFICATE|- PRIVATE-KEY|-".into());
    };
    let file = |name: &str| (name != NONE).then(|| std::fs::read(name)).transpose();
    let key = file(key)?.map(|pem| PublicKey::from_pem(&String::from_utf8_lossy(&pem)));
    let floor = Floor::new(Recorded::read(&std::fs::read(answer)?)?, key.transpose()?)?;
    let tls = match (file(certificate)?, file(private_key)?) {
        (Some(certificate), Some(key)) => Some(acceptor(&certificate, &key)?),
        _ => None,
    };
    // As many workers as the server under test: one for each core.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        serve(listener, Arc::new(floor), tls).await
    })
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

async fn serve(listener: TcpListener, floor: Arc<Floor>, tls: Option<TlsAcceptor>) -> Outcome<()> {
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
        let floor = Arc::clone(&floor);
        async move { Ok::<_, std::convert::Infallible>(floor.answer(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // The load generator closes connections in the middle.
    let _ended = connection.await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::Load;
    use crate::requests::{Identity, bent, reads};

    async fn place(key: Option<PublicKey>) -> Place {
        let headers = vec![("etag".to_owned(), "7".to_owned())];
        let recorded = Recorded { headers, body: b"{}".to_vec() };
        let floor = Arc::new(Floor::new(recorded, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, floor, None));
        Place::new(port, None).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn only_the_floor_with_a_key_verifies() {
        let identity = Identity::generate().unwrap();
        let (bare, verifying) = (place(None).await, identity.key.public().unwrap());
        let verifying = place(Some(verifying)).await;
        for (place, of_bent) in [(&bare, 200), (&verifying, 401)] {
            let request = identity.request("GET", "/a?b=c", place.port, None).unwrap();
            assert_eq!(place.status(&request).await.unwrap(), 200);
            assert_eq!(place.status(&bent(&request).unwrap()).await.unwrap(), of_bent);
            let recorded = Recorded::read(&place.once(&request).await.unwrap()).unwrap();
            assert_eq!(recorded.body, b"{}");
            assert_eq!(recorded.headers, [("etag".to_owned(), "7".to_owned())]);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_signed_read_is_accepted_and_refusals_fail_a_round() {
        let (identity, stranger) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let place = place(Some(identity.key.public().unwrap())).await;
        let lists = vec![reads(&identity, "/a", place.port).await.unwrap(); 3];
        for request in lists[0].iter() {
            assert_eq!(place.status(request).await.unwrap(), 200);
        }
        let short = Duration::from_millis(50);
        let served = Load::connect(&place, &lists).await.unwrap().run(short).await.unwrap();
        assert_eq!(served.refused, 0);
        assert!(served.checked("floor").is_ok());
        let lists = [reads(&stranger, "/a", place.port).await.unwrap()];
        let served = Load::connect(&place, &lists).await.unwrap().run(short).await.unwrap();
        assert!(served.refused > 0 && served.latencies.count() == 0);
        assert!(served.checked("floor").is_err());
    }
}
