//! `decide` against an evaluator that knows neither the parser nor the compiled form.

use proptest::prelude::*;
use strongroom_model::{Ocid, Permission};
use strongroom_policy::{
    Asked, CompileErrorCause, PolicySet, Question, Request, ResourceType, Semantics, Source, Verb,
    Verdict, decide,
};

use crate::tables::Tables;
use crate::world::{Compartment, Group, ROOT, World, ocid};

const COMPARTMENTS_MAX: usize = 7;
const GROUPS: [(&str, &str); 4] =
    [("Default", "Readers"), ("Fed", "Readers"), ("Default", "Ops Team"), ("Default", "id")];

/// A statement before it is written down.
#[derive(Debug, Clone)]
struct Spec {
    attached_to: usize,
    /// Places in [`GROUPS`]; none is everybody.
    groups: Vec<usize>,
    grants: Grants,
    location: usize,
    spelling: Spelling,
}

#[derive(Debug, Clone)]
enum Grants {
    Verb(Verb, ResourceType),
    Exactly(Vec<Permission>),
}

/// The freedoms in writing a statement down, none of which may matter.
#[derive(Debug, Clone, Copy)]
struct Spelling {
    shout: bool,
    by_id: bool,
    quoted: bool,
}

fn spec() -> impl Strategy<Value = Spec> {
    let permissions = prop::collection::vec(prop::sample::select(Permission::ALL), 1..5);
    let grants = prop_oneof![
        3 => (prop::sample::select(&Verb::ALL[..]), prop::sample::select(ResourceType::ALL))
            .prop_map(|(verb, resource_type)| Grants::Verb(verb, resource_type)),
        1 => permissions.prop_map(Grants::Exactly),
    ];
    let spelling = any::<(bool, bool, bool)>().prop_map(|(shout, by_id, quoted)| Spelling {
        shout,
        by_id,
        quoted,
    });
    let groups = prop::collection::vec(0..GROUPS.len(), 0..3);
    let place = 0..COMPARTMENTS_MAX;
    (place.clone(), groups, grants, place, spelling).prop_map(
        |(attached_to, groups, grants, location, spelling)| Spec {
            attached_to,
            groups,
            grants,
            location,
            spelling,
        },
    )
}

/// Each compartment hangs below an earlier one; siblings are `n0`, `n1`, …, so that the same names
/// occur at every depth.
pub(crate) fn world() -> impl Strategy<Value = World> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..COMPARTMENTS_MAX).prop_map(|parents| {
        let root = Compartment { id: ocid("tenancy", "t"), name: "n0".to_owned(), parent: ROOT };
        let mut compartments = vec![root];
        for parent in parents {
            let (count, parent) = (compartments.len(), parent.index(compartments.len()));
            let siblings = compartments.iter().skip(1).filter(|other| other.parent == parent);
            let name = format!("n{}", siblings.count());
            compartments.push(Compartment {
                id: ocid("compartment", &count.to_string()),
                name,
                parent,
            });
        }
        let group = |(domain, name): (&str, &str)| Group {
            id: ocid("group", &format!("{domain}-{}", name.replace(' ', "-"))),
            domain: domain.to_owned(),
            name: name.to_owned(),
        };
        World { compartments, groups: GROUPS.map(group).to_vec(), dynamic_groups: vec![] }
    })
}

impl Spec {
    fn within(mut self, world: &World) -> Self {
        self.attached_to %= world.compartments.len();
        self.location %= world.compartments.len();
        self
    }

    fn in_reach(&self, world: &World) -> bool {
        world.line(self.location).contains(&self.attached_to)
    }

    fn keyword(&self, word: &str) -> String {
        if self.spelling.shout { word.to_uppercase() } else { word.to_owned() }
    }

    fn name(&self, name: &str) -> String {
        let name = self.keyword(name);
        if self.spelling.quoted || name.contains(' ') { format!("'{name}'") } else { name }
    }

    fn text(&self, world: &World) -> String {
        let (allow, to) = (self.keyword("Allow"), self.keyword("to"));
        let (subject, action) = (self.subject(world), self.action());
        format!("{allow} {subject} {to} {action} {} {}", self.keyword("in"), self.place(world))
    }

    fn subject(&self, world: &World) -> String {
        if self.groups.is_empty() {
            return self.keyword(if self.spelling.by_id { "any-group" } else { "any-user" });
        }
        let group = |group: &usize| {
            let Group { id, domain, name } = &world.groups[*group];
            match (self.spelling.by_id, domain.as_str()) {
                (true, _) => format!("{} {id}", self.keyword("id")),
                (false, "Default") if !self.spelling.quoted => self.name(name),
                (false, domain) => format!("{}/{}", self.name(domain), self.name(name)),
            }
        };
        let groups: Vec<String> = self.groups.iter().map(group).collect();
        format!("{} {}", self.keyword("group"), groups.join(", "))
    }

    fn action(&self) -> String {
        match &self.grants {
            Grants::Verb(verb, resource_type) => {
                format!("{} {}", self.keyword(verb.name()), self.keyword(resource_type.name()))
            }
            Grants::Exactly(permissions) => {
                let names: Vec<&str> = permissions.iter().map(|one| one.name()).collect();
                format!("{{{}}}", names.join(","))
            }
        }
    }

