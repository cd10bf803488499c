use serde_json::{Value, json};
use strongroom_server::Semantics;

use crate::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_outcome_is_on_record_before_its_answer() {
    let house = House::open(Semantics::Strict).await;
    let bundle = format!("/20190301/secretbundles/{}", house.sample.secret_id);
    let secret = format!("/20180608/secrets/{}", house.sample.secret_id);
    let update = json!({"secretContent": {"contentType": "BASE64", "content": "czNjcjN0"}});
    let reader = house.user("reader", &[]).await;
    let expected = [
        (None, bundle.as_str(), "GET", None, 401, Value::Null),
        (Some(&house.admin), &bundle, "GET", None, 200, json!("GetSecretBundle")),
        (Some(&reader), &bundle, "GET", None, 404, json!("GetSecretBundle")),
        (Some(&house.admin), &secret, "PUT", Some(&update), 200, json!("UpdateSecret")),
        (Some(&house.admin), "/nowhere", "GET", None, 404, Value::Null),
    ];
    for (number, (caller, url, method, body, status, operation)) in (1..).zip(expected) {
        let answer = house.send(caller, url, method, body).await;
        assert_eq!(answer.status, status);
        let records = house.records().await;
        assert_eq!(records.len(), number, "{records:?}");
        let matches =
            |record: &&Value| record["operation"] == operation && record["status"] == status;
        let record = records.iter().find(matches).unwrap();
        assert_eq!(record["principalId"].is_null(), status == 401);
        assert_eq!(record["source"], "127.0.0.1");
    }
    let all = json!(house.records().await).to_string();
    for content in ["c4n4ry", "YzRuNHJ5", "s3cr3t", "czNjcjN0"] {
        assert!(!all.contains(content));
    }
    house.close().await;
}
