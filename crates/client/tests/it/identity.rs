use crate::script::{KEY_ID, Line, answer, start};

const TENANCY: &str = "ocid1.tenancy.oc1..a";

#[tokio::test]
async fn a_tenancy_is_listed_page_by_page() {
    const FIRST: &str = r#"[{"id":"c","compartmentId":"ocid1.tenancy.oc1..a","name":"Apps",
        "lifecycleState":"ACTIVE","definedTags":{"Ops":{"Env":"prod"}},"isAccessible":true}]"#;
    const SECOND: &str =
        r#"[{"id":"d","compartmentId":"c","name":"Prod","lifecycleState":"DELETED"}]"#;
    let page = Line { status: 200, headers: &[("opc-next-page", "2")], body: FIRST };
    let (client, script) = start([page, answer(200, SECOND)]).await;
    let compartments = client.compartments().await.unwrap();
    assert_eq!(compartments.len(), 2);
    assert_eq!(compartments[0].defined_tags["Ops"]["Env"], "prod");
    assert_eq!(client.tenancy_id().await.unwrap(), TENANCY);
    assert!(KEY_ID.starts_with(TENANCY));
    let path = format!(
        "/20160918/compartments?compartmentId={TENANCY}&limit=1000&compartmentIdInSubtree=true\
         &accessLevel=ANY"
    );
    let targets: Vec<String> = script.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, [path.clone(), format!("{path}&page=2")]);
}

#[tokio::test]
async fn groups_members_and_policies_are_typed() {
    const NAMED: &str = r#"[{"id":"g","name":"app","matchingRule":"resource.type = 'fnfunc'"}]"#;
    const MEMBER: &str = r#"[{"id":"m","userId":"u","groupId":"g"}]"#;
    const POLICY: &str = r#"[{"id":"p","compartmentId":"c","name":"n","statements":["s"]}]"#;
    const HOME: &str = r#"{"id":"t","name":"acme","homeRegionKey":"IAD"}"#;
    let bodies = [NAMED, NAMED, NAMED, MEMBER, POLICY, HOME];
    let (client, script) = start(bodies.map(|body| answer(200, body))).await;
    assert_eq!(client.users().await.unwrap()[0].name, "app");
    assert_eq!(client.groups().await.unwrap()[0].id, "g");
    let rule = client.dynamic_groups().await.unwrap().remove(0).matching_rule;
    assert_eq!(rule, "resource.type = 'fnfunc'");
    assert_eq!(client.members("g").await.unwrap()[0].user_id, "u");
    assert_eq!(client.policies("c").await.unwrap()[0].statements, ["s"]);
    assert_eq!(client.tenancy().await.unwrap().home_region_key.as_deref(), Some("IAD"));
    let paths: Vec<String> = script
        .seen()
        .into_iter()
        .filter_map(|seen| Some(seen.target.split('?').next()?.to_owned()))
        .collect();
    let expected = ["users", "groups", "dynamicGroups", "userGroupMemberships", "policies"];
    assert_eq!(paths[..5], expected.map(|kind| format!("/20160918/{kind}")));
    assert_eq!(paths[5], format!("/20160918/tenancies/{TENANCY}"));
}
