use strongroom_model::{Ocid, Permission, Principal};

use crate::set::{Grant, Grants, PolicySet};

/// A permission asked for, and where.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The permission.
    pub permission: Permission,
    /// The compartment that the target is in, then its ancestors, the tenancy last.
    pub path: &'a [Ocid],
}

/// May this principal have all of this?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What for.
    pub needs: &'a [Asked<'a>],
}

/// An answer with its reasons: for each permission the statement that grants it, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    reasons: Vec<(Permission, Option<usize>)>,
}

impl Decision {
    /// Tells whether everything asked for is granted. Nothing asked for is nothing granted.
    #[must_use]
    pub fn allowed(&self) -> bool {
        !self.reasons.is_empty() && self.reasons.iter().all(|(_, statement)| statement.is_some())
    }

    /// Iterates over the permissions that no statement grants.
    pub fn missing(&self) -> impl Iterator<Item = Permission> {
        let missing = |(permission, statement): &(Permission, Option<usize>)| {
            statement.is_none().then_some(*permission)
        };
        self.reasons.iter().filter_map(missing)
    }

    /// Iterates over the permissions, each with the index of the statement that grants it.
    pub fn reasons(&self) -> impl Iterator<Item = (Permission, Option<usize>)> {
        self.reasons.iter().copied()
    }
}

/// Decides: default deny; each permission on its own; a grant holds in its compartment and below.
#[must_use]
pub fn decide(set: &PolicySet, question: &Question<'_>) -> Decision {
    let own_tenancy = set.tenancy.as_ref() == Some(&question.principal.tenancy_id);
    let reason = |asked: &Asked<'_>| {
        let granted = own_tenancy.then(|| granting(set, question.principal, asked)).flatten();
        (asked.permission, granted)
    };
    Decision { reasons: question.needs.iter().map(reason).collect() }
}

/// Finds a statement that grants: the nearest compartment's first, and there what is for everyone.
/// The cost grows with the caller's groups, not with the statements for others.
fn granting(set: &PolicySet, principal: &Principal, asked: &Asked<'_>) -> Option<usize> {
    let of_caller = |grants: &Grants| {
        let grants_it = |grant: &&Grant| grant.permissions.contains(asked.permission);
        let as_member = || {
            let groups = principal.group_ids.iter();
            groups.filter_map(|group| grants.by_group.get(group)).flatten().find(grants_it)
        };
        let grant = grants.everyone.iter().find(grants_it).or_else(as_member);
        grant.map(|grant| grant.statement)
    };
    let mut reaching = asked.path.iter().filter_map(|compartment| set.grants.get(compartment));
    reaching.find_map(of_caller)
}
