//! Rights on something other than the target count where that is: the vault, the key, the place
//! that something is moved to and what it was in before are in compartments of their own here.

use serde_json::{Value, json};
use strongroom_model::{Operation, Permission};
use strongroom_policy::{Need, Target, required};
use strongroom_server::Semantics;

use crate::house::{Caller, House};
use crate::matrix_names::Names;

/// How to ask for an operation that needs rights on something other than its target.
struct Case {
    operation: Operation,
    /// The compartment of the target.
    compartment: &'static str,
    method: &'static str,
    url: &'static str,
    body: &'static str,
    /// Status for who has every right that is needed, where it is needed.
    answer: u16,
}

const fn moves(operation: Operation, compartment: &'static str, url: &'static str) -> Case {
    let body = r#"{"compartmentId":"{away}"}"#;
    Case { operation, compartment, method: "POST", url, body, answer: 200 }
}

const fn makes(operation: Operation, url: &'static str, body: &'static str) -> Case {
    Case { operation, compartment: "sample", method: "POST", url, body, answer: 200 }
}

/// What is moved is asked for last: it is elsewhere afterwards.
const CASES: [Case; 10] = [
    makes(
        Operation::CreateKey,
        "{management}/20180608/keys",
        r#"{"compartmentId":"{compartment}","displayName":"k",
            "keyShape":{"algorithm":"AES","length":32}}"#,
    ),
    makes(
        Operation::ImportKey,
        "{management}/20180608/keys/import",
        r#"{"compartmentId":"{compartment}","displayName":"k",
            "keyShape":{"algorithm":"AES","length":32},
            "wrappedImportKey":{"keyMaterial":"{wrapped}","wrappingAlgorithm":"RSA_OAEP_SHA256"}}"#,
    ),
    makes(
        Operation::CreateSecret,
        "/20180608/secrets",
        r#"{"compartmentId":"{compartment}","vaultId":"{vault}","keyId":"{key}","secretName":"new",
            "secretContent":{"contentType":"BASE64","content":"eA=="}}"#,
    ),
    Case {
        method: "GET",
        ..makes(Operation::GetSecretBundle, "/20190301/secretbundles/{secret}", "")
    },
    makes(
        Operation::GetSecretBundleByName,
        "/20190301/secretbundles/actions/getByName?secretName=sample&vaultId={vault}",
        "null",
    ),
    moves(
        Operation::ChangeVaultCompartment,
        "vaults",
        "/20180608/vaults/{vault}/actions/changeCompartment",
    ),
    moves(
        Operation::ChangeKeyCompartment,
        "keys",
        "{management}/20180608/keys/{key}/actions/changeCompartment",
    ),
    moves(
        Operation::ChangeSecretCompartment,
        "sample",
        "/20180608/secrets/{secret}/actions/changeCompartment",
    ),
    moves(
        Operation::ChangeWorkloadCompartment,
        "sample",
        "/_strongroom/v1/workloads/{workload}/actions/changeCompartment",
    ),
    Case {
        operation: Operation::MoveCompartment,
        compartment: "moved",
        method: "POST",
        url: "/20160918/compartments/{moved}/actions/moveCompartment",
        body: r#"{"targetCompartmentId":"{to}"}"#,
        answer: 202,
    },
];

const NEW_WORKLOAD: &str = r#"{"compartmentId":"{compartment}","name":"w","description":"d"}"#;

/// Compartments besides `sample`, each with the one that it is in.
const COMPARTMENTS: [(&str, &str); 7] = [
    ("vaults", "tenancy"),
    ("keys", "tenancy"),
    ("away", "tenancy"),
    ("above", "tenancy"),
    ("from", "above"),
    ("to", "above"),
    ("moved", "from"),
];

impl Case {
    /// The name of the compartment in which a right on `what` has to be.
    fn place(&self, what: Target) -> &'static str {
        match what {
            Target::Compartment => self.compartment,
            Target::Vault => "vaults",
            Target::Key => "keys",
            Target::Destination => "away",
            Target::SharedParent => "above",
            other => panic!("{other:?} is one for all requests"),
        }
    }
}

