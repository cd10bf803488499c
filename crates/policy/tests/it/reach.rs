//! What a policy reaches from where it is attached, and what is said when it does not.

use strongroom_model::Permission;
use strongroom_policy::{
    Asked, CompileErrorCause, PolicySet, Question, Request, Semantics, decide, resolve,
};

use crate::world::{Compartment, Group, ROOT, World, ocid};

const APPS: usize = 1;
const PROD: usize = 2;
const INNER_APPS: usize = 3;
const SECURITY: usize = 4;

/// `acme` with `Apps`, `Apps:Prod`, `Apps:Apps`, `Security` and `Security:Prod`; one group.
fn world() -> World {
    let compartment = |id: &str, name: &str, parent| {
        let id = ocid(if parent == ROOT && id == "acme" { "tenancy" } else { "compartment" }, id);
        Compartment { id, name: name.to_owned(), parent }
    };
    let readers =
        Group { id: ocid("group", "r"), domain: "Default".to_owned(), name: "Readers".to_owned() };
    World {
        compartments: vec![
            compartment("acme", "acme", ROOT),
            compartment("apps", "Apps", ROOT),
            compartment("prod", "Prod", APPS),
            compartment("inner", "Apps", APPS),
            compartment("security", "Security", ROOT),
            compartment("other", "Prod", 4),
        ],
        groups: vec![readers],
        dynamic_groups: vec![],
    }
}

fn compile(attached_to: usize, location: &str) -> Result<PolicySet, (String, String)> {
    let world = world();
    let text = format!("Allow group Readers to read secrets in {location}");
    let source = world.source("p", attached_to, vec![text.clone()]);
    PolicySet::compile(&[source], &world, Semantics::Oracle).map_err(|error| {
        assert_eq!((error.policy.as_str(), error.number), ("p", 1));
        (text.get(error.span).unwrap().to_owned(), error.cause.to_string())
    })
}

/// The compartments in which the readers may read, each on its own.
fn reached(attached_to: usize, location: &str) -> Vec<usize> {
    readable(&world(), &compile(attached_to, location).unwrap())
}

fn readable(world: &World, set: &PolicySet) -> Vec<usize> {
    let principal = world.user(vec![ocid("group", "r")]);
    let may_read = |place: &usize| {
        let path = world.path(*place);
        let needs = [Asked::at(Permission::SecretRead, &path)];
        decide(set, &Question { principal: &principal, request: Request::default(), needs: &needs })
            .allowed()
    };
    (0..world.compartments.len()).filter(may_read).collect()
}

#[test]
fn names_lead_down_from_the_attachment_and_grants_flow_down() {
    for (attached_to, location, expected) in [
        (ROOT, "tenancy", vec![0, 1, 2, 3, 4, 5]),
        (ROOT, "compartment Apps", vec![1, 2, 3]),
        (ROOT, "compartment apps:PROD", vec![2]),
        (ROOT, "compartment 'Apps':'Apps'", vec![3]),
        (APPS, "compartment Prod", vec![2]),
        (APPS, "compartment Apps", vec![3]),
        (PROD, "compartment Prod", vec![2]),
        (INNER_APPS, "compartment Apps", vec![3]),
        (APPS, "compartment id ocid1.compartment.oc1..apps", vec![1, 2, 3]),
        (APPS, "compartment id ocid1.compartment.oc1..prod", vec![2]),
    ] {
        assert_eq!(reached(attached_to, location), expected, "{location} from {attached_to}");
    }
}

