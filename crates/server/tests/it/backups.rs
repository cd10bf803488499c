//! What comes back from backups, and where.

use serde_json::{Value, json};
use strongroom_model::Limits;
use strongroom_server::{Rates, Semantics};

use crate::house::{Answer, House};

const TO_RESTORE: &str = "actions/restoreFromObjectStore";

fn place(name: &str) -> Value {
    json!({ "backupLocation": {
        "destination": "BUCKET", "namespace": "n", "bucketName": "b", "objectName": name,
    } })
}

async fn post(house: &House, url: &str, body: Value) -> Answer {
    house.send(Some(&house.admin), url, "POST", Some(&body)).await
}

/// Asks for what must be done.
async fn done(house: &House, url: &str, body: Value) -> Value {
    let answer = post(house, url, body).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    answer.body
}

/// Makes a key in a compartment; returns its URL.
async fn new_key(house: &House, compartment: &Value) -> String {
    let keys = format!("{}/20180608/keys", house.management);
    let key = json!({
        "compartmentId": compartment, "displayName": "k",
        "keyShape": { "algorithm": "AES", "length": 32 },
    });
    let id = done(house, &keys, key).await["id"].clone();
    format!("{keys}/{}", id.as_str().unwrap())
}

/// Backs a key or vault up, and deletes it.
async fn back_up_and_delete(house: &House, url: &str, name: &str) {
    done(house, &format!("{url}/actions/backup"), place(name)).await;
    done(house, &format!("{url}/actions/scheduleDeletion"), json!({})).await;
    house.turn_clock(31).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_comes_back_past_the_limit_of_its_vault() {
    let limits = Limits { key_versions: 4, ..Limits::WIDE };
    let house = House::with_limits(limits, Rates::default()).await;
    let compartment = json!(house.sample.compartment_id);
    let key = new_key(&house, &compartment).await;
    done(&house, &format!("{key}/keyVersions"), json!({})).await;
    back_up_and_delete(&house, &key, "key").await;
    let restore = format!("{}/20180608/keys/{TO_RESTORE}", house.management);
    for _ in 0..2 {
        new_key(&house, &compartment).await;
    }
    let refused = post(&house, &restore, place("key")).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!("LimitExceeded")));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_comes_back_into_a_compartment_that_was_deleted() {
    let house = House::open(Semantics::Strict).await;
    let compartment = json!({
        "compartmentId": house.founded.tenancy_id, "name": "short", "description": "d",
    });
    let compartment = done(&house, "/20160918/compartments", compartment).await["id"].clone();
    let key = new_key(&house, &compartment).await;
    let vault = format!("/20180608/vaults/{}", house.sample.vault_id);
    let with_keys = json!({
        "backupLocation": place("vault")["backupLocation"], "isIncludeKeys": true,
    });
    done(&house, &format!("{vault}/actions/backup"), with_keys).await;
    back_up_and_delete(&house, &key, "key").await;
    let url = format!("/20160918/compartments/{}", compartment.as_str().unwrap());
    let deleted = house.send(Some(&house.admin), &url, "DELETE", None).await;
    assert_eq!(deleted.status, 202, "{}", deleted.body);
    let restore = format!("{}/20180608/keys/{TO_RESTORE}", house.management);
    let refused = post(&house, &restore, place("key")).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("Conflict")));
    assert!(refused.body["message"].as_str().unwrap().contains("compartment"));

    done(&house, &format!("{vault}/actions/scheduleDeletion"), json!({})).await;
    house.turn_clock(31).await;
    let there = json!(house.founded.tenancy_id);
    let restore =
        format!("/20180608/vaults/{TO_RESTORE}?compartmentId={}", house.founded.tenancy_id);
    let back = done(&house, &restore, place("vault")).await;
    let at = back["managementEndpoint"].as_str().unwrap();
    let get = async |id: &str| {
        let url = format!("{at}/20180608/keys/{id}");
        house.send(Some(&house.admin), &url, "GET", None).await.body
    };
    let moved = get(key.rsplit('/').next().unwrap()).await;
    assert_eq!((&moved["compartmentId"], &moved["lifecycleState"]), (&there, &json!("ENABLED")));
    let stayed = get(house.sample.key_id.as_str()).await;
    assert_eq!(stayed["compartmentId"], json!(house.sample.compartment_id));
    house.close().await;
}
