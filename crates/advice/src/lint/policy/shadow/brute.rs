//! The verdicts beside brute force: every request of a small world is decided with and without a
//! statement. `PROPTEST_CASES=10000` tries more sets.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use strongroom_model::{Ocid, Permission, Principal, PrincipalKind, ResourcePrincipal};
use strongroom_policy::ast::Statement;
use strongroom_policy::{
    Asked, Fact, FactName, PolicySet, Question, Request, Source, Verdict, decide, parse,
};

use super::*;
use crate::world::World;

const TENANCY: &str = "ocid1.tenancy.oc1..t";

const WORLD: &str = r#"{"tenancy_id": "ocid1.tenancy.oc1..t", "compartments": {
  "root": {"id": "ocid1.tenancy.oc1..t", "name": "t", "parent": null},
  "X": {"id": "ocid1.compartment.oc1..x", "name": "X", "parent": "root"},
  "Y": {"id": "ocid1.compartment.oc1..y", "name": "Y", "parent": "X"},
  "Z": {"id": "ocid1.compartment.oc1..z", "name": "Z", "parent": "root"}},
  "groups": [
    {"id": "ocid1.group.oc1..admins", "name": "Administrators"},
    {"id": "ocid1.group.oc1..a", "name": "A"},
    {"id": "ocid1.group.oc1..b", "name": "B"}],
  "dynamic_groups": [
    {"id": "ocid1.dynamicgroup.oc1..d", "name": "D", "rule": "tag.n.k.value = 'yes'"}]}"#;

const SUBJECTS: [&str; 8] = [
    "any-user",
    "any-group",
    "group A",
    "group B",
    "group A, B",
    "dynamic-group D",
    "service s",
    "group Administrators",
];

const ACTIONS: [&str; 9] = [
    "to inspect secrets",
    "to read secrets",
    "to read secret-family",
    "to read secret-bundles",
    "to manage secret-family",
    "to use keys",
    "to {SECRET_READ}",
    "to {SECRET_READ, SECRET_BUNDLE_READ}",
    "to manage all-resources",
];

const PLACES: [&str; 5] =
    ["tenancy", "compartment X", "compartment X:Y", "compartment Z", "compartment X"];

const CONDITIONS: [&str; 12] = [
    "",
    "",
    "",
    " where target.secret.name = 'a'",
    " where target.secret.name != 'a'",
    " where target.secret.name = /a*/",
    " where any {target.secret.name = 'a', target.secret.name = 'ab'}",
    " where all {target.secret.name = /a*/, target.secret.name != 'a'}",
    " where any {!target.secret.name, target.secret.name != 'a'}",
    " where request.region = 'iad'",
    " where all {request.region != 'iad', target.secret.name = 'a*'}",
    " where request.permission = 'SECRET_READ'",
];

/// One for each way in which the actions grant and deny.
const PERMISSIONS: [Permission; 12] = [
    Permission::SecretInspect,
    Permission::SecretRead,
    Permission::SecretUpdate,
    Permission::SecretDelete,
    Permission::SecretVersionRead,
    Permission::SecretVersionDelete,
    Permission::SecretBundleInspect,
    Permission::SecretBundleRead,
    Permission::KeyRead,
    Permission::KeyDecrypt,
    Permission::KeyCreate,
    Permission::PolicyCreate,
];

/// Absent, and one for each way to compare with the conditions.
const NAMES: [Option<&str>; 6] = [None, Some("a"), Some("ab"), Some("abc"), Some("a*"), Some("z")];

fn statement() -> impl Strategy<Value = String> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let parts = (effect, select(&SUBJECTS), select(&ACTIONS), select(&PLACES), select(&CONDITIONS));
    parts.prop_map(|(effect, subject, action, place, condition)| {
        format!("{effect} {subject} {action} in {place}{condition}")
    })
}

fn sets() -> impl Strategy<Value = Vec<String>> {
    // Some statements come twice, in another order.
    prop::collection::vec(statement(), 1..5).prop_flat_map(|set| {
        let length = set.len();
        let again = subsequence(set.clone(), 0..=length.min(1));
        again.prop_map(move |again| set.iter().cloned().chain(again).collect())
    })
}

fn principals() -> Vec<Principal> {
    let user = |groups: &[&str]| {
        PrincipalKindOf(
            PrincipalKind::User { id: "ocid1.user.oc1..u".parse().unwrap(), name: "u".to_owned() },
            groups.iter().map(|group| format!("ocid1.group.oc1..{group}")).collect(),
        )
    };
    let machine = |groups: &[&str]| {
        PrincipalKindOf(
            PrincipalKind::Resource(ResourcePrincipal {
                id: "ocid1.instance.oc1..i".parse().unwrap(),
                resource_type: "instance".to_owned(),
                compartment_id: TENANCY.parse().unwrap(),
                tags: std::collections::BTreeMap::new(),
                attributes: std::collections::BTreeMap::new(),
            }),
            groups.iter().map(|group| format!("ocid1.dynamicgroup.oc1..{group}")).collect(),
        )
    };
    let service =
        |name: &str| PrincipalKindOf(PrincipalKind::Service { name: name.to_owned() }, Vec::new());
    let all = [
        user(&[]),
        user(&["a"]),
        user(&["b"]),
        user(&["a", "b"]),
        user(&["admins"]),
        user(&["admins", "a"]),
        user(&["admins", "b"]),
        machine(&[]),
        machine(&["d"]),
        service("s"),
        service("other"),
    ];
    all.into_iter().map(PrincipalKindOf::principal).collect()
}

struct PrincipalKindOf(PrincipalKind, Vec<String>);

