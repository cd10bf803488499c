//! Requests that meet.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{Clock, SystemClock, Timestamp};
use strongroom_server::{Semantics, Targets, WATCHED};
use strongroom_signing::PrivateKey;
use strongroom_store::{Batch, Memory, Store};

use crate::house::{Caller, House};
use crate::slow::Slow;

const ROUNDS: usize = 12;

async fn slow_house() -> House {
    let store: Arc<dyn Store> = Slow::over(&Arc::new(Memory::new(WATCHED)));
    let root_key = RootKey::generate(&SystemRandom);
    House::over((store, None), root_key, (Semantics::Strict, Targets::new())).await
}

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

/// A house where others are faster.
struct Overtaken {
    rows: Arc<Memory>,
    store: Arc<Slow>,
    house: House,
}

/// A row, and the path of a field of it that others change.
type Edit<'a> = (&'a str, &'a str, &'a str, Value);

impl Overtaken {
    async fn open() -> Self {
        let rows = Arc::new(Memory::new(WATCHED));
        let store = Slow::over(&rows);
        let parts: (Arc<dyn Store>, _) = (Arc::<Slow>::clone(&store), None);
        let rules = (Semantics::Strict, Targets::new());
        let house = House::over(parts, RootKey::generate(&SystemRandom), rules).await;
        Self { rows, store, house }
    }

