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
        assert!(operation != "UpdateSecret" || record["versionNumber"] == 2);
        assert_eq!(record["source"], "127.0.0.1");
    }
    let all = json!(house.records().await).to_string();
    for content in ["c4n4ry", "YzRuNHJ5", "s3cr3t", "czNjcjN0"] {
        assert!(!all.contains(content));
    }
    house.close().await;
}

/// What nobody asked for at that moment is told to those who may read the compartment's audit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_falls_due_is_on_record_in_the_compartment_of_its_target() {
    let house = House::open(Semantics::Strict).await;
    let (sample, at) = (&house.sample, &house.management);
    let post = async |url: &str, body: Value| {
        let answer = house.send(Some(&house.admin), url, "POST", Some(&body)).await;
        assert!((200..300).contains(&answer.status), "{url}: {}", answer.body);
        answer.body
    };
    let compartment = &sample.compartment_id;
    let vault = json!({
        "compartmentId": compartment, "displayName": "v", "vaultType": "DEFAULT",
    });
    let vault = post("/20180608/vaults", vault).await["id"].clone();
    let key = json!({
        "compartmentId": compartment, "displayName": "k",
        "keyShape": { "algorithm": "AES", "length": 32 },
    });
    let key = post(&format!("{at}/20180608/keys"), key).await["id"].clone();
    let versions = format!("{at}/20180608/keys/{}/keyVersions", sample.key_id);
    let version = post(&versions, json!({})).await["id"].clone();
    post(&versions, json!({})).await;
    let secret = format!("/20180608/secrets/{}", sample.secret_id);
    for content in ["eA==", "eQ==", "eg=="] {
        let body = json!({"secretContent": {"contentType": "BASE64", "content": content}});
        let answer = house.send(Some(&house.admin), &secret, "PUT", Some(&body)).await;
        assert_eq!(answer.status, 200);
    }
    for what in [
        format!("/20180608/vaults/{}", vault.as_str().unwrap()),
        format!("{at}/20180608/keys/{}", key.as_str().unwrap()),
        format!("{versions}/{}", version.as_str().unwrap()),
        format!("{secret}/version/1"),
        format!("{secret}/version/2"),
    ] {
        post(&format!("{what}/actions/scheduleDeletion"), json!({})).await;
    }
    house.turn_clock(31).await;
    post(&format!("{secret}/actions/scheduleDeletion"), json!({})).await;
    house.turn_clock(31).await;

    let records = house.records().await;
    let of = |operation: &str| -> Vec<&Value> {
        let scheduled = records.iter().filter(|record| record["source"] == "schedule");
        scheduled.filter(|record| record["operation"] == operation).collect()
    };
    for (operation, target, name) in [
        ("DeleteVault", &vault, "v"),
        ("DeleteKey", &key, "k"),
        ("DeleteKeyVersion", &version, "master"),
        ("DeleteSecretVersion", &json!(sample.secret_id), "sample"),
        ("DeleteSecret", &json!(sample.secret_id), "sample"),
    ] {
        let Some(record) = of(operation).first().copied() else { panic!("{operation}") };
        assert_eq!(record["compartmentId"], json!(compartment), "{operation}");
        assert_eq!((&record["targetId"], &record["resourceName"]), (target, &json!(name)));
        let vault_id =
            if operation == "DeleteVault" { &Value::Null } else { &json!(sample.vault_id) };
        assert_eq!(&record["vaultId"], vault_id, "{operation}");
    }
    let numbers = of("DeleteSecretVersion").into_iter().map(|record| &record["versionNumber"]);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2], "each version is on record");
    let key_id = &of("DeleteKeyVersion")[0]["keyId"];
    assert_eq!(*key_id, json!(sample.key_id));
    house.close().await;
}
