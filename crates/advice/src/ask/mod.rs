//! One request, decided and explained.

mod answer;
mod needs;
mod place;
mod variables;
mod who;

use std::fmt;

use strongroom_model::Timestamp;
use strongroom_policy::{
    Asked, CompileError, Fact, FactName, PolicySet, Question, Request, Semantics, Source, similar,
};

pub use self::answer::{Answer, AnswerNeed, AnswerStatement};
pub(crate) use self::answer::{is_about_oneself, named, of_oneself, statement};
use self::needs::Needs;
pub(crate) use self::needs::shared_parent;
use self::variables::Variables;
pub(crate) use self::who::Who;
use crate::tenancy_file::TenancyFile;
use crate::world::{World, WorldError};

/// Key of the region that requests are made in if neither they nor the file say.
const REGION: &str = "IAD";

/// A request to be decided, in the words of whoever asks.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who makes it: a principal by key, name or OCID, or a member of a group, `group:NAME`.
    pub who: String,
    /// Where a resource is that the file does not know.
    pub who_in: Option<String>,
    /// Its defined tags, by `namespace.key`.
    pub who_tags: Vec<(String, String)>,
    /// The operation, or one permission.
    pub what: String,
    /// The compartment of the target.
    pub target: String,
    /// The compartment of the key that the request refers to, if it is another one.
    pub key_in: Option<String>,
    /// The compartment of the vault that the request refers to, if it is another one.
    pub vault_in: Option<String>,
    /// The compartment that the target is moved to.
    pub to: Option<String>,
    /// What the request carries, by variable.
    pub variables: Vec<(String, String)>,
    /// When it is made, if no variable says.
    pub now: Timestamp,
}

/// What cannot be decided, and which part of the question is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskError {
    /// The part: `as`, `do`, `on`, `var` and so on; empty for the file.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// What was probably meant.
    pub similar: Option<String>,
}

impl AskError {
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), similar: None }
    }

    fn near<'a>(self, word: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Self { similar: similar(word, known).map(str::to_owned), ..self }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.similar {
            Some(similar) => write!(f, "; did you mean `{similar}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for AskError {}

impl From<WorldError> for AskError {
    fn from(error: WorldError) -> Self {
        Self::new("", error.to_string())
    }
}

/// Decides one request and explains the decision.
///
/// # Errors
/// An [`AskError`] if the file contradicts itself, or the request names what is not in it.
pub fn answer(file: &TenancyFile, ask: &Ask, semantics: Semantics) -> Result<Answer, AskError> {
    let world = World::new(file.world.clone())?;
    let region = file.region.as_deref().unwrap_or(REGION);
    let variables = Variables::read(&ask.variables, &ask.what)?;
    let needs = Needs::read(&world, ask, semantics)?;
    let who = Who::read(&world, ask)?;
    let (sources, refused) = world.held(world.sources(&file.policies)?, semantics);
    let set = compiled(&world, &sources, semantics)?;
    let asker = Asker { world: &world, set: &set, sources: &sources, semantics };
    let told = Told { variables: &variables, region, now: ask.now };
    Ok(asker.answer(&who, &needs, &told).noting(&refused))
}

/// Compiles the policies that are in force.
pub(crate) fn compiled(
    world: &World,
    sources: &[Source],
    semantics: Semantics,
) -> Result<PolicySet, AskError> {
    PolicySet::compile(sources, world, semantics)
        .map_err(|error: CompileError| AskError::new("", error.to_string()))
}

/// What decides.
struct Asker<'a> {
    world: &'a World,
    set: &'a PolicySet,
    sources: &'a [Source],
    semantics: Semantics,
}

/// What the request tells of itself.
struct Told<'a> {
    variables: &'a Variables,
    region: &'a str,
    now: Timestamp,
}

impl Told<'_> {
    fn region(&self) -> &str {
        self.variables.region.as_deref().unwrap_or(self.region)
    }

    fn time(&self) -> Timestamp {
        self.variables.time.unwrap_or(self.now)
    }
}

impl Asker<'_> {
    fn answer(&self, who: &Who, needs: &Needs, told: &Told<'_>) -> Answer {
        let facts: Vec<Vec<(FactName, Fact)>> =
            needs.all.iter().map(|need| told.variables.on(need.on)).collect();
        let asked: Vec<Asked<'_>> = needs
            .all
            .iter()
            .zip(&facts)
            .map(|(need, target)| Asked {
                permission: need.permission,
                path: &need.path,
                target,
                tags: &told.variables.tags,
            })
            .collect();
        let operation = told.variables.operation.as_deref().or(needs.operation);
        let request = Request {
            operation: operation.unwrap_or_default(),
            region: Some(told.region()),
            time: Some(told.time()),
            facts: &told.variables.request,
        };
        let question = Question { principal: &who.principal, request, needs: &asked };
        self.explained(who, needs, &question)
    }
}

#[cfg(test)]
mod tests;
