//! Generated tenancies with policies of all kinds, and requests in them.

use proptest::prelude::*;
use strongroom_model::{Ocid, Operation, Permission, Principal, PrincipalKind, ResourcePrincipal};
use strongroom_policy::{
    Asked, Fact, FactName, PolicySet, Question, Request, ResourceType, Semantics, Source, Target,
    Verb, required,
};

use crate::agreement;
use crate::world::{Group, ROOT, World, ocid};

const DYNAMIC_GROUPS: [&str; 3] = ["Machines", "Batch jobs", "Builders"];
const SECRETS: [&str; 3] = ["db-1", "db-2", "web"];

/// A tenancy in which statements can name whatever is there.
pub(crate) fn tenancy() -> impl Strategy<Value = World> {
    agreement::world().prop_map(|world| {
        let group = |kind: &str, name: &str| Group {
            id: ocid(kind, &name.replace(' ', "-")),
            domain: "Default".to_owned(),
            name: name.to_owned(),
        };
        let dynamic_groups = DYNAMIC_GROUPS.map(|name| group("dynamicgroup", name)).to_vec();
        let mut groups = world.groups;
        groups.push(group("group", "Administrators"));
        World { groups, dynamic_groups, ..world }
    })
}

/// A statement before it is written down. Numbers are places in the world, modulo what is there.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) denies: bool,
    subject: Who,
    grants: Grants,
    place: usize,
    /// How far above the place the policy is attached.
    above: usize,
    by_id: bool,
    pub(crate) condition: Option<When>,
}

#[derive(Debug, Clone)]
enum Who {
    Word(&'static str),
    Groups(Vec<usize>),
    DynamicGroups(Vec<usize>),
}

#[derive(Debug, Clone)]
enum Grants {
    Verb(Verb, ResourceType),
    Exactly(Vec<Permission>),
}

#[derive(Debug, Clone)]
pub(crate) enum When {
    Clause(&'static str),
    /// The target's compartment has, or has not, the name of this one.
    Named(bool, usize),
    All(Vec<Self>),
    Any(Vec<Self>),
}

const CLAUSES: [&str; 22] = [
    "target.secret.name = 'db-1'",
    "target.secret.name != 'DB-1'",
    "target.secret.name = 'db-*'",
    "target.secret.name = /db-*/",
    "target.secret.name not in ('web', /db-2*/)",
    "target.secret.name",
    "!target.secret.name",
    "target.key.id = ocid1.key.oc1..1",
    "target.vault.id != 'ocid1.vault.oc1..0'",
    "target.user.name = request.user.name",
    "target.group.name = 'group-1'",
    "target.resource.tag.Ops.Env = 'prod'",
    "request.operation in ('GetSecret', 'GetSecretBundle', 'ListSecrets')",
    "request.operation != 'CreateSecret'",
    "request.permission != 'SECRET_READ'",
    "request.permission = /*_INSPECT/",
    "request.user.name = 'somebody'",
    "request.principal.type = 'instance'",
    "request.groups.id = 'ocid1.group.oc1..Default-Readers'",
    "sets-intersect (request.groups.id, ('ocid1.group.oc1..Fed-Readers'))",
    "request.region = 'IAD'",
    "request.utc-timestamp before '2026-01-01T00:00:00Z'",
];

fn when() -> impl Strategy<Value = When> {
    let clause = prop_oneof![
        9 => prop::sample::select(&CLAUSES[..]).prop_map(When::Clause),
        1 => any::<(bool, usize)>().prop_map(|(same, place)| When::Named(same, place)),
    ];
    clause.prop_recursive(2, 6, 3, |inner| {
        let several = prop::collection::vec(inner, 1..4);
        (any::<bool>(), several)
            .prop_map(|(all, several)| if all { When::All(several) } else { When::Any(several) })
    })
}

/// A statement that denies one time in `1 / denies`.
pub(crate) fn line(denies: f64) -> impl Strategy<Value = Line> {
    let words = ["any-user", "any-group", "service blockstorage", "resource fn fnfunc"];
    let several = || prop::collection::vec(any::<usize>(), 1..3);
    let subject = prop_oneof![
        2 => prop::sample::select(words.to_vec()).prop_map(Who::Word),
        4 => several().prop_map(Who::Groups),
        2 => several().prop_map(Who::DynamicGroups),
    ];
    let permissions = prop::collection::vec(prop::sample::select(Permission::ALL), 1..5);
    let grants = prop_oneof![
        3 => (prop::sample::select(&Verb::ALL[..]), prop::sample::select(ResourceType::ALL))
            .prop_map(|(verb, resource_type)| Grants::Verb(verb, resource_type)),
        2 => prop::sample::select(&Verb::ALL[..])
            .prop_map(|verb| Grants::Verb(verb, ResourceType::AllResources)),
        1 => permissions.prop_map(Grants::Exactly),
    ];
    let condition = prop::option::weighted(0.4, when());
    let place = prop_oneof![Just(ROOT), any::<usize>()];
    let places = (place, any::<usize>(), any::<bool>());
    (prop::bool::weighted(denies), subject, grants, places, condition).prop_map(
        |(denies, subject, grants, (place, above, by_id), condition)| Line {
            denies,
            subject,
            grants,
            place,
            above,
            by_id,
            condition,
        },
    )
}

pub(crate) fn lines() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec(line(0.2), 0..14)
}

fn quoted(name: &str) -> String {
    format!("'{name}'")
}

impl When {
    pub(crate) fn text(&self, world: &World) -> String {
        let several = |word: &str, parts: &[Self]| {
            let parts: Vec<String> = parts.iter().map(|part| part.text(world)).collect();
            format!("{word} {{{}}}", parts.join(", "))
        };
        match self {
            Self::Clause(text) => (*text).to_owned(),
            Self::Named(same, place) => {
                let operator = if *same { "=" } else { "!=" };
                let name = &world.compartments[place % world.compartments.len()].name;
                format!("target.compartment.name {operator} '{name}'")
            }
            Self::All(parts) => several("all", parts),
            Self::Any(parts) => several("any", parts),
        }
    }
}

impl Line {
    pub(crate) fn text(&self, world: &World) -> String {
        let effect = if self.denies { "Deny" } else { "Allow" };
        let action = match &self.grants {
            Grants::Verb(verb, resource_type) => {
                format!("{} {}", verb.name(), resource_type.name())
            }
            Grants::Exactly(permissions) => {
                let names: Vec<&str> = permissions.iter().map(|one| one.name()).collect();
                format!("{{{}}}", names.join(","))
            }
        };
        let (subject, location) = (self.subject(world), self.location(world));
        let text = format!("{effect} {subject} to {action} in {location}");
        let condition = self.condition.as_ref().map(|when| format!(" where {}", when.text(world)));
        text + &condition.unwrap_or_default()
    }

