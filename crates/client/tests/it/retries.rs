use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use strongroom_client::{
    ApiKey, Authorities, Client, ClientError, Endpoints, NewContent, NewSecret, Selector,
};
use strongroom_model::{Random, Sensitive};
use strongroom_signing::PrivateKey;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::script::{FixedClock, KEY_ID, Line, answer, client, start};

const SECRET: &str = r#"{"id":"s","secretName":"db","lifecycleState":"ACTIVE","vaultId":"v"}"#;

/// Answers that pass are asked for again, at most four times; others are believed at once.
#[tokio::test]
async fn reads_are_tried_again_where_that_may_help() {
    for (status, tries) in [
        (400, 1),
        (401, 1),
        (403, 1),
        (404, 1),
        (409, 1),
        (429, 5),
        (500, 5),
        (501, 1),
        (502, 5),
        (503, 5),
    ] {
        let (client, script) = start((0..6).map(|_| answer(status, ""))).await;
        let error = client.secret_bundle("s", &Selector::Current).await.unwrap_err();
        assert!(matches!(error, ClientError::Service(told) if told.status == status));
        assert_eq!(script.seen().len(), tries, "{status}");
    }
}

#[tokio::test]
async fn who_wants_to_see_every_failure_tries_once() {
    for status in [429, 500, 503] {
        let (client, script) = start((0..6).map(|_| answer(status, ""))).await;
        let error = client.trying_once().secret("s").await.unwrap_err();
        assert!(matches!(error, ClientError::Service(told) if told.status == status));
        assert_eq!(script.seen().len(), 1, "{status}");
    }
    assert_eq!(Client::BACKOFF.tries, 5);
}

#[tokio::test]
async fn a_creation_keeps_its_token_over_its_tries() {
    let (client, script) = start([answer(503, ""), answer(429, ""), answer(200, SECRET)]).await;
    let content = Sensitive::new(b"x".to_vec());
    let new = NewSecret {
        compartment_id: "c",
        vault_id: "v",
        key_id: "k",
        name: "db",
        content: NewContent::Given(&content),
    };
    client.create_secret(&new).await.unwrap();
    let tokens: Vec<_> = script.seen().into_iter().map(|seen| seen.token.unwrap()).collect();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| token.len() == 32 && *token == tokens[0]));
}

#[tokio::test]
async fn an_update_that_may_have_happened_is_not_sent_again() {
    let content = Sensitive::new(b"x".to_vec());
    for (status, tries) in [(500, 1), (503, 1), (429, 2)] {
        let (client, script) = start([answer(status, ""), answer(200, SECRET)]).await;
        let updated = client.update_secret("s", &content, "CURRENT").await;
        assert_eq!((updated.is_ok(), script.seen().len()), (tries == 2, tries), "{status}");
        assert!(script.seen().iter().all(|seen| seen.token.is_none()));
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_the_request() {
    let line = Line {
        status: 404,
        headers: &[("opc-request-id", "R1")],
        body: r#"{"code":"NotAuthorizedOrNotFound","message":"m"}"#,
    };
    let (client, _script) = start([line]).await;
    let ClientError::Service(told) =
        client.secret_bundle("s", &Selector::Current).await.unwrap_err()
    else {
        panic!("not a refusal");
    };
    assert_eq!((told.code.as_str(), told.message.as_str()), ("NotAuthorizedOrNotFound", "m"));
    assert_eq!(told.request_id.as_deref(), Some("R1"));
}

#[tokio::test]
async fn a_server_that_is_not_there_has_done_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let key = PrivateKey::generate().unwrap();
    let client = client("http", address, Authorities::System, key);
    let error = client.secret_bundle("s", &Selector::Current).await.unwrap_err();
    let ClientError::Unreachable { host, perhaps_arrived, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((host, perhaps_arrived), (address.to_string(), false));
}

/// Counts the pauses that are drawn, one after every try.
#[derive(Debug, Default)]
struct Draws(AtomicUsize);

impl Random for Draws {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fetch_add(1, Ordering::Relaxed);
        bytes.fill(0);
    }
}

#[tokio::test]
async fn an_update_that_cannot_have_happened_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let key = ApiKey { id: KEY_ID.to_owned(), key: PrivateKey::generate().unwrap() };
    let endpoints = Endpoints::One(endpoint.parse().unwrap());
    let draws = Arc::new(Draws::default());
    let random: Arc<dyn Random> = Arc::<Draws>::clone(&draws);
    let client = Client::new(endpoints, Authorities::System, key, Arc::new(FixedClock), random);
    let content = Sensitive::new(b"x".to_vec());
    client.unwrap().update_secret("s", &content, "CURRENT").await.unwrap_err();
    assert_eq!(draws.0.load(Ordering::Relaxed), 5);
}

