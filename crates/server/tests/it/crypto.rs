//! What keys are used for.

use serde_json::json;
use strongroom_server::Semantics;

use crate::house::House;

#[tokio::test]
async fn data_that_an_rsa_key_would_not_authenticate_is_refused() {
    let house = House::open(Semantics::Strict).await;
    let post = async |path: &str, body: serde_json::Value| {
        let url = format!("{}/20180608/{path}", house.management);
        house.send(Some(&house.admin), &url, "POST", Some(&body)).await
    };
    let key = json!({
        "compartmentId": house.sample.compartment_id, "displayName": "rsa",
        "keyShape": { "algorithm": "RSA", "length": 256 },
    });
    let key = post("keys", key).await.body["id"].clone();
    let algorithm = "RSA_OAEP_SHA_256";
    let encrypt = json!({ "keyId": key, "plaintext": "eA==", "encryptionAlgorithm": algorithm });
    let sealed = post("encrypt", encrypt.clone()).await.body["ciphertext"].clone();
    let decrypt = json!({ "keyId": key, "ciphertext": sealed, "encryptionAlgorithm": algorithm });
    assert_eq!(post("decrypt", decrypt.clone()).await.body["plaintext"], "eA==");
    for (path, mut body) in [("encrypt", encrypt), ("decrypt", decrypt)] {
        body["associatedData"] = json!({ "made": "up" });
        let refused = post(path, body).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("InvalidParameter")));
        assert!(refused.body["message"].as_str().unwrap().contains("associatedData"), "{path}");
    }
    house.close().await;
}
