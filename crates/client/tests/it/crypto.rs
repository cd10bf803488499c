use strongroom_client::{
    Client, ClientError, EncryptionContext, EncryptionKey, Signature, SigningKey,
};
use strongroom_model::{AesLength, EncryptionAlgorithm, MessageType, Sensitive, SigningAlgorithm};

use crate::script::{Script, answer, start};

const KEY: EncryptionKey<'_> = EncryptionKey { id: "k", version_id: None, algorithm: None };

fn bodies(script: &Script) -> Vec<serde_json::Value> {
    script.seen().iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
}

/// The crypto endpoint of a client whose one URL answers all services.
fn crypto(client: &Client) -> strongroom_client::VaultCrypto {
    client.crypto_of_key(KEY.id).unwrap()
}

#[tokio::test]
async fn plaintexts_go_there_and_back_as_base64() {
    const SEALED: &str = r#"{"ciphertext":"Q2lw","keyId":"k","keyVersionId":"v1"}"#;
    const OPENED: &str =
        r#"{"plaintext":"c2VjcmV0AP8=","plaintextChecksum":"1","keyVersionId":"v1"}"#;
    let (client, script) = start([answer(200, SEALED), answer(200, OPENED)]).await;
    let crypto = crypto(&client);
    let plaintext = Sensitive::new(b"secret\x00\xff".to_vec());
    let context = EncryptionContext {
        associated: [("app".to_owned(), "a \"b\"".to_owned())].into(),
        logging: [("who".to_owned(), "me".to_owned())].into(),
    };
    let rsa = EncryptionKey {
        version_id: Some("v1"),
        algorithm: Some(EncryptionAlgorithm::RsaOaepSha256),
        ..KEY
    };
    let sealed = crypto.encrypt(&rsa, &plaintext, &context).await.unwrap();
    assert_eq!(
        (sealed.ciphertext.as_str(), sealed.key_version_id.as_deref()),
        ("Q2lw", Some("v1"))
    );
    let opened = crypto.decrypt(&KEY, &sealed.ciphertext, &EncryptionContext::default()).await;
    let opened = opened.unwrap();
    assert_eq!(opened.content, plaintext);
    assert!(!format!("{opened:?}").contains("secret"));
    let targets: Vec<String> = script.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/20180608/encrypt", "/20180608/decrypt"]);
    let expected = serde_json::json!({
        "keyId": "k", "keyVersionId": "v1", "encryptionAlgorithm": "RSA_OAEP_SHA_256",
        "associatedData": {"app": "a \"b\""}, "loggingContext": {"who": "me"},
        "plaintext": "c2VjcmV0AP8=",
    });
    let bare = serde_json::json!({ "keyId": "k", "ciphertext": "Q2lw" });
    assert_eq!(bodies(&script), [expected, bare]);
}

#[tokio::test]
async fn answers_are_base64_once_and_nothing_else() {
    for bent in [
        r#"{"plaintext":"c2Vj cmV0"}"#,
        r#"{"plaintext":"c2VjcmV0AP8"}"#,
        r#"{"plaintext":"c2VjcmV0AP9="}"#,
        r#"{"plaintext":null}"#,
        r#"{"ciphertext":"c2VjcmV0"}"#,
    ] {
        let (client, _script) = start([answer(200, bent)]).await;
        let error = crypto(&client).decrypt(&KEY, "c", &EncryptionContext::default()).await;
        let error = error.unwrap_err();
        assert_eq!(error, ClientError::Answer("Decrypt"), "{bent}");
        assert!(!format!("{error} {error:?}").contains("c2Vj"));
    }
}

#[tokio::test]
async fn a_data_key_is_what_was_asked_for() {
    const WITH: &str = r#"{"ciphertext":"Q2lw","plaintext":"AAECAwQFBgcICQoLDA0ODw=="}"#;
    const WITHOUT: &str = r#"{"ciphertext":"Q2lw"}"#;
    let context = EncryptionContext::default();
    for (body, with_plaintext, length, good) in [
        (WITH, true, AesLength::Aes128, true),
        (WITHOUT, false, AesLength::Aes128, true),
        (WITH, true, AesLength::Aes256, false),
        (WITH, false, AesLength::Aes128, false),
        (WITHOUT, true, AesLength::Aes128, false),
    ] {
        let (client, script) = start([answer(200, body)]).await;
        let made = crypto(&client).generate_data_key("k", length, with_plaintext, &context).await;
        assert_eq!(made.is_ok(), good, "{body} {with_plaintext}");
        let shape = serde_json::json!({ "algorithm": "AES", "length": length.bytes() });
        let expected = serde_json::json!({
            "keyId": "k", "keyShape": shape, "includePlaintextKey": with_plaintext,
        });
        assert_eq!(bodies(&script), [expected]);
    }
}

#[tokio::test]
async fn signatures_are_verified_by_the_version_that_made_them() {
    const SIGNED: &str = r#"{"keyId":"k","keyVersionId":"v1","signature":"c2ln",
        "signingAlgorithm":"ECDSA_SHA_256"}"#;
    const WRONG: &str = r#"{"isSignatureValid":false}"#;
    let (client, script) = start([answer(200, SIGNED), answer(200, WRONG)]).await;
    let crypto = crypto(&client);
    let key = SigningKey {
        id: "k",
        algorithm: SigningAlgorithm::EcdsaSha256,
        message_type: MessageType::Digest,
    };
    let signature = crypto.sign(&key, b"m").await.unwrap();
    assert_eq!(signature, Signature { bytes: b"sig".into(), key_version_id: "v1".to_owned() });
    assert!(!crypto.verify(&key, b"m", &signature).await.unwrap());
    let to_sign = serde_json::json!({
        "keyId": "k", "signingAlgorithm": "ECDSA_SHA_256", "messageType": "DIGEST", "message": "bQ==",
    });
    let mut to_verify = to_sign.clone();
    to_verify["signature"] = "c2ln".into();
    to_verify["keyVersionId"] = "v1".into();
    assert_eq!(bodies(&script), [to_sign, to_verify]);
}

/// Nothing is different after one of these calls, so that sending it again does no harm.
#[tokio::test]
async fn what_may_pass_is_tried_again() {
    const SEALED: &str = r#"{"ciphertext":"Q2lw"}"#;
    let (client, script) = start([answer(503, ""), answer(429, ""), answer(200, SEALED)]).await;
    let plaintext = Sensitive::new(b"x".to_vec());
    let context = EncryptionContext::default();
    crypto(&client).encrypt(&KEY, &plaintext, &context).await.unwrap();
    assert_eq!(script.seen().len(), 3);
    assert!(script.seen().iter().all(|seen| seen.token.is_none()));
}

#[tokio::test]
async fn a_vault_tells_its_endpoint_and_never_leads_out_of_tls() {
    const VAULT: &str = r#"{"id":"v","displayName":"n","lifecycleState":"ACTIVE","timeCreated":"t",
        "managementEndpoint":"https://m","cryptoEndpoint":"https://c"}"#;
    let (client, script) = start([answer(200, VAULT)]).await;
    let refused = client.crypto_of_vault("v/1").await.unwrap_err();
    assert!(matches!(refused, ClientError::Endpoint(why) if why.contains("scheme")));
    assert_eq!(script.seen()[0].target, "/20180608/vaults/v%2F1");
}
