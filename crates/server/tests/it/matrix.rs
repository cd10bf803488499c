//! Every operation times every kind of caller. A second test proves the matrix complete.

use serde_json::{Value, json};
use strongroom_model::Operation;
use strongroom_server::Semantics;

use crate::house::{Caller, House};
use crate::matrix_federation::FEDERATION;
use crate::matrix_identity::IDENTITY;
use crate::matrix_names::Names;

/// How to ask for an operation, and the statements about group `Gentitled` that entitle to it, the
/// main one first. In texts, `{compartment}` and the like stand for the house's identifiers.
pub(crate) struct Row {
    operation: Operation,
    grants: &'static [&'static str],
    method: &'static str,
    url: &'static str,
    body: Body,
    /// What the administrator does first. What the last answer holds can be named in later texts.
    before: &'static [Step],
    /// Status for who is entitled.
    answer: u16,
    whom: Whom,
}

/// Whom an operation answers.
pub(crate) enum Whom {
    /// Who has the rights that the row grants.
    Granted,
    /// Everybody who is known, with what each may see.
    Everybody,
    /// Who proves to be the machine of the certificate that was issued before; for others 401.
    Machine,
    /// Who has the session that was begun before; for others 401.
    Bearer,
}

/// The body of a request.
pub(crate) enum Body {
    None,
    Json(&'static str),
    /// The content of the backup that was made before.
    Backup,
}

pub(crate) enum Step {
    Send(&'static str, &'static str, &'static str),
    Turn(u32),
    /// Somebody without rights asks, and is refused.
    Refused(&'static str),
}

pub(crate) const fn get(
    operation: Operation,
    grants: &'static [&'static str],
    url: &'static str,
) -> Row {
    Row {
        operation,
        grants,
        method: "GET",
        url,
        body: Body::None,
        before: &[],
        answer: 200,
        whom: Whom::Granted,
    }
}

pub(crate) const fn post(
    operation: Operation,
    grants: &'static [&'static str],
    url: &'static str,
    body: &'static str,
) -> Row {
    Row { method: "POST", body: Body::Json(body), ..get(operation, grants, url) }
}

/// An action without a body.
pub(crate) const fn act(
    operation: Operation,
    grants: &'static [&'static str],
    url: &'static str,
) -> Row {
    post(operation, grants, url, "null")
}

impl Row {
    pub(crate) const fn put(self) -> Self {
        Self { method: "PUT", ..self }
    }

    pub(crate) const fn delete(self, answer: u16) -> Self {
        Self { method: "DELETE", answer, ..self }
    }

    /// What the entitled get, where nothing can be done.
    pub(crate) const fn answering(self, answer: u16) -> Self {
        Self { answer, ..self }
    }

    pub(crate) const fn accepted(self) -> Self {
        Self { answer: 202, ..self }
    }

    pub(crate) const fn whom(self, whom: Whom) -> Self {
        Self { whom, ..self }
    }

    pub(crate) const fn after(self, before: &'static [Step]) -> Self {
        Self { before, ..self }
    }
}

const BUNDLE_READER: &[&str] = &[
    "Allow group Gentitled to read secret-bundles in compartment sample",
    "Allow group Gentitled to use keys in compartment sample",
];

const VAULT_MANAGER: &[&str] = &["Allow group Gentitled to manage vaults in compartment sample"];
const VAULT_READER: &[&str] = &["Allow group Gentitled to read vaults in compartment sample"];
const KEY_MANAGER: &[&str] = &["Allow group Gentitled to manage keys in compartment sample"];
const KEY_USER: &[&str] = &["Allow group Gentitled to use keys in compartment sample"];

const SECRET_MANAGER: &[&str] = &["Allow group Gentitled to manage secrets in compartment sample"];
const VERSION_MANAGER: &[&str] = &[
    "Allow group Gentitled to manage secret-versions in compartment sample",
    "Allow group Gentitled to use secrets in compartment sample",
];
const NEW_CONTENT: Step = Step::Send(
    "PUT",
    "/20180608/secrets/{secret}",
    r#"{"secretContent":{"contentType":"BASE64","content":"eQ=="}}"#,
);

