//! What would turn a denial: the smallest statements, no wider than the request.

use strongroom_model::{Ocid, PrincipalKind};

use crate::ast::{
    Action, Condition, GroupName, Location, QualifiedName, ResourceName, Spanned, Subject, Value,
};
use crate::clause::View;
use crate::decide::{Verdict, decide};
use crate::explain::{Failing, failing};
use crate::facts::{Asked, Fact, Question};
use crate::resource_type::{ResourceType, Verb, permissions_of};
use crate::set::{Grantees, PolicySet};

/// What a permission is on, as variables name it, by how the permission's name begins.
const NOUNS: [(&str, &str); 8] = [
    ("SECRET_", "secret"),
    ("KEY_", "key"),
    ("VAULT_", "vault"),
    ("USER_", "user"),
    ("GROUP_", "group"),
    ("DYNAMIC_GROUP_", "dynamicgroup"),
    ("POLICY_", "policy"),
    ("TAG_NAMESPACE_", "tag-namespace"),
];

/// Families and `all-resources`, which grant more than one thing needs.
const FAMILIES: [ResourceType; 3] =
    [ResourceType::AllResources, ResourceType::SecretFamily, ResourceType::KeyFamily];

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
        let single = || ResourceType::ALL.iter().filter(|one| !FAMILIES.contains(one));
        let (verb, resource_type) = Verb::ALL.into_iter().find_map(|verb| {
            let granting =
                |one: &&ResourceType| permissions_of(**one, verb).contains(asked.permission);
            single().find(granting).map(|resource_type| (verb, *resource_type))
        })?;
        let clauses = itself.cloned().into_iter().chain(target(asked)).collect();
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

/// A compartment, by the names that lead to it from the tenancy if all are known.
fn location(set: &PolicySet, path: &[Ocid]) -> Location {
    let below = path.iter().take_while(|place| set.tenancy.as_ref() != Some(*place));
    let names = below.map(|place| {
        let name = set.around.compartments.get(place).map(|facts| facts.name.clone());
        name.filter(|name| can_be_quoted(name))
    });
    match (path.first(), names.collect::<Option<Vec<String>>>()) {
        (_, Some(names)) if names.is_empty() => Location::Tenancy,
        (_, Some(names)) => Location::Path(names.into_iter().rev().collect()),
        (place, None) => Location::Id(place.map(Ocid::to_string).unwrap_or_default()),
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
    let group = group.map(|id| vec![written(called(id, group_name))]);
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

fn called(group: &Ocid, group_name: &dyn Fn(&Ocid) -> Option<QualifiedName>) -> GroupName {
    let means_itself = |QualifiedName { domain, name }: &QualifiedName| {
        domain.iter().chain([name]).all(|part| can_be_quoted(part))
    };
    let name = group_name(group).filter(means_itself);
    name.map_or_else(|| GroupName::Id(group.to_string()), GroupName::Named)
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

/// The clause that names the target: by its name, else by its identifier, else the vault it is in.
fn target(asked: &Asked<'_>) -> Option<Spanned<Condition>> {
    let begins = |(start, _): &&(&str, &str)| asked.permission.name().starts_with(start);
    let noun = NOUNS.iter().find(begins).map(|(_, noun)| *noun);
    let own = noun.iter().flat_map(|noun| ["name", "id"].map(|end| format!("target.{noun}.{end}")));
    let mut variables = own.chain(["target.vault.id".to_owned()]);
    variables.find_map(|variable| {
        let known = asked.target.iter().find(|(name, _)| *name == variable);
        match known.map(|(_, fact)| fact) {
            Some(Fact::One(text)) if can_be_quoted(text) => Some(is(&variable, text)),
            _ => None,
        }
    })
}

/// Tells whether a text in quotes means itself: a star can stand for anything.
fn can_be_quoted(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(['\'', '*'])
}

fn is(variable: &str, text: &str) -> Spanned<Condition> {
    let (variable, value) = (written(variable.to_owned()), written(Value::Text(text.to_owned())));
    written(Condition::Compare { variable, differs: false, value })
}

/// A part of a statement that nobody has read.
const fn written<T>(value: T) -> Spanned<T> {
    Spanned { value, span: 0..0 }
}

#[cfg(test)]
mod tests {
    use strongroom_model::Permission;

    use super::*;

    #[test]
    fn every_permission_has_a_statement_that_grants_it() {
        for permission in Permission::ALL {
            let grant = Grant::least(&Asked::at(*permission, &[]), None).unwrap();
            assert!(permissions_of(grant.resource_type, grant.verb).contains(*permission));
        }
    }
}
