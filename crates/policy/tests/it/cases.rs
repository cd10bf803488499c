use std::collections::BTreeMap;

use serde_json::Value;
use strongroom_model::{Ocid, Operation, Principal};
use strongroom_policy::{
    Asked, CompileError, Directory, PolicySet, Question, Semantics, Source, Target, decide,
    required,
};

const CASES: &str = include_str!("../corpus/cases-public.json");

struct World {
    compartments: BTreeMap<String, (Ocid, String, Option<String>)>,
    groups: Vec<(String, String, Ocid, Vec<String>)>,
    tenancy: Ocid,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl World {
    fn read(world: &Value) -> Self {
        let compartments = world["compartments"].as_object().unwrap().iter().map(|(key, c)| {
            let parent = c["parent"].as_str().map(str::to_owned);
            (key.clone(), (text(&c["id"]).parse().unwrap(), text(&c["name"]), parent))
        });
        let groups = world["groups"].as_array().unwrap().iter().map(|group| {
            let members = group["members"].as_array().unwrap().iter().map(text).collect();
            (
                text(&group["domain"]),
                text(&group["name"]),
                text(&group["id"]).parse().unwrap(),
                members,
            )
        });
        Self {
            compartments: compartments.collect(),
            groups: groups.collect(),
            tenancy: text(&world["tenancy_id"]).parse().unwrap(),
        }
    }

    fn path(&self, key: &str) -> Vec<Ocid> {
        let (id, _, parent) = &self.compartments[key];
        let above = parent.as_ref().map(|parent| self.path(parent)).unwrap_or_default();
        [vec![id.clone()], above].concat()
    }

    fn key_of(&self, id: &Ocid) -> &String {
        self.compartments.iter().find(|(_, (known, ..))| known == id).unwrap().0
    }

    fn principal(&self, name: &str) -> Principal {
        let member =
            |group: &&(String, String, Ocid, Vec<String>)| group.3.iter().any(|m| m == name);
        Principal {
            tenancy_id: self.tenancy.clone(),
            user_id: format!("ocid1.user.oc1..{name}").parse().unwrap(),
            user_name: name.to_owned(),
            group_ids: self.groups.iter().filter(member).map(|group| group.2.clone()).collect(),
        }
    }
}

impl Directory for World {
    fn tenancy(&self) -> &Ocid {
        &self.tenancy
    }

    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        let domain = domain.unwrap_or("Default");
        let named = |group: &&(String, String, Ocid, Vec<String>)| {
            group.0.eq_ignore_ascii_case(domain) && group.1.eq_ignore_ascii_case(name)
        };
        self.groups.iter().find(named).map(|group| group.2.clone())
    }

    fn compartment_at(&self, from: &Ocid, path: &[&str]) -> Option<Ocid> {
        let Some((first, rest)) = path.split_first() else { return Some(from.clone()) };
        let parent = self.key_of(from);
        let child = self.compartments.values().find(|(_, name, above)| {
            above.as_ref() == Some(parent) && name.eq_ignore_ascii_case(first)
        })?;
        self.compartment_at(&child.0, rest)
    }

    fn compartment_name(&self, id: &Ocid) -> Option<String> {
        let (_, name, parent) = &self.compartments[self.key_of(id)];
        parent.as_ref().map(|_| name.clone())
    }

    fn is_within(&self, id: &Ocid, ancestor: &Ocid) -> bool {
        let known = self.compartments.iter().find(|(_, (known, ..))| known == id);
        known.is_some_and(|(key, _)| self.path(key).contains(ancestor))
    }
}

fn operation_named(name: &str) -> Option<Operation> {
    Operation::ALL.iter().copied().find(|operation| operation.name() == name)
}

#[test]
fn decisions_agree_with_the_public_cases() {
    let cases: Value = serde_json::from_str(CASES).unwrap();
    let world = World::read(&cases["world"]);
    let users = ["root-admin", "alice", "bob", "carol", "dave", "frank", "olga", "fred"];
    let mut agreed = 0;
    for case in cases["cases"].as_array().unwrap() {
        let principal = text(&case["principal"]);
        let Some(operation) = operation_named(&text(&case["request"]["operation"])) else {
            continue;
        };
        let compartment = text(&case["request"]["target"]["compartment"]);
        // Operations on several resources name them apart in the corpus; the server's own matrix
        // covers those.
        let single = required(operation, Semantics::Oracle)
            .iter()
            .all(|need| need.on == Target::Compartment);
        if !single
            || !users.contains(&principal.as_str())
            || !world.compartments.contains_key(&compartment)
        {
            continue;
        }
        let sources = case["policies"].as_array().unwrap().iter().map(|policy| Source {
            policy_id: "ocid1.policy.oc1..p".parse().unwrap(),
            policy_name: "p".to_owned(),
            attached_to: world.compartments[&text(&policy["attach"])].0.clone(),
            statements: policy["statements"].as_array().unwrap().iter().map(text).collect(),
        });
        let set = match PolicySet::compile(&sources.collect::<Vec<_>>(), &world) {
            // Constructs and resource-types that this version refuses by name.
            Err(CompileError::Parse { .. }) => continue,
            set => set.unwrap(),
        };
        let path = world.path(&compartment);
        let needs: Vec<Asked<'_>> = required(operation, Semantics::Oracle)
            .iter()
            .map(|need| Asked { permission: need.permission, path: &path })
            .collect();
        let decision =
            decide(&set, &Question { principal: &world.principal(&principal), needs: &needs });
        let expected = text(&case["expect"]) == "ALLOW";
        assert_eq!(decision.allowed(), expected, "{}: {}", case["id"], case["title"]);
        agreed += 1;
    }
    println!("{agreed} public cases agree");
    assert!(agreed >= 20, "{agreed}");
}
