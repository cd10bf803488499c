use std::sync::Arc;

use strongroom_client::probe::{self, AnswerFault, ConnectFault, HostPort};
use strongroom_client::{Authorities, BaseUrl, Network, Proxies};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Answers every connection with the same bytes, over TLS if a certificate is given.
async fn says(answer: &'static str, tls: Option<TlsAcceptor>) -> HostPort {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0_u8; 2048];
            if let Some(tls) = &tls {
                let Ok(mut stream) = tls.accept(stream).await else { continue };
                let _count = stream.read(&mut asked).await;
                let _written = stream.write_all(answer.as_bytes()).await;
            } else {
                let _count = stream.read(&mut asked).await;
                let _written = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    HostPort { host: "127.0.0.1".to_owned(), port }
}

const ANSWER: &str = "HTTP/1.1 404 Not Found\r\ndate: Thu, 26 Nov 2026 12:00:00 GMT\r\n\
                      content-length: 0\r\n\r\n";

/// A certificate for names, valid from one year to another, and the PEM of its issuer: itself.
fn certificate(names: &[&str], years: (i32, i32)) -> (TlsAcceptor, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    parameters.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    let identity = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], identity)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.pem())
}

fn url(scheme: &str, place: &HostPort) -> BaseUrl {
    format!("{scheme}://{}:{}", place.host, place.port).parse().unwrap()
}

#[tokio::test]
async fn an_answer_tells_the_time() {
    let place = says(ANSWER, None).await;
    let addresses = probe::addresses(&place).await.unwrap();
    assert_eq!(probe::connect(&addresses).await.unwrap().port(), place.port);
    let answered = probe::answer(&url("http", &place), &Authorities::System.into()).await.unwrap();
    assert_eq!(answered.status, 404);
    assert_eq!(answered.date.unwrap().to_string(), "2026-11-26T12:00:00Z");
}

#[tokio::test]
async fn nothing_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(probe::connect(&[address]).await, Err(ConnectFault::Refused));
    let nowhere = HostPort { host: "vault.invalid".to_owned(), port: 443 };
    assert!(probe::addresses(&nowhere).await.is_err());
}

#[tokio::test]
async fn tls_says_what_it_complains_of() {
    let now = (2020, 4000);
    for (names, years, is_trusted, expected) in [
        (["127.0.0.1"], now, true, None),
        (["127.0.0.1"], now, false, Some("UnknownAuthority")),
        (["127.0.0.1"], (2001, 2002), true, Some("CertificateNotNow")),
        (["127.0.0.1"], (3999, 4000), true, Some("CertificateNotNow")),
        (["other.test"], now, true, Some("CertificateOfOtherName")),
    ] {
        let (acceptor, pem) = certificate(&names, years);
        let (_, foreign) = certificate(&["127.0.0.1"], now);
        let place = says(ANSWER, Some(acceptor)).await;
        let trusted = if is_trusted { &pem } else { &foreign };
        let answered =
            probe::answer(&url("https", &place), &Authorities::Bundle(trusted.as_bytes()).into())
                .await;
        let seen = answered.map(|_answered| ()).map_err(|fault| format!("{fault:?}"));
        match expected {
            None => assert_eq!(seen, Ok(())),
            Some(word) => {
                let fault = seen.unwrap_err();
                assert!(fault.starts_with(word), "{names:?} {years:?}: {fault}");
            }
        }
    }
}

#[tokio::test]
async fn the_wrong_scheme_shows_either_way() {
    let (acceptor, pem) = certificate(&["127.0.0.1"], (2020, 4000));
    let bundle = &Network::from(Authorities::Bundle(pem.as_bytes()));
    let plain = says(ANSWER, None).await;
    let over_tls = probe::answer(&url("https", &plain), bundle).await;
    assert_eq!(over_tls, Err(AnswerFault::NotTls));
    let secure = says(ANSWER, Some(acceptor)).await;
    let url = url("http", &secure);
    let in_the_clear = probe::answer(&url, bundle).await;
    assert!(matches!(in_the_clear, Err(AnswerFault::NotHttp(_))), "{in_the_clear:?}");
    let other = url.by_other_scheme().unwrap();
    assert_eq!(probe::answer(&other, bundle).await.unwrap().status, 404);
    let nonsense = probe::answer(&other, &Authorities::Bundle(b"nonsense").into()).await;
    assert!(matches!(nonsense, Err(AnswerFault::Authorities(_))), "{nonsense:?}");
}

#[tokio::test]
async fn a_proxy_opens_a_tunnel_or_does_not() {
    let to = HostPort { host: "vault.invalid".to_owned(), port: 443 };
    let opens = says("HTTP/1.1 200 Connection established\r\n\r\n", None).await;
    assert_eq!(probe::tunnel(&opens, &to).await, Ok(200));
    let forbids = says("HTTP/1.1 403 Forbidden\r\n\r\n", None).await;
    assert_eq!(probe::tunnel(&forbids, &to).await, Ok(403));
    let is_none = says("SSH-2.0-x\r\n", None).await;
    assert!(probe::tunnel(&is_none, &to).await.is_err());
}

#[test]
fn ports_follow_from_schemes() {
    let of = |text: &str| text.parse::<BaseUrl>().unwrap().host_port();
    assert_eq!(of("https://h.test/p"), HostPort { host: "h.test".to_owned(), port: 443 });
    assert_eq!(of("http://[::1]:8790"), HostPort { host: "::1".to_owned(), port: 8790 });
    assert_eq!(of("http://h"), HostPort { host: "h".to_owned(), port: 80 });
}

#[tokio::test]
async fn answers_come_through_the_proxy_that_leads_there() {
    let through = |proxy: &HostPort, exceptions: &str| Network {
        authorities: Authorities::System,
        proxies: Proxies {
            http: Some(proxy.to_string().parse().unwrap()),
            https: None,
            exceptions: exceptions.parse().unwrap(),
        },
    };
    let url: BaseUrl = "http://vault.invalid".parse().unwrap();
    let passes = says(ANSWER, None).await;
    let network = through(&passes, "");
    assert_eq!(probe::proxy_to(&url, &network.proxies), Some(passes.clone()));
    assert_eq!(probe::spared_proxy(&url, &network.proxies), None);
    assert_eq!(probe::answer(&url, &network).await.unwrap().status, 404);
    let spared = through(&passes, "vault.invalid").proxies;
    assert_eq!(probe::proxy_to(&url, &spared), None);
    assert_eq!(probe::spared_proxy(&url, &spared), Some(passes));
    let asks = says("HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n", None).await;
    let refused = probe::answer(&url, &through(&asks, "")).await;
    assert_eq!(refused, Err(AnswerFault::Proxy { place: asks.to_string(), status: 407 }));
}
