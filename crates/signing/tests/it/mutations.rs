use jiff::Timestamp;
use strongroom_signing::{Claim, Outgoing, PrivateKey, Reject, Request, Scope, sign};

use crate::Headers;

const TARGET: &str = "/20180608/secrets/ocid1.vaultsecret.oc1.iad.x?a=1&b=%2F";
const KEY_ID: &str = "ocid1.tenancy.oc1..t/ocid1.user.oc1..u/aa:bb";

struct Message {
    method: &'static str,
    target: String,
    headers: Headers,
    body: Vec<u8>,
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn message(key: &PrivateKey, method: &'static str) -> Message {
    let body: &[u8] = if method == "GET" { b"" } else { br#"{"a":"b"}"# };
    let sent = (method != "GET").then_some(("application/json", body));
    let outgoing = Outgoing { method, target: TARGET, host: "127.0.0.1:1", body: sent };
    let mut headers = Headers::default();
    for (name, value) in sign(&outgoing, KEY_ID, key, now()).unwrap() {
        headers.set(name, &value);
    }
    Message { method, target: TARGET.to_owned(), headers, body: body.to_vec() }
}

fn verdict(message: &Message, key: &PrivateKey) -> Result<(), Reject> {
    let Message { method, target, headers, body } = message;
    let request = Request { method, target, headers };
    Claim::read(&request, Scope::Api, now())?.verify(&request, body, &key.public().unwrap())
}

#[test]
fn every_bend_of_a_valid_request_is_refused() {
    let key = PrivateKey::generate().unwrap();
    let mut bent = 0;
    for method in ["GET", "PUT"] {
        assert_eq!(verdict(&message(&key, method), &key), Ok(()));
        let other = PrivateKey::generate().unwrap();
        assert_eq!(verdict(&message(&key, method), &other), Err(Reject::Signature));
        let mut refuse = |what: &str, bend: &dyn Fn(&mut Message)| {
            let mut bent_message = message(&key, method);
            bend(&mut bent_message);
            assert!(verdict(&bent_message, &key).is_err(), "{method}: {what}");
            bent += 1;
        };
        refuse("method", &|m| m.method = if m.method == "GET" { "HEAD" } else { "POST" });
        refuse("path", &|m| m.target = m.target.replace("secrets", "secret"));
        refuse("query", &|m| m.target.push_str("&c=2"));
        refuse("encoding", &|m| m.target = m.target.replace("%2F", "%2f"));
        refuse("body", &|m| m.body.push(b' '));
        let names: Vec<String> = message(&key, method).headers.0.into_keys().collect();
        for name in &names {
            refuse(&format!("without {name}"), &|m| drop(m.headers.0.remove(name)));
            refuse(&format!("{name} twice"), &|m| {
                let values = m.headers.0.get_mut(name).unwrap();
                values.push(values[0].clone());
            });
            refuse(&format!("{name} changed"), &|m| {
                let value = &mut m.headers.0.get_mut(name).unwrap()[0];
                *value = value.replacen(['a', '1', '9'], "0", 1) + "0";
            });
        }
        let authorization = message(&key, method).headers.0["authorization"][0].clone();
        let start = authorization.find("signature=\"").unwrap() + "signature=\"".len();
        for position in (start..start + 340).step_by(7) {
            refuse("a character of the signature", &|m| {
                let mut bytes = authorization.clone().into_bytes();
                bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
                m.headers.set("authorization", &String::from_utf8(bytes).unwrap());
            });
        }
        for (from, to) in [
            ("rsa-sha256", "rsa-sha512"),
            ("rsa-sha256", "hs2019"),
            ("version=\"1\"", "version=\"2\""),
            ("Signature ", "Bearer "),
            (" host", ""),
            ("date ", ""),
            ("(request-target) ", ""),
            ("host", "host host"),
            ("keyId=\"", "keyId=\"x/"),
            ("keyId=", "algorithm=\"rsa-sha256\",keyId="),
            ("version=", "versio="),
        ] {
            refuse(&format!("{from} to {to}"), &|m| {
                m.headers.set("authorization", &authorization.replacen(from, to, 1));
            });
        }
        refuse("delegation", &|m| m.headers.set("opc-obo-token", "x"));
    }
    assert!(bent > 150, "{bent}");
}

#[test]
fn reasons_hold_no_value_of_the_request() {
    let key = PrivateKey::generate().unwrap();
    let mut bent = message(&key, "PUT");
    bent.headers.set("x-content-sha256", "s3cr3t");
    let reason = verdict(&bent, &key).unwrap_err().to_string();
    assert!(!reason.contains("s3cr3t") && reason.contains("digest"));
}