    fn subject(&self, world: &World) -> String {
        let (kind, numbers, groups) = match &self.subject {
            Who::Word(whole) => return (*whole).to_owned(),
            Who::Groups(numbers) => ("group", numbers, &world.groups),
            Who::DynamicGroups(numbers) => ("dynamic-group", numbers, &world.dynamic_groups),
        };
        let group = |number: &usize| {
            let Group { id, domain, name } = &groups[number % groups.len()];
            if self.by_id {
                format!("id {id}")
            } else {
                format!("{}/{}", quoted(domain), quoted(name))
            }
        };
        let groups: Vec<String> = numbers.iter().map(group).collect();
        format!("{kind} {}", groups.join(", "))
    }

    /// The places from the location up to the attachment, that one left out.
    fn below_attachment(&self, world: &World) -> (Vec<usize>, usize) {
        let mut line = world.line(self.place % world.compartments.len());
        let attached_to = line[self.above % line.len()];
        line.truncate(self.above % line.len());
        (line, attached_to)
    }

    fn location(&self, world: &World) -> String {
        let place = self.place % world.compartments.len();
        let (below, _) = self.below_attachment(world);
        if place == ROOT {
            "tenancy".to_owned()
        } else if self.by_id || below.is_empty() {
            format!("compartment id {}", world.compartments[place].id)
        } else {
            let names = below.iter().rev().map(|place| quoted(&world.compartments[*place].name));
            format!("compartment {}", names.collect::<Vec<_>>().join(":"))
        }
    }

    /// A policy of its own.
    pub(crate) fn source(&self, world: &World, number: usize) -> Source {
        let (_, attached_to) = self.below_attachment(world);
        world.source(&format!("p{number}"), attached_to, vec![self.text(world)])
    }
}

pub(crate) fn compile(lines: &[Line], world: &World, semantics: Semantics) -> PolicySet {
    let sources: Vec<Source> =
        lines.iter().enumerate().map(|(number, line)| line.source(world, number)).collect();
    PolicySet::compile(&sources, world, semantics).unwrap_or_else(|error| panic!("{error}"))
}

/// Who asks. Flags are memberships of groups, or of dynamic groups.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    kind: usize,
    member_of: [bool; 5],
    pub(crate) ours: bool,
}

pub(crate) fn asker() -> impl Strategy<Value = Asker> {
    let member_of = any::<[bool; 4]>().prop_flat_map(|[a, b, c, d]| {
        prop::bool::weighted(0.05).prop_map(move |administrator| [a, b, c, d, administrator])
    });
    (0..6_usize, member_of, prop::bool::weighted(0.95)).prop_map(|(kind, member_of, ours)| Asker {
        kind,
        member_of,
        ours,
    })
}

