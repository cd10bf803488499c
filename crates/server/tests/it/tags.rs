//! Who may set defined tags: policies go by them, so that a right on their namespace is needed.

use serde_json::{Value, json};
use strongroom_server::Semantics;

use crate::house::{Answer, Caller, House};
use crate::matrix_names::Names;

const OPS: &str = "Allow group Guser to use tag-namespaces in compartment sample";

/// What can be tagged when it is made, and the statement that lets the group make it.
const MAKING: [(&str, &str, &str); 11] = [
    (
        "manage vaults in compartment sample",
        "/20180608/vaults",
        r#"{"compartmentId":"{compartment}","displayName":"v","vaultType":"DEFAULT"}"#,
    ),
    (
        "manage key-family in compartment sample",
        "{management}/20180608/keys",
        r#"{"compartmentId":"{compartment}","displayName":"k",
            "keyShape":{"algorithm":"AES","length":32}}"#,
    ),
    (
        "manage all-resources in compartment sample where request.permission != 'TAG_NAMESPACE_USE'",
        "/20180608/secrets",
        r#"{"compartmentId":"{compartment}","vaultId":"{vault}","keyId":"{key}","secretName":"s",
            "secretContent":{"contentType":"BASE64","content":"eA=="}}"#,
    ),
    (
        "manage compartments in compartment sample",
        "/20160918/compartments",
        r#"{"compartmentId":"{compartment}","name":"c","description":"d"}"#,
    ),
    (
        "manage users in tenancy",
        "/20160918/users",
        r#"{"compartmentId":"{tenancy}","name":"u","description":"d"}"#,
    ),
    (
        "manage groups in tenancy",
        "/20160918/groups",
        r#"{"compartmentId":"{tenancy}","name":"g","description":"d"}"#,
    ),
    (
        "manage dynamic-groups in tenancy",
        "/20160918/dynamicGroups",
        r#"{"compartmentId":"{tenancy}","name":"m","description":"d",
            "matchingRule":"Any {instance.compartment.id = '{compartment}'}"}"#,
    ),
    (
        "manage policies in compartment sample",
        "/20160918/policies",
        r#"{"compartmentId":"{compartment}","name":"p","description":"d",
            "statements":["Allow any-user to inspect vaults in compartment sample"]}"#,
    ),
    (
        "{TAG_NAMESPACE_CREATE} in compartment sample",
        "/20160918/tagNamespaces",
        r#"{"compartmentId":"{compartment}","name":"n","description":"d"}"#,
    ),
    (
        "use tag-namespaces in compartment sample where target.tag-namespace.name = 'Free'",
        "/20160918/tagNamespaces/{free}/tags",
        r#"{"name":"t","description":"d"}"#,
    ),
    (
        "manage workloads in compartment sample",
        "/_strongroom/v1/workloads",
        r#"{"compartmentId":"{compartment}","name":"w","description":"d"}"#,
    ),
];

async fn ask(house: &House, who: &Caller, (method, url): (&str, &str), body: Value) -> Answer {
    house.send(Some(who), url, method, Some(&body)).await
}

/// Makes a namespace with tags in the compartment of the samples.
async fn new_namespace(house: &House, name: &str, tags: &[&str]) -> String {
    let compartment = &house.sample.compartment_id;
    let space = json!({"compartmentId": compartment, "name": name, "description": "d"});
    let made = ask(house, &house.admin, ("POST", "/20160918/tagNamespaces"), space).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let url = format!("/20160918/tagNamespaces/{id}/tags");
    for tag in tags {
        let tag = json!({"name": tag, "description": "d"});
        assert_eq!(ask(house, &house.admin, ("POST", &url), tag).await.status, 200);
    }
    id
}