#[test]
fn what_lies_outside_the_attachment_is_out_of_reach() {
    for (attached_to, location) in [
        (ROOT, "compartment Prod"),
        (ROOT, "compartment acme"),
        (ROOT, "compartment acme:Apps"),
        (ROOT, "compartment ocid1.compartment.oc1..prod"),
        (ROOT, "compartment id ocid1.compartment.oc1..nowhere"),
        (APPS, "compartment Security"),
        (APPS, "compartment Apps:Prod"),
        (PROD, "compartment Apps"),
        (PROD, "compartment id ocid1.compartment.oc1..apps"),
        (PROD, "compartment id ocid1.compartment.oc1..other"),
        (APPS, "compartment id ocid1.tenancy.oc1..acme"),
    ] {
        let (place, cause) = compile(attached_to, location).unwrap_err();
        let name = location.trim_start_matches("compartment ").trim_start_matches("id ");
        assert_eq!(place, location);
        assert_eq!(
            cause,
            format!(
                "the compartment `{name}` does not exist or is not part of the policy compartment \
                 subtree"
            )
        );
    }
    let (place, cause) = compile(APPS, "tenancy").unwrap_err();
    assert_eq!(place, "tenancy");
    assert_eq!(cause, "the tenancy is not part of the policy compartment subtree");
}

#[test]
fn the_group_that_is_missing_is_pointed_at() {
    let world = world();
    for (group, said) in [("Nobody", "Nobody"), ("Fed/Readers", "Fed/Readers"), ("'N B'", "N B")] {
        let good = "Allow any-user to read keys in tenancy".to_owned();
        let text = format!("Allow group Readers, {group} to read secrets in tenancy");
        let source = world.source("p", ROOT, vec![good, text.clone()]);
        let error = PolicySet::compile(&[source], &world, Semantics::Oracle).unwrap_err();
        assert_eq!((error.number, text.get(error.span.clone()).unwrap()), (2, group));
        assert_eq!(error.cause, CompileErrorCause::UnknownGroup(said.to_owned()));
        assert_eq!(
            error.to_string(),
            format!("policy `p`, statement 2: the group `{said}` does not exist")
        );
    }
}

#[test]
fn nothing_is_granted_by_nothing() {
    let world = world();
    let source =
        world.source("p", ROOT, vec!["Allow any-user to manage all-resources in tenancy".into()]);
    let set = PolicySet::compile(&[source], &world, Semantics::Oracle).unwrap();
    let path = world.path(PROD);
    let needs = [Asked::at(Permission::SecretRead, &path)];
    let ours = world.user(vec![]);
    let theirs = strongroom_model::Principal { tenancy_id: ocid("tenancy", "b"), ..ours.clone() };
    let allowed = |set: &PolicySet, principal, needs: &[Asked<'_>]| {
        decide(set, &Question { principal, request: Request::default(), needs }).allowed()
    };
    assert!(allowed(&set, &ours, &needs));
    assert!(!allowed(&set, &theirs, &needs), "a principal of another tenancy");
    assert!(!allowed(&set, &ours, &[]), "a question that asks for nothing");
    let nowhere = [Asked::at(Permission::SecretRead, &[])];
    assert!(!allowed(&set, &ours, &nowhere), "a target that is nowhere");
    assert!(!allowed(&PolicySet::default(), &ours, &needs), "no policies and no tenancy");
}

/// Oracle: "policies of the previous parent no longer apply".
#[test]
fn a_compartment_that_is_moved_away_leaves_the_reach_of_policies_above_it() {
    let mut world = world();
    let prod = world.compartments[PROD].id.clone();
    for location in ["compartment Prod".to_owned(), format!("compartment id {prod}")] {
        let text = format!("Allow group Readers to read secrets in {location}");
        let meant = resolve(&text, &world.compartments[APPS].id, &world).unwrap();
        let mut source = world.source("p", APPS, vec![text]);
        source.resolved = vec![meant];
        for (parent, expected) in [(APPS, vec![PROD]), (SECURITY, vec![]), (APPS, vec![PROD])] {
            world.compartments[PROD].parent = parent;
            let sources = std::slice::from_ref(&source);
            let set = PolicySet::compile(sources, &world, Semantics::Oracle).unwrap();
            assert_eq!(readable(&world, &set), expected, "{location} below {parent}");
        }
    }
}
