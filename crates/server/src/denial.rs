//! What is kept of a request that was refused, so that the refusal can be explained to those who may
//! know.

use serde::{Deserialize, Serialize};
use strongroom_model::{Ocid, Permission, Principal, Timestamp};
use strongroom_policy::{Asked, Fact, FactName, Question, Request};

/// The question that was decided against the caller.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeniedQuestion {
    pub(crate) principal: Principal,
    pub(crate) region: String,
    pub(crate) facts: Vec<KeptFact>,
    pub(crate) needs: Vec<DeniedNeed>,
}

/// A permission that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeniedNeed {
    pub(crate) permission: String,
    /// The compartment and its ancestors, the tenancy last; the tenancy alone if there is no target.
    pub(crate) path: Vec<Ocid>,
    /// Whether what it is needed on was not there.
    pub(crate) is_absent: bool,
    pub(crate) target: Vec<KeptFact>,
    pub(crate) tags: Vec<(String, String)>,
}

/// A variable with its value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptFact {
    name: String,
    values: Vec<String>,
    is_set: bool,
}

/// The row of a refused request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DenialRow {
    pub(crate) request_id: String,
    pub(crate) time: Timestamp,
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) operation: Option<String>,
    pub(crate) principal_id: Option<Ocid>,
    pub(crate) target_id: Option<Ocid>,
    pub(crate) compartment_id: Option<Ocid>,
    /// Absent if it was refused before anything was asked of policies.
    pub(crate) question: Option<DeniedQuestion>,
}

impl From<&(FactName, Fact)> for KeptFact {
    fn from((name, fact): &(FactName, Fact)) -> Self {
        let (values, is_set) = match fact {
            Fact::One(value) => (vec![value.clone()], false),
            Fact::Set(values) => (values.clone(), true),
        };
        Self { name: name.clone().into_owned(), values, is_set }
    }
}

impl From<&KeptFact> for (FactName, Fact) {
    fn from(kept: &KeptFact) -> Self {
        let fact = if kept.is_set {
            Fact::Set(kept.values.clone())
        } else {
            Fact::One(kept.values.first().cloned().unwrap_or_default())
        };
        (FactName::Owned(kept.name.clone()), fact)
    }
}

impl DeniedQuestion {
    /// Keeps a question; `absent` tells of each need whether what it is needed on was not there.
    pub(crate) fn keep(question: &Question<'_>, absent: &[bool]) -> Self {
        let need = |(asked, is_absent): (&Asked<'_>, &bool)| DeniedNeed {
            permission: asked.permission.name().to_owned(),
            path: asked.path.to_vec(),
            is_absent: *is_absent,
            target: asked.target.iter().map(KeptFact::from).collect(),
            tags: asked.tags.to_vec(),
        };
        Self {
            principal: question.principal.clone(),
            region: question.request.region.unwrap_or_default().to_owned(),
            facts: question.request.facts.iter().map(KeptFact::from).collect(),
            needs: question.needs.iter().zip(absent).map(need).collect(),
        }
    }

    /// Asks the question again, as `principal`.
    pub(crate) fn again<T>(
        &self,
        denial: &DenialRow,
        principal: &Principal,
        answer: impl FnOnce(&Question<'_>) -> T,
    ) -> T {
        let facts: Vec<(FactName, Fact)> = self.facts.iter().map(Into::into).collect();
        let targets: Vec<Vec<(FactName, Fact)>> =
            self.needs.iter().map(|need| need.target.iter().map(Into::into).collect()).collect();
        let asked = |(need, target): (&'_ DeniedNeed, &'_ Vec<(FactName, Fact)>)| {
            Permission::named(&need.permission).map(|permission| (permission, target.clone()))
        };
        let permissions: Vec<_> = self.needs.iter().zip(&targets).filter_map(asked).collect();
        let needs: Vec<Asked<'_>> = permissions
            .iter()
            .zip(&self.needs)
            .map(|((permission, target), need)| Asked {
                permission: *permission,
                path: &need.path,
                target,
                tags: &need.tags,
            })
            .collect();
        let request = Request {
            operation: denial.operation.as_deref().unwrap_or_default(),
            region: Some(&self.region),
            time: Some(denial.time),
            facts: &facts,
        };
        answer(&Question { principal, request, needs: &needs })
    }
}
