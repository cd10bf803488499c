use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde::Deserialize;
use strongroom_model::{Ocid, Permission, Principal, Timestamp};
use strongroom_policy::{
    Asked, Fact, FactName, PolicySet, Question, Request, Semantics, Verdict, decide,
    required_by_name, resolve,
};

use crate::tenancy_file::{PolicyEntry, WorldFile};
use crate::world::{World, WorldError};

/// Key of the region that requests are made in if they do not say.
const REGION: &str = "IAD";

/// A file of cases: a world, requests in it, and what is expected of each.
#[derive(Debug, Deserialize)]
struct CasesFile {
    world: WorldFile,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    create_cases: Vec<CreateCase>,
}

#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    policies: Vec<PolicyEntry>,
    principal: String,
    request: RequestFile,
    expect: String,
    missing: Option<BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
struct RequestFile {
    operation: String,
    #[serde(default)]
    target: TargetFile,
    /// Other targets, by what the permissions on them begin with.
    #[serde(default)]
    targets: BTreeMap<String, TargetFile>,
    network_source: Option<String>,
    region: Option<String>,
    ad: Option<String>,
    time: Option<Timestamp>,
    /// What else the request says of itself, by variable.
    #[serde(default)]
    vars: BTreeMap<String, Given>,
}

#[derive(Debug, Default, Deserialize)]
struct TargetFile {
    compartment: Option<String>,
    #[serde(default)]
    vars: BTreeMap<String, Given>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Given {
    One(String),
    Set(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct CreateCase {
    id: String,
    attach: String,
    statement: String,
    expect: String,
}

/// Why a file of cases cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// It is not such a file.
    #[error("it is not a file of cases: {0}")]
    Format(#[from] serde_json::Error),
    /// The world, or a case, refers to what is not there.
    #[error("{0}")]
    World(String),
}

impl From<WorldError> for SimulateError {
    fn from(error: WorldError) -> Self {
        Self::World(error.to_string())
    }
}

/// What became of the cases.
#[derive(Debug, Default)]
pub struct Simulation {
    /// How many came out as expected.
    pub agree: usize,
    /// Those that did not.
    pub differ: Vec<Difference>,
}

/// A case that came out otherwise.
#[derive(Debug)]
pub struct Difference {
    /// Its identifier.
    pub id: String,
    /// What the file expects.
    pub expected: String,
    /// What was decided.
    pub decided: String,
}

/// Decides every case of a file and compares.
///
/// # Errors
/// A [`SimulateError`]; nothing is compared then.
pub fn simulate(text: &str, semantics: Semantics) -> Result<Simulation, SimulateError> {
    let CasesFile { world, cases, create_cases } = serde_json::from_str(text)?;
    let mut simulator = Simulator { world: World::new(world)?, semantics, sets: HashMap::new() };
    let mut simulation = Simulation::default();
    for case in cases {
        simulation.add(case.id.clone(), simulator.decide(case)?);
    }
    simulator.world.takes_denials = false;
    for case in create_cases {
        simulation.add(case.id.clone(), simulator.create(&case)?);
    }
    Ok(simulation)
}

impl Simulation {
    fn add(&mut self, id: String, (expected, decided): (String, String)) {
        if expected == decided {
            self.agree += 1;
        } else {
            self.differ.push(Difference { id, expected, decided });
        }
    }
}

struct Simulator {
    world: World,
    semantics: Semantics,
    /// Cases share policies: each list is compiled once.
    sets: HashMap<Vec<PolicyEntry>, Rc<PolicySet>>,
}

impl Simulator {
    /// What is expected of a case, and what is decided.
    fn decide(&mut self, case: Case) -> Result<(String, String), SimulateError> {
        let Case { id, policies, principal, request, expect, missing } = case;
        let set = self.compiled(policies)?;
        let principal = self.world.principal(&principal)?;
        let unknown = || SimulateError::World(format!("{id}: operation `{}`", request.operation));
        let permissions =
            required_by_name(&request.operation, self.semantics).ok_or_else(unknown)?;
        let refused = self.refused(&set, &principal, &request, &permissions)?;
        let answer = if permissions.is_empty() || !refused.is_empty() { "DENY" } else { "ALLOW" };
        let Some(missing) = missing else { return Ok((expect, answer.to_owned())) };
        let said = |answer: &str, missing: &BTreeSet<String>| {
            let names: Vec<&str> = missing.iter().map(String::as_str).collect();
            format!("{answer} {}", names.join(", ")).trim_end().to_owned()
        };
        Ok((said(&expect, &missing), said(answer, &refused)))
    }

    /// The permissions that are not granted, or denied.
    fn refused(
        &self,
        set: &PolicySet,
        principal: &Principal,
        request: &RequestFile,
        permissions: &[Permission],
    ) -> Result<BTreeSet<String>, SimulateError> {
        let mut targets = Vec::with_capacity(permissions.len());
        for permission in permissions {
            targets.push(self.target(request, *permission)?);
        }
        let needs: Vec<Asked<'_>> = permissions
            .iter()
            .zip(&targets)
            .map(|(permission, target)| Asked {
                permission: *permission,
                path: &target.path,
                target: &target.facts,
                tags: &target.tags,
            })
            .collect();
        let facts = request.facts();
        let request = Request {
            operation: &request.operation,
            region: Some(request.region.as_deref().unwrap_or(REGION)),
            time: request.time,
            facts: &facts,
        };
        let decision = decide(set, &Question { principal, request, needs: &needs });
        let refused = |(permission, verdict): (Permission, Verdict)| match verdict {
            Verdict::Granted(_) => None,
            Verdict::NotGranted => Some(permission.name().to_owned()),
            Verdict::Denied(_) => Some(format!("{}:denied", permission.name())),
        };
        Ok(decision.reasons().filter_map(refused).collect())
    }

    /// What a permission is checked on.
    fn target(
        &self,
        request: &RequestFile,
        permission: Permission,
    ) -> Result<TargetAt, SimulateError> {
        let others = request.targets.iter();
        let other = others.filter(|(start, _)| permission.name().starts_with(start.as_str()));
        let longest = other.max_by_key(|(start, _)| start.len()).map(|(_, target)| target);
        let target = longest.unwrap_or(&request.target);
        let path = target.compartment.as_deref().map(|key| self.world.path(key)).transpose()?;
        Ok(TargetAt {
            path: path.unwrap_or_default().to_vec(),
            facts: facts_of(&target.vars),
            tags: target.tags.iter().map(|(name, tag)| (name.clone(), tag.clone())).collect(),
        })
    }

    /// A policy that would be refused is not there.
    fn compiled(&mut self, policies: Vec<PolicyEntry>) -> Result<Rc<PolicySet>, SimulateError> {
        if let Some(set) = self.sets.get(&policies) {
            return Ok(Rc::clone(set));
        }
        let sources = self.world.sources(&policies)?;
        let (held, _refused) = self.world.held(sources, self.semantics);
        let set = PolicySet::compile(&held, &self.world, self.semantics);
        let set = Rc::new(set.map_err(|error| SimulateError::World(error.to_string()))?);
        self.sets.insert(policies, Rc::clone(&set));
        Ok(set)
    }

    fn create(&self, case: &CreateCase) -> Result<(String, String), SimulateError> {
        let attached_to = self.world.compartment(&case.attach)?;
        let accepted = resolve(&case.statement, attached_to, &self.world).is_ok();
        let word = |accepted| if accepted { "ACCEPT" } else { "REJECT" };
        Ok((word(case.expect.starts_with("ACCEPT")).to_owned(), word(accepted).to_owned()))
    }
}

struct TargetAt {
    path: Vec<Ocid>,
    facts: Vec<(FactName, Fact)>,
    tags: Vec<(String, String)>,
}

impl RequestFile {
    fn facts(&self) -> Vec<(FactName, Fact)> {
        let mut facts = facts_of(&self.vars);
        for (name, given) in
            [("request.networksource.name", &self.network_source), ("request.ad", &self.ad)]
        {
            facts.extend(
                given.iter().map(|text| (FactName::Borrowed(name), Fact::One(text.clone()))),
            );
        }
        facts
    }
}

fn facts_of(given: &BTreeMap<String, Given>) -> Vec<(FactName, Fact)> {
    let fact = |(name, given): (&String, &Given)| {
        let fact = match given {
            Given::One(text) => Fact::One(text.clone()),
            Given::Set(texts) => Fact::Set(texts.clone()),
        };
        (FactName::Owned(name.to_ascii_lowercase()), fact)
    };
    given.iter().map(fact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &str = include_str!("../../policy/tests/corpus/cases-public.json");

    #[test]
    fn every_public_case_comes_out_as_documented() {
        let simulation = simulate(CASES, Semantics::Oracle).unwrap();
        let differ: Vec<String> = simulation.differ.iter().map(|one| format!("{one:?}")).collect();
        assert!(differ.is_empty(), "{}", differ.join("\n"));
        assert_eq!(simulation.agree, 144);
    }

    #[test]
    fn strict_semantics_ask_for_the_key_and_read_stars_in_quotes() {
        let simulation = simulate(CASES, Semantics::Strict).unwrap();
        let expected = |one: &&Difference| {
            one.decided.contains("KEY_DECRYPT") || one.expected.starts_with("DENY")
        };
        assert!(simulation.differ.iter().all(|one| expected(&one)), "{:?}", simulation.differ);
        assert!(simulation.differ.iter().any(|one| one.decided.contains("KEY_DECRYPT")));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let text = r#"{"world":{"tenancy_id":"ocid1.tenancy.oc1..t","compartments":{"root":
            {"id":"ocid1.tenancy.oc1..t","name":"t","parent":null}}},"cases":[{"id":"1","policies":[],
            "principal":"nobody","request":{"operation":"GetSecret"},"expect":"DENY"}]}"#;
        let error = simulate(text, Semantics::Oracle).unwrap_err();
        assert_eq!(error.to_string(), "no principal has the key `nobody`");
        assert!(matches!(simulate("{}", Semantics::Oracle), Err(SimulateError::Format(_))));
    }
}
