use serde::Serialize;
use strongroom_model::{Ocid, PrincipalKind, rfc3339};
use strongroom_policy::{
    CompileError, Considered, Fact, FactName, Failing, PolicySet, Question, Reason, Semantics,
    Source, Verdict, decide, explain, suggest,
};

use super::Asker;
use super::needs::{Needs, PlacedNeed};
use super::who::Who;

/// Statements that are shown for a permission.
const CONSIDERED_MAX: usize = 5;

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Whether the request is allowed.
    pub allowed: bool,
    /// How the policies were read.
    pub semantics: &'static str,
    /// Who asks.
    pub principal: String,
    /// The groups or dynamic groups of whoever asks.
    pub groups: Vec<String>,
    /// Name of the operation; none if a permission was asked for by itself.
    pub operation: Option<String>,
    /// When the request is made.
    pub time: String,
    /// Key of the region that it is made in.
    pub region: String,
    /// Each permission that it needs.
    pub required: Vec<AnswerNeed>,
    /// The smallest statements that would allow it, in a policy of the tenancy.
    pub suggestions: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// A permission and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerNeed {
    /// The permission.
    pub permission: String,
    /// Where it is checked, as statements name it.
    pub place: String,
    /// `granted`, `not granted` or `denied`.
    pub verdict: &'static str,
    /// The statement that grants or denies it.
    pub decided_by: Option<AnswerStatement>,
    /// The statements that came nearest to granting it.
    pub considered: Vec<AnswerStatement>,
    /// How many more statements there are.
    pub others: usize,
}

/// A statement, and what kept it from deciding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerStatement {
    /// Name of its policy.
    pub policy: String,
    /// Its number there, from 1.
    pub number: usize,
    /// The statement.
    pub text: String,
    /// Which part did not hold: `subject`, `location`, `action` or `condition`.
    pub failing: Option<&'static str>,
    /// That part.
    pub failing_text: Option<String>,
}

impl Answer {
    /// Says which policies are not in force, because one of their statements would be refused.
    pub(super) fn noting(mut self, refused: &[CompileError]) -> Self {
        self.notes.extend(refused.iter().map(|error| format!("not in force: {error}")));
        self
    }
}

/// Returns how a reading of policies is called.
#[must_use]
pub(crate) const fn named(semantics: Semantics) -> &'static str {
    match semantics {
        Semantics::Strict => "strict",
        Semantics::Oracle => "oracle",
    }
}

/// What everybody may do to themselves.
///
/// Source: OCI documentation, "Managing User Credentials".
const ABOUT_ONESELF: [&str; 4] = ["GetUser", "ListApiKeys", "UploadApiKey", "DeleteApiKey"];

/// Why a request about oneself needs no policy. A token of a session manages no keys.
pub(crate) fn of_oneself(operation: &str) -> &'static str {
    match operation {
        "UploadApiKey" | "DeleteApiKey" => {
            "everybody may do this to themselves with an API key, without a policy"
        }
        _ => "everybody may do this to themselves, without a policy",
    }
}

