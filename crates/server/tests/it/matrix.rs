//! Every operation times every kind of caller. A second test proves the matrix complete.

use serde_json::{Value, json};
use strongroom_model::Operation;
use strongroom_server::Semantics;

use crate::house::{Caller, House};

/// How to ask for an operation, and the statements about group `Gentitled` that entitle to it, the
/// main one first. In texts, `{compartment}` and the like stand for the house's identifiers.
struct Row {
    operation: Operation,
    grants: &'static [&'static str],
    method: &'static str,
    url: &'static str,
    body: Option<&'static str>,
}

const fn get(operation: Operation, grants: &'static [&'static str], url: &'static str) -> Row {
    Row { operation, grants, method: "GET", url, body: None }
}

const fn post(
    operation: Operation,
    grants: &'static [&'static str],
    url: &'static str,
    body: &'static str,
) -> Row {
    Row { operation, grants, method: "POST", url, body: Some(body) }
}

const BUNDLE_READER: &[&str] = &[
    "Allow group Gentitled to read secret-bundles in compartment sample",
    "Allow group Gentitled to use keys in compartment sample",
];

const MATRIX: [Row; 21] = [
    post(
        Operation::CreateVault,
        &["Allow group Gentitled to manage vaults in compartment sample"],
        "/20180608/vaults",
        r#"{"compartmentId":"{compartment}","displayName":"v","vaultType":"DEFAULT"}"#,
    ),
    get(
        Operation::GetVault,
        &["Allow group Gentitled to read vaults in compartment sample"],
        "/20180608/vaults/{vault}",
    ),
    get(
        Operation::ListVaults,
        &["Allow group Gentitled to inspect vaults in compartment sample"],
        "/20180608/vaults?compartmentId={compartment}",
    ),
    post(
        Operation::CreateKey,
        &[
            "Allow group Gentitled to manage keys in compartment sample",
            "Allow group Gentitled to use vaults in compartment sample",
        ],
        "{management}/20180608/keys",
        r#"{"compartmentId":"{compartment}","displayName":"k","keyShape":{"algorithm":"AES","length":32}}"#,
    ),
    get(
        Operation::GetKey,
        &["Allow group Gentitled to read keys in compartment sample"],
        "{management}/20180608/keys/{key}",
    ),
    get(
        Operation::ListKeys,
        &["Allow group Gentitled to inspect keys in compartment sample"],
        "{management}/20180608/keys?compartmentId={compartment}",
    ),
    get(
        Operation::ListKeyVersions,
        &["Allow group Gentitled to inspect keys in compartment sample"],
        "/20180608/keys/{key}/keyVersions",
    ),
    post(
        Operation::CreateSecret,
        &[
            "Allow group Gentitled to manage secrets in compartment sample",
            "Allow group Gentitled to use keys in compartment sample",
            "Allow group Gentitled to use vaults in compartment sample",
        ],
        "/20180608/secrets",
        r#"{"compartmentId":"{compartment}","vaultId":"{vault}","keyId":"{key}","secretName":"new",
            "secretContent":{"contentType":"BASE64","content":"eA=="}}"#,
    ),
    get(
        Operation::GetSecret,
        &["Allow group Gentitled to read secrets in compartment sample"],
        "/20180608/secrets/{secret}",
    ),
    get(
        Operation::ListSecrets,
        &["Allow group Gentitled to inspect secrets in compartment sample"],
        "/20180608/secrets?compartmentId={compartment}",
    ),
    Row {
        operation: Operation::UpdateSecret,
        grants: &["Allow group Gentitled to use secrets in compartment sample"],
        method: "PUT",
        url: "/20180608/secrets/{secret}",
        body: Some(r#"{"description":"d"}"#),
    },
    get(
        Operation::ListSecretVersions,
        &["Allow group Gentitled to inspect secret-versions in compartment sample"],
        "/20180608/secrets/{secret}/versions",
    ),
    get(
        Operation::GetSecretVersion,
        &["Allow group Gentitled to read secret-versions in compartment sample"],
        "/20180608/secrets/{secret}/version/1",
    ),
    get(Operation::GetSecretBundle, BUNDLE_READER, "/20190301/secretbundles/{secret}"),
    post(
        Operation::GetSecretBundleByName,
        BUNDLE_READER,
        "/20190301/secretbundles/actions/getByName?secretName=sample&vaultId={vault}",
        "null",
    ),
    get(
        Operation::ListSecretBundleVersions,
        &["Allow group Gentitled to inspect secret-bundles in compartment sample"],
        "/20190301/secretbundles/{secret}/versions",
    ),
    get(
        Operation::ListCompartments,
        &["Allow group Gentitled to inspect compartments in tenancy"],
        "/20160918/compartments?compartmentId={tenancy}",
    ),
    get(
        Operation::GetCompartment,
        &["Allow group Gentitled to inspect compartments in compartment sample"],
        "/20160918/compartments/{compartment}",
    ),
    post(
        Operation::CreateCompartment,
        &["Allow group Gentitled to manage compartments in tenancy"],
        "/20160918/compartments",
        r#"{"compartmentId":"{tenancy}","name":"new","description":"d"}"#,
    ),
    get(
        Operation::GetUser,
        &["Allow group Gentitled to inspect users in tenancy"],
        "/20160918/users/{user}",
    ),
    get(
        Operation::ListRegionSubscriptions,
        &["Allow group Gentitled to inspect tenancies in tenancy"],
        "/20160918/tenancies/{tenancy}/regionSubscriptions",
    ),
];

