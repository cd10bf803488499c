//! Decisions that Oracle's documentation settles, over one world.

use std::collections::BTreeSet;

use serde_json::Value;
use strongroom_model::{Ocid, Operation, Permission, Principal};
use strongroom_policy::{
    Asked, CompileError, CompileErrorCause, ParseErrorKind, PolicySet, Question, Semantics, Source,
    Target, decide, required,
};

use crate::tables::Tables;
use crate::world::{Compartment, Group, ROOT, World};

/// Constructs that this version refuses, by their words.
const UNSUPPORTED: [&str; 6] =
    [" where ", "dynamic-group", "deny ", "define ", "endorse ", "allow service "];

struct Cases {
    json: Value,
    world: World,
    tables: Tables,
    /// Places in the world by the names that cases use: `Apps/Prod`.
    places: Vec<String>,
}

impl Cases {
    fn read() -> Self {
        let json: Value =
            serde_json::from_str(include_str!("../corpus/cases-public.json")).unwrap();
        let listed = json["world"]["compartments"].as_object().unwrap();
        let depth = |key: &String| if key == "root" { 0 } else { key.matches('/').count() + 1 };
        let mut places: Vec<String> = listed.keys().cloned().collect();
        places.sort_by_key(depth);
        let compartment = |key: &String| Compartment {
            id: text(&listed[key]["id"]).parse().unwrap(),
            name: text(&listed[key]["name"]).to_owned(),
            parent: listed[key]["parent"].as_str().map_or(ROOT, |parent| place(&places, parent)),
        };
        let group = |group: &Value| Group {
            id: text(&group["id"]).parse().unwrap(),
            domain: text(&group["domain"]).to_owned(),
            name: text(&group["name"]).to_owned(),
        };
        let world = World {
            compartments: places.iter().map(compartment).collect(),
            groups: json["world"]["groups"].as_array().unwrap().iter().map(group).collect(),
        };
        Self { world, tables: Tables::read(), json, places }
    }

    fn compile(&self, case: &Value) -> Result<PolicySet, CompileError> {
        let policies = case["policies"].as_array().unwrap();
        let sources: Vec<Source> = policies.iter().map(|policy| self.source(policy)).collect();
        PolicySet::compile(&sources, &self.world)
    }

    fn source(&self, policy: &Value) -> Source {
        let attached_to = place(&self.places, text(&policy["attach"]));
        self.world.source("p", attached_to, statements(policy))
    }

    /// The user of a case; resource and service principals are not there yet.
    fn principal(&self, case: &Value) -> Option<Principal> {
        let name = text(&case["principal"]);
        let listed = &self.json["world"]["principals"][name];
        let member = |group: &&Value| {
            group["members"].as_array().unwrap().iter().any(|member| text(member) == name)
        };
        let groups = self.json["world"]["groups"].as_array().unwrap().iter().filter(member);
        (listed["kind"] == "user").then(|| {
            self.world.user(groups.map(|group| text(&group["id"]).parse().unwrap()).collect())
        })
    }

    /// What the request needs, and the compartment paths: from the product's table where it knows
    /// the operation, otherwise from Oracle's.
    fn needs(&self, request: &Value) -> Vec<(Permission, Vec<Ocid>)> {
        let name = text(&request["operation"]);
        let Some(operation) = Operation::ALL.iter().find(|known| known.name() == name) else {
            let needed = self.tables.needed(name).into_iter();
            let here = || self.path(&request["target"]);
            return needed.map(|name| (Permission::named(&name).unwrap(), here())).collect();
        };
        let needs = required(*operation, Semantics::Oracle).iter();
        needs.map(|need| (need.permission, self.path(target(request, need.on)))).collect()
    }

    fn path(&self, target: &Value) -> Vec<Ocid> {
        self.world.path(place(&self.places, text(&target["compartment"])))
    }
}

fn target(request: &Value, on: Target) -> &Value {
    let prefix = match on {
        Target::Compartment | Target::Destination | Target::Tenancy => return &request["target"],
        Target::Vault => "VAULT_",
        Target::Key => "KEY_",
        Target::Items => "SECRET_",
    };
    request["targets"].get(prefix).unwrap_or(&request["target"])
}

fn place(places: &[String], key: &str) -> usize {
    places.iter().position(|known| known == key).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn statements(policy: &Value) -> Vec<String> {
    let statements = policy["statements"].as_array().unwrap().iter();
    statements.map(|statement| text(statement).to_owned()).collect()
}

fn unsupported(case: &Value) -> bool {
    let policies = case["policies"].as_array().unwrap();
    policies.iter().flat_map(statements).any(|statement| {
        let statement = statement.to_ascii_lowercase();
        UNSUPPORTED.iter().any(|word| statement.contains(word))
    })
}

fn refused_as(error: &CompileError, kind: ParseErrorKind) -> bool {
    matches!(&error.cause, CompileErrorCause::Parse(error) if error.kind == kind)
}

#[test]
fn documented_decisions() {
    let cases = Cases::read();
    let (mut decided, mut refused, mut other_principals) = (0, 0, 0);
    for case in cases.json["cases"].as_array().unwrap() {
        let id = text(&case["id"]);
        if unsupported(case) {
            let error = cases.compile(case).unwrap_err();
            assert!(refused_as(&error, ParseErrorKind::Unsupported), "{id}: {error}");
            refused += 1;
            continue;
        }
        if id == "P186" {
            // An unknown resource-type is refused when the policy is written: it grants nothing.
            let error = cases.compile(case).unwrap_err();
            assert!(refused_as(&error, ParseErrorKind::Syntax), "{id}: {error}");
            continue;
        }
        let set = cases.compile(case).unwrap_or_else(|error| panic!("{id}: {error}"));
        let Some(principal) = cases.principal(case) else {
            other_principals += 1;
            continue;
        };
        let needs = cases.needs(&case["request"]);
        let asked: Vec<Asked<'_>> = needs
            .iter()
            .map(|(permission, path)| Asked { permission: *permission, path })
            .collect();
        let decision = decide(&set, &Question { principal: &principal, needs: &asked });
        assert_eq!(decision.allowed(), case["expect"] == "ALLOW", "{id}: {decision:?}");
        let missing: BTreeSet<&str> = decision.missing().map(Permission::name).collect();
        let expected = case["missing"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(missing, expected, "{id}");
        decided += 1;
    }
    assert_eq!((decided, refused, other_principals), (53, 73, 3));
}

#[test]
fn documented_refusals_to_store_a_policy() {
    let cases = Cases::read();
    let mut decided = 0;
    for case in cases.json["create_cases"].as_array().unwrap() {
        let id = text(&case["id"]);
        // Numbers of statements and names of policies are limits, checked by whoever stores.
        if matches!(id, "C011" | "C020") {
            continue;
        }
        let attached_to = place(&cases.places, text(&case["attach"]));
        let statement = text(&case["statement"]).to_owned();
        let source = cases.world.source("p", attached_to, vec![statement]);
        let compiled = PolicySet::compile(&[source], &cases.world);
        let accepted = case["expect"] == "ACCEPT";
        assert_eq!(compiled.is_ok(), accepted, "{id}: {compiled:?}");
        decided += 1;
    }
    assert_eq!(decided, 12);
}
