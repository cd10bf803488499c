//! What a set says about a principal in a place, before any condition is looked at.

use strongroom_model::{Ocid, PermissionSet, Principal};

use crate::set::{Compiled, Grantees, PolicySet, StatementRef};

/// The parts of a compiled statement.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The statement.
    pub reference: &'a StatementRef,
    /// Whether it denies.
    pub denies: bool,
    /// What it grants or denies.
    pub permissions: PermissionSet,
    /// The groups or dynamic groups that it is for; empty if it is for others.
    pub groups: &'a [Ocid],
    /// The compartment in which it holds; none if it is no longer there.
    pub location: Option<&'a Ocid>,
}

impl<'a> Parts<'a> {
    fn of(compiled: &'a Compiled) -> Self {
        let groups: &[Ocid] = match &compiled.subject {
            Grantees::Groups(ids) | Grantees::DynamicGroups(ids) => ids,
            _ => &[],
        };
        Self {
            reference: &compiled.reference,
            denies: compiled.denies,
            permissions: compiled.permissions,
            groups,
            location: compiled.location.as_ref(),
        }
    }
}

impl PolicySet {
    /// Returns the parts of a statement, by its index in a decision.
    #[must_use]
    pub fn parts(&self, index: usize) -> Option<Parts<'_>> {
        self.statements.get(index).map(Parts::of)
    }

    /// Iterates over the parts of every statement, in the order of their indexes.
    pub fn all_parts(&self) -> impl Iterator<Item = Parts<'_>> {
        self.statements.iter().map(Parts::of)
    }

    /// Returns the indexes of the statements that are for a principal and hold in a place, which is
    /// a compartment and its ancestors: whatever else a question asks, no other statement decides it.
    #[must_use]
    pub fn reaching(&self, principal: &Principal, path: &[Ocid]) -> Vec<usize> {
        if !self.is_own(principal) {
            return Vec::new();
        }
        let exempt = self.exempts(principal);
        let reaches = |statement: &Compiled| {
            let holds = statement.location.as_ref().is_some_and(|place| path.contains(place));
            holds && !(statement.denies && exempt) && statement.subject.include(principal)
        };
        let all = self.statements.iter().enumerate();
        all.filter(|(_, statement)| reaches(statement)).map(|(index, _)| index).collect()
    }

    /// Returns the tenancy that the policies are of.
    #[must_use]
    pub const fn tenancy(&self) -> Option<&Ocid> {
        self.tenancy.as_ref()
    }

    /// Tells whether nothing is denied to a principal.
    pub(crate) fn exempts(&self, principal: &Principal) -> bool {
        let administrators = self.administrators.as_ref();
        administrators.is_some_and(|group| principal.group_ids.contains(group))
    }
}