fn team(value: &str) -> Value {
    json!({"definedTags": {"Ops": {"Team": value}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_are_put_on_by_those_who_may_use_their_namespace() {
    let house = House::open(Semantics::Strict).await;
    new_namespace(&house, "Ops", &["Team"]).await;
    let secret = Names::of(&house).fill("/20180608/secrets/{secret}");
    let secret = ("PUT", secret.as_str());
    let use_secrets = "Allow group Guser to use secrets in compartment sample";
    let elsewhere = "Allow group Guser to use tag-namespaces in tenancy \
                     where target.tag-namespace.name = 'Other'";
    let weak = house.user("user", &[use_secrets, elsewhere]).await;
    let refused = ask(&house, &weak, secret, team("b")).await;
    assert_eq!((refused.status, &refused.body["code"]), (404, &json!("NotAuthorizedOrNotFound")));
    let url = format!("/_strongroom/v1/denials/{}", refused.request_id.replace('/', "%2F"));
    let why = house.send(Some(&house.admin), &url, "GET", None).await.body;
    assert_eq!(why["reason"], "no policy grants TAG_NAMESPACE_USE");
    assert_eq!(why["required"][1]["permission"], "TAG_NAMESPACE_USE");
    assert_eq!(why["required"][1]["place"], "compartment sample");
    let suggested = "Allow group Guser to use tag-namespaces in compartment sample \
                     where target.tag-namespace.name = 'Ops'";
    assert_eq!(why["suggestions"], json!([suggested]));
    let entitled = house.user("user", &[use_secrets, suggested]).await;
    assert_eq!(ask(&house, &entitled, secret, team("b")).await.status, 200);
    let weak = house.user("user", &[use_secrets]).await;
    let same = json!({"description": "n", "definedTags": {"Ops": {"Team": "b"}}});
    for (body, status) in [
        (same, 200),
        (json!({"description": "m"}), 200),
        (team("a"), 404),
        (json!({"definedTags": {}}), 404),
        (json!({"definedTags": {"ops": {"Team": "b"}}}), 404),
        (json!({"definedTags": {"Ops": {"Team": "b"}, "Absent": {"Team": "b"}}}), 404),
    ] {
        let answer = ask(&house, &weak, secret, body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    let absent = json!({"definedTags": {"Absent": {"Team": "b"}}});
    let told = ask(&house, &house.admin, secret, absent).await;
    assert_eq!((told.status, &told.body["code"]), (400, &json!("InvalidParameter")));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_made_with_tags_needs_their_namespace() {
    let house = House::open(Semantics::Strict).await;
    new_namespace(&house, "Ops", &["Team"]).await;
    let mut names = Names::of(&house);
    names.tell("free", &new_namespace(&house, "Free", &[]).await);
    for (statement, url, body) in MAKING {
        let mut body: Value = serde_json::from_str(&names.fill(body)).unwrap();
        body["definedTags"] = team("a")["definedTags"].clone();
        let own = format!("Allow group Guser to {statement}");
        let url = names.fill(url);
        let weak = house.user("user", &[&own]).await;
        assert_eq!(ask(&house, &weak, ("POST", &url), body.clone()).await.status, 404, "{url}");
        let entitled = house.user("user", &[&own, OPS]).await;
        let answer = ask(&house, &entitled, ("POST", &url), body).await;
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_keeps_its_own_tags_and_not_those_of_its_namespace() {
    let house = House::open(Semantics::Strict).await;
    let id = new_namespace(&house, "Ops", &["Team", "Level"]).await;
    let namespace = format!("/20160918/tagNamespaces/{id}");
    let (team_url, level) = (format!("{namespace}/tags/Team"), format!("{namespace}/tags/Level"));
    let admin = &house.admin;
    let tagged = json!({"definedTags": {"Ops": {"Level": "high"}}});
    assert_eq!(ask(&house, admin, ("PUT", &team_url), tagged.clone()).await.status, 200);
    let of_namespace = json!({"definedTags": {"Ops": {"Level": "low"}}});
    assert_eq!(ask(&house, admin, ("PUT", &namespace), of_namespace.clone()).await.status, 200);
    let retired = json!({"isRetired": true});
    assert_eq!(ask(&house, admin, ("PUT", &level), retired).await.status, 200);
    for (body, status) in [(tagged, 200), (of_namespace, 400)] {
        let answer = ask(&house, admin, ("PUT", &team_url), body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_on_a_key_goes_by_the_tags_of_the_key() {
    let house = House::open(Semantics::Strict).await;
    new_namespace(&house, "Ops", &["Team"]).await;
    let names = Names::of(&house);
    let secret = names.fill("/20180608/secrets/{secret}");
    let key = names.fill("{management}/20180608/keys/{key}");
    let bundle = names.fill("/20190301/secretbundles/{secret}");
    let read = "Allow group Guser to read secret-family in compartment sample";
    let not_b = "Deny group Guser to use keys in tenancy where target.resource.tag.Ops.Team = 'b'";
    let all = "Allow group Guser to use keys in compartment sample";
    let of_a = "Allow group Guser to use keys in compartment sample \
                where target.resource.tag.Ops.Team = 'a'";
    for (of_secret, of_key, statements, status) in [
        ("a", "a", [read, all, not_b], 200),
        ("a", "b", [read, all, not_b], 403),
        ("b", "a", [read, all, not_b], 200),
        ("a", "b", [read, of_a, of_a], 403),
        ("b", "a", [read, of_a, of_a], 200),
    ] {
        for (url, value) in [(&secret, of_secret), (&key, of_key)] {
            let answer = ask(&house, &house.admin, ("PUT", url), team(value)).await;
            assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        }
        let user = house.user("user", &statements).await;
        let answer = house.send(Some(&user), &bundle, "GET", None).await;
        assert_eq!(answer.status, status, "{of_secret} under {of_key}: {statements:?}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_membership_goes_by_the_tags_of_the_group_and_those_of_the_user() {
    let house = House::open(Semantics::Strict).await;
    new_namespace(&house, "Ops", &["Team"]).await;
    house.user("member", &[]).await;
    let group = json!({
        "compartmentId": house.founded.tenancy_id, "name": "Prod", "description": "d",
    });
    let group = ask(&house, &house.admin, ("POST", "/20160918/groups"), group).await;
    let group = group.body["id"].as_str().unwrap();
    let tagged = ["/20160918/users/ocid1.user.oc1..member", &format!("/20160918/groups/{group}")];
    let (users, groups) =
        ("Allow group Guser to use users in tenancy", "Allow group Guser to use groups in tenancy");
    let tag = "target.resource.tag.Ops.Team";
    let (users_a, groups_a) =
        (format!("{users} where {tag} = 'a'"), format!("{groups} where {tag} = 'a'"));
    let not_b = format!("Deny group Guser to inspect groups in tenancy where {tag} = 'b'");
    let memberships = "/20160918/userGroupMemberships";
    for (of_user, of_group, statements, status) in [
        ("b", "a", [users, groups, &not_b], 200),
        ("a", "b", [users, groups, &not_b], 404),
        ("b", "a", [users, users, &groups_a], 200),
        ("a", "b", [users, users, &groups_a], 404),
        ("a", "b", [groups, groups, &users_a], 200),
        ("b", "a", [groups, groups, &users_a], 404),
    ] {
        for (url, value) in tagged.into_iter().zip([of_user, of_group]) {
            let answer = ask(&house, &house.admin, ("PUT", url), team(value)).await;
            assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        }
        let user = house.user("user", &statements).await;
        let body = json!({"userId": "ocid1.user.oc1..member", "groupId": group});
        let put = |who| ask(&house, who, ("POST", memberships), body.clone());
        let answer = put(&user).await;
        assert_eq!(answer.status, status, "{of_user} in {of_group}: {statements:?}");
        let made = put(&house.admin).await;
        let made = format!("{memberships}/{}", made.body["id"].as_str().unwrap());
        let (seen, gone) = if status == 200 { (200, 204) } else { (404, 404) };
        for (method, status) in [("GET", seen), ("DELETE", gone)] {
            let answer = house.send(Some(&user), &made, method, None).await;
            assert_eq!(answer.status, status, "{method} {of_user} in {of_group}: {statements:?}");
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_made_by_whom_the_tags_of_its_vault_and_key_admit() {
    let house = House::open(Semantics::Strict).await;
    new_namespace(&house, "Ops", &["Team"]).await;
    let names = Names::of(&house);
    for url in ["{management}/20180608/keys/{key}", "/20180608/vaults/{vault}"] {
        let answer = ask(&house, &house.admin, ("PUT", &names.fill(url)), team("a")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    for (of_vault, of_key, status) in [("a", "a", 200), ("a", "b", 404), ("b", "a", 404)] {
        let tagged = |what: &str, value: &str| {
            format!(
                "Allow group Guser to use {what} in compartment sample \
                 where target.resource.tag.Ops.Team = '{value}'"
            )
        };
        let (vaults, keys) = (tagged("vaults", of_vault), tagged("keys", of_key));
        let own = "Allow group Guser to manage secrets in compartment sample";
        let user = house.user("user", &[own, &vaults, &keys]).await;
        let (_, url, body) = MAKING[2];
        let body = serde_json::from_str(&names.fill(body)).unwrap();
        let answer = ask(&house, &user, ("POST", url), body).await;
        assert_eq!(answer.status, status, "{of_vault}, {of_key}: {}", answer.body);
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_are_listed_where_they_may_be() {
    let house = House::open(Semantics::Strict).await;
    new_namespace(&house, "Ops", &[]).await;
    let tenancy = &house.founded.tenancy_id;
    let space = json!({"compartmentId": tenancy, "name": "Top", "description": "d"});
    let made = ask(&house, &house.admin, ("POST", "/20160918/tagNamespaces"), space).await;
    assert_eq!(made.status, 200);
    let here = format!("/20160918/tagNamespaces?compartmentId={tenancy}");
    let all = format!("{here}&includeSubcompartments=true");
    let allowed = "Allow group Guser to inspect tag-namespaces in tenancy";
    let only_here = &format!("{allowed} where target.compartment.name != 'sample'");
    let denied = "Deny group Guser to inspect tag-namespaces in compartment sample";
    for (url, statements, names) in [
        (&here, &[allowed][..], &["Top"][..]),
        (&all, &[allowed], &["Ops", "Top"]),
        (&all, &[allowed, denied], &["Top"]),
        (&all, &[only_here], &["Top"]),
    ] {
        let user = house.user("user", statements).await;
        let listed = house.send(Some(&user), url, "GET", None).await.body;
        let found = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
        let mut found: Vec<&str> = found.collect();
        found.sort_unstable();
        assert_eq!(found, names, "{url}: {statements:?}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tag_passes_for_that_of_another_namespace() {
    let house = House::open(Semantics::Strict).await;
    let tags = format!("/20160918/tagNamespaces/{}/tags", new_namespace(&house, "Ops", &[]).await);
    let compartment = &house.sample.compartment_id;
    for url in [tags.as_str(), "/20160918/tagNamespaces"] {
        let mut body = json!({"name": "Cost.Center", "description": "d"});
        if url != tags {
            body["compartmentId"] = json!(compartment);
        }
        let answer = ask(&house, &house.admin, ("POST", url), body).await;
        let message = json!("name: must hold no dot");
        assert_eq!((answer.status, &answer.body["message"]), (400, &message), "{url}");
    }
    house.close().await;
}
