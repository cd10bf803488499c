//! The decision against one that looks at every statement anew, over random small worlds.

use proptest::prelude::*;
use strongroom_model::{Ocid, Permission, Principal};
use strongroom_policy::{
    Asked, Directory, PolicySet, Question, ResourceType, Source, Verb, decide, permissions_of,
};

/// Compartments 1 to 6; the parent of n is n / 2, and 0 is the tenancy.
const PARENTS: [usize; 7] = [0, 0, 1, 1, 2, 2, 3];

fn compartment(number: usize) -> Ocid {
    let kind = if number == 0 { "tenancy" } else { "compartment" };
    format!("ocid1.{kind}.oc1..c{number}").parse().unwrap()
}

fn group(number: usize) -> Ocid {
    format!("ocid1.group.oc1..g{number}").parse().unwrap()
}

fn path(number: usize) -> Vec<usize> {
    let mut path = vec![number];
    while let Some(last) = path.last().filter(|last| **last != 0) {
        path.push(PARENTS[*last]);
    }
    path
}

struct Small(Ocid);

impl Directory for Small {
    fn tenancy(&self) -> &Ocid {
        &self.0
    }
    fn group_named(&self, _domain: Option<&str>, name: &str) -> Option<Ocid> {
        name.strip_prefix('G')?.parse().ok().map(group)
    }
    fn compartment_at(&self, _from: &Ocid, _path: &[&str]) -> Option<Ocid> {
        None
    }
    fn compartment_name(&self, _id: &Ocid) -> Option<String> {
        None
    }
    fn is_within(&self, _id: &Ocid, ancestor: &Ocid) -> bool {
        *ancestor == self.0
    }
}

#[derive(Debug, Clone)]
struct Grant {
    groups: Option<Vec<usize>>,
    verb: usize,
    resource_type: usize,
    at: usize,
}

impl Grant {
    fn text(&self) -> String {
        let subject = match &self.groups {
            None => "any-user".to_owned(),
            Some(groups) => {
                let names: Vec<String> = groups.iter().map(|g| format!("G{g}")).collect();
                format!("group {}", names.join(", "))
            }
        };
        let place = match self.at {
            0 => "tenancy".to_owned(),
            at => format!("compartment id {}", compartment(at)),
        };
        let (verb, resource_type) = (self.verb().name(), self.resource_type().name());
        format!("Allow {subject} to {verb} {resource_type} in {place}")
    }

    fn verb(&self) -> Verb {
        Verb::ALL[self.verb]
    }

    fn resource_type(&self) -> ResourceType {
        ResourceType::ALL[self.resource_type]
    }

    fn grants(&self, member_of: &[usize], permission: Permission, target: usize) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.iter().any(|g| member_of.contains(g)))
            && path(target).contains(&self.at)
            && permissions_of(self.resource_type(), self.verb()).contains(permission)
    }
}

fn any_grant() -> impl Strategy<Value = Grant> {
    let groups = prop::option::weighted(0.9, prop::collection::vec(0..4_usize, 1..3));
    (groups, 0..4_usize, 0..ResourceType::ALL.len(), 0..7_usize)
        .prop_map(|(groups, verb, resource_type, at)| Grant { groups, verb, resource_type, at })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn agrees_with_brute_force(
        grants in prop::collection::vec(any_grant(), 0..12),
        member_of in prop::collection::vec(0..4_usize, 0..3),
        asked in prop::collection::vec((0..Permission::ALL.len(), 0..7_usize), 1..4),
        own in prop::bool::weighted(0.9),
    ) {
        let tenancy = compartment(0);
        let source = Source {
            policy_id: "ocid1.policy.oc1..p".parse().unwrap(),
            policy_name: "p".to_owned(),
            attached_to: tenancy.clone(),
            statements: grants.iter().map(Grant::text).collect(),
        };
        let set = PolicySet::compile(&[source], &Small(tenancy.clone())).unwrap();
        let principal = Principal {
            tenancy_id: if own { tenancy } else { compartment(6) },
            user_id: "ocid1.user.oc1..u".parse().unwrap(),
            user_name: "u".to_owned(),
            group_ids: member_of.iter().copied().map(group).collect(),
        };
        let paths: Vec<Vec<Ocid>> =
            asked.iter().map(|(_, at)| path(*at).into_iter().map(compartment).collect()).collect();
        let needs: Vec<Asked<'_>> = asked
            .iter()
            .zip(&paths)
            .map(|((permission, _), path)| Asked { permission: Permission::ALL[*permission], path })
            .collect();
        let decision = decide(&set, &Question { principal: &principal, needs: &needs });
        for ((permission, at), (_, reason)) in asked.iter().zip(decision.reasons()) {
            let permission = Permission::ALL[*permission];
            let expected = own && grants.iter().any(|g| g.grants(&member_of, permission, *at));
            prop_assert_eq!(reason.is_some(), expected);
            if let Some(index) = reason {
                prop_assert!(grants[index].grants(&member_of, permission, *at));
                prop_assert_eq!(set.statement(index).unwrap().number, index + 1);
            }
        }
        prop_assert_eq!(decision.allowed(), decision.missing().next().is_none());
    }
}
