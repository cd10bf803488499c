//! Explains refused requests.

use strongroom_model::{Ocid, Principal, PrincipalKind, rfc3339};
use strongroom_policy::ast::QualifiedName;
use strongroom_policy::{
    Considered, Failing, PolicySet, Question, Reason, Source, Verdict, decide,
    explain as reasons_of, resolve, suggest,
};
use strongroom_wire::bodies::{
    DenialBody, DenialNeed, DenialPrincipal, DenialStatement, UnmatchedGroup,
};

use super::Context;
use crate::authz::Permit;
use crate::catalog::Catalog;
use crate::denial::{DenialRow, DeniedNeed, DeniedQuestion};
use crate::failure::Failure;
use crate::reply::Reply;

/// Statements that are shown for a permission.
const CONSIDERED_MAX: usize = 5;

/// `GetDenial`: the question asked again, of the policies as they are.
pub(super) fn explain(context: &Context<'_>, permit: &Permit) -> Result<Reply, Failure> {
    let denial = permit.located.denial.as_ref();
    let denial = denial.ok_or_else(|| Failure::internal("a permit without its refusal"))?;
    let explainer = Explainer { catalog: context.catalog, denial };
    Reply::of(&explainer.body())
}

struct Explainer<'a> {
    catalog: &'a Catalog,
    denial: &'a DenialRow,
}