impl Asker {
    pub(crate) fn principal(&self, world: &World) -> Principal {
        let groups = if self.kind < 3 { &world.groups } else { &world.dynamic_groups };
        let held = groups.iter().zip(self.member_of).filter(|(_, member)| *member);
        let mut principal = world.user(held.map(|(group, _)| group.id.clone()).collect());
        let resource = |resource_type: &str| {
            PrincipalKind::Resource(ResourcePrincipal {
                id: ocid(resource_type, "r"),
                resource_type: resource_type.to_owned(),
                compartment_id: world.compartments[ROOT].id.clone(),
                tags: [].into(),
                attributes: [].into(),
            })
        };
        match self.kind {
            0..3 => {}
            3 => principal.kind = resource("instance"),
            4 => principal.kind = resource("fnfunc"),
            _ => {
                principal.kind = PrincipalKind::Service { name: "blockstorage".to_owned() };
                principal.group_ids.clear();
            }
        }
        if !self.ours {
            principal.tenancy_id = ocid("tenancy", "another");
        }
        principal
    }
}

/// A permission and what it is asked for on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) permission: Permission,
    pub(crate) path: Vec<Ocid>,
    pub(crate) facts: Vec<(FactName, Fact)>,
    pub(crate) tags: Vec<(String, String)>,
}

impl Wanted {
    fn asked(&self) -> Asked<'_> {
        let Self { permission, path, facts, tags } = self;
        Asked { permission: *permission, path, target: facts, tags }
    }
}

/// A request before it is put.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) asker: Asker,
    pub(crate) operation: &'static str,
    /// Number of the target, and whether the request names it.
    pub(crate) target: (usize, bool),
    pub(crate) wanted: Vec<Wanted>,
}

/// What is known of targets whose names have this number; lists and new things have fewer facts.
pub(crate) fn facts(permission: Permission, number: usize, named: bool) -> Vec<(FactName, Fact)> {
    let nouns: &[&str] = match permission.name().split('_').next() {
        _ if !named => &["vault"],
        Some("SECRET") => &["secret", "vault", "key"],
        Some("KEY") => &["key", "vault"],
        Some("VAULT") => &["vault"],
        Some("DYNAMIC") => &["dynamicgroup"],
        Some("USER" | "GROUP") => &["user", "group"],
        _ => &[],
    };
    let mut facts = Vec::new();
    for noun in nouns {
        let mut one = |end: &str, text: String| {
            facts.push((FactName::Owned(format!("target.{noun}.{end}")), Fact::One(text)));
        };
        one("id", format!("ocid1.{noun}.oc1..{number}"));
        match *noun {
            "secret" => one("name", SECRETS[number % SECRETS.len()].to_owned()),
            "user" | "group" | "dynamicgroup" => one("name", format!("{noun}-{number}")),
            _ => {}
        }
    }
    facts
}

/// What permissions may be checked on besides the target itself; each has a place of its own.
const ELSEWHERE: [Target; 4] =
    [Target::Vault, Target::Key, Target::Destination, Target::SharedParent];

/// A request of `world` for what an operation needs.
pub(crate) fn asking(world: World, semantics: Semantics) -> impl Strategy<Value = Asking> {
    let places = prop::collection::vec(0..world.compartments.len(), ELSEWHERE.len() + 1);
    let target = (0..3_usize, prop::bool::weighted(0.8), any::<bool>());
    let decided = Operation::ALL.iter().filter(|one| !required(**one, semantics).is_empty());
    let decided: Vec<Operation> = decided.copied().collect();
    (asker(), prop::sample::select(decided), places, target).prop_map(
        move |(asker, operation, places, (number, named, tagged))| {
            let wanted = required(operation, semantics).iter().map(|need| {
                let place = ELSEWHERE.iter().position(|target| *target == need.on);
                let place = places[place.map_or(0, |number| number + 1)];
                let tags =
                    if tagged { vec![("Ops.Env".to_owned(), "prod".to_owned())] } else { vec![] };
                Wanted {
                    permission: need.permission,
                    path: world.path(place),
                    facts: facts(need.permission, number, named),
                    tags,
                }
            });
            let (operation, target) = (operation.name(), (number, named));
            Asking { asker, operation, target, wanted: wanted.collect() }
        },
    )
}

impl Asking {
    pub(crate) fn put<T>(&self, world: &World, to: impl FnOnce(&Question<'_>) -> T) -> T {
        let principal = self.asker.principal(world);
        let needs: Vec<Asked<'_>> = self.wanted.iter().map(Wanted::asked).collect();
        let request = Request {
            operation: self.operation,
            region: Some("IAD"),
            time: Some("2025-11-20T12:00:00Z".parse().unwrap()),
            facts: &[],
        };
        to(&Question { principal: &principal, request, needs: &needs })
    }
}

/// A world, its statements and a request.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) semantics: Semantics,
    pub(crate) lines: Vec<Line>,
    pub(crate) asking: Asking,
}

pub(crate) fn scene() -> impl Strategy<Value = Scene> {
    let semantics = prop_oneof![Just(Semantics::Strict), Just(Semantics::Oracle)];
    (tenancy(), semantics, lines()).prop_flat_map(|(world, semantics, lines)| {
        asking(world.clone(), semantics).prop_map(move |asking| Scene {
            world: world.clone(),
            semantics,
            lines: lines.clone(),
            asking,
        })
    })
}