impl Asker<'_> {
    pub(super) fn explained(&self, who: &Who, needs: &Needs, question: &Question<'_>) -> Answer {
        let reasons = explain(self.set, question);
        let required = reasons.iter().zip(&needs.all).map(|(reason, need)| self.need(reason, need));
        let required = required.collect();
        let mut allowed = decide(self.set, question).allowed();
        let mut notes = Vec::new();
        if !allowed && is_about_oneself(question) {
            allowed = true;
            notes.push(of_oneself(question.request.operation).to_owned());
        }
        let of_nobody = who.is_assumed && question.principal.group_ids.is_empty();
        let helps = !allowed && !of_nobody;
        let suggestions = if helps { self.suggestions(question) } else { Vec::new() };
        let groups = question.principal.group_ids.iter();
        let request = &question.request;
        Answer {
            allowed,
            semantics: named(self.semantics),
            principal: who.label.clone(),
            groups: groups.map(|id| self.world.group_name(id)).collect(),
            operation: (!request.operation.is_empty()).then(|| request.operation.to_owned()),
            time: request.time.map(rfc3339).unwrap_or_default(),
            region: request.region.unwrap_or_default().to_owned(),
            required,
            suggestions,
            notes,
        }
    }

    fn need(&self, reason: &Reason, need: &PlacedNeed) -> AnswerNeed {
        let (verdict, decided_by) = match reason.verdict {
            Verdict::Granted(index) => ("granted", Some(index)),
            Verdict::Denied(index) => ("denied", Some(index)),
            Verdict::NotGranted => ("not granted", None),
        };
        let near = reason.considered.iter().filter(|one| verdict == "not granted" && is_near(one));
        let considered: Vec<_> = near.take(CONSIDERED_MAX).map(considered).collect();
        AnswerNeed {
            permission: reason.permission.name().to_owned(),
            place: need.path.first().map(|id| self.world.place_name(id)).unwrap_or_default(),
            verdict,
            decided_by: decided_by.and_then(|index| statement(self.set, index)),
            others: reason.considered.len().saturating_sub(considered.len()),
            considered,
        }
    }

    /// The smallest statements that grant what is missing, if they do.
    fn suggestions(&self, question: &Question<'_>) -> Vec<String> {
        let group_name = |id: &Ocid| self.world.group_called(id);
        let statements = suggest(self.set, question, &group_name);
        if self.would_allow(question, &statements) { statements } else { Vec::new() }
    }

    fn would_allow(&self, question: &Question<'_>, statements: &[String]) -> bool {
        let Some(tenancy) = self.set.tenancy() else { return false };
        let added = Source {
            policy_id: tenancy.clone(),
            policy_name: String::new(),
            attached_to: tenancy.clone(),
            statements: statements.to_vec(),
            resolved: Vec::new(),
        };
        let sources: Vec<Source> = self.sources.iter().cloned().chain([added]).collect();
        let set = PolicySet::compile(&sources, self.world, self.semantics);
        set.is_ok_and(|set| decide(&set, question).allowed())
    }
}

/// Tells whether a request is one of those that everybody may make about themselves.
pub(crate) fn is_about_oneself(question: &Question<'_>) -> bool {
    let PrincipalKind::User { id, .. } = &question.principal.kind else { return false };
    let own = |(name, fact): &(FactName, Fact)| {
        name == "target.user.id" && matches!(fact, Fact::One(text) if text == id.as_str())
    };
    ABOUT_ONESELF.contains(&question.request.operation)
        && question.needs.iter().any(|asked| asked.target.iter().any(own))
}

/// A statement for the principal: what it lacks is worth showing.
fn is_near(considered: &Considered) -> bool {
    !considered.denies && !matches!(considered.failing, Some(Failing::Subject(_)))
}

/// Shows a statement of a set.
pub(crate) fn statement(set: &PolicySet, index: usize) -> Option<AnswerStatement> {
    let statement = set.statement(index)?;
    Some(AnswerStatement {
        policy: statement.policy_name.clone(),
        number: statement.number,
        text: statement.text.clone(),
        failing: None,
        failing_text: None,
    })
}

fn considered(considered: &Considered) -> AnswerStatement {
    let statement = &considered.statement;
    let failing = considered.failing.as_ref();
    let part = failing.map(|failing| match failing {
        Failing::Subject(_) => "subject",
        Failing::Location(_) => "location",
        Failing::Action(_) => "action",
        Failing::Condition(_) => "condition",
    });
    let text = failing.and_then(|failing| statement.text.get(failing.span().clone()));
    AnswerStatement {
        policy: statement.policy_name.clone(),
        number: statement.number,
        text: statement.text.clone(),
        failing: part,
        failing_text: text.map(str::to_owned),
    }
}