impl Explainer<'_> {
    fn body(&self) -> DenialBody {
        let denial = self.denial;
        let body = DenialBody {
            request_id: denial.request_id.clone(),
            time: rfc3339(denial.time),
            status: denial.status,
            code: denial.code.clone(),
            reason: denial.reason.clone(),
            operation: denial.operation.clone(),
            target_id: denial.target_id.as_ref().map(ToString::to_string),
            compartment: denial.compartment_id.as_ref().map(|id| self.place(id)),
            ..DenialBody::default()
        };
        let Some(question) = &denial.question else { return body };
        let principal = self.as_of_now(&question.principal);
        question.again(denial, &principal, |asked| self.answered(body, question, asked))
    }

    fn answered(
        &self,
        body: DenialBody,
        question: &DeniedQuestion,
        asked: &Question<'_>,
    ) -> DenialBody {
        let reasons = reasons_of(&self.catalog.policy_set, asked);
        let is_absent = question.needs.iter().any(|need| need.is_absent);
        let required =
            reasons.iter().zip(&question.needs).map(|(reason, need)| self.need(reason, need));
        let allowed = !is_absent && decide(&self.catalog.policy_set, asked).allowed();
        let suggestions = if is_absent || allowed { Vec::new() } else { self.suggestions(asked) };
        DenialBody {
            principal: Some(self.principal(asked.principal)),
            required: required.collect(),
            is_allowed_now: allowed,
            suggestions,
            ..body
        }
    }

    /// The principal with the groups that it is in now.
    fn as_of_now(&self, then: &Principal) -> Principal {
        let group_ids = match &then.kind {
            PrincipalKind::User { id, .. } => {
                self.catalog.users.get(id).map(|(user, _)| user.group_ids.clone())
            }
            PrincipalKind::Resource(resource) => Some(self.catalog.dynamic_groups_of(resource)),
            PrincipalKind::Service { .. } => None,
        };
        let group_ids = group_ids.unwrap_or_else(|| then.group_ids.clone());
        Principal { group_ids, ..then.clone() }
    }

    fn principal(&self, principal: &Principal) -> DenialPrincipal {
        let (kind, name) = match &principal.kind {
            PrincipalKind::User { name, .. } => ("user".to_owned(), Some(name.clone())),
            PrincipalKind::Resource(resource) => (resource.resource_type.clone(), None),
            PrincipalKind::Service { .. } => ("service".to_owned(), None),
        };
        let groups = principal.group_ids.iter().filter_map(|id| self.group_name(id)).collect();
        let other_dynamic_groups = match &principal.kind {
            PrincipalKind::Resource(resource) => {
                let entries = self.catalog.dynamic_groups.values().map(|(entry, _)| entry);
                let unmatched = entries.filter_map(|entry| {
                    let failing = entry.rule.matches(resource).err()?;
                    let rule = &entry.group.matching_rule;
                    let text = failing.and_then(|span| rule.get(span)).unwrap_or(rule);
                    Some(UnmatchedGroup {
                        name: entry.group.name.clone(),
                        failing: text.to_owned(),
                    })
                });
                unmatched.collect()
            }
            _ => Vec::new(),
        };
        let id = principal.identifier().to_owned();
        DenialPrincipal { kind, id, name, groups, other_dynamic_groups }
    }

    fn group_name(&self, id: &Ocid) -> Option<String> {
        let group = self.catalog.groups.get(id).map(|(group, _)| group.name.clone());
        let dynamic =
            || self.catalog.dynamic_groups.get(id).map(|(entry, _)| entry.group.name.clone());
        group.or_else(dynamic)
    }

    fn need(&self, reason: &Reason, need: &DeniedNeed) -> DenialNeed {
        let statement = |index: usize| {
            let statement = self.catalog.policy_set.statement(index)?;
            Some(DenialStatement {
                policy: statement.policy_name.clone(),
                number: statement.number,
                text: statement.text.clone(),
                failing: None,
                failing_text: None,
            })
        };
        let (verdict, decided_by) = match reason.verdict {
            _ if need.is_absent => ("absent", None),
            Verdict::Granted(index) => ("granted", statement(index)),
            Verdict::Denied(index) => ("denied", statement(index)),
            Verdict::NotGranted => ("not granted", None),
        };
        let near: Vec<&Considered> = match verdict {
            "not granted" => reason.considered.iter().filter(|one| is_near(one)).collect(),
            _ => Vec::new(),
        };
        let considered: Vec<_> = near.iter().take(CONSIDERED_MAX).map(|one| shown(one)).collect();
        DenialNeed {
            permission: reason.permission.name().to_owned(),
            place: need.path.first().map(|id| self.place(id)).unwrap_or_default(),
            verdict,
            decided_by,
            others: reason.considered.len().saturating_sub(considered.len()),
            considered,
        }
    }

    /// A compartment as statements of the tenancy name it.
    fn place(&self, id: &Ocid) -> String {
        if *id == self.catalog.tenancy.id {
            return "tenancy".to_owned();
        }
        let path = self.catalog.path(id).unwrap_or_default();
        let name =
            |id: &Ocid| self.catalog.compartments.get(id).map(|(found, _)| found.name.clone());
        let names: Vec<String> = path.iter().rev().skip(1).filter_map(name).collect();
        if names.is_empty() {
            return format!("compartment id {id}");
        }
        format!("compartment {}", names.join(":"))
    }

    /// The smallest statements that grant what is missing, if they do.
    fn suggestions(&self, question: &Question<'_>) -> Vec<String> {
        let group_name =
            |id: &Ocid| self.group_name(id).map(|name| QualifiedName { domain: None, name });
        let statements = suggest(&self.catalog.policy_set, question, &group_name);
        if self.would_allow(question, &statements) { statements } else { Vec::new() }
    }

    /// Decides once more, with the statements in a policy of the tenancy.
    fn would_allow(&self, question: &Question<'_>, statements: &[String]) -> bool {
        let tenancy = &self.catalog.tenancy.id;
        let resolved: Result<Vec<_>, _> =
            statements.iter().map(|text| resolve(text, tenancy, self.catalog)).collect();
        let Ok(resolved) = resolved else { return false };
        let added = Source {
            policy_id: tenancy.clone(),
            policy_name: String::new(),
            attached_to: tenancy.clone(),
            statements: statements.to_vec(),
            resolved,
        };
        let sources: Vec<Source> = self.catalog.sources().chain([added]).collect();
        let set = PolicySet::compile(&sources, self.catalog, self.catalog.semantics);
        set.is_ok_and(|set| decide(&set, question).allowed())
    }
}

/// A statement for the principal about the place: what it lacks is worth showing.
fn is_near(considered: &Considered) -> bool {
    !considered.denies && !matches!(considered.failing, Some(Failing::Subject(_)))
}

fn shown(considered: &Considered) -> DenialStatement {
    let statement = &considered.statement;
    let failing = considered.failing.as_ref().map(|failing| {
        let what = match failing {
            Failing::Subject(_) => "subject",
            Failing::Location(_) => "location",
            Failing::Action(_) => "action",
            Failing::Condition(_) => "condition",
        };
        (what, statement.text.get(failing.span().clone()).map(str::to_owned))
    });
    DenialStatement {
        policy: statement.policy_name.clone(),
        number: statement.number,
        text: statement.text.clone(),
        failing: failing.as_ref().map(|(what, _)| *what),
        failing_text: failing.and_then(|(_, text)| text),
    }
}
