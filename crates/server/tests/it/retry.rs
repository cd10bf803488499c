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