fn filled(house: &House, text: &str) -> String {
    let sample = &house.sample;
    let identifiers = [
        ("{tenancy}", house.founded.tenancy_id.as_str()),
        ("{user}", house.founded.user_id.as_str()),
        ("{compartment}", sample.compartment_id.as_str()),
        ("{vault}", sample.vault_id.as_str()),
        ("{key}", sample.key_id.as_str()),
        ("{secret}", sample.secret_id.as_str()),
        ("{management}", house.management.as_str()),
    ];
    identifiers.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

async fn ask(house: &House, row: &Row, caller: Option<&Caller>) -> (u16, Value) {
    let body = row.body.map(|body| serde_json::from_str(&filled(house, body)).unwrap());
    let answer = house.send(caller, &filled(house, row.url), row.method, body.as_ref()).await;
    (answer.status, answer.body["code"].clone())
}

/// A user with a row's statements, about another group or place.
async fn user_with(
    house: &House,
    name: &str,
    grants: &[&str],
    place: impl Fn(&str) -> String,
) -> Caller {
    let own = format!("G{name}");
    let grants: Vec<String> =
        grants.iter().map(|grant| place(&grant.replace("Gentitled", &own))).collect();
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    house.user(name, &grants).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_for_every_kind_of_caller() {
    for row in &MATRIX {
        let house = House::open(Semantics::Strict).await;
        let name = row.operation.name();
        let unauthenticated = (401, json!("NotAuthenticated"));
        assert_eq!(ask(&house, row, None).await, unauthenticated, "{name}: anonymous");
        for caller in [house.stranger(), house.foreigner()] {
            assert_eq!(ask(&house, row, Some(&caller)).await, unauthenticated, "{name}: stranger");
        }
        let other = json!({
            "compartmentId": house.founded.tenancy_id, "name": "other", "description": "d",
        });
        let url = "/20160918/compartments";
        assert_eq!(house.send(Some(&house.admin), url, "POST", Some(&other)).await.status, 200);
        let hidden = (404, json!("NotAuthorizedOrNotFound"));
        let same = str::to_owned;
        let moved = |grant: &str| {
            grant
                .replace("in tenancy", "in compartment other")
                .replace("compartment sample", "compartment other")
        };
        let main = row.grants.len().min(1);
        for (what, caller) in [
            ("without any right", user_with(&house, "nobody", &[], same).await),
            ("rights elsewhere", user_with(&house, "elsewhere", row.grants, moved).await),
            (
                "without the main right",
                user_with(&house, "weaker", &row.grants[main..], same).await,
            ),
        ] {
            assert_eq!(ask(&house, row, Some(&caller)).await, hidden, "{name}: {what}");
        }
        let entitled = user_with(&house, "entitled", row.grants, same).await;
        assert_eq!(ask(&house, row, Some(&entitled)).await.0, 200, "{name}: entitled");
        house.close().await;
    }
}

#[test]
fn the_matrix_is_complete() {
    for operation in Operation::ALL {
        let rows = MATRIX.iter().filter(|row| row.operation == *operation).count();
        assert_eq!(rows, 1, "{}", operation.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_without_the_key_is_403_in_strict_and_200_in_oracle_semantics() {
    for (semantics, expected) in [
        (Semantics::Strict, (403, json!("NotAuthorized"))),
        (Semantics::Oracle, (200, Value::Null)),
    ] {
        let house = House::open(semantics).await;
        let statement = "Allow group Greader to read secret-family in compartment sample";
        let reader = house.user("reader", &[statement]).await;
        let url = filled(&house, "/20190301/secretbundles/{secret}");
        let answer = house.send(Some(&reader), &url, "GET", None).await;
        assert_eq!((answer.status, answer.body["code"].clone()), expected);
        if answer.status == 403 {
            assert_eq!(answer.body["message"], "User not authorized to perform this operation.");
        }
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_policy_is_in_force_for_the_next_request() {
    let house = House::open(Semantics::Strict).await;
    let url = filled(&house, "/20180608/secrets/{secret}");
    let statement = "Allow group Guser to read secrets in tenancy";
    for (statements, status) in [(&[][..], 404), (&[statement], 200), (&[], 404)] {
        let user = house.user("user", statements).await;
        assert_eq!(house.send(Some(&user), &url, "GET", None).await.status, status);
    }
    house.close().await;
}