const SELF_MADE: Step = Step::Send(
    "PUT",
    "/20180608/secrets/{secret}",
    r#"{"enableAutoGeneration":true,"secretGenerationContext":
        {"generationType":"BYTES","generationTemplate":"BYTES_512"}}"#,
);
const SCHEDULED: Step = Step::Send(
    "PUT",
    "/20180608/secrets/{secret}",
    r#"{"rotationConfig":{"isScheduledRotationEnabled":true,"rotationInterval":"P30D",
        "targetSystemDetails":{"targetSystemType":"FUNCTION","functionId":"ocid1.fnfunc.oc1..f"}}}"#,
);

const TO_BUCKET: &str = r#"{"backupLocation":{"destination":"BUCKET","namespace":"n",
    "bucketName":"b","objectName":"o"}}"#;
const NEW_VAULT: Step = Step::Send(
    "POST",
    "/20180608/vaults",
    r#"{"compartmentId":"{compartment}","displayName":"v","vaultType":"VIRTUAL_PRIVATE"}"#,
);
const NEW_SIGNING_KEY: Step = Step::Send(
    "POST",
    "{management}/20180608/keys",
    r#"{"compartmentId":"{compartment}","displayName":"k",
        "keyShape":{"algorithm":"ECDSA","length":32}}"#,
);
const NEW_VERSION: Step = Step::Send("POST", "{management}/20180608/keys/{key}/keyVersions", "{}");
const DISABLED: Step = Step::Send("POST", "{management}/20180608/keys/{key}/actions/disable", "{}");
const VAULT_GONE: &[Step] = &[
    Step::Send("POST", "/20180608/vaults/{vault}/actions/backup", TO_BUCKET),
    Step::Send("POST", "/20180608/vaults/{vault}/actions/scheduleDeletion", "{}"),
    Step::Turn(31),
];
const KEY_GONE: &[Step] = &[
    Step::Send("POST", "{management}/20180608/keys/{key}/actions/backup", TO_BUCKET),
    Step::Send("POST", "{management}/20180608/keys/{key}/actions/scheduleDeletion", "{}"),
    Step::Turn(31),
];
const NEWER_VERSION: Step =
    Step::Send("POST", "{management}/20180608/keys/{key}/keyVersions", "{}");
const VERSION_DELETION: Step = Step::Send(
    "POST",
    "{management}/20180608/keys/{key}/keyVersions/{id}/actions/scheduleDeletion",
    "{}",
);
const NEW_REPLICA: Step = Step::Send(
    "POST",
    "/20180608/vaults/{id}/actions/createReplica",
    r#"{"replicaRegion":"us-phoenix-1"}"#,
);
const THE_VAULT: Step = Step::Send("GET", "/20180608/vaults/{id}", "");
const WRAPPING_KEY: Step = Step::Send("GET", "{management}/20180608/wrappingKeys", "");
const WRAPPED: &str = r#"{"compartmentId":"{compartment}","displayName":"k",
    "keyShape":{"algorithm":"AES","length":32},
    "wrappedImportKey":{"keyMaterial":"{wrapped}","wrappingAlgorithm":"RSA_OAEP_SHA256"}}"#;

