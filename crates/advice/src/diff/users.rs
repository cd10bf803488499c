//! Users who are in groups that occur.

use std::collections::BTreeSet;

use strongroom_model::{Ocid, PrincipalKind};

use super::callers::{Caller, Free, of_both};
use super::kinds::Kinds;
use super::sides::Sides;

/// How many sets of groups are looked at.
const SETS_MAX: usize = 600;

pub(super) const USER_ID: &str = "ocid1.user.oc1..another";
pub(super) const USER_NAME: &str = "another";

type Groups<'a> = BTreeSet<&'a Ocid>;

/// Returns users who are in no group, in each group that occurs, in each two of them where that can
/// matter, and in just the groups that a condition lists; and how many sets were left out.
///
/// Two are enough for statements without conditions on groups: one that grants on one side, and one
/// that denies, or spares from denials, on the other.
pub(super) fn users(sides: &Sides, kinds: &Kinds) -> (Vec<Caller>, usize) {
    let mut sets = sets(sides, kinds);
    let left_out = sets.len().saturating_sub(SETS_MAX);
    sets.truncate(SETS_MAX);
    (sets.iter().filter_map(|set| user(sides, set)).collect(), left_out)
}

fn sets<'a>(sides: &'a Sides, kinds: &'a Kinds) -> Vec<Groups<'a>> {
    let dynamic = |id: &Ocid| {
        let of = |side: &super::sides::Side| {
            side.world.file.dynamic_groups.iter().any(|group| group.id == *id)
        };
        sides.both.iter().any(of)
    };
    let own: Groups<'a> = kinds.groups().into_iter().filter(|id| !dynamic(id)).collect();
    let mut sets = vec![Groups::new()];
    sets.extend(own.iter().map(|id| Groups::from([*id])));
    for exact in sides.uses.0.get("request.groups.id").iter().flat_map(|atoms| &atoms.sets) {
        let listed = |id: &&&Ocid| exact.contains(&id.as_str().to_lowercase());
        sets.push(own.iter().filter(listed).copied().collect());
    }
    if kinds.groups_add {
        for one in &own {
            let others = own.iter().filter(|other| one < other && pairs(kinds, one, other));
            sets.extend(others.map(|other| Groups::from([*one, *other])));
        }
    }
    sets
}

/// Tells whether two groups can matter together.
fn pairs(kinds: &Kinds, one: &Ocid, other: &Ocid) -> bool {
    kinds.matters_beside(one) || kinds.matters_beside(other)
}

fn user(sides: &Sides, groups: &Groups<'_>) -> Option<Caller> {
    let kind = PrincipalKind::User { id: USER_ID.parse().ok()?, name: USER_NAME.to_owned() };
    let principals = of_both(sides, &kind, |number| {
        let there = |id: &&&Ocid| {
            sides.both.get(number).is_some_and(|side| {
                let known = side.world.file.groups.iter().any(|group| group.id == ***id);
                known || side.set.all_parts().any(|parts| parts.groups.contains(**id))
            })
        };
        groups.iter().filter(there).map(|id| (*id).clone()).collect()
    });
    let names: Vec<String> = groups.iter().map(|id| sides.group_name(id)).collect();
    let label = match names.as_slice() {
        [] => "any user".to_owned(),
        [one] => format!("group {one}"),
        several => format!("groups {}", several.join(" and ")),
    };
    Some(Caller { label, principals, free: Free::User })
}