impl PrincipalKindOf {
    fn principal(self) -> Principal {
        let group_ids = self.1.iter().map(|id| id.parse().unwrap()).collect();
        Principal { tenancy_id: TENANCY.parse().unwrap(), kind: self.0, group_ids }
    }
}

struct Brute {
    world: World,
    principals: Vec<Principal>,
    paths: Vec<Vec<Ocid>>,
    semantics: Semantics,
    /// What requests carry that the statements can tell apart.
    names: &'static [Option<&'static str>],
    regions: &'static [&'static str],
}

impl Brute {
    fn new(semantics: Semantics, texts: &[String]) -> Self {
        let mention = |word: &str| texts.iter().any(|text| text.contains(word));
        let names: &[_] = if mention("target.secret.name") { &NAMES } else { &[None] };
        let regions: &[_] = if mention("request.region") { &["IAD", "PHX"] } else { &["IAD"] };
        let world = World::new(serde_json::from_str(WORLD).unwrap()).unwrap();
        let keys = ["root", "X", "Y", "Z"];
        let paths = keys.iter().map(|key| world.path(key).unwrap().to_vec()).collect();
        Self { world, principals: principals(), paths, semantics, names, regions }
    }

    /// Whether each request is allowed, and whether an administrator makes it.
    fn decided(&self, statements: &[&str]) -> Vec<(bool, bool)> {
        let source = Source {
            policy_id: TENANCY.parse().unwrap(),
            policy_name: "p".to_owned(),
            attached_to: TENANCY.parse().unwrap(),
            statements: statements.iter().map(|one| (*one).to_owned()).collect(),
            resolved: Vec::new(),
        };
        let set = PolicySet::compile(&[source], &self.world, self.semantics).unwrap();
        let mut decided = Vec::new();
        for principal in &self.principals {
            let administers = principal.group_ids.iter().any(|id| id.as_str().ends_with("admins"));
            for (path, permission) in
                self.paths.iter().flat_map(|path| PERMISSIONS.map(|one| (path, one)))
            {
                let each = |name| self.regions.iter().map(move |region| (name, *region));
                for (name, region) in self.names.iter().copied().flat_map(each) {
                    let target: Vec<(FactName, Fact)> = name
                        .map(|name| {
                            (FactName::Borrowed("target.secret.name"), Fact::One(name.to_owned()))
                        })
                        .into_iter()
                        .collect();
                    let needs = [Asked { permission, path, target: &target, tags: &[] }];
                    let request = Request {
                        operation: "GetSecret",
                        region: Some(region),
                        ..Request::default()
                    };
                    let decision = decide(&set, &Question { principal, request, needs: &needs });
                    let allowed = decision
                        .reasons()
                        .any(|(_, verdict)| matches!(verdict, Verdict::Granted(_)));
                    decided.push((allowed, administers));
                }
            }
        }
        decided
    }

    fn shadowed(&self, texts: &[String]) -> Vec<usize> {
        let denies = |text: &str| text.starts_with("Deny");
        let mut alive: Vec<usize> = (0..texts.len()).collect();
        let mut found = Vec::new();
        for number in (0..texts.len()).rev() {
            let own = texts[number].as_str();
            let standing = |without: bool| {
                let others = alive.iter().filter(|one| !(without && **one == number));
                let same = others
                    .map(|one| texts[*one].as_str())
                    .filter(|text| denies(text) == denies(own));
                denies(own).then_some(EVERYTHING).into_iter().chain(same).collect::<Vec<_>>()
            };
            let base: Vec<&str> = denies(own).then_some(EVERYTHING).into_iter().collect();
            let alone: Vec<&str> = base.iter().copied().chain([own]).collect();
            let is_twice = alive.iter().any(|one| *one != number && texts[*one] == own);
            let does_something = is_twice || self.decided(&alone) != self.decided(&base);
            if does_something && self.decided(&standing(false)) == self.decided(&standing(true)) {
                alive.retain(|one| *one != number);
                found.push(number);
            }
        }
        found.reverse();
        found
    }

    fn denied(&self, texts: &[String]) -> Vec<usize> {
        let denials: Vec<&str> =
            texts.iter().map(String::as_str).filter(|text| text.starts_with("Deny")).collect();
        let is_dead = |number: &usize| {
            let own = texts[*number].as_str();
            let with: Vec<&str> = denials.iter().copied().chain([own]).collect();
            let left = self
                .decided(&with)
                .into_iter()
                .any(|(allowed, administers)| allowed && !administers);
            let before = self
                .decided(&[own])
                .into_iter()
                .any(|(allowed, administers)| allowed && !administers);
            own.starts_with("Allow") && !own.contains("Administrators") && before && !left
        };
        (0..texts.len()).filter(is_dead).collect()
    }
}

fn entries(texts: &[String]) -> Vec<Entry> {
    let entry = |text: &String| match parse(text).unwrap() {
        Statement::Allow(allow) => Entry { allow, attach: String::new() },
        other => panic!("{other}"),
    };
    texts.iter().map(entry).collect()
}

proptest! {
    #[test]
    fn verdicts_are_those_of_brute_force(texts in sets(), strict in any::<bool>()) {
        let semantics = if strict { Semantics::Strict } else { Semantics::Oracle };
        let brute = Brute::new(semantics, &texts);
        let entries = entries(&texts);
        let numbers = |idle: Vec<Idle>| idle.into_iter().map(|one| one.number).collect::<Vec<_>>();
        prop_assert_eq!(numbers(shadowed(&entries, None, semantics)), brute.shadowed(&texts));
        prop_assert_eq!(numbers(denied(&entries, None, semantics)), brute.denied(&texts));
    }
}
