//! Requests that meet.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{Clock, SystemClock, Timestamp};
use strongroom_server::{Semantics, Targets, WATCHED};
use strongroom_store::{Batch, Memory, Store};

use crate::house::{Caller, House};
use crate::slow::Slow;

const ROUNDS: usize = 12;

async fn slow_house() -> House {
    let store: Arc<dyn Store> = Arc::new(Slow(Arc::new(Memory::new(WATCHED))));
    let root_key = RootKey::generate(&SystemRandom);
    House::over((store, None), root_key, (Semantics::Strict, Targets::new())).await
}

/// Updates the secret until that is refused.
async fn update(house: &House, caller: &Caller) {
    let url = format!("/20180608/secrets/{}", house.sample.secret_id);
    for number in 0.. {
        let body = json!({ "description": number.to_string() });
        let answer = house.send(Some(caller), &url, "PUT", Some(&body)).await;
        match answer.status {
            200 | 409 => {}
            404 => return,
            status => panic!("{status}: {}", answer.body),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_follows_a_secret_to_where_it_is_not_allowed() {
    let house = House::open(Semantics::Strict).await;
    let writer =
        house.user("writer", &["Allow group Gwriter to use secrets in compartment sample"]).await;
    let url = format!("/20180608/secrets/{}", house.sample.secret_id);
    let move_to = async |compartment: String| {
        let (url, body) =
            (format!("{url}/actions/changeCompartment"), json!({ "compartmentId": compartment }));
        let moved = house.send(Some(&house.admin), &url, "POST", Some(&body)).await;
        assert_eq!(moved.status, 200, "{}", moved.body);
        moved.etag
    };
    let there = house.founded.tenancy_id.to_string();
    let here =
        house.send(Some(&house.admin), &url, "GET", None).await.body["compartmentId"].clone();
    for _ in 0..ROUNDS {
        let updates = || update(&house, &writer);
        let moving = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            move_to(there.clone()).await
        };
        let (moved, ..) = tokio::join!(moving, updates(), updates(), updates(), updates());
        let now = house.send(Some(&house.admin), &url, "GET", None).await.etag;
        assert_eq!(now, moved, "something was written after the move");
        move_to(here.as_str().unwrap().to_owned()).await;
    }
    house.close().await;
}

/// Another node has stopped all changes when one comes to be written that was found allowed before.
#[tokio::test]
async fn no_change_is_written_after_changes_were_stopped() {
    let rows = Arc::new(Memory::new(WATCHED));
    let store: Arc<dyn Store> = Arc::new(Slow(Arc::clone(&rows)));
    let root_key = RootKey::generate(&SystemRandom);
    let house = House::over((store, None), root_key, (Semantics::Strict, Targets::new())).await;
    let url = format!("/20180608/secrets/{}", house.sample.secret_id);
    let before = house.send(Some(&house.admin), &url, "GET", None).await;
    let body = json!({ "description": "late" });
    let changing = house.send(Some(&house.admin), &url, "PUT", Some(&body));
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(15)).await;
        rows.commit(Batch::new().put(b"mode/read-only".to_vec(), b"{}".to_vec())).await
    };
    let (changed, stopped) = tokio::join!(changing, stopping);
    stopped.unwrap();
    assert_eq!(changed.status, 503, "{}", changed.body);
    let after = house.send(Some(&house.admin), &url, "GET", None).await;
    assert_eq!((after.status, after.etag), (200, before.etag));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vault_comes_back_while_its_secrets_are_being_deleted() {
    let house = slow_house().await;
    let send = async |url: &str, body: Value| {
        let method = if body.is_null() { "GET" } else { "POST" };
        let body = Some(&body).filter(|body| !body.is_null());
        house.send(Some(&house.admin), url, method, body).await
    };
    let sample = &house.sample;
    let (vault, compartment) =
        (format!("/20180608/vaults/{}", sample.vault_id), &sample.compartment_id);
    for number in 0..10 {
        let secret = json!({
            "compartmentId": compartment, "vaultId": sample.vault_id, "keyId": sample.key_id,
            "secretName": format!("s{number}"),
            "secretContent": { "contentType": "BASE64", "content": "eA==" },
        });
        assert_eq!(send("/20180608/secrets", secret).await.status, 200);
    }
    let place = json!({ "backupLocation": {
        "destination": "BUCKET", "namespace": "n", "bucketName": "b", "objectName": "o",
    } });
    assert_eq!(send(&format!("{vault}/actions/backup"), place.clone()).await.status, 200);
    assert_eq!(send(&format!("{vault}/actions/scheduleDeletion"), json!({})).await.status, 200);
    let restore =
        format!("/20180608/vaults/actions/restoreFromObjectStore?compartmentId={compartment}");
    let restoring = async {
        while send(&vault, Value::Null).await.body["lifecycleState"] != "DELETED" {}
        send(&restore, place.clone()).await
    };
    let (early, ()) = tokio::join!(restoring, house.turn_clock(31));
    assert_eq!((early.status, &early.body["code"]), (409, &json!("IncorrectState")));
    let restored = send(&restore, place).await;
    assert_eq!(restored.status, 200, "{}", restored.body);
    let secrets =
        send(&format!("/20180608/secrets?compartmentId={compartment}"), Value::Null).await;
    for secret in secrets.body.as_array().unwrap() {
        assert_eq!(secret["lifecycleState"], "DELETED");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_tell_nothing_of_what_was_changed_while_they_were_made() {
    let house = slow_house().await;
    let secret = format!("/20180608/secrets/{}", house.sample.secret_id);
    let send = async |url: &str, method: &str, body: Value| {
        tokio::time::sleep(Duration::from_millis(if method == "GET" { 0 } else { 20 })).await;
        let body = Some(&body).filter(|body| !body.is_null());
        let answer = house.send(Some(&house.admin), url, method, body).await;
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        answer.body
    };
    let versions = format!("{secret}/versions");
    for order in ["ASC", "DESC"] {
        let known = send(&secret, "GET", Value::Null).await["currentVersionNumber"].clone();
        let versions = format!("{versions}?sortOrder={order}");
        let body = json!({ "secretContent": { "contentType": "BASE64", "content": "eA==" } });
        let (listed, _) =
            tokio::join!(send(&versions, "GET", Value::Null), send(&secret, "PUT", body));
        let latest =
            |version: &&Value| version["stages"].as_array().unwrap().contains(&json!("LATEST"));
        let listed = listed.as_array().unwrap();
        assert_eq!(json!(listed.len()), known, "one that is made meanwhile is in no list");
        assert_eq!(listed.iter().filter(latest).count(), 1, "{listed:?}");
    }
    let list = format!("/20180608/secrets?compartmentId={}", house.sample.compartment_id);
    let there = json!({ "compartmentId": house.founded.tenancy_id });
    let moving = format!("{secret}/actions/changeCompartment");
    let (listed, _) = tokio::join!(send(&list, "GET", Value::Null), send(&moving, "POST", there));
    assert_eq!(listed, json!([]), "one that was moved away meanwhile is in no list");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vault_goes_before_a_key_whose_deletion_is_scheduled_at_the_same_time() {
    let house = slow_house().await;
    let schedule = async |url: String, days: i64| {
        let at = SystemClock.now().as_second() + days * 86_400;
        let body = json!({ "timeOfDeletion": Timestamp::from_second(at).unwrap().to_string() });
        let url = format!("{url}/actions/scheduleDeletion");
        house.send(Some(&house.admin), &url, "POST", Some(&body)).await.status
    };
    let key = format!("{}/20180608/keys/{}", house.management, house.sample.key_id);
    let vault = format!("/20180608/vaults/{}", house.sample.vault_id);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        schedule(vault, 8).await
    };
    let mut statuses: [u16; 2] = tokio::join!(schedule(key, 29), meanwhile).into();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    house.close().await;
}
