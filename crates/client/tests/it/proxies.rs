use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use strongroom_client::{
    ApiKey, Authorities, Client, ClientError, Endpoints, Exceptions, Network, Proxies, Proxy,
    Selector,
};
use strongroom_signing::PrivateKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::script::{BUNDLE, FixedClock, KEY_ID, Script, Zeros, answer, serve};
use crate::tls::serve_tls;

/// A proxy that remembers the head of what each connection begins with.
#[derive(Debug, Clone)]
struct Way {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Way {
    /// Answers tunnels with `answer`, and passes everything on to `origin`, whatever it is for.
    async fn to(origin: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Self { address: listener.local_addr().unwrap(), heads: Arc::default() };
        let own = way.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(own.clone().pass(stream, origin, answer));
            }
        });
        way
    }

    async fn pass(self, mut stream: TcpStream, origin: SocketAddr, answer: &'static str) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let text = String::from_utf8(head.clone()).unwrap();
        let is_tunnel = text.starts_with("CONNECT ");
        self.heads.lock().unwrap().push(text);
        let mut there = TcpStream::connect(origin).await.unwrap();
        if is_tunnel {
            stream.write_all(answer.as_bytes()).await.unwrap();
        } else {
            there.write_all(&head).await.unwrap();
        }
        if !is_tunnel || answer.starts_with("HTTP/1.1 200 ") {
            drop(copy_bidirectional(&mut stream, &mut there).await);
        }
    }

    fn proxies(&self) -> Proxies {
        let proxy: Proxy = format!("http://user:c4n4ry@{}", self.address).parse().unwrap();
        Proxies { http: Some(proxy.clone()), https: Some(proxy), exceptions: Exceptions::default() }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn client_through(way: &Way, url: &str, authorities: Authorities<'_>, key: PrivateKey) -> Client {
    let endpoints = Endpoints::One(url.parse().unwrap());
    let network = Network { authorities, proxies: way.proxies() };
    let key = ApiKey { id: KEY_ID.to_owned(), key };
    Client::new(endpoints, network, key, Arc::new(FixedClock), Arc::new(Zeros)).unwrap()
}

const LOGIN: &str = "Basic dXNlcjpjNG40cnk=";

#[tokio::test]
async fn plain_requests_are_told_to_the_proxy_whole() {
    let (script, key) = Script::keyed([answer(200, BUNDLE), answer(200, BUNDLE)]);
    let way = Way::to(serve(&script).await, "").await;
    let client = client_through(&way, "http://vault.invalid:8790", Authorities::System, key);
    for _ in 0..2 {
        let bundle = client.secret_bundle("a", &Selector::Current).await.unwrap();
        assert_eq!(bundle.content.expose(), b"x");
    }
    let [head] = way.heads().try_into().unwrap();
    let line = "GET http://vault.invalid:8790/20190301/secretbundles/a";
    assert!(head.starts_with(line), "{head}");
    assert!(head.contains(&format!("proxy-authorization: {LOGIN}\r\n")), "{head}");
    assert_eq!(script.seen().len(), 2, "over one connection");
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_the_service_hears_nothing_of_the_proxy() {
    let (script, key) = Script::keyed([answer(200, BUNDLE)]);
    let (origin, certificate) = serve_tls(&script, "vault.invalid").await;
    let way = Way::to(origin, "HTTP/1.1 200 Connection established\r\nvia: p\r\n\r\n").await;
    let authorities = Authorities::Bundle(certificate.as_bytes());
    let client = client_through(&way, "https://vault.invalid", authorities, key);
    let bundle = client.secret_bundle("a", &Selector::Current).await.unwrap();
    assert_eq!(bundle.content.expose(), b"x");
    let [head] = way.heads().try_into().unwrap();
    let lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    let authorization = format!("proxy-authorization: {LOGIN}");
    let expected =
        ["CONNECT vault.invalid:443 HTTP/1.1", "host: vault.invalid:443", &authorization];
    assert_eq!(lines, expected);
    assert!(!script.seen()[0].headers.contains_key("proxy-authorization"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_asked_again_only_where_that_may_help() {
    let (script, key) = Script::keyed([]);
    let pem = key.to_pem().unwrap();
    let pem = std::str::from_utf8(pem.expose()).unwrap();
    let (origin, certificate) = serve_tls(&script, "vault.invalid").await;
    for (answer, said, tries) in [
        ("HTTP/1.1 403 No\r\ncontent-length: 7\r\n\r\nc4n4ry\n", "answers 403", 1),
        ("HTTP/1.1 407 Who\r\nconnection: close\r\n\r\nc4n4ry", "answers 407", 1),
        ("HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n", "answers 502", 5),
        ("HTTP/1.1 200 OK\r\n\r\nc4n4ry", "it sends more than its answer", 5),
        ("c4n4ry\r\n\r\n", "invalid HTTP", 5),
    ] {
        let way = Way::to(origin, answer).await;
        let authorities = Authorities::Bundle(certificate.as_bytes());
        let key = PrivateKey::from_pem(pem).unwrap();
        let client = client_through(&way, "https://vault.invalid", authorities, key);
        let error = client.secret_bundle("a", &Selector::Current).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(said) && shown.contains(&way.address.to_string()), "{shown}");
        assert!(!shown.contains("c4n4ry"), "{shown}");
        assert_eq!(way.heads().len(), tries, "{shown}");
    }
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_for_a_plain_request_is_told_from_the_service() {
    let (script, key) = Script::keyed([answer(407, "")]);
    let way = Way::to(serve(&script).await, "").await;
    let client = client_through(&way, "http://vault.invalid:8790", Authorities::System, key);
    let error = client.secret_bundle("a", &Selector::Current).await.unwrap_err();
    let place = way.address.to_string();
    assert_eq!(error, ClientError::Proxy { place, status: 407 });
    assert_eq!(script.seen().len(), 1);
}
