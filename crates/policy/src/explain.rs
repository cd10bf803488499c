//! Why a question was answered as it was.

use std::ops::Range;

use strongroom_model::Permission;

use crate::clause::View;
use crate::decide::{Verdict, decide};
use crate::facts::{Asked, Question};
use crate::set::{Compiled, PolicySet, StatementRef};

/// Why a permission was granted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The permission.
    pub permission: Permission,
    /// What decided.
    pub verdict: Verdict,
    /// Every statement, and what kept it from deciding; those that came nearest first.
    pub considered: Vec<Considered>,
}

/// A statement that was considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The statement.
    pub statement: StatementRef,
    /// Whether it denies.
    pub denies: bool,
    /// The first clause that did not hold; none if all did.
    pub failing: Option<Failing>,
}

/// A clause that did not hold, in the order in which they are looked at. To a principal of another
/// tenancy every statement is for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failing {
    /// The statement is for others.
    Subject(Range<usize>),
    /// It is about another place.
    Location(Range<usize>),
    /// It grants other permissions.
    Action(Range<usize>),
    /// The part of its condition that did not hold.
    Condition(Range<usize>),
}

impl Failing {
    /// How far the statement was from holding: less is nearer.
    pub(crate) const fn distance(&self) -> u8 {
        match self {
            Self::Condition(_) => 1,
            Self::Action(_) => 2,
            Self::Location(_) => 3,
            Self::Subject(_) => 4,
        }
    }

    /// Returns the place in the statement's text, in bytes.
    #[must_use]
    pub const fn span(&self) -> &Range<usize> {
        match self {
            Self::Subject(span)
            | Self::Location(span)
            | Self::Action(span)
            | Self::Condition(span) => span,
        }
    }
}

/// Explains the decision on a question: the same that [`decide`] makes.
#[must_use]
pub fn explain(set: &PolicySet, question: &Question<'_>) -> Vec<Reason> {
    let decision = decide(set, question);
    let reason = |(asked, (permission, verdict)): (&Asked<'_>, (Permission, Verdict))| {
        let view = View { question, asked, around: &set.around };
        let exempt = set.exempts(question.principal);
        let relevant = set.statements.iter().filter(|statement| !(statement.denies && exempt));
        let mut ranked: Vec<(u8, Considered)> = relevant
            .map(|statement| {
                let failing = failing(set, statement, &view);
                let far = far(failing.as_ref(), statement, permission);
                let reference = statement.reference.clone();
                (far, Considered { statement: reference, denies: statement.denies, failing })
            })
            .collect();
        ranked.sort_by_key(|(far, _)| *far);
        let considered = ranked.into_iter().map(|(_, considered)| considered).collect();
        Reason { permission, verdict, considered }
    };
    question.needs.iter().zip(decision.reasons()).map(reason).collect()
}

/// How far a statement was from granting a permission. One that grants it elsewhere is nearer than one
/// that grants something else here.
fn far(failing: Option<&Failing>, statement: &Compiled, permission: Permission) -> u8 {
    match failing {
        None => 0,
        Some(Failing::Location(_)) if statement.permissions.contains(permission) => 3,
        Some(failing) => failing.distance() * 2,
    }
}

/// Finds the first clause of a statement that does not hold.
pub(crate) fn failing(set: &PolicySet, statement: &Compiled, view: &View<'_>) -> Option<Failing> {
    let (spans, principal) = (&statement.spans, view.question.principal);
    if !set.is_own(principal) || !statement.subject.include(principal) {
        return Some(Failing::Subject(spans.subject.clone()));
    }
    if !statement.location.as_ref().is_some_and(|place| view.asked.path.contains(place)) {
        return Some(Failing::Location(spans.location.clone()));
    }
    if !statement.permissions.contains(view.asked.permission) {
        return Some(Failing::Action(spans.action.clone()));
    }
    let holds = statement.condition.as_ref().map_or(Ok(()), |condition| condition.holds(view));
    holds.err().map(|span| Failing::Condition(span.clone()))
}
