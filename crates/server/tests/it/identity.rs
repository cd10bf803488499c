//! Changes of identities that meet each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::Limits;
use strongroom_server::{Rates, Semantics, Targets, WATCHED};
use strongroom_signing::PrivateKey;
use strongroom_store::{Batch, Memory, Store};

use crate::house::{Answer, Caller, House};
use crate::slow::Slow;

const ROUNDS: usize = 12;

async fn post(house: &House, url: &str, body: Value) -> Answer {
    house.send(Some(&house.admin), url, "POST", Some(&body)).await
}

async fn new_compartment(house: &House, name: &str) -> String {
    compartment_in(house, house.founded.tenancy_id.as_str(), name).await
}

async fn compartment_in(house: &House, parent: &str, name: &str) -> String {
    let body = json!({"compartmentId": parent, "name": name, "description": "d"});
    let made = post(house, "/20160918/compartments", body).await;
    made.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_moves_at_once_make_no_ring() {
    let house = House::open(Semantics::Strict).await;
    for round in 0..ROUNDS {
        let one = new_compartment(&house, &format!("one{round}")).await;
        let other = new_compartment(&house, &format!("other{round}")).await;
        let under = |what: &str, target: &str| {
            let url = format!("/20160918/compartments/{what}/actions/moveCompartment");
            (url, json!({ "targetCompartmentId": target }))
        };
        let ((first, down), (second, up)) = (under(&one, &other), under(&other, &one));
        let (a, b) = tokio::join!(post(&house, &first, down), post(&house, &second, up));
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 400]);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_cannot_remove_each_other_at_once() {
    let house = House::open(Semantics::Strict).await;
    let other = house.user("deputy", &[]).await;
    let administrators = {
        let url = format!(
            "/20160918/userGroupMemberships?compartmentId={}&userId={}",
            house.founded.tenancy_id, house.founded.user_id
        );
        let found = house.send(Some(&house.admin), &url, "GET", None).await;
        found.body[0].clone()
    };
    let body = json!({
        "userId": "ocid1.user.oc1..deputy", "groupId": administrators["groupId"],
    });
    let url = "/20160918/userGroupMemberships";
    let deputy = post(&house, url, body).await;
    assert_eq!(deputy.status, 200);
    let leave = |id: &Value| format!("{url}/{}", id.as_str().unwrap());
    let (mine, theirs) = (leave(&administrators["id"]), leave(&deputy.body["id"]));
    let (a, b) = tokio::join!(
        house.send(Some(&house.admin), &theirs, "DELETE", None),
        house.send(Some(&other), &mine, "DELETE", None),
    );
    let removed = [a.status, b.status].into_iter().filter(|status| *status == 204).count();
    assert_eq!(removed, 1, "{} {}", a.status, b.status);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_compartment_is_out_of_reach_of_policies_of_its_former_parent() {
    let house = House::open(Semantics::Strict).await;
    let (before, after) =
        (new_compartment(&house, "before").await, new_compartment(&house, "after").await);
    let moved = compartment_in(&house, &before, "moved").await;
    let user = house.user("user", &[]).await;
    let policy = json!({
        "compartmentId": before, "name": "p", "description": "d",
        "statements": ["Allow group Guser to inspect vaults in compartment moved"],
    });
    assert_eq!(post(&house, "/20160918/policies", policy).await.status, 200);
    let vaults = format!("/20180608/vaults?compartmentId={moved}");
    let to_move = format!("/20160918/compartments/{moved}/actions/moveCompartment");
    assert_eq!(house.send(Some(&user), &vaults, "GET", None).await.status, 200);
    for (parent, status) in [(&after, 404), (&before, 200)] {
        let body = json!({"targetCompartmentId": parent});
        assert_eq!(post(&house, &to_move, body).await.status, 202);
        assert_eq!(house.send(Some(&user), &vaults, "GET", None).await.status, status);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_no_other() {
    let house = House::open(Semantics::Strict).await;
    let new = ("/v1/token/upst/actions/GenerateUpst", json!({"publicKey": house.public_key_pem}));
    let begun = post(&house, new.0, new.1.clone()).await;
    let bearer = house.bearer(begun.body["token"].as_str().unwrap());
    let refresh = json!({"currentToken": begun.body["token"]});
    for (url, body, status) in [(new.0, new.1, 401), ("/v1/authentication/refresh", refresh, 200)] {
        let answer = house.send(Some(&bearer), url, "POST", Some(&body)).await;
        assert_eq!(answer.status, status, "{url}: {}", answer.body);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_leaves_no_key_behind() {
    let house = House::open(Semantics::Strict).await;
    let key = PrivateKey::generate().unwrap().public().unwrap();
    let one = "/20160918/users/ocid1.user.oc1..user";
    let keys = format!("{one}/apiKeys");
    let (new, made) = (json!({"key": key.to_pem()}), format!("{keys}/{}", key.fingerprint()));
    let upload = async |who: &Caller| house.send(Some(who), &keys, "POST", Some(&new)).await.status;
    let remove = async |who: &Caller| house.send(Some(who), &made, "DELETE", None).await.status;
    let statement = "Allow group Guser to manage users in tenancy";
    for (statements, may) in [(&[][..], false), (&[statement], true)] {
        let user = house.user("user", statements).await;
        let session = json!({"publicKey": house.public_key_pem});
        let url = "/v1/token/upst/actions/GenerateUpst";
        let begun = house.send(Some(&user), url, "POST", Some(&session)).await;
        let bearer = house.bearer(begun.body["token"].as_str().unwrap());
        for url in [one, &keys] {
            assert_eq!(house.send(Some(&bearer), url, "GET", None).await.status, 200);
        }
        if may {
            assert_eq!((upload(&bearer).await, remove(&bearer).await), (200, 204));
        } else {
            assert_eq!((upload(&bearer).await, upload(&user).await), (404, 200));
            assert_eq!((remove(&bearer).await, remove(&user).await), (404, 204));
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_can_hold_for_groups_that_the_caller_is_in() {
    let house = House::open(Semantics::Strict).await;
    house.user("other", &[]).await;
    let use_groups = "Allow group Guser to use groups in tenancy";
    let mine = &format!("{use_groups} where target.group.member = 'true'");
    let others = &format!("{use_groups} where target.group.member != 'true'");
    let users = "Allow group Guser to use users in tenancy";
    let described = json!({"description": "n"});
    for (statement, own, other) in [(mine, 200, 404), (others, 404, 200)] {
        let user = house.user("user", &[statement, users]).await;
        for (group, status) in [("user", own), ("other", other)] {
            let url = format!("/20160918/groups/ocid1.group.oc1..{group}");
            let answer = house.send(Some(&user), &url, "PUT", Some(&described)).await;
            assert_eq!(answer.status, status, "{statement}: {group}: {}", answer.body);
            let member = json!({
                "userId": "ocid1.user.oc1..other", "groupId": format!("ocid1.group.oc1..{group}"),
            });
            let url = "/20160918/userGroupMemberships";
            let answer = house.send(Some(&user), url, "POST", Some(&member)).await;
            assert_eq!(answer.status, status, "{statement}: {group}: {}", answer.body);
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lists_a_compartment_learns_no_membership_of_the_tenancy() {
    let house = House::open(Semantics::Strict).await;
    let inspect = |what: &str| format!("Allow group Guser to inspect {what} in compartment sample");
    let user = house.user("user", &[&inspect("users"), &inspect("groups")]).await;
    let by = format!("userId={}", house.founded.user_id);
    let url = |compartment: &str| {
        format!("/20160918/userGroupMemberships?compartmentId={compartment}&{by}")
    };
    let (sample, tenancy) =
        (url(house.sample.compartment_id.as_str()), url(house.founded.tenancy_id.as_str()));
    let answer = house.send(Some(&user), &sample, "GET", None).await;
    assert_eq!((answer.status, answer.body), (200, json!([])));
    assert_eq!(house.send(Some(&user), &tenancy, "GET", None).await.status, 404);
    let all = house.send(Some(&house.admin), &tenancy, "GET", None).await;
    assert_eq!(all.body.as_array().map(Vec::len), Some(1));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compartment_is_not_deleted_while_a_machine_is_in_it() {
    let house = House::open(Semantics::Strict).await;
    let compartment = new_compartment(&house, "machines").await;
    let body = json!({"compartmentId": compartment, "name": "web", "description": "d"});
    let workload = post(&house, "/_strongroom/v1/workloads", body).await;
    let workload = format!("/_strongroom/v1/workloads/{}", workload.body["id"].as_str().unwrap());
    let compartment = format!("/20160918/compartments/{compartment}");
    for (url, status) in [(&compartment, 409), (&workload, 204), (&compartment, 202)] {
        let answer = house.send(Some(&house.admin), url, "DELETE", None).await;
        assert_eq!(answer.status, status, "{url}: {}", answer.body);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_inspect_one_compartment_finds_the_way_down_to_it() {
    let house = House::open(Semantics::Strict).await;
    let tenancy = house.founded.tenancy_id.as_str();
    let (apps, other) =
        (new_compartment(&house, "apps").await, new_compartment(&house, "other").await);
    let prod = compartment_in(&house, &apps, "prod").await;
    compartment_in(&house, &prod, "below").await;
    let inspect = "Allow group Guser to inspect compartments in compartment apps:prod";
    let user = house.user("user", &[inspect]).await;
    let nobody = house.user("nobody", &[]).await;
    let url = |of: &str| format!("/20160918/compartments?compartmentId={of}&sortBy=NAME");
    let accessible = |of: &str| format!("{}&accessLevel=ACCESSIBLE", url(of));
    let whole = format!("{}&compartmentIdInSubtree=true", accessible(tenancy));
    let (way, seen) = (("apps", ""), ("prod", "d"));
    for (who, url, expected) in [
        (&user, accessible(tenancy), &[way][..]),
        (&user, accessible(&apps), &[seen]),
        (&user, accessible(&other), &[]),
        (&user, accessible("ocid1.compartment.oc1..absent"), &[]),
        (&user, whole.clone(), &[way, ("below", "d"), seen]),
        (&nobody, whole, &[]),
    ] {
        let listed = house.send(Some(who), &url, "GET", None).await;
        assert_eq!(listed.status, 200, "{url}: {}", listed.body);
        let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
        let found = listed.body.as_array().unwrap().iter();
        let found: Vec<_> =
            found.map(|one| (text(one, "name"), text(one, "description"))).collect();
        let expected: Vec<_> =
            expected.iter().map(|(name, told)| ((*name).to_owned(), (*told).to_owned())).collect();
        assert_eq!(found, expected, "{url}");
    }
    assert_eq!(house.send(Some(&user), &url(tenancy), "GET", None).await.status, 404);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compartment_that_is_there_is_refused_in_the_words_that_terraform_looks_for() {
    let house = House::open(Semantics::Strict).await;
    let body = json!({
        "compartmentId": house.founded.tenancy_id, "name": "Sample", "description": "d",
    });
    let taken = post(&house, "/20160918/compartments", body).await;
    let message = json!("name: a compartment of this parent with this name already exists");
    assert_eq!((taken.status, &taken.body["message"]), (409, &message));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_compartment_does_not_count_against_the_limit() {
    // One is that of the samples.
    let limits = Limits { compartments: 2, ..Limits::WIDE };
    let house = House::with_limits(limits, Rates::default()).await;
    for name in ["first", "second"] {
        let url = format!("/20160918/compartments/{}", new_compartment(&house, name).await);
        let one_more = json!({
            "compartmentId": house.founded.tenancy_id, "name": "more", "description": "d",
        });
        let refused = post(&house, "/20160918/compartments", one_more).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("LimitExceeded")));
        let deleted = house.send(Some(&house.admin), &url, "DELETE", None).await;
        assert_eq!(deleted.status, 202);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_administrator_does_not_lose_both_keys_at_once() {
    let house = House::open(Semantics::Strict).await;
    let keeper = house.user("keeper", &["Allow group Gkeeper to manage users in tenancy"]).await;
    let keys = format!("/20160918/users/{}/apiKeys", house.founded.user_id);
    for _ in 0..ROUNDS {
        let pem = PrivateKey::generate().unwrap().public().unwrap().to_pem();
        let made = house.send(Some(&keeper), &keys, "POST", Some(&json!({"key": pem}))).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let listed = house.send(Some(&keeper), &keys, "GET", None).await.body;
        let url =
            |index: usize| format!("{keys}/{}", listed[index]["fingerprint"].as_str().unwrap());
        let (one, other) = (url(0), url(1));
        let (a, b) = tokio::join!(
            house.send(Some(&keeper), &one, "DELETE", None),
            house.send(Some(&keeper), &other, "DELETE", None),
        );
        let mut statuses = [a.status, b.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409]);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_moved_into_what_is_deleted_at_once() {
    let store: Arc<dyn Store> = Slow::over(&Arc::new(Memory::new(WATCHED)));
    let rules = (Semantics::Strict, Targets::new());
    let house = House::over((store, None), RootKey::generate(&SystemRandom), rules).await;
    for is_moved_first in [true, false] {
        let round = if is_moved_first { "moved" } else { "deleted" };
        let moved = new_compartment(&house, &format!("{round}-from")).await;
        let to = new_compartment(&house, &format!("{round}-to")).await;
        let move_to = format!("/20160918/compartments/{moved}/actions/moveCompartment");
        let delete = format!("/20160918/compartments/{to}");
        let moving = post(&house, &move_to, json!({"targetCompartmentId": to}));
        let deleting = house.send(Some(&house.admin), &delete, "DELETE", None);
        let (moved, deleted) = if is_moved_first {
            tokio::join!(moving, deleting)
        } else {
            let (deleted, moved) = tokio::join!(deleting, moving);
            (moved, deleted)
        };
        let expected = [(202, 409), (404, 202)].contains(&(moved.status, deleted.status));
        assert!(expected, "{round}: {} {}", moved.status, deleted.status);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tag_is_made_in_a_namespace_that_goes_at_once() {
    let store: Arc<dyn Store> = Slow::over(&Arc::new(Memory::new(WATCHED)));
    let rules = (Semantics::Strict, Targets::new());
    let house = House::over((store, None), RootKey::generate(&SystemRandom), rules).await;
    for round in 0..ROUNDS {
        let body = json!({
            "compartmentId": house.founded.tenancy_id, "name": format!("n{round}"),
            "description": "d",
        });
        let made = post(&house, "/20160918/tagNamespaces", body).await;
        let namespace = format!("/20160918/tagNamespaces/{}", made.body["id"].as_str().unwrap());
        let tags = format!("{namespace}/tags");
        let making = post(&house, &tags, json!({"name": "t", "description": "d"}));
        let going = house.send(Some(&house.admin), &namespace, "DELETE", None);
        let (made, gone) = if round % 2 == 0 {
            tokio::join!(making, going)
        } else {
            let (gone, made) = tokio::join!(going, making);
            (made, gone)
        };
        let expected = [(200, 409), (404, 204)].contains(&(made.status, gone.status));
        assert!(expected, "round {round}: {} {}", made.status, gone.status);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_away_from_home_names_the_home_region() {
    let house = House::open(Semantics::Strict).await;
    let tenancy = house.founded.tenancy_id.as_str();
    let key = format!("t/{tenancy}").into_bytes();
    let row = house.store.get(&[key.as_slice()]).await.unwrap().remove(0).unwrap();
    let mut row: Value = serde_json::from_slice(&row.value).unwrap();
    row["row"]["homeRegion"] = json!("eu-frankfurt-1");
    let elsewhere = Batch::new().put(key, row.to_string().into_bytes());
    house.store.commit(elsewhere).await.unwrap();
    let url = format!("/20160918/tenancies/{tenancy}");
    let told = house.send(Some(&house.admin), &url, "GET", None).await;
    assert_eq!(told.body["homeRegionKey"], "FRA");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_as_another_region_is_limited_like_everybody() {
    let rates = Rates { address: Some(1), ..Rates::default() };
    let house = House::with_limits(Limits::WIDE, rates).await;
    for url in ["/_replication/v1/pull", "/_replication/v1/operate"] {
        let mut statuses = BTreeSet::new();
        for _ in 0..20 {
            statuses.insert(house.send(None, url, "POST", Some(&json!({}))).await.status);
        }
        assert!(statuses.contains(&429), "{url}: {statuses:?}");
    }
    house.close().await;
}
