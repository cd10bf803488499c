use std::net::SocketAddr;
use std::sync::Arc;

use strongroom_client::{ApiKey, Authorities, Client, ClientError, Endpoints, Selector};
use strongroom_signing::PrivateKey;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::script::{BUNDLE, FixedClock, Script, Zeros, answer, client};

/// Plays to whoever connects over TLS, and returns where, with the certificate.
pub(crate) async fn serve_tls(script: &Script, name: &str) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let identity = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], identity)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = script.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                let server = server.clone();
                tokio::spawn(async move { server.play(stream).await });
            }
        }
    });
    (address, made.cert.pem())
}

#[tokio::test]
async fn only_the_bundle_is_trusted() {
    let pem = PrivateKey::generate().unwrap().to_pem().unwrap();
    let key = || PrivateKey::from_pem(std::str::from_utf8(pem.expose()).unwrap()).unwrap();
    let script = Script::new([answer(200, BUNDLE)], &key());
    let (address, ours) = serve_tls(&script, "127.0.0.1").await;
    let (_, others) = serve_tls(&script, "127.0.0.1").await;
    let stranger = client("https", address, Authorities::Bundle(others.as_bytes()), key());
    let error = stranger.secret_bundle("a", &Selector::Current).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(script.seen().is_empty());
    let friend = client("https", address, Authorities::Bundle(ours.as_bytes()), key());
    let bundle = friend.secret_bundle("a", &Selector::Current).await.unwrap();
    assert_eq!(bundle.content.expose(), b"x");
}

#[test]
fn a_bundle_holds_certificates() {
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let key = ApiKey { id: "t/u/f".to_owned(), key: PrivateKey::generate().unwrap() };
        let endpoints = Endpoints::One("https://h".parse().unwrap());
        let authorities = Authorities::Bundle(pem.as_bytes());
        let made = Client::new(endpoints, authorities, key, Arc::new(FixedClock), Arc::new(Zeros));
        assert!(matches!(made, Err(ClientError::Authorities(_))), "{pem}");
    }
}
