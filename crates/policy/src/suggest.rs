//! What would turn a denial: the smallest statements, no wider than the request.

use strongroom_model::{Ocid, PrincipalKind};

use crate::ast::{Action, Condition, QualifiedName, ResourceName, Spanned, Subject};
use crate::clause::View;
use crate::decide::{Verdict, decide};
use crate::explain::{Failing, failing};
use crate::facts::{Asked, Question};
use crate::resource_type::{ResourceType, Verb};
use crate::set::{Grantees, PolicySet};
use crate::wording::{called, can_be_quoted, is, least, location, target, written};

/// Returns the statements that would allow what is asked for, in a policy of the tenancy: for one of
/// the caller's groups (the one that already came nearest), the least verb on one resource-type, in
/// the target's compartment, and for this target if the request names one.
///
/// `group_name` says how statements call a group; one without a name is called by its identifier.
///
/// Returns none if all is granted, or if no statement can help: one denies, the principal is of
/// another tenancy, or the target is nowhere.
#[must_use]
pub fn suggest(
    set: &PolicySet,
    question: &Question<'_>,
    group_name: &dyn Fn(&Ocid) -> Option<QualifiedName>,
) -> Vec<String> {
    let decision = decide(set, question);
    let denied = decision.reasons().any(|(_, verdict)| matches!(verdict, Verdict::Denied(_)));
    let nowhere = question.needs.iter().any(|asked| asked.path.is_empty());
    if denied || nowhere || !set.is_own(question.principal) {
        return Vec::new();
    }
    let Some((subject, itself)) = subject(set, question, group_name) else { return Vec::new() };
    let missing = question.needs.iter().zip(decision.reasons());
    let missing = missing.filter(|(_, (_, verdict))| *verdict == Verdict::NotGranted);
    let grants = missing.map(|(asked, _)| Grant::least(asked, itself.as_ref()));
    let Some(grants) = grants.collect::<Option<Vec<_>>>() else { return Vec::new() };
    let mut needed: Vec<&Grant<'_>> = Vec::new();
    for one in &grants {
        if !needed.contains(&one) && !grants.iter().any(|other| other.covers(one)) {
            needed.push(one);
        }
    }
    needed.into_iter().map(|grant| grant.statement(set, &subject)).collect()
}

/// What is to be granted, where, and under which conditions.
#[derive(PartialEq)]
struct Grant<'a> {
    verb: Verb,
    resource_type: ResourceType,
    path: &'a [Ocid],
    clauses: Vec<Spanned<Condition>>,
}

impl<'a> Grant<'a> {
    fn least(asked: &Asked<'a>, itself: Option<&Spanned<Condition>>) -> Option<Self> {
        let (verb, resource_type) = least(asked.permission)?;
        let target = target(asked).map(|(variable, text)| is(&variable, &text));
        let clauses = itself.cloned().into_iter().chain(target).collect();
        Some(Self { verb, resource_type, path: asked.path, clauses })
    }

    /// Tells whether granting this grants the other too: more, or the same from above it.
    fn covers(&self, other: &Self) -> bool {
        self != other
            && self.resource_type == other.resource_type
            && self.clauses == other.clauses
            && self.verb >= other.verb
            && self.path.first().is_some_and(|place| other.path.contains(place))
    }

    fn statement(&self, set: &PolicySet, subject: &Subject) -> String {
        let action = Action::Verb(self.verb, ResourceName::Known(self.resource_type));
        let text = format!("Allow {subject} to {action} in {}", location(set, self.path));
        match self.clauses.as_slice() {
            [] => text,
            [clause] => format!("{text} where {}", clause.value),
            clauses => format!("{text} where {}", Condition::All(clauses.to_vec())),
        }
    }
}

/// Whom to grant it to, and the condition that this needs: one of the principal's groups, or the
/// principal itself.
fn subject(
    set: &PolicySet,
    question: &Question<'_>,
    group_name: &dyn Fn(&Ocid) -> Option<QualifiedName>,
) -> Option<(Subject, Option<Spanned<Condition>>)> {
    let group = nearest_group(set, question).or_else(|| question.principal.group_ids.first());
    let group = group.map(|id| vec![called(id, group_name)]);
    match (&question.principal.kind, group) {
        (PrincipalKind::Service { name }, _) => {
            can_be_quoted(name).then(|| (Subject::Services(vec![written(name.clone())]), None))
        }
        (PrincipalKind::User { .. }, Some(group)) => Some((Subject::Groups(group), None)),
        (PrincipalKind::Resource(_), Some(group)) => Some((Subject::DynamicGroups(group), None)),
        (_, None) => {
            let itself = is("request.principal.id", question.principal.identifier());
            Some((Subject::AnyUser, Some(itself)))
        }
    }
}

/// Finds the principal's group for which a statement came nearest to granting what is asked for.
fn nearest_group<'a>(set: &PolicySet, question: &'a Question<'_>) -> Option<&'a Ocid> {
    let groups = &question.principal.group_ids;
    let allows = set.statements.iter().filter(|statement| !statement.denies);
    let near = allows.filter_map(|statement| {
        let (Grantees::Groups(ids) | Grantees::DynamicGroups(ids)) = &statement.subject else {
            return None;
        };
        let group = groups.iter().find(|group| ids.contains(group))?;
        let distances = question.needs.iter().map(|asked| {
            let view = View { question, asked, around: &set.around };
            failing(set, statement, &view).as_ref().map_or(0, Failing::distance)
        });
        Some((distances.min()?, group))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, group)| group)
}
