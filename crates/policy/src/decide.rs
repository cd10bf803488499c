use strongroom_model::{Ocid, Permission, Principal};

use crate::set::{Grantees, PolicySet};

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

fn granting(set: &PolicySet, principal: &Principal, asked: &Asked<'_>) -> Option<usize> {
    let covers = |grantees: &Grantees| match grantees {
        Grantees::Everyone => true,
        Grantees::Members(groups) => groups.iter().any(|group| principal.group_ids.contains(group)),
    };
    asked
        .path
        .iter()
        .filter_map(|compartment| set.grants.get(compartment))
        .flatten()
        .find(|grant| grant.permissions.contains(asked.permission) && covers(&grant.grantees))
        .map(|grant| grant.statement)
}
