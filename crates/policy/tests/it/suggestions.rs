//! What is suggested to somebody who was denied turns the denial, and nothing beside it.

use proptest::prelude::*;
use proptest::sample::Index;
use strongroom_model::{Ocid, Permission, PermissionSet, Principal, PrincipalKind};
use strongroom_policy::ast::{
    Action, Allow, GroupName, QualifiedName, ResourceName, Spanned, Statement, Subject,
};
use strongroom_policy::{
    Asked, Directory, Fact, FactName, PolicySet, Question, Request, ResourceType, Semantics,
    Source, Verdict, decide, parse, permissions_of, suggest,
};

use crate::scene::{Asker, Asking, Scene, Wanted, asker, compile, facts, scene};
use crate::world::{Compartment, Group, ROOT, World, ocid};

/// Another request for one permission.
#[derive(Debug, Clone)]
struct Other {
    permission: Permission,
    place: usize,
    target: (usize, bool),
    asker: Asker,
}

impl Other {
    fn asking(&self, world: &World, like: &Asking) -> Asking {
        let (number, named) = self.target;
        let wanted = Wanted {
            permission: self.permission,
            path: world.path(self.place),
            facts: facts(self.permission, number, named),
            tags: vec![],
        };
        Asking {
            asker: self.asker.clone(),
            target: self.target,
            wanted: vec![wanted],
            ..like.clone()
        }
    }

    /// The scope as it is stated: place and target from the denied request, group, verb and
    /// resource-type from what is suggested.
    fn is_in_scope(&self, world: &World, asking: &Asking, suggested: &Allow) -> bool {
        let granted = granted(suggested);
        let wants = |wanted: &Wanted| {
            granted.contains(wanted.permission)
                && granted.contains(self.permission)
                && world.path(self.place).contains(&wanted.path[0])
                && (wanted.facts.is_empty() || asking.target.0 == self.target.0)
        };
        let (own, asked_for) = (self.asker.principal(world), asking.asker.principal(world));
        self.asker.ours
            && is_for(&suggested.subject.value, world, &own, &asked_for)
            && asking.wanted.iter().any(wants)
    }
}

/// What a suggestion grants: a verb on one resource-type, which no lesser verb would do.
fn granted(suggested: &Allow) -> PermissionSet {
    match suggested.action.value {
        Action::Verb(verb, ResourceName::Known(resource_type)) => {
            assert!(!resource_type.name().ends_with("-family"), "{suggested}");
            assert_ne!(resource_type, ResourceType::AllResources);
            permissions_of(resource_type, verb)
        }
        _ => panic!("{suggested} has no verb"),
    }
}

fn is_for(whom: &Subject, world: &World, principal: &Principal, asked_for: &Principal) -> bool {
    let in_group = |groups: &[Spanned<GroupName>]| {
        groups.iter().any(|group| {
            let id = match &group.value {
                GroupName::Id(id) => id.parse().ok(),
                GroupName::Named(QualifiedName { domain, name }) => world
                    .group_named(domain.as_deref(), name)
                    .or_else(|| world.dynamic_group_named(domain.as_deref(), name)),
            };
            id.is_some_and(|id| principal.group_ids.contains(&id))
        })
    };
    match (whom, &principal.kind) {
        (Subject::Groups(groups), PrincipalKind::User { .. })
        | (Subject::DynamicGroups(groups), PrincipalKind::Resource(_)) => in_group(groups),
        (Subject::AnyUser, _) => principal.identifier() == asked_for.identifier(),
        (Subject::Services(_), PrincipalKind::Service { .. }) => true,
        _ => false,
    }
}

fn read(text: &str) -> Allow {
    match parse(text).unwrap() {
        Statement::Allow(allow) if !allow.denies => allow,
        other => panic!("{other} does not allow"),
    }
}

/// What groups are called; without `named` they have no name.
fn names(world: &World, named: bool) -> impl Fn(&Ocid) -> Option<QualifiedName> {
    let groups: Vec<Group> = world.groups.iter().chain(&world.dynamic_groups).cloned().collect();
    move |id| {
        let group = groups.iter().find(|group| named && group.id == *id)?;
        Some(QualifiedName { domain: Some(group.domain.clone()), name: group.name.clone() })
    }
}

/// The scene's policies and the suggestions, in a policy of the tenancy.
fn with(scene: &Scene, suggested: &[String]) -> PolicySet {
    let Scene { world, semantics, lines, .. } = scene;
    let mut sources: Vec<Source> =
        lines.iter().enumerate().map(|(number, line)| line.source(world, number)).collect();
    sources.push(world.source("suggested", ROOT, suggested.to_vec()));
    PolicySet::compile(&sources, world, *semantics).unwrap()
}

fn place(world: &World, wanted: &Wanted) -> usize {
    world.compartments.iter().position(|one| one.id == wanted.path[0]).unwrap()
}

fn allowed(set: &PolicySet, world: &World, asking: &Asking) -> bool {
    asking.put(world, |question| decide(set, question).allowed())
}

fn any_other() -> impl Strategy<Value = (Index, Index, (usize, bool), Asker)> {
    (any::<Index>(), any::<Index>(), (0..3_usize, any::<bool>()), asker())
}

