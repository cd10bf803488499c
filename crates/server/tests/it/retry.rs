//! Requests that are sent twice.

use serde_json::json;
use strongroom_server::Semantics;
use strongroom_signing::body_digest;
use strongroom_store::{Order, Range};

use crate::house::House;

/// Who reads the database, or a backup of it, must not be able to try guesses of a content.
#[tokio::test]
async fn no_row_tells_a_guessed_content_from_another() {
    let house = House::open(Semantics::Strict).await;
    let sample = &house.sample;
    let body = json!({
        "compartmentId": sample.compartment_id, "vaultId": sample.vault_id,
        "keyId": sample.key_id, "secretName": "guessed",
        "secretContent": { "contentType": "BASE64", "content": "eA==" },
    });
    let url = "/20180608/secrets";
    let made = house.post_with_token(url, &body, "token").await;
    assert_eq!(made.status, 200, "{}", made.body);
    let again = house.post_with_token(url, &body, "token").await;
    assert_eq!((again.status, &again.body["id"]), (200, &made.body["id"]));
    let other = house.post_with_token(url, &json!({}), "token").await;
    assert_eq!(other.status, 400);

    let user = &house.founded.user_id;
    let guesses = [
        body_digest(format!("{url}\n{body}").as_bytes()),
        body_digest(body.to_string().as_bytes()),
        body_digest(format!("{user}\nCreateSecret\ntoken").as_bytes()),
    ];
    let all = Range { start: Vec::new(), end: vec![0xff] };
    let rows = house.store.scan(all, Order::Ascending, usize::MAX).await.unwrap();
    assert_eq!(rows.iter().filter(|(key, _)| key.starts_with(b"r/")).count(), 1);
    for (key, row) in &rows {
        let text = [String::from_utf8_lossy(key), String::from_utf8_lossy(&row.value)].concat();
        assert!(!guesses.iter().any(|guess| text.contains(guess)), "{text}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_token_that_made_a_key_in_one_vault_makes_none_in_another() {
    let house = House::open(Semantics::Strict).await;
    let compartment = &house.sample.compartment_id;
    let vault = json!({
        "compartmentId": compartment, "displayName": "other", "vaultType": "DEFAULT",
    });
    let other = house.send(Some(&house.admin), "/20180608/vaults", "POST", Some(&vault)).await;
    let key = json!({
        "compartmentId": compartment, "displayName": "k",
        "keyShape": { "algorithm": "AES", "length": 32 },
    });
    let at = |endpoint: &str| format!("{endpoint}/20180608/keys");
    let here = at(&house.management);
    let made = house.post_with_token(&here, &key, "token").await;
    assert_eq!(made.status, 200, "{}", made.body);
    let again = house.post_with_token(&here, &key, "token").await;
    assert_eq!((again.status, &again.body["id"]), (200, &made.body["id"]));
    let there = at(other.body["managementEndpoint"].as_str().unwrap());
    let refused = house.post_with_token(&there, &key, "token").await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("InvalidatedRetryToken")));
    house.close().await;
}
