//! What holds of decisions whatever the policies say.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use strongroom_policy::{Failing, PolicySet, Semantics, Source, Verdict, decide, explain};

use crate::scene::{Asking, Line, Scene, When, compile, line, scene};
use crate::world::World;

/// For each permission whether it is granted (1), not (0) or denied (-1).
fn verdicts(set: &PolicySet, asking: &Asking, world: &World) -> Vec<i8> {
    let kind = |verdict| match verdict {
        Verdict::Granted(_) => 1,
        Verdict::NotGranted => 0,
        Verdict::Denied(_) => -1,
    };
    asking.put(world, |question| {
        decide(set, question).reasons().map(|(_, verdict)| kind(verdict)).collect()
    })
}

fn allows(set: &PolicySet, asking: &Asking, world: &World) -> bool {
    asking.put(world, |question| decide(set, question).allowed())
}

/// Other names for everything that statements name, but for the administrators, who are known by
/// theirs. The names of compartments change places, so that an old name means another one.
fn renamed(world: &World) -> World {
    let mut other = world.clone();
    let names: BTreeSet<&String> = world.compartments.iter().map(|one| &one.name).collect();
    let swapped: BTreeMap<&String, &String> =
        names.iter().copied().zip(names.iter().rev().copied()).collect();
    for compartment in &mut other.compartments {
        compartment.name = swapped[&compartment.name].clone();
    }
    let groups = other.groups.iter_mut().filter(|group| group.name != "Administrators");
    for (number, group) in groups.chain(&mut other.dynamic_groups).enumerate() {
        group.name = format!("Group {number}");
    }
    other
}