/// Requests that differ from the denied one in one thing each, and some that differ in all.
fn others(scene: &Scene, drawn: &[(Index, Index, (usize, bool), Asker)]) -> Vec<Other> {
    let (world, asking) = (&scene.world, &scene.asking);
    let mut others = Vec::new();
    for wanted in &asking.wanted {
        let like = Other {
            permission: wanted.permission,
            place: place(world, wanted),
            target: asking.target,
            asker: asking.asker.clone(),
        };
        let permissions = Permission::ALL.iter();
        others.extend(permissions.map(|one| Other { permission: *one, ..like.clone() }));
        let places = 0..world.compartments.len();
        others.extend(places.clone().map(|place| Other { place, ..like.clone() }));
        let targets = (0..3).flat_map(|number| [(number, true), (number, false)]);
        others.extend(targets.map(|target| Other { target, ..like.clone() }));
        for (permission, place, target, asker) in drawn {
            others.push(Other { asker: asker.clone(), ..like.clone() });
            let permission = *permission.get(Permission::ALL);
            let place = place.index(world.compartments.len());
            let (target, asker) = (*target, asker.clone());
            others.push(Other { place, target, asker: asker.clone(), ..like.clone() });
            others.push(Other { permission, place, target, asker });
        }
    }
    others
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn a_suggestion_turns_one_denial_and_nothing_outside_its_scope(
        scene in scene(), named in any::<bool>(), drawn in prop::collection::vec(any_other(), 12),
    ) {
        let Scene { world, semantics, lines, asking } = &scene;
        let set = compile(lines, world, *semantics);
        let (decision, suggested) = asking.put(world, |question| {
            (decide(&set, question), suggest(&set, question, &names(world, named)))
        });
        let denied = decision.reasons().any(|(_, verdict)| matches!(verdict, Verdict::Denied(_)));
        if decision.allowed() || denied || !asking.asker.ours {
            prop_assert_eq!(suggested, Vec::<String>::new());
            return Err(TestCaseError::reject("nothing to suggest"));
        }
        let after = with(&scene, &suggested);
        prop_assert!(allowed(&after, world, asking), "{:?}", suggested);
        for left_out in 0..suggested.len() {
            let mut fewer = suggested.clone();
            fewer.remove(left_out);
            prop_assert!(!allowed(&with(&scene, &fewer), world, asking), "{:?}", suggested);
        }
        let read: Vec<Allow> = suggested.iter().map(|text| read(text)).collect();
        for other in others(&scene, &drawn) {
            let request = other.asking(world, asking);
            let both = (allowed(&set, world, &request), allowed(&after, world, &request));
            let turned = both.0 != both.1;
            prop_assert!(
                !turned || read.iter().any(|one| other.is_in_scope(world, asking, one)),
                "{:?} turned {:?}", suggested, other
            );
        }
    }
}

/// `acme` with `Apps`, where the secret is, and `Keys`; groups `a` and `b`.
fn acme() -> World {
    let compartment = |kind: &str, id: &str| Compartment {
        id: ocid(kind, id),
        name: id.to_owned(),
        parent: ROOT,
    };
    World {
        compartments: vec![
            compartment("tenancy", "acme"),
            compartment("compartment", "apps"),
            compartment("compartment", "keys"),
        ],
        groups: vec![],
        dynamic_groups: vec![],
    }
}

/// What is suggested to `principal`, who reads the bundle of a secret of this name.
fn for_bundle(statement: &str, principal: &Principal, name: &str) -> Vec<String> {
    let world = acme();
    let source = world.source("p", ROOT, vec![statement.to_owned()]);
    let set = PolicySet::compile(&[source], &world, Semantics::Strict).unwrap();
    let one = |name: &'static str, text: &str| (FactName::Borrowed(name), Fact::One(text.into()));
    let id = ("target.secret.id", "ocid1.vaultsecret.oc1..s");
    let secret = [one(id.0, id.1), one("target.secret.name", name)];
    let key = [one("target.key.id", "ocid1.key.oc1..k")];
    let paths = [world.path(1), world.path(2)];
    let needs = [
        (Permission::SecretBundleRead, &paths[0], &secret[..]),
        (Permission::KeyDecrypt, &paths[1], &key[..]),
    ];
    let needs =
        needs.map(|(permission, path, target)| Asked { permission, path, target, tags: &[] });
    let question = Question { principal, request: Request::default(), needs: &needs };
    suggest(&set, &question, &|id| {
        let name = id.as_str().rsplit('.').next()?.replace('-', " ");
        Some(QualifiedName { domain: None, name })
    })
}

#[test]
fn a_suggestion_names_the_nearest_group_the_place_and_the_target() {
    let (world, nothing) = (acme(), "Allow any-user to read buckets in tenancy");
    let ops = "Allow group id ocid1.group.oc1..ops-team to read secret-family in tenancy";
    let bundle = |whom: &str, clause: &str| {
        format!("Allow {whom} to read secret-bundles in compartment apps where {clause}")
    };
    let decrypt = |whom: &str, clause: &str| {
        format!("Allow {whom} to use keys in compartment keys where {clause}")
    };
    let (name, key) = ("target.secret.name = 'db-1'", "target.key.id = 'ocid1.key.oc1..k'");
    let member = world.user(vec![ocid("group", "app"), ocid("group", "ops-team")]);
    assert_eq!(
        for_bundle(nothing, &member, "db-1"),
        [bundle("group app", name), decrypt("group app", key)]
    );
    assert_eq!(
        for_bundle(ops, &member, "db-1"),
        [decrypt("group 'ops team'", key)],
        "the group that already reads the secret"
    );
    let itself = "request.principal.id = 'ocid1.user.oc1..somebody'";
    let both = |clause: &str| format!("all {{{itself}, {clause}}}");
    assert_eq!(
        for_bundle(nothing, &world.user(vec![]), "db-1"),
        [bundle("any-user", &both(name)), decrypt("any-user", &both(key))]
    );
    // In strict semantics the name would stand for others too.
    let id = "target.secret.id = 'ocid1.vaultsecret.oc1..s'";
    assert_eq!(for_bundle(nothing, &member, "db-*")[0], bundle("group app", id));
}
