//! Who holds which version, what rotations make of it, and who hears of a change.

use std::time::Duration;

use serde_json::{Value, json};
use strongroom_server::Semantics;
use tokio::time::Instant;

use crate::house::{Answer, Caller, House};

fn own(house: &House, rest: &str) -> String {
    format!("/_strongroom/v1/secrets/{}{rest}", house.sample.secret_id)
}

fn secret(house: &House, rest: &str) -> String {
    format!("/20180608/secrets/{}{rest}", house.sample.secret_id)
}

async fn put(house: &House, url: &str, body: &Value) -> Answer {
    house.send(Some(&house.admin), url, "PUT", Some(body)).await
}

async fn get(house: &House, caller: &Caller, url: &str) -> Value {
    let answer = house.send(Some(caller), url, "GET", None).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    answer.body
}

async fn report(house: &House, name: &str, body: Value) -> Answer {
    put(house, &own(house, &format!("/consumers/{name}")), &body).await
}

/// The stages of a version.
async fn stages(house: &House, number: u64) -> Value {
    get(house, &house.admin, &secret(house, &format!("/version/{number}"))).await["stages"].clone()
}

/// Makes the secret one that is generated, marked to wait for its consumers, and rotates it.
async fn rotate_marked(house: &House, deadline_secs: u64) {
    let generated = json!({
        "enableAutoGeneration": true,
        "secretGenerationContext": { "generationType": "BYTES", "generationTemplate": "BYTES_512" },
    });
    assert_eq!(put(house, &secret(house, ""), &generated).await.status, 200);
    let mark = json!({ "deadlineSeconds": deadline_secs });
    let marked = put(house, &own(house, "/retirement"), &mark).await;
    assert_eq!((marked.status, &marked.body["deadlineSeconds"]), (200, &json!(deadline_secs)));
    let url = secret(house, "/actions/rotate");
    let answer = house.send(Some(&house.admin), &url, "POST", Some(&Value::Null)).await;
    assert_eq!(answer.status, 202);
    becomes(house, |shown| shown["currentVersionNumber"] == 2).await;
}