/// Statements with one attachment in one policy.
fn together(lines: &[Line], world: &World, semantics: Semantics) -> PolicySet {
    let mut sources: Vec<Source> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let source = line.source(world, number);
        match sources.iter_mut().find(|other| other.attached_to == source.attached_to) {
            Some(other) => other.statements.extend(source.statements),
            None => sources.push(source),
        }
    }
    PolicySet::compile(&sources, world, semantics).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn without_a_statement_that_allows_nothing_is_allowed(scene in scene()) {
        let Scene { world, semantics, lines, asking } = scene;
        let denying: Vec<Line> = lines.into_iter().filter(|line| line.denies).collect();
        for lines in [&[], denying.as_slice()] {
            let verdicts = verdicts(&compile(lines, &world, semantics), &asking, &world);
            prop_assert!(verdicts.iter().all(|verdict| *verdict < 1));
        }
    }

    #[test]
    fn no_statement_decides_that_does_not_reach_the_principal_and_the_place(scene in scene()) {
        let Scene { world, semantics, lines, asking } = scene;
        let set = compile(&lines, &world, semantics);
        asking.put(&world, |question| {
            let decision = decide(&set, question);
            for (asked, (permission, verdict)) in question.needs.iter().zip(decision.reasons()) {
                if let Verdict::Granted(index) | Verdict::Denied(index) = verdict {
                    let parts = set.parts(index).unwrap();
                    assert!(set.reaching(question.principal, asked.path).contains(&index));
                    assert!(parts.permissions.contains(permission));
                    assert_eq!(parts.denies, matches!(verdict, Verdict::Denied(_)));
                }
            }
        });
    }

    #[test]
    fn an_allow_takes_no_access_away_and_a_deny_adds_none(
        scene in scene(), allow in line(0.0), deny in line(1.0), at in any::<prop::sample::Index>(),
    ) {
        let Scene { world, semantics, lines, asking } = scene;
        let with = |more: &Line| {
            let mut lines = lines.clone();
            lines.insert(at.index(lines.len() + 1), more.clone());
            verdicts(&compile(&lines, &world, semantics), &asking, &world)
        };
        let before = verdicts(&compile(&lines, &world, semantics), &asking, &world);
        for (before, after) in before.iter().zip(with(&allow)) {
            prop_assert!(after >= *before, "{}", allow.text(&world));
        }
        for (before, after) in before.iter().zip(with(&deny)) {
            prop_assert!(after <= *before, "{}", deny.text(&world));
        }
    }

    #[test]
    fn order_and_division_into_policies_do_not_matter(
        (scene, shuffled) in scene().prop_flat_map(|scene| {
            let lines = Just(scene.lines.clone()).prop_shuffle();
            (Just(scene), lines)
        }),
    ) {
        let Scene { world, semantics, lines, asking } = scene;
        let expected = verdicts(&compile(&lines, &world, semantics), &asking, &world);
        for set in [
            compile(&shuffled, &world, semantics),
            together(&lines, &world, semantics),
            together(&shuffled, &world, semantics),
        ] {
            prop_assert_eq!(verdicts(&set, &asking, &world), &expected[..]);
        }
    }

    #[test]
    fn names_do_not_matter(scene in scene()) {
        let Scene { world, semantics, lines, asking } = scene;
        let other = renamed(&world);
        prop_assert_eq!(
            verdicts(&compile(&lines, &world, semantics), &asking, &world),
            verdicts(&compile(&lines, &other, semantics), &asking, &other)
        );
    }

    #[test]
    fn a_list_of_one_clause_is_the_clause(scene in scene(), lists in any::<[bool; 3]>()) {
        let Scene { world, semantics, lines, asking } = scene;
        let mut wrapped = lines.clone();
        for line in &mut wrapped {
            let wrap = |when, all: &bool| {
                if *all { When::All(vec![when]) } else { When::Any(vec![when]) }
            };
            line.condition = line.condition.take().map(|when| lists.iter().fold(when, wrap));
        }
        prop_assert_eq!(
            verdicts(&compile(&lines, &world, semantics), &asking, &world),
            verdicts(&compile(&wrapped, &world, semantics), &asking, &world)
        );
    }

    #[test]
    fn what_explains_says_what_decides(scene in scene()) {
        let Scene { world, semantics, lines, asking } = scene;
        let set = compile(&lines, &world, semantics);
        let (decision, reasons) =
            asking.put(&world, |question| (decide(&set, question), explain(&set, question)));
        let said: Vec<_> =
            reasons.iter().map(|reason| (reason.permission, reason.verdict)).collect();
        prop_assert_eq!(decision.reasons().collect::<Vec<_>>(), said);
        for reason in reasons {
            let holds = |denies| {
                reason.considered.iter().any(|one| one.failing.is_none() && one.denies == denies)
            };
            // What denies is looked for first, so nothing more is known of what allows.
            let (denied, granted) = match reason.verdict {
                Verdict::Granted(_) => (false, Some(true)),
                Verdict::NotGranted => (false, Some(false)),
                Verdict::Denied(_) => (true, None),
            };
            prop_assert_eq!(holds(true), denied, "{:#?}", reason);
            prop_assert!(granted.is_none_or(|granted| granted == holds(false)), "{:#?}", reason);
            if let Verdict::Granted(index) | Verdict::Denied(index) = reason.verdict {
                let named = set.statement(index).unwrap();
                let first = reason.considered.iter().find(|one| one.statement == *named).unwrap();
                prop_assert_eq!(&first.failing, &None);
            }
            for one in &reason.considered {
                let place = one.failing.as_ref().map(Failing::span);
                prop_assert!(place.is_none_or(|span| one.statement.text.get(span.clone()).is_some()));
            }
        }
    }
}

/// The laws would hold of requests that are all refused.
#[test]
fn scenes_are_of_all_kinds() {
    let mut runner = TestRunner::deterministic();
    let (mut allowed, mut partly, mut denied) = (0, 0, 0);
    for _ in 0..1_000 {
        let Scene { world, semantics, lines, asking } =
            scene().new_tree(&mut runner).unwrap().current();
        let set = compile(&lines, &world, semantics);
        let verdicts = verdicts(&set, &asking, &world);
        allowed += usize::from(allows(&set, &asking, &world));
        partly += usize::from(verdicts.contains(&1) && verdicts.contains(&0));
        denied += usize::from(verdicts.contains(&-1));
    }
    println!("of 1,000: {allowed} allowed, {partly} in part, {denied} denied by a statement");
    assert!(allowed >= 100 && partly >= 3 && denied >= 50, "{allowed} {partly} {denied}");
}