/// The server takes every request and hangs up: an update is sent once, a read five times.
#[tokio::test]
async fn a_lost_answer_is_not_a_refused_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (taken, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let read = stream.read(&mut [0; 64]).await.unwrap();
            taken.send(read).unwrap();
        }
    });
    let key = PrivateKey::generate().unwrap();
    let client = client("http", address, Authorities::System, key);
    let content = Sensitive::new(b"x".to_vec());
    let error = client.update_secret("s", &content, "CURRENT").await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { perhaps_arrived: true, .. }), "{error:?}");
    assert!(told.try_recv().is_ok() && told.try_recv().is_err());
    client.secret("s").await.unwrap_err();
    let mut tries = 0;
    while told.try_recv().is_ok() {
        tries += 1;
    }
    assert_eq!(tries, 5);
}

#[tokio::test]
async fn a_state_that_passes_is_waited_for_and_one_that_lasts_is_not() {
    let incorrect = r#"{"code":"IncorrectState","message":"m"}"#;
    let (client, script) = start([answer(409, incorrect), answer(200, SECRET)]).await;
    client.secret("s").await.unwrap();
    assert_eq!(script.seen().len(), 2);
    let (client, script) = start([answer(409, incorrect), answer(200, SECRET)]).await;
    client.update_secret("s", &Sensitive::new(b"x".to_vec()), "CURRENT").await.unwrap();
    assert_eq!(script.seen().len(), 2, "what was refused has not been carried out");
    let (client, script) = start([answer(409, r#"{"code":"Conflict","message":"m"}"#)]).await;
    client.secret("s").await.unwrap_err();
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn a_service_that_says_when_is_asked_then() {
    const DATE: (&str, &str) = ("date", "Mon, 23 Nov 2026 21:15:21 GMT");
    const NEXT: (&str, &str) = ("retry-after", "Mon, 23 Nov 2026 21:15:22 GMT");
    let forms: [&'static [_]; 2] = [&[("retry-after", "1")], &[DATE, NEXT]];
    for headers in forms {
        let later = Line { status: 429, headers, body: "" };
        let (client, script) = start([later, answer(200, SECRET)]).await;
        let began = tokio::time::Instant::now();
        client.secret("s").await.unwrap();
        assert_eq!(script.seen().len(), 2);
        let waited = began.elapsed().as_secs_f64();
        assert!((1.0..10.0).contains(&waited), "{headers:?}: {waited} s");
    }
    let longer: [&'static [_]; 2] =
        [&[("retry-after", "3600")], &[("retry-after", "18446744073709551615")]];
    for headers in longer {
        let (client, script) = start([Line { status: 429, headers, body: "" }]).await;
        client.secret("s").await.unwrap_err();
        assert_eq!(script.seen().len(), 1, "longer than a call may take");
    }
}

#[tokio::test]
async fn a_service_that_only_fails_is_left_alone_and_refusals_are_no_failures() {
    let (client, script) = start((0..20).map(|_| answer(503, ""))).await;
    for _ in 0..2 {
        client.secret("s").await.unwrap_err();
    }
    assert_eq!(script.seen().len(), 10);
    let error = client.secret("s").await.unwrap_err();
    assert!(matches!(error, ClientError::LeftAlone { failures: 10, .. }), "{error}");
    assert!(error.to_string().contains("the last time: 503"), "{error}");
    assert_eq!(script.seen().len(), 10, "nothing was sent");
    let (client, script) = start((0..20).map(|_| answer(404, ""))).await;
    for _ in 0..15 {
        client.secret("s").await.unwrap_err();
    }
    assert_eq!(script.seen().len(), 15);
}

/// A try takes twenty seconds, a call a minute with all its tries.
#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_is_waited_for_a_minute() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let key = PrivateKey::generate().unwrap();
    let client = client("http", listener.local_addr().unwrap(), Authorities::System, key);
    let began = tokio::time::Instant::now();
    let error = client.secret("s").await.unwrap_err();
    assert!(error.to_string().contains("it took too long"), "{error}");
    assert_eq!(began.elapsed().as_secs(), 60);
    let mut tries = 0;
    while tokio::time::timeout(Duration::from_millis(1), listener.accept()).await.is_ok() {
        tries += 1;
    }
    assert_eq!(tries, 3);
}

/// Draws the longest pause each time.
#[derive(Debug)]
struct Longest;

impl Random for Longest {
    fn fill(&self, bytes: &mut [u8]) {
        let drawn = 1599_u64.to_be_bytes();
        bytes.copy_from_slice(&drawn);
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_are_drawn_below_a_bound_that_doubles() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let key = ApiKey { id: KEY_ID.to_owned(), key: PrivateKey::generate().unwrap() };
    let endpoints = Endpoints::One(endpoint.parse().unwrap());
    let (clock, random) = (Arc::new(FixedClock), Arc::new(Longest));
    let client = Client::new(endpoints, Authorities::System, key, clock, random).unwrap();
    let began = tokio::time::Instant::now();
    client.secret("s").await.unwrap_err();
    assert_eq!(began.elapsed().as_millis(), 199 + 399 + 799 + 1599);
}
