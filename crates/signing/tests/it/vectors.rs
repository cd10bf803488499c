use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use strongroom_signing::{Claim, KeyId, PublicKey, Request, Scope};

use crate::Headers;

#[derive(Deserialize)]
struct Vectors {
    tenancy: String,
    user: String,
    fingerprint: String,
    public_key_pem: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    method: String,
    request_target: String,
    body_b64: String,
    headers: BTreeMap<String, String>,
    authorization: String,
    expect: String,
}

fn check(case: &Case, key: &PublicKey, now: Timestamp) -> Result<KeyId, String> {
    let mut headers = Headers::default();
    for (name, value) in &case.headers {
        headers.set(name, value);
    }
    headers.set("authorization", &case.authorization);
    let request = Request { method: &case.method, target: &case.request_target, headers: &headers };
    let federation = case.request_target.starts_with("/v1/x509");
    let scope = if federation { Scope::Federation } else { Scope::Api };
    let claim = Claim::read(&request, scope, now).map_err(|reject| reject.to_string())?;
    let body = STANDARD.decode(&case.body_b64).unwrap();
    claim.verify(&request, &body, key).map_err(|reject| reject.to_string())?;
    Ok(claim.key_id().clone())
}

#[test]
fn all_seventeen_cases_of_oracles_clients() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../vectors/signing-vectors.json")).unwrap();
    let key = PublicKey::from_pem(&vectors.public_key_pem).unwrap();
    assert_eq!(key.fingerprint(), vectors.fingerprint);
    let clock: Timestamp = "2026-11-23T21:15:21Z".parse().unwrap();
    assert_eq!(vectors.cases.len(), 17);
    let own = KeyId::ApiKey {
        tenancy: vectors.tenancy.clone(),
        user: vectors.user.clone(),
        fingerprint: vectors.fingerprint.clone(),
    };
    let mut good = 0;
    for case in &vectors.cases {
        let outcome = check(case, &key, clock);
        assert_eq!(outcome.is_ok(), case.expect == "ok", "{}: {outcome:?}", case.name);
        if case.expect == "ok" {
            good += 1;
            let certificate = matches!(outcome, Ok(KeyId::Certificate { .. }));
            assert_eq!(certificate, case.name == "federation-no-host");
            assert!(certificate || outcome == Ok(own.clone()), "{}", case.name);
        }
        for far in [clock + 301.seconds(), clock - 301.seconds()] {
            assert!(check(case, &key, far).is_err(), "{}", case.name);
        }
        for near in [clock + 300.seconds(), clock - 300.seconds()] {
            assert_eq!(check(case, &key, near).is_ok(), case.expect == "ok", "{}", case.name);
        }
    }
    assert_eq!(good, 11);
}