    async fn made(&self, url: &str, name: &str) -> String {
        let parent = &self.house.founded.tenancy_id;
        let mut body = json!({"compartmentId": parent, "name": name, "description": "d"});
        if url.ends_with("/policies") {
            body["statements"] = json!(["Allow any-user to inspect vaults in tenancy"]);
        }
        if url.ends_with("/tags") {
            body.as_object_mut().unwrap().remove("compartmentId");
        }
        let answer = self.house.send(Some(&self.house.admin), url, "POST", Some(&body)).await;
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Tells what is answered when others make `edits` after the request was found allowed, and before
    /// it is written.
    async fn ask(&self, request: (&str, &str), body: Value, edits: &[Edit<'_>]) -> u16 {
        let mut batch = Batch::new();
        for (kind, id, field, value) in edits {
            let key = format!("{kind}/{id}").into_bytes();
            let row = self.rows.get(&[key.as_slice()]).await.unwrap().remove(0).unwrap();
            let mut row: Value = serde_json::from_slice(&row.value).unwrap();
            let place = field.split('/').fold(&mut row["row"], |within, name| &mut within[name]);
            *place = value.clone();
            batch = batch.put(key, row.to_string().into_bytes());
        }
        self.store.overtake_with(batch);
        let (method, url) = request;
        self.house.send(Some(&self.house.admin), url, method, Some(&body)).await.status
    }
}

fn tags() -> Value {
    json!({"freeform": {"by": "others"}})
}

#[tokio::test]
async fn no_change_of_a_workload_or_policy_is_written_to_what_it_was_not_judged_for() {
    let met = Overtaken::open().await;
    let there = met.made("/20160918/compartments", "there").await;
    let workload = met.made("/_strongroom/v1/workloads", "w").await;
    let policy = met.made("/20160918/policies", "p").await;
    let (url, named) =
        (format!("/_strongroom/v1/workloads/{workload}"), json!({"description": "n"}));
    let edit = |field, value: Value| [("w", workload.as_str(), field, value)];
    let described = edit("description", json!("m"));
    assert_eq!(met.ask(("PUT", &url), named.clone(), &described).await, 200);
    let moved = edit("compartmentId", json!(there));
    assert_eq!(met.ask(("PUT", &url), named.clone(), &moved).await, 409);
    let tagged = edit("tags", tags());
    assert_eq!(met.ask(("DELETE", &url), Value::Null, &tagged).await, 409);
    let url = format!("/20160918/policies/{policy}");
    for (method, verb) in [("PUT", "Deny"), ("DELETE", "Allow")] {
        let statements = json!([format!("{verb} any-user to read vaults in tenancy")]);
        let edit = [("p", policy.as_str(), "statements", statements)];
        assert_eq!(met.ask((method, &url), named.clone(), &edit).await, 409, "{method}");
    }
    met.house.close().await;
}

#[tokio::test]
async fn no_compartment_is_moved_to_where_that_was_not_judged() {
    let met = Overtaken::open().await;
    let new = |name| met.made("/20160918/compartments", name);
    let (moved, to, there) = (new("moved").await, new("to").await, new("there").await);
    let url = format!("/20160918/compartments/{moved}/actions/moveCompartment");
    for id in [&to, &moved] {
        let edit = [("c", id.as_str(), "compartmentId", json!(there))];
        let body = json!({"targetCompartmentId": to});
        assert_eq!(met.ask(("POST", &url), body, &edit).await, 409);
    }
    met.house.close().await;
}

#[tokio::test]
async fn no_user_group_or_tag_is_changed_that_was_judged_by_other_tags() {
    let met = Overtaken::open().await;
    met.house.user("other", &[]).await;
    let user = "ocid1.user.oc1..other";
    let group = met.made("/20160918/groups", "g").await;
    let namespace = met.made("/20160918/tagNamespaces", "n").await;
    let in_namespace = format!("/20160918/tagNamespaces/{namespace}/tags");
    let tag = met.made(&in_namespace, "t").await;
    let member = json!({"userId": user, "groupId": group});
    let edit = [("g", group.as_str(), "tags", tags())];
    let memberships = "/20160918/userGroupMemberships";
    assert_eq!(met.ask(("POST", memberships), member, &edit).await, 409);
    let key = json!({"key": PrivateKey::generate().unwrap().public().unwrap().to_pem()});
    let keys = format!("/20160918/users/{user}/apiKeys");
    assert_eq!(met.ask(("POST", &keys), key, &[("u", user, "tags", tags())]).await, 409);
    let edits = [
        ("tn", namespace.as_str(), "tags", tags()),
        ("td", tag.as_str(), "description", json!("m")),
    ];
    let named = json!({"description": "n"});
    assert_eq!(met.ask(("PUT", &format!("{in_namespace}/t")), named, &edits).await, 409);
    met.house.close().await;
}

#[tokio::test]
async fn where_a_secret_goes_is_asked_about_only_where_it_changes() {
    let met = Overtaken::open().await;
    let secret = met.house.sample.secret_id.as_str();
    let url = format!("/20180608/secrets/{secret}");
    let goes_to = |region: &str, key: &str| {
        let id = |kind: &str| format!("ocid1.{kind}.oc1.{key}.x");
        let (vault, key) = (id("vault"), id("key"));
        let said = json!({"replicationTargets": [
            {"targetRegion": region, "targetVaultId": vault, "targetKeyId": key},
        ]});
        let targets = json!([{"region": region, "vaultId": vault, "keyId": key}]);
        (json!({"replicationConfig": said}), json!({"targets": targets}))
    };
    let (same, held) = goes_to("eu-frankfurt-1", "fra");
    let (other, others) = goes_to("uk-london-1", "lhr");
    let described = json!({"description": "d"});
    let edit = |value: &Value| [("s", secret, "secret/replication", value.clone())];
    assert_eq!(met.ask(("PUT", &url), described, &edit(&held)).await, 200);
    let user =
        met.house.user("user", &["Allow group Guser to use secrets in compartment sample"]).await;
    for (who, body, status) in [
        (&user, &same, 200),
        (&user, &other, 404),
        (&met.house.admin, &same, 200),
        (&met.house.admin, &other, 400),
    ] {
        let answer = met.house.send(Some(who), &url, "PUT", Some(body)).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    assert_eq!(met.ask(("PUT", &url), same, &edit(&others)).await, 409);
    met.house.close().await;
}

/// Another node has stopped all changes when one comes to be written that was found allowed before.
#[tokio::test]
async fn no_change_is_written_after_changes_were_stopped() {
    let rows = Arc::new(Memory::new(WATCHED));
    let store: Arc<dyn Store> = Slow::over(&rows);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vault_comes_back_while_its_secrets_are_being_deleted() {
    let house = slow_house().await;
    let send = async |url: &str, body: Value| {
        let method = if body.is_null() { "GET" } else { "POST" };
        let body = Some(&body).filter(|body| !body.is_null());
        house.send(Some(&house.admin), url, method, body).await
    };
    let sample = &house.sample;
    let (vault, compartment) =
        (format!("/20180608/vaults/{}", sample.vault_id), &sample.compartment_id);
    for number in 0..10 {
        let secret = json!({
            "compartmentId": compartment, "vaultId": sample.vault_id, "keyId": sample.key_id,
            "secretName": format!("s{number}"),
            "secretContent": { "contentType": "BASE64", "content": "eA==" },
        });
        assert_eq!(send("/20180608/secrets", secret).await.status, 200);
    }
    let place = json!({ "backupLocation": {
        "destination": "BUCKET", "namespace": "n", "bucketName": "b", "objectName": "o",
    } });
    assert_eq!(send(&format!("{vault}/actions/backup"), place.clone()).await.status, 200);
    assert_eq!(send(&format!("{vault}/actions/scheduleDeletion"), json!({})).await.status, 200);
    let restore =
        format!("/20180608/vaults/actions/restoreFromObjectStore?compartmentId={compartment}");
    let restoring = async {
        while send(&vault, Value::Null).await.body["lifecycleState"] != "DELETED" {}
        send(&restore, place.clone()).await
    };
    let (early, ()) = tokio::join!(restoring, house.turn_clock(31));
    assert_eq!((early.status, &early.body["code"]), (409, &json!("IncorrectState")));
    let restored = send(&restore, place).await;
    assert_eq!(restored.status, 200, "{}", restored.body);
    let secrets =
        send(&format!("/20180608/secrets?compartmentId={compartment}"), Value::Null).await;
    for secret in secrets.body.as_array().unwrap() {
        assert_eq!(secret["lifecycleState"], "DELETED");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_tell_nothing_of_what_was_changed_while_they_were_made() {
    let house = slow_house().await;
    let secret = format!("/20180608/secrets/{}", house.sample.secret_id);
    let send = async |url: &str, method: &str, body: Value| {
        tokio::time::sleep(Duration::from_millis(if method == "GET" { 0 } else { 100 })).await;
        let body = Some(&body).filter(|body| !body.is_null());
        let answer = house.send(Some(&house.admin), url, method, body).await;
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        answer.body
    };
    let versions = format!("{secret}/versions");
    for order in ["ASC", "DESC"] {
        let known = send(&secret, "GET", Value::Null).await["currentVersionNumber"].clone();
        let versions = format!("{versions}?sortOrder={order}");
        let body = json!({ "secretContent": { "contentType": "BASE64", "content": "eA==" } });
        let (listed, _) =
            tokio::join!(send(&versions, "GET", Value::Null), send(&secret, "PUT", body));
        let latest =
            |version: &&Value| version["stages"].as_array().unwrap().contains(&json!("LATEST"));
        let listed = listed.as_array().unwrap();
        assert_eq!(json!(listed.len()), known, "one that is made meanwhile is in no list");
        assert_eq!(listed.iter().filter(latest).count(), 1, "{listed:?}");
    }
    let list = format!("/20180608/secrets?compartmentId={}", house.sample.compartment_id);
    let there = json!({ "compartmentId": house.founded.tenancy_id });
    let moving = format!("{secret}/actions/changeCompartment");
    let (listed, _) = tokio::join!(send(&list, "GET", Value::Null), send(&moving, "POST", there));
    assert_eq!(listed, json!([]), "one that was moved away meanwhile is in no list");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vault_goes_before_a_key_whose_deletion_is_scheduled_at_the_same_time() {
    let house = slow_house().await;
    let schedule = async |url: String, days: i64| {
        let at = SystemClock.now().as_second() + days * 86_400;
        let body = json!({ "timeOfDeletion": Timestamp::from_second(at).unwrap().to_string() });
        let url = format!("{url}/actions/scheduleDeletion");
        house.send(Some(&house.admin), &url, "POST", Some(&body)).await.status
    };
    let key = format!("{}/20180608/keys/{}", house.management, house.sample.key_id);
    let vault = format!("/20180608/vaults/{}", house.sample.vault_id);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        schedule(vault, 8).await
    };
    let mut statuses: [u16; 2] = tokio::join!(schedule(key, 29), meanwhile).into();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    house.close().await;
}