const OWN: [Row; 65] = [
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
    post(Operation::UpdateVault, VAULT_MANAGER, "/20180608/vaults/{vault}", r#"{"displayName":"n"}"#).put(),
    post(Operation::ScheduleVaultDeletion, VAULT_MANAGER, "/20180608/vaults/{vault}/actions/scheduleDeletion", "{}"),
    act(Operation::CancelVaultDeletion, VAULT_MANAGER, "/20180608/vaults/{vault}/actions/cancelDeletion").after(&[Step::Send("POST", "/20180608/vaults/{vault}/actions/scheduleDeletion", "{}")]),
    post(Operation::ChangeVaultCompartment, VAULT_MANAGER, "/20180608/vaults/{vault}/actions/changeCompartment", r#"{"compartmentId":"{compartment}"}"#),
    get(Operation::GetVaultUsage, VAULT_READER, "/20180608/vaults/{vault}/usage"),
    post(Operation::BackupVault, VAULT_MANAGER, "/20180608/vaults/{vault}/actions/backup", TO_BUCKET),
    Row {
        body: Body::Backup,
        ..act(
            Operation::RestoreVaultFromFile,
            VAULT_MANAGER,
            "/20180608/vaults/actions/restoreFromFile?compartmentId={compartment}",
        )
        .after(VAULT_GONE)
    },
    post(Operation::RestoreVaultFromObjectStore, VAULT_MANAGER, "/20180608/vaults/actions/restoreFromObjectStore?compartmentId={compartment}", TO_BUCKET).after(VAULT_GONE),
    post(Operation::CreateVaultReplica, VAULT_MANAGER, "/20180608/vaults/{id}/actions/createReplica", r#"{"replicaRegion":"us-phoenix-1"}"#).after(&[NEW_VAULT]),
    post(Operation::DeleteVaultReplica, VAULT_MANAGER, "/20180608/vaults/{id}/actions/deleteReplica", r#"{"replicaRegion":"PHX"}"#).after(&[NEW_VAULT, NEW_REPLICA]),
    get(Operation::ListVaultReplicas, &["Allow group Gentitled to inspect vaults in compartment sample"], "/20180608/vaults/{vault}/actions/listReplicas"),
    Row {
        answer: 501,
        ..post(
            Operation::UpdateRegisteredVaultForMtls,
            VAULT_MANAGER,
            "/20180608/vaults/{vault}/updateRegisteredVaultForMtls",
            r#"{"fleetId":"f"}"#,
        )
        .put()
    },
    post(Operation::UpdateKey, KEY_MANAGER, "{management}/20180608/keys/{key}", r#"{"displayName":"n"}"#).put().after(&[DISABLED]),
    act(Operation::EnableKey, KEY_MANAGER, "{management}/20180608/keys/{key}/actions/enable"),
    act(Operation::DisableKey, KEY_MANAGER, "{management}/20180608/keys/{key}/actions/disable"),
    post(Operation::ScheduleKeyDeletion, KEY_MANAGER, "{management}/20180608/keys/{key}/actions/scheduleDeletion", "{}"),
    act(Operation::CancelKeyDeletion, KEY_MANAGER, "{management}/20180608/keys/{key}/actions/cancelDeletion").after(&[Step::Send("POST", "{management}/20180608/keys/{key}/actions/scheduleDeletion", "{}")]),
    post(Operation::ChangeKeyCompartment, KEY_MANAGER, "{management}/20180608/keys/{key}/actions/changeCompartment", r#"{"compartmentId":"{compartment}"}"#),
    post(Operation::CreateKeyVersion, KEY_MANAGER, "{management}/20180608/keys/{key}/keyVersions", "{}"),
    get(Operation::GetKeyVersion, &["Allow group Gentitled to read keys in compartment sample"], "{management}/20180608/keys/{key}/keyVersions/{id}").after(&[NEW_VERSION]),
    post(Operation::ScheduleKeyVersionDeletion, KEY_MANAGER, "{management}/20180608/keys/{key}/keyVersions/{id}/actions/scheduleDeletion", "{}").after(&[NEW_VERSION, NEWER_VERSION]),
    act(Operation::CancelKeyVersionDeletion, KEY_MANAGER, "{management}/20180608/keys/{key}/keyVersions/{id}/actions/cancelDeletion").after(&[NEW_VERSION, NEWER_VERSION, VERSION_DELETION]),
    get(Operation::GetWrappingKey, VAULT_READER, "{management}/20180608/wrappingKeys"),
    post(Operation::ImportKey, &["Allow group Gentitled to manage keys in compartment sample", "Allow group Gentitled to use vaults in compartment sample"], "{management}/20180608/keys/import", WRAPPED).after(&[WRAPPING_KEY]),
    post(Operation::ImportKeyVersion, KEY_MANAGER, "{management}/20180608/keys/{key}/keyVersions/import", r#"{"wrappedImportKey":{"keyMaterial":"{wrapped}","wrappingAlgorithm":"RSA_OAEP_SHA256"}}"#).after(&[WRAPPING_KEY]),
    post(Operation::BackupKey, KEY_MANAGER, "{management}/20180608/keys/{key}/actions/backup", TO_BUCKET),
    Row {
        body: Body::Backup,
        ..act(
            Operation::RestoreKeyFromFile,
            KEY_MANAGER,
            "{management}/20180608/keys/actions/restoreFromFile",
        )
        .after(KEY_GONE)
    },
    post(Operation::RestoreKeyFromObjectStore, KEY_MANAGER, "{management}/20180608/keys/actions/restoreFromObjectStore", TO_BUCKET).after(KEY_GONE),
    get(Operation::GetReplicationStatus, VAULT_READER, "{replicaManagement}/20180608/replicaOperations/{replicationId}/status").after(&[NEW_VAULT, NEW_REPLICA, THE_VAULT]),
    post(Operation::Encrypt, KEY_USER, "{management}/20180608/encrypt", r#"{"keyId":"{key}","plaintext":"eA=="}"#),
    post(Operation::Decrypt, KEY_USER, "{management}/20180608/decrypt", r#"{"keyId":"{key}","ciphertext":"{ciphertext}"}"#).after(&[Step::Send("POST", "{management}/20180608/encrypt", r#"{"keyId":"{key}","plaintext":"eA=="}"#)]),
    post(Operation::GenerateDataEncryptionKey, KEY_USER, "{management}/20180608/generateDataEncryptionKey", r#"{"keyId":"{key}","includePlaintextKey":true,"keyShape":{"algorithm":"AES","length":32}}"#),
    post(Operation::Sign, KEY_USER, "{management}/20180608/sign", r#"{"keyId":"{id}","message":"eA==","signingAlgorithm":"ECDSA_SHA_256"}"#).after(&[NEW_SIGNING_KEY]),
    post(Operation::Verify, KEY_USER, "{management}/20180608/verify", r#"{"keyId":"{keyId}","keyVersionId":"{keyVersionId}","signature":"{signature}","message":"eA==","signingAlgorithm":"ECDSA_SHA_256"}"#).after(&[NEW_SIGNING_KEY, Step::Send("POST", "{management}/20180608/sign", r#"{"keyId":"{id}","message":"eA==","signingAlgorithm":"ECDSA_SHA_256"}"#)]),
    post(Operation::ExportKey, KEY_USER, "{management}/20180608/exportKey", r#"{"keyId":"{key}","algorithm":"RSA_OAEP_SHA256","publicKey":"{public}"}"#),
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
    post(
        Operation::UpdateSecret,
        &["Allow group Gentitled to use secrets in compartment sample"],
        "/20180608/secrets/{secret}",
        r#"{"description":"d"}"#,
    )
    .put(),
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
    post(Operation::ScheduleSecretDeletion, SECRET_MANAGER, "/20180608/secrets/{secret}/actions/scheduleDeletion", "{}"),
    act(Operation::CancelSecretDeletion, SECRET_MANAGER, "/20180608/secrets/{secret}/actions/cancelDeletion").after(&[Step::Send("POST", "/20180608/secrets/{secret}/actions/scheduleDeletion", "{}")]),
    post(Operation::ScheduleSecretVersionDeletion, VERSION_MANAGER, "/20180608/secrets/{secret}/version/1/actions/scheduleDeletion", "{}").after(&[NEW_CONTENT, NEW_CONTENT]),
    act(Operation::CancelSecretVersionDeletion, VERSION_MANAGER, "/20180608/secrets/{secret}/version/1/actions/cancelDeletion").after(&[NEW_CONTENT, NEW_CONTENT, Step::Send("POST", "/20180608/secrets/{secret}/version/1/actions/scheduleDeletion", "{}")]),
    post(Operation::ChangeSecretCompartment, SECRET_MANAGER, "/20180608/secrets/{secret}/actions/changeCompartment", r#"{"compartmentId":"{compartment}"}"#),
    Row {
        answer: 202,
        ..act(
            Operation::RotateSecret,
            &["Allow group Gentitled to use secrets in compartment sample"],
            "/20180608/secrets/{secret}/actions/rotate",
        )
        .after(&[SELF_MADE])
    },
    act(
        Operation::CancelSecretRotation,
        &["Allow group Gentitled to use secrets in compartment sample"],
        "/20180608/secrets/{secret}/actions/cancelRotation",
    )
    .after(&[SCHEDULED]),
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
    post(
        Operation::ReportSecretVersion,
        &["Allow group Gentitled to use secret-consumers in compartment sample"],
        "/_strongroom/v1/secrets/{secret}/consumers/app",
        r#"{"versionNumber":1}"#,
    )
    .put(),
    get(
        Operation::ListSecretConsumers,
        &["Allow group Gentitled to inspect secret-consumers in compartment sample"],
        "/_strongroom/v1/secrets/{secret}/consumers",
    ),
    get(
        Operation::GetSecretRetirement,
        &["Allow group Gentitled to read secrets in compartment sample"],
        "/_strongroom/v1/secrets/{secret}/retirement",
    ),
    post(
        Operation::UpdateSecretRetirement,
        &["Allow group Gentitled to use secrets in compartment sample"],
        "/_strongroom/v1/secrets/{secret}/retirement",
        r#"{"deadlineSeconds":60}"#,
    )
    .put(),
    get(
        Operation::GetDenial,
        &["Allow group Gentitled to read denials in compartment sample"],
        "/_strongroom/v1/denials/{denied}",
    )
    .after(&[Step::Refused("/20180608/secrets/{secret}/versions")]),
    get(
        Operation::ListEvents,
        &["Allow group Gentitled to read audit-events in compartment sample"],
        "/20190901/auditEvents?compartmentId={compartment}&startTime=2026-01-01T00:00:00Z&endTime=2026-01-02T00:00:00Z",
    ),
    get(
        Operation::WatchSecrets,
        &["Allow group Gentitled to read secrets in compartment sample"],
        "/_strongroom/v1/secretChanges",
    )
    .whom(Whom::Everybody),
];

fn matrix() -> impl Iterator<Item = &'static Row> {
    OWN.iter().chain(&IDENTITY).chain(&FEDERATION)
}

fn filled(house: &House, text: &str) -> String {
    Names::of(house).fill(text)
}

/// Does what a row wants done first.
async fn prepare(house: &House, row: &Row) -> Names {
    let mut names = Names::of(house);
    for step in row.before {
        match step {
            Step::Turn(days) => house.turn_clock(*days).await,
            Step::Refused(url) => {
                let caller = house.user("refused", &[]).await;
                let answer = house.send(Some(&caller), &names.fill(url), "GET", None).await;
                assert_eq!(answer.status, 404);
                names.tell("denied", &answer.request_id.replace('/', "%2F"));
            }
            Step::Send(method, url, body) => {
                let body: Option<Value> = serde_json::from_str(&names.fill(body)).ok();
                let url = names.fill(url);
                let answer = house.send(Some(&house.admin), &url, method, body.as_ref()).await;
                assert!(answer.status / 100 == 2, "{url}: {}", answer.body);
                names.learn(&answer.body);
            }
        }
    }
    names
}

async fn ask(house: &House, row: &Row, names: &Names, caller: Option<&Caller>) -> (u16, Value) {
    let body = match row.body {
        Body::None => None,
        Body::Json("null") => Some(Vec::new()),
        Body::Json(text) => Some(names.fill(text).into_bytes()),
        Body::Backup => Some(house.backup("o")),
    };
    let answer = house.send_bytes(caller, &names.fill(row.url), row.method, body).await;
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
    for row in matrix() {
        let house = House::open(Semantics::Strict).await;
        let name = row.operation.name();
        let names = prepare(&house, row).await;
        let unauthenticated = (401, json!("NotAuthenticated"));
        assert_eq!(
            ask(&house, row, &names, None).await,
            unauthenticated.clone(),
            "{name}: anonymous"
        );
        for caller in [house.stranger(), house.foreigner()] {
            assert_eq!(
                ask(&house, row, &names, Some(&caller)).await,
                unauthenticated.clone(),
                "{name}: stranger"
            );
        }
        let other = json!({
            "compartmentId": house.founded.tenancy_id, "name": "other", "description": "d",
        });
        let url = "/20160918/compartments";
        assert_eq!(house.send(Some(&house.admin), url, "POST", Some(&other)).await.status, 200);
        let hidden = match row.whom {
            Whom::Granted => (404, json!("NotAuthorizedOrNotFound")),
            Whom::Everybody => (200, Value::Null),
            Whom::Machine | Whom::Bearer => unauthenticated,
        };
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
            assert_eq!(ask(&house, row, &names, Some(&caller)).await, hidden, "{name}: {what}");
        }
        let entitled = match row.whom {
            Whom::Granted | Whom::Everybody => {
                user_with(&house, "entitled", row.grants, same).await
            }
            Whom::Machine => house.machine(&names.fill("{certificate}").replace("\\n", "\n")),
            Whom::Bearer => house.bearer(&names.fill("{token}")),
        };
        let answer = ask(&house, row, &names, Some(&entitled)).await;
        assert_eq!(answer.0, row.answer, "{name}: entitled: {}", answer.1);
        house.close().await;
    }
}

#[test]
fn the_matrix_is_complete() {
    for operation in Operation::ALL {
        let rows = matrix().filter(|row| row.operation == *operation).count();
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
