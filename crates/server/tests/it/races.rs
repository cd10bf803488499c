//! Requests that meet.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_server::{Semantics, Targets, WATCHED};
use strongroom_store::{Batch, Memory, Store};

use crate::house::{Caller, House};
use crate::slow::Slow;

const ROUNDS: usize = 12;

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