    /// The path from the attachment where there is one, else the OCID.
    fn place(&self, world: &World) -> String {
        if self.location == ROOT {
            return self.keyword("tenancy");
        }
        let line = world.line(self.location);
        let below =
            line.iter().position(|place| *place == self.attached_to).map(|end| &line[..end]);
        let own = &world.compartments[self.location].name;
        let names: Vec<String> = match below {
            Some([]) if world.child(self.location, own).is_none() => vec![self.name(own)],
            Some([]) | None => vec![],
            Some(places) => places
                .iter()
                .rev()
                .map(|place| self.name(&world.compartments[*place].name))
                .collect(),
        };
        let compartment = self.keyword("compartment");
        if self.spelling.by_id || names.is_empty() {
            format!("{compartment} id {}", world.compartments[self.location].id)
        } else {
            format!("{compartment} {}", names.join(":"))
        }
    }

    /// The second evaluator: one statement, one permission, one compartment.
    fn grants(&self, asked: &Case<'_>) -> bool {
        let subject =
            self.groups.is_empty() || self.groups.iter().any(|group| asked.member_of[*group]);
        let action = match &self.grants {
            Grants::Verb(verb, resource_type) => {
                asked.tables.granted(resource_type.name(), *verb).contains(asked.permission.name())
            }
            Grants::Exactly(permissions) => permissions.contains(&asked.permission),
        };
        subject && action && asked.world.line(asked.compartment).contains(&self.location)
    }
}

struct Case<'a> {
    world: &'a World,
    tables: &'a Tables,
    member_of: [bool; GROUPS.len()],
    permission: Permission,
    compartment: usize,
}

/// One policy for each statement, or all statements with one attachment in one policy.
fn sources(specs: &[Spec], world: &World, together: bool) -> Vec<(Source, Vec<Spec>)> {
    let mut sources: Vec<(Source, Vec<Spec>)> = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let text = spec.text(world);
        let same =
            |of: &&mut (Source, Vec<Spec>)| together && of.1[0].attached_to == spec.attached_to;
        if let Some((source, members)) = sources.iter_mut().find(same) {
            source.statements.push(text);
            members.push(spec.clone());
        } else {
            let source = world.source(&format!("p{index}"), spec.attached_to, vec![text]);
            sources.push((source, vec![spec.clone()]));
        }
    }
    sources
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn two_evaluators_agree(
        world in world(),
        specs in prop::collection::vec(spec(), 0..9),
        member_of in any::<[bool; GROUPS.len()]>(),
        questions in prop::collection::vec(
            (prop::sample::select(Permission::ALL), 0..COMPARTMENTS_MAX), 1..12),
        (together, ours) in (any::<bool>(), prop::bool::weighted(0.95)),
    ) {
        let tables = Tables::read();
        let specs: Vec<Spec> = specs.into_iter().map(|spec| spec.within(&world)).collect();
        let (specs, outside): (Vec<Spec>, Vec<Spec>) =
            specs.into_iter().partition(|spec| spec.in_reach(&world));
        for spec in outside {
            let source = world.source("p", spec.attached_to, vec![spec.text(&world)]);
            let error = PolicySet::compile(&[source], &world, Semantics::Oracle).unwrap_err();
            let out_of_reach = matches!(
                error.cause,
                CompileErrorCause::UnknownCompartment(_) | CompileErrorCause::TenancyOutOfReach
            );
            prop_assert!(out_of_reach, "{error}");
        }
        let written = sources(&specs, &world, together);
        let only_sources: Vec<Source> = written.iter().map(|(source, _)| source.clone()).collect();
        let set = PolicySet::compile(&only_sources, &world, Semantics::Oracle).unwrap();

        let groups = world.groups.iter().zip(member_of).filter(|(_, member)| *member);
        let mut principal = world.user(groups.map(|(group, _)| group.id.clone()).collect());
        if !ours {
            principal.tenancy_id = ocid("tenancy", "another");
        }
        let questions: Vec<(Permission, usize, Vec<Ocid>)> = questions
            .into_iter()
            .map(|(permission, place)| (permission, place % world.compartments.len()))
            .map(|(permission, place)| (permission, place, world.path(place)))
            .collect();
        let asked: Vec<Asked<'_>> = questions
            .iter()
            .map(|(permission, _, path)| Asked::at(*permission, path))
            .collect();
        let decision = decide(&set, &Question { principal: &principal, request: Request::default(), needs: &asked });

        let reasons: Vec<_> = decision.reasons().collect();
        prop_assert_eq!(reasons.len(), questions.len());
        let mut all = true;
        for ((permission, compartment, _), (answered, granting)) in questions.iter().zip(reasons) {
            let (permission, compartment) = (*permission, *compartment);
            prop_assert_eq!(answered, permission);
            let (world, tables) = (&world, &tables);
            let case = Case { world, tables, member_of, permission, compartment };
            let expected = ours && specs.iter().any(|spec| spec.grants(&case));
            let granting = match granting {
                Verdict::Granted(index) => Some(index),
                Verdict::NotGranted => None,
                Verdict::Denied(_) => panic!("nothing denies here"),
            };
            prop_assert_eq!(granting.is_some(), expected, "{} at {}", permission, compartment);
            all &= expected;
            if let Some(index) = granting {
                let named = set.statement(index).unwrap();
                let (source, members) =
                    written.iter().find(|(source, _)| source.policy_name == named.policy_name).unwrap();
                prop_assert_eq!(&source.policy_id, &named.policy_id);
                prop_assert!(members[named.number - 1].grants(&case), "{:?}", named);
            }
        }
        prop_assert_eq!(decision.allowed(), all);
    }
}
