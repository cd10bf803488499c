use strongroom_model::Permission;

use crate::clause::View;
use crate::facts::{Asked, Question};
use crate::set::{Index, PolicySet};

/// What became of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This statement grants it.
    Granted(usize),
    /// No statement grants it.
    NotGranted,
    /// This statement denies it, whatever grants it.
    Denied(usize),
}

/// An answer with its reasons: for each permission the statement that decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    reasons: Vec<(Permission, Verdict)>,
}

impl Decision {
    /// Tells whether everything asked for is granted. Nothing asked for is nothing granted.
    #[must_use]
    pub fn allowed(&self) -> bool {
        !self.reasons.is_empty() && self.missing().next().is_none()
    }

    /// Iterates over the permissions that are not granted, or denied.
    pub fn missing(&self) -> impl Iterator<Item = Permission> {
        let missing = |(permission, verdict): &(Permission, Verdict)| {
            (!matches!(verdict, Verdict::Granted(_))).then_some(*permission)
        };
        self.reasons.iter().filter_map(missing)
    }

    /// Iterates over the permissions, each with what decided it.
    pub fn reasons(&self) -> impl Iterator<Item = (Permission, Verdict)> {
        self.reasons.iter().copied()
    }
}

/// Decides: default deny; each permission on its own; a statement holds in its compartment and
/// below; what denies wins, but not over the tenancy's administrators.
///
/// Source: OCI documentation, "How Policies Work" and "Deny Policies".
#[must_use]
pub fn decide(set: &PolicySet, question: &Question<'_>) -> Decision {
    let own_tenancy = set.is_own(question.principal);
    let reason = |asked: &Asked<'_>| {
        let verdict = if own_tenancy { verdict(set, question, asked) } else { Verdict::NotGranted };
        (asked.permission, verdict)
    };
    Decision { reasons: question.needs.iter().map(reason).collect() }
}

fn verdict(set: &PolicySet, question: &Question<'_>, asked: &Asked<'_>) -> Verdict {
    let view = View { question, asked, around: &set.around };
    if !set.denies.is_empty() && !set.exempts(question.principal) {
        let mut reaching = asked.path.iter().filter_map(|compartment| set.denies.get(compartment));
        if let Some(denying) = reaching.find_map(|index| holding(set, index, &view)) {
            return Verdict::Denied(denying);
        }
    }
    let mut reaching = asked.path.iter().filter_map(|compartment| set.allows.get(compartment));
    let granting = reaching.find_map(|index| holding(set, index, &view));
    granting.map_or(Verdict::NotGranted, Verdict::Granted)
}

/// Finds a statement of an index that holds. The cost grows with the caller's groups, not with the
/// statements for others.
fn holding(set: &PolicySet, index: &Index, view: &View<'_>) -> Option<usize> {
    let groups = view.question.principal.group_ids.iter();
    let as_member = groups.filter_map(|group| index.by_group.get(group)).flatten();
    let mut candidates = index.everyone.iter().chain(as_member).chain(&index.others);
    let holds = |number: &&usize| {
        let Some(statement) = set.statements.get(**number) else { return false };
        statement.permissions.contains(view.asked.permission)
            && statement.subject.include(view.question.principal)
            && statement.condition.as_ref().is_none_or(|condition| condition.holds(view).is_ok())
    };
    candidates.find(holds).copied()
}