/// A house whose vault and key are elsewhere than its secret, and the names of what is in it.
async fn spread() -> (House, Names) {
    let house = House::open(Semantics::Strict).await;
    let mut names = Names::of(&house);
    names.tell("sample", house.sample.compartment_id.as_str());
    for (name, parent) in COMPARTMENTS {
        let parent = names.fill(&format!("{{{parent}}}"));
        let body = json!({ "compartmentId": parent, "name": name, "description": "d" });
        let made = prepare(&house, "/20160918/compartments", "POST", &body.to_string()).await;
        names.tell(name, made["id"].as_str().unwrap());
    }
    let made = names.fill(NEW_WORKLOAD);
    let made = prepare(&house, "/_strongroom/v1/workloads", "POST", &made).await;
    names.tell("workload", made["id"].as_str().unwrap());
    let url = names.fill("{management}/20180608/wrappingKeys");
    names.learn(&prepare(&house, &url, "GET", "").await);
    for (what, to) in
        [("/20180608/vaults/{vault}", "vaults"), ("{management}/20180608/keys/{key}", "keys")]
    {
        let url = names.fill(&format!("{what}/actions/changeCompartment"));
        let body = names.fill(&format!(r#"{{"compartmentId":"{{{to}}}"}}"#));
        prepare(&house, &url, "POST", &body).await;
    }
    (house, names)
}

/// Has the administrator do something.
async fn prepare(house: &House, url: &str, method: &str, body: &str) -> Value {
    let body: Option<Value> = serde_json::from_str(body).ok();
    let answer = house.send(Some(&house.admin), url, method, body.as_ref()).await;
    assert!(answer.status / 100 == 2, "{url}: {}", answer.body);
    answer.body
}

/// Asks as `caller` with `statements`, in which names in braces stand for compartments.
async fn ask(
    (house, names): &(House, Names),
    case: &Case,
    caller: &Caller,
    statements: &[String],
) -> u16 {
    let statements: Vec<String> = statements.iter().map(|text| names.fill(text)).collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    house.grant("caller", &statements).await;
    let body: Option<Value> = serde_json::from_str(&names.fill(case.body)).ok();
    let url = names.fill(case.url);
    house.send(Some(caller), &url, case.method, body.as_ref()).await.status
}

/// All rights in the compartment `place`, as far as `condition` holds.
fn rights(place: &str, condition: &str) -> String {
    format!("Allow group Gcaller to manage all-resources in compartment id {{{place}}}{condition}")
}

/// All rights in every compartment, but `missing` at `place`.
fn all_but(missing: Permission, place: &str) -> Vec<String> {
    let without = format!(" where request.permission != '{}'", missing.name());
    let names = COMPARTMENTS.iter().map(|(name, _)| *name).chain(["sample"]);
    names.map(|name| rights(name, if name == place { &without } else { "" })).collect()
}

/// What is needed and nothing else, each right where it is needed.
fn least(case: &Case) -> Vec<String> {
    let needs = required(case.operation, Semantics::Strict).iter();
    let only = |need: &Need| {
        let condition = format!(" where request.permission = '{}'", need.permission.name());
        rights(case.place(need.on), &condition)
    };
    needs.map(only).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_on_what_is_not_the_target_count_where_that_is() {
    let place = spread().await;
    let caller = place.0.user("caller", &[]).await;
    let mut wrong = Vec::new();
    for case in &CASES {
        let name = case.operation.name();
        for need in required(case.operation, Semantics::Strict) {
            let (missing, there) = (need.permission, case.place(need.on));
            let lacks_the_key = case.url.contains("secretbundles") && need.on == Target::Key;
            let refusal = if lacks_the_key { 403 } else { 404 };
            let status = ask(&place, case, &caller, &all_but(missing, there)).await;
            if status != refusal {
                wrong.push(format!("{name} without {} in {there}: {status}", missing.name()));
            }
        }
        let status = ask(&place, case, &caller, &least(case)).await;
        if status != case.answer {
            wrong.push(format!("{name} with what it needs: {status}"));
        }
    }
    place.0.close().await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_operation_with_rights_elsewhere_is_left_out() {
    let of_itself = [Target::Compartment, Target::Group, Target::Tenancy, Target::Items];
    for operation in Operation::ALL {
        let needs = required(*operation, Semantics::Strict).iter();
        let elsewhere = needs.filter(|need| !of_itself.contains(&need.on)).count();
        let is_asked = CASES.iter().any(|case| case.operation == *operation);
        assert_eq!(elsewhere > 0, is_asked, "{}", operation.name());
    }
}