async fn becomes(house: &House, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let shown = get(house, &house.admin, &secret(house, "")).await;
        if wanted(&shown) {
            return shown;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{shown}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_waiting(shown: &Value) -> bool {
    shown["lifecycleDetails"].as_str().is_some_and(|text| text.contains("every consumer"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_previous_version_is_retired_when_the_last_consumer_has_moved_on() {
    let house = House::open(Semantics::Strict).await;
    for name in ["app-1", "app-2"] {
        assert_eq!(report(&house, name, json!({ "versionNumber": 1 })).await.status, 200);
    }
    report(&house, "gone", json!({ "versionNumber": 1, "liveForSeconds": 600 })).await;
    report(&house, "gone", json!({ "versionNumber": 1, "liveForSeconds": 0 })).await;
    rotate_marked(&house, 3600).await;
    let shown = becomes(&house, is_waiting).await;
    assert_eq!(shown["rotationStatus"], "IN_PROGRESS");
    assert_eq!(stages(&house, 1).await, json!(["PREVIOUS"]));
    let listed = get(&house, &house.admin, &own(&house, "/consumers")).await;
    let held: Vec<_> = listed.as_array().unwrap().iter().collect();
    assert_eq!(held.len(), 2);
    assert_eq!((&held[1]["consumerName"], &held[1]["versionNumber"]), (&json!("app-2"), &json!(1)));
    assert_eq!(held[1]["stages"], json!(["PREVIOUS"]));
    report(&house, "app-1", json!({ "versionNumber": 2 })).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stages(&house, 1).await, json!(["PREVIOUS"]), "one has not moved on");
    report(&house, "app-2", json!({ "versionNumber": 2 })).await;
    becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    assert_eq!(stages(&house, 1).await, json!(["DEPRECATED"]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_and_the_deadline_end_the_wait() {
    for (live_for, deadline, turn) in [(86_400, 86_400 - 60, 1), (3600, 20 * 86_400, 1)] {
        let house = House::open(Semantics::Strict).await;
        let body = json!({ "versionNumber": 1, "liveForSeconds": live_for });
        assert_eq!(report(&house, "app", body).await.status, 200);
        rotate_marked(&house, deadline).await;
        becomes(&house, is_waiting).await;
        house.turn_clock(turn).await;
        becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
        assert_eq!(stages(&house, 1).await, json!(["DEPRECATED"]));
        let listed = get(&house, &house.admin, &own(&house, "/consumers")).await;
        assert_eq!(listed[0]["isLive"], false);
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_mark_nothing_is_retired() {
    let house = House::open(Semantics::Strict).await;
    assert_eq!(
        get(&house, &house.admin, &own(&house, "/retirement")).await["deadlineSeconds"],
        Value::Null
    );
    rotate_marked(&house, 60).await;
    becomes(&house, |shown| shown["rotationStatus"] == "NOT_ENABLED").await;
    assert_eq!(stages(&house, 1).await, json!(["DEPRECATED"]), "nobody to wait for");
    let off = json!({ "deadlineSeconds": null });
    assert_eq!(put(&house, &own(&house, "/retirement"), &off).await.status, 200);
    let url = secret(&house, "/actions/rotate");
    house.send(Some(&house.admin), &url, "POST", Some(&Value::Null)).await;
    becomes(&house, |shown| {
        shown["currentVersionNumber"] == 3 && shown["rotationStatus"] == "NOT_ENABLED"
    })
    .await;
    assert_eq!(stages(&house, 2).await, json!(["PREVIOUS"]), "kept for rollback");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_reports_are_refused_by_name() {
    let house = House::open(Semantics::Strict).await;
    for (name, body, field) in [
        ("app", json!({}), "versionNumber"),
        ("app", json!({ "versionNumber": 2 }), "versionNumber"),
        ("app", json!({ "versionNumber": 0 }), "versionNumber"),
        ("app", json!({ "versionNumber": "1" }), "versionNumber"),
        ("app", json!({ "versionNumber": 1, "liveForSeconds": 86_401 }), "liveForSeconds"),
        ("app", json!({ "versionNumber": 1, "more": 1 }), "unknown field"),
        ("a%20b", json!({ "versionNumber": 1 }), "consumerName"),
    ] {
        let answer = report(&house, name, body).await;
        let message = answer.body["message"].as_str().unwrap();
        assert!(answer.status == 400 && message.contains(field), "{message}");
    }
    for body in [json!({}), json!({ "deadlineSeconds": 0 }), json!({ "deadlineSeconds": "P1D" })] {
        let answer = put(&house, &own(&house, "/retirement"), &body).await;
        let message = answer.body["message"].as_str().unwrap();
        assert!(answer.status == 400 && message.contains("deadlineSeconds"), "{message}");
    }
    assert_eq!(get(&house, &house.admin, &own(&house, "/consumers")).await, json!([]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_of_two_principals_do_not_overwrite_each_other() {
    let house = House::open(Semantics::Strict).await;
    let other =
        house.user("other", &["Allow group Gother to use secret-consumers in tenancy"]).await;
    let url = own(&house, "/consumers/app");
    for caller in [&house.admin, &other] {
        let body = json!({ "versionNumber": 1 });
        assert_eq!(house.send(Some(caller), &url, "PUT", Some(&body)).await.status, 200);
    }
    let first = get(&house, &other, &own(&house, "/consumers?limit=1")).await;
    assert_eq!(first.as_array().unwrap().len(), 1);
    let listed = get(&house, &other, &own(&house, "/consumers")).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_ne!(listed[0]["principalId"], listed[1]["principalId"]);
    house.close().await;
}

async fn watch(house: &House, caller: &Caller, after: &Value, secs: u32) -> Value {
    let after = after.as_str().unwrap();
    let url = format!("/_strongroom/v1/secretChanges?after={after}&waitSeconds={secs}");
    get(house, caller, &url).await
}

async fn start(house: &House, caller: &Caller) -> Value {
    let first = get(house, caller, "/_strongroom/v1/secretChanges").await;
    assert_eq!((&first["changes"], &first["isReset"]), (&json!([]), &json!(false)));
    first["cursor"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_at_once_without_content() {
    let house = House::open(Semantics::Strict).await;
    let cursor = start(&house, &house.admin).await;
    let quiet = watch(&house, &house.admin, &cursor, 0).await;
    assert_eq!(quiet["changes"], json!([]));
    let content = json!({ "secretContent": { "contentType": "BASE64", "content": "bjN3" } });
    let began = Instant::now();
    let (seen, _) = tokio::join!(watch(&house, &house.admin, &cursor, 30), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        put(&house, &secret(&house, ""), &content).await
    });
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let change = &seen["changes"][0];
    assert_eq!(change["secretId"], house.sample.secret_id.as_str());
    assert_eq!(
        (&change["currentVersionNumber"], &change["secretName"]),
        (&json!(2), &json!("sample"))
    );
    assert!(!seen.to_string().contains("bjN3") && !seen.to_string().contains("n3w"));
    let rest = watch(&house, &house.admin, &seen["cursor"], 0).await;
    assert_eq!(rest["changes"], json!([]), "told once");
    let foreign = watch(&house, &house.admin, &json!("0.1"), 30).await;
    assert_eq!(foreign["isReset"], true);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_told_to_those_who_may_read_the_description() {
    let house = House::open(Semantics::Strict).await;
    let reader = house.user("reader", &["Allow group Greader to read secrets in tenancy"]).await;
    let inspector =
        house.user("inspector", &["Allow group Ginspector to inspect secrets in tenancy"]).await;
    let cursors = [start(&house, &reader).await, start(&house, &inspector).await];
    put(&house, &secret(&house, ""), &json!({ "description": "d" })).await;
    let told = watch(&house, &reader, &cursors[0], 0).await;
    assert_eq!(told["changes"].as_array().unwrap().len(), 1);
    let told = watch(&house, &inspector, &cursors[1], 1).await;
    assert_eq!((&told["changes"], &told["isReset"]), (&json!([]), &json!(false)));
    assert_ne!(told["cursor"], cursors[1], "it goes on from here");
    house.close().await;
}

/// Whoever holds a content looks again: perhaps it is theirs no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_look_again_when_rights_change() {
    let house = House::open(Semantics::Strict).await;
    let reader = house.user("reader", &["Allow group Greader to read secrets in tenancy"]).await;
    let cursor = start(&house, &reader).await;
    let policy = json!({
        "compartmentId": house.founded.tenancy_id, "name": "more", "description": "d",
        "statements": ["Deny group Greader to read secret-family in tenancy"],
    });
    let began = Instant::now();
    let (seen, made) = tokio::join!(watch(&house, &reader, &cursor, 30), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        house.send(Some(&house.admin), "/20160918/policies", "POST", Some(&policy)).await
    });
    assert_eq!(made.status, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((&seen["isReset"], &seen["changes"]), (&json!(true), &json!([])));
    let rest = watch(&house, &reader, &seen["cursor"], 0).await;
    assert_eq!(rest["isReset"], false, "told once");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_are_answered_when_the_server_stops() {
    let house = House::open(Semantics::Strict).await;
    let cursor = start(&house, &house.admin).await;
    let url =
        format!("/_strongroom/v1/secretChanges?after={}&waitSeconds=50", cursor.as_str().unwrap());
    let began = Instant::now();
    let waiting = house.begin(&house.admin, &url).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.close().await;
    assert_eq!(waiting.finish().await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(5));
}
