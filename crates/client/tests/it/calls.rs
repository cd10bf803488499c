use strongroom_client::{ClientError, NewContent, NewSecret, Selector};
use strongroom_model::Sensitive;

use crate::script::{Line, Seen, answer, start};

const BUNDLE: &str = r#"{"secretId":"ocid1.vaultsecret.oc1.iad.a","versionNumber":3,
    "versionName":null,"stages":["CURRENT","LATEST"],"timeCreated":"2026-11-24T01:02:03.000Z",
    "metadata":{"owner":"a"},"secretBundleContent":{"contentType":"BASE64","content":"c2VjcmV0AP8="},
    "fieldOfTomorrow":1}"#;

#[tokio::test]
async fn a_bundle_is_read_by_id_and_by_name() {
    let (client, script) = start([answer(200, BUNDLE), answer(200, BUNDLE)]).await;
    let id = "ocid1.vaultsecret.oc1.iad.a";
    let bundle = client.secret_bundle(id, &Selector::Stage("CURRENT".to_owned())).await.unwrap();
    assert_eq!(bundle.content.expose(), b"secret\x00\xff");
    assert_eq!((bundle.version_number, bundle.stages.len()), (3, 2));
    assert_eq!(bundle.metadata["owner"], "a");
    client
        .secret_bundle_by_name("ocid1.vault.oc1.iad.v", "db", &Selector::Number(3))
        .await
        .unwrap();
    let seen = script.seen();
    let by_id = format!("/20190301/secretbundles/{id}?stage=CURRENT");
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("GET", by_id.as_str()));
    assert_eq!(seen[1].method, "POST");
    assert_eq!(
        seen[1].target,
        "/20190301/secretbundles/actions/getByName\
         ?secretName=db&vaultId=ocid1.vault.oc1.iad.v&versionNumber=3"
    );
}

#[tokio::test]
async fn content_is_base64_and_nothing_else() {
    const BENT: [&str; 4] = [
        r#"{"secretId":"a","versionNumber":1,"secretBundleContent":{"contentType":"BASE64","content":"c2Vj cmV0"}}"#,
        r#"{"secretId":"a","versionNumber":1,"secretBundleContent":{"contentType":"BASE64","content":"c2VjcmV0AP8"}}"#,
        r#"{"secretId":"a","versionNumber":1,"secretBundleContent":{"contentType":"PLAIN","content":"c2VjcmV0"}}"#,
        r#"{"secretId":"a","versionNumber":1,"secretBundleContent":{"contentType":"BASE64","content":"c2VjcmV0"}"#,
    ];
    let (client, script) = start(BENT.map(|body| answer(200, body))).await;
    for _ in BENT {
        let error = client.secret_bundle("a", &Selector::Current).await.unwrap_err();
        assert_eq!(error, ClientError::Answer("GetSecretBundle"));
        assert!(!format!("{error} {error:?}").contains("c2Vj"));
    }
    assert_eq!(script.seen().len(), BENT.len());
}

#[tokio::test]
async fn lists_follow_their_pages() {
    const FIRST: &str = r#"[{"versionNumber":2,"stages":["CURRENT"],"timeCreated":"t"}]"#;
    const SECOND: &str = r#"[{"versionNumber":1,"name":"blue","timeCreated":"t"}]"#;
    let page = Line { status: 200, headers: &[("opc-next-page", "a/b+c=")], body: FIRST };
    let (client, script) = start([page, answer(200, SECOND)]).await;
    let versions = client.secret_versions("s").await.unwrap();
    let numbers: Vec<u64> = versions.iter().map(|version| version.version_number).collect();
    assert_eq!(numbers, [2, 1]);
    let targets: Vec<String> = script.seen().into_iter().map(|seen| seen.target).collect();
    let path = "/20180608/secrets/s/versions";
    assert_eq!(targets, [path.to_owned(), format!("{path}?page=a%2Fb%2Bc%3D")]);
}

#[tokio::test]
async fn a_page_that_follows_itself_is_an_error() {
    let page = || Line { status: 200, headers: &[("opc-next-page", "p")], body: "[]" };
    let (client, script) = start([page(), page(), page()]).await;
    let error = client.vaults("c").await.unwrap_err();
    assert_eq!(error, ClientError::Answer("ListVaults"));
    assert_eq!(script.seen().len(), 2);
}

#[tokio::test]
async fn a_key_is_asked_for_where_its_vault_says() {
    const VAULT: &str = r#"{"id":"v","displayName":"main","lifecycleState":"ACTIVE",
        "managementEndpoint":"http://h","cryptoEndpoint":"http://h","timeCreated":"t"}"#;
    const KEY: &str =
        r#"{"id":"k","compartmentId":"c","displayName":"app","lifecycleState":"DISABLED"}"#;
    let (client, vaults) = start([answer(200, VAULT)]).await;
    let (elsewhere, keys) = start([answer(200, KEY)]).await;
    assert_eq!(client.vault("v").await.unwrap().lifecycle_state, "ACTIVE");
    let key = elsewhere.vault_key(elsewhere.base_url().unwrap(), "k").await.unwrap();
    let nowhere = "http://127.0.0.1:1".parse().unwrap();
    let lost = client.trying_once().vault_key(&nowhere, "k").await.unwrap_err();
    assert!(matches!(lost, ClientError::Unreachable { .. }), "{lost}");
    assert_eq!((key.lifecycle_state.as_str(), key.compartment_id.as_str()), ("DISABLED", "c"));
    let targets = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.target).collect::<Vec<_>>();
    assert_eq!(targets(vaults.seen()), ["/20180608/vaults/v"]);
    assert_eq!(targets(keys.seen()), ["/20180608/keys/k"]);
}

#[tokio::test]
async fn contents_go_out_as_base64() {
    const SECRET: &str = r#"{"id":"s","secretName":"db","lifecycleState":"ACTIVE","vaultId":"v",
        "keyId":"k","currentVersionNumber":1}"#;
    let (client, script) =
        start([answer(200, SECRET), answer(200, SECRET), answer(200, SECRET)]).await;
    let content = Sensitive::new(b"secret\x00\xff".to_vec());
    let new = NewSecret {
        compartment_id: "c",
        vault_id: "v",
        key_id: "k",
        name: "db",
        content: NewContent::Given(&content),
    };
    assert_eq!(client.create_secret(&new).await.unwrap().current_version_number, Some(1));
    client.update_secret("s", &content, "PENDING").await.unwrap();
    assert_eq!(client.secret("s").await.unwrap().secret_name, "db");
    let bodies: Vec<serde_json::Value> =
        script.seen()[..2].iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect();
    let secret_content = serde_json::json!({"contentType": "BASE64", "content": "c2VjcmV0AP8="});
    let created = serde_json::json!({
        "compartmentId": "c", "vaultId": "v", "keyId": "k", "secretName": "db",
        "secretContent": secret_content,
    });
    assert_eq!(bodies[0], created);
    assert_eq!(bodies[1]["secretContent"]["stage"], "PENDING");
}
