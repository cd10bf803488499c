use std::collections::BTreeSet;

use serde::Serialize;
use strongroom_model::{Ocid, Permission, PermissionSet, Principal};
use strongroom_policy::explain;

use super::Matter;
use super::observed::Call;
use crate::diff::words;

/// A statement that holds for the principal, and what of it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatement {
    /// Name of its policy.
    pub policy: String,
    /// Its number there, from 1.
    pub number: usize,
    /// The statement.
    pub text: String,
    /// Calls that it allows, or takes part in allowing.
    pub calls: u64,
    /// The permissions of it that were needed.
    pub used: Vec<String>,
    /// What else it grants, in the words of statements.
    pub unused: Vec<String>,
}

/// Finds what the policies hold for a principal, and which of it the calls needed.
pub(super) fn held(
    matter: &Matter<'_>,
    principal: &Principal,
    calls: &[Call],
) -> Vec<HeldStatement> {
    let all: Vec<_> = matter.set.all_parts().collect();
    let places: BTreeSet<&Ocid> = all.iter().filter_map(|parts| parts.location).collect();
    let mut theirs: BTreeSet<usize> = BTreeSet::new();
    for place in places {
        theirs.extend(matter.set.reaching(principal, std::slice::from_ref(place)));
    }
    let mut held = Vec::new();
    for index in theirs {
        let Some(parts) = all.get(index).filter(|parts| !parts.denies) else { continue };
        held.push(Held {
            statement: HeldStatement {
                policy: parts.reference.policy_name.clone(),
                number: parts.reference.number,
                text: parts.reference.text.clone(),
                calls: 0,
                used: Vec::new(),
                unused: Vec::new(),
            },
            used: BTreeSet::new(),
            granted: parts.permissions,
        });
    }
    for call in calls {
        for one in &mut held {
            let used = one.used_by(matter, principal, call);
            one.statement.calls += if used.is_empty() { 0 } else { call.count };
            one.used.extend(used);
        }
    }
    held.into_iter().map(Held::told).collect()
}

struct Held {
    statement: HeldStatement,
    used: BTreeSet<Permission>,
    granted: PermissionSet,
}

impl Held {
    /// The permissions that a call needs and the statement grants to it. One whose condition the log
    /// does not tell is taken for it where no other grants the permission.
    fn used_by(
        &self,
        matter: &Matter<'_>,
        principal: &Principal,
        call: &Call,
    ) -> BTreeSet<Permission> {
        let is_it = |policy: &str, number: usize, text: &str| {
            self.statement.policy == policy
                && self.statement.number == number
                && self.statement.text == text
        };
        let reasons = call.asked(matter, principal, |question| explain(matter.set, question));
        let granting = reasons.into_iter().filter(|reason| {
            let mut own = reason.considered.iter().filter(|one| {
                is_it(&one.statement.policy_name, one.statement.number, &one.statement.text)
            });
            let granted_by_some =
                reason.considered.iter().any(|one| !one.denies && one.failing.is_none());
            own.any(|one| match &one.failing {
                None => true,
                Some(strongroom_policy::Failing::Condition(_)) => !granted_by_some,
                Some(_) => false,
            })
        });
        granting.map(|reason| reason.permission).collect()
    }

    fn told(self) -> HeldStatement {
        let unused: PermissionSet =
            self.granted.iter().filter(|permission| !self.used.contains(permission)).collect();
        HeldStatement {
            used: self.used.iter().map(|permission| permission.name().to_owned()).collect(),
            unused: words(unused),
            ..self.statement
        }
    }
}
