use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use strongroom_client::{ApiKey, Authorities, Client, Endpoints};
use strongroom_model::{Clock, Random, Timestamp};
use strongroom_signing::{Claim, HeaderSource, HeaderValue, PrivateKey, PublicKey, Scope};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

pub(crate) const KEY_ID: &str = "ocid1.tenancy.oc1..a/ocid1.user.oc1..b/\
                                 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";

pub(crate) const BUNDLE: &str = r#"{"secretId":"a","versionNumber":1,
    "secretBundleContent":{"contentType":"BASE64","content":"eA=="}}"#;

/// What the server answers to one request.
pub(crate) struct Line {
    pub(crate) status: u16,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) body: &'static str,
}

pub(crate) const fn answer(status: u16, body: &'static str) -> Line {
    Line { status, headers: &[], body }
}

/// A request as it came, its signature verified.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) token: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        "2026-11-24T01:02:03Z".parse().unwrap()
    }
}

/// Draws zeros, so that no pause takes time.
#[derive(Debug)]
pub(crate) struct Zeros;

impl Random for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

struct Headers<'a>(&'a HeaderMap);

impl HeaderSource for Headers<'_> {
    fn header(&self, name: &str) -> HeaderValue<'_> {
        let mut values = self.0.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => HeaderValue::Absent,
            (Some(value), None) => HeaderValue::One(value.to_str().unwrap()),
            (Some(_), Some(_)) => HeaderValue::Many,
        }
    }
}

/// A server that answers line by line, and 599 when its script is over.
#[derive(Clone)]
pub(crate) struct Script {
    lines: Arc<Mutex<VecDeque<Line>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    key: Arc<PublicKey>,
}

impl Script {
    pub(crate) fn new(lines: impl IntoIterator<Item = Line>, key: &PrivateKey) -> Self {
        Self {
            lines: Arc::new(Mutex::new(lines.into_iter().collect())),
            seen: Arc::default(),
            key: Arc::new(key.public().unwrap()),
        }
    }

    /// Makes a script and the key of who calls.
    pub(crate) fn keyed(lines: impl IntoIterator<Item = Line>) -> (Self, PrivateKey) {
        let key = PrivateKey::generate().unwrap();
        (Self::new(lines, &key), key)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) async fn play(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request| self.reply(request));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        drop(connection.await);
    }

    async fn reply(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let target = head.uri.path_and_query().unwrap().as_str();
        let headers = Headers(&head.headers);
        let signed =
            strongroom_signing::Request { method: head.method.as_str(), target, headers: &headers };
        let claim = Claim::read(&signed, Scope::Api, FixedClock.now()).unwrap();
        claim.verify(&signed, &body, &self.key).unwrap();
        let token = head.headers.get("opc-retry-token");
        self.seen.lock().unwrap().push(Seen {
            method: head.method.to_string(),
            target: target.to_owned(),
            token: token.map(|token| token.to_str().unwrap().to_owned()),
            headers: head.headers.clone(),
            body: String::from_utf8(body.to_vec()).unwrap(),
        });
        let line = self.lines.lock().unwrap().pop_front().unwrap_or(answer(599, ""));
        let mut response = Response::builder().status(line.status);
        for (name, value) in line.headers {
            response = response.header(*name, *value);
        }
        Ok(response.body(Full::new(Bytes::from_static(line.body.as_bytes()))).unwrap())
    }
}

/// Starts a server and a client that calls it.
pub(crate) async fn start(lines: impl IntoIterator<Item = Line>) -> (Client, Script) {
    let (script, key) = Script::keyed(lines);
    (client("http", serve(&script).await, Authorities::System, key), script)
}

/// Plays to whoever connects, and returns where.
pub(crate) async fn serve(script: &Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = script.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let server = server.clone();
            tokio::spawn(async move { server.play(stream).await });
        }
    });
    address
}

pub(crate) fn client(
    scheme: &str,
    address: SocketAddr,
    authorities: Authorities<'_>,
    key: PrivateKey,
) -> Client {
    let endpoints = Endpoints::One(format!("{scheme}://{address}").parse().unwrap());
    let key = ApiKey { id: KEY_ID.to_owned(), key };
    Client::new(endpoints, authorities, key, Arc::new(FixedClock), Arc::new(Zeros)).unwrap()
}
