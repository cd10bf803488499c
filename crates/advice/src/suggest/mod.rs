//! The least statements that allow what a principal was seen to do.

mod draft;
mod held;
mod observed;
mod proof;
mod uses;

use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_model::Timestamp;
use strongroom_policy::{PolicySet, Semantics};

use self::draft::drafts;
pub use self::held::HeldStatement;
use self::held::held;
use self::observed::Observed;
use self::proof::Proof;
pub(crate) use self::uses::{StatementKey, Use, uses};
use crate::ask::{Ask, AskError, Who, compiled, named};
use crate::events::AuditEvent;
use crate::tenancy_file::TenancyFile;
use crate::world::World;

/// Whose calls are looked at, and how statements are written.
#[derive(Debug, Clone)]
pub struct SuggestAsk {
    /// A principal by key, name or OCID, or `group:NAME` for all its members.
    pub who: String,
    /// Where a resource is that the file does not know.
    pub who_in: Option<String>,
    /// Its defined tags, by `namespace.key`.
    pub who_tags: Vec<(String, String)>,
    /// How the policies are read.
    pub semantics: Semantics,
    /// Whether permissions are granted one by one, not by verbs.
    pub exact: bool,
    /// Whether names that begin alike become a pattern.
    pub patterns: bool,
    /// When this is asked.
    pub now: Timestamp,
}

/// What would be enough, and what is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// Whose calls were looked at.
    pub principal: String,
    /// How the policies were read.
    pub semantics: &'static str,
    /// Calls that were answered and that the statements allow.
    pub calls: u64,
    /// How many kinds of calls these are: operations on targets.
    pub kinds: usize,
    /// Calls that were left out, by the reason.
    pub left_out: BTreeMap<String, u64>,
    /// The statements, for a policy of the tenancy.
    pub statements: Vec<String>,
    /// What the policies hold for the principal, and what of it was used.
    pub held: Vec<HeldStatement>,
    /// Kinds of requests that were compared to see that nothing becomes allowed.
    pub compared: u64,
    /// Kinds of requests that there are.
    pub classes: u64,
    /// Whether all of them were compared, and every way in which a variable can compare was tried:
    /// then it is proved that nothing becomes allowed.
    pub is_proved: bool,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Finds the least set of statements that allows every call of a principal that was answered:
/// narrowed by compartment, by the target's name and by verb. Nobody is allowed by them what the
/// policies at hand do not allow.
///
/// # Errors
/// An [`AskError`] if the file contradicts itself, or has no such principal.
pub fn suggest(
    file: &TenancyFile,
    ask: &SuggestAsk,
    events: &[AuditEvent],
) -> Result<Suggestion, AskError> {
    let world = World::new(file.world.clone())?;
    let who = Who::read(&world, &ask.question())?;
    let (sources, refused) = world.held(world.sources(&file.policies)?, ask.semantics);
    let set = compiled(&world, &sources, ask.semantics)?;
    let matter = Matter { file, world: &world, set: &set, ask };
    let observed = Observed::gather(&matter, &who, events);
    let drafts = drafts(&matter, &who.principal, &observed);
    let proof = Proof::find(&matter, &who.principal, drafts, &observed)?;
    let mut notes: Vec<String> =
        refused.iter().map(|error| format!("not in force: {error}")).collect();
    notes.extend(observed.notes());
    notes.extend(proof.notes);
    Ok(Suggestion {
        principal: who.label,
        semantics: named(ask.semantics),
        calls: observed.calls.iter().map(|call| call.count).sum(),
        kinds: observed.calls.len(),
        left_out: observed.left_out,
        statements: proof.statements,
        held: held(&matter, &who.principal, &observed.calls),
        compared: proof.extent.compared,
        classes: proof.extent.classes,
        is_proved: proof.extent.is_whole,
        notes,
    })
}

/// What all of it is about.
struct Matter<'a> {
    file: &'a TenancyFile,
    world: &'a World,
    set: &'a PolicySet,
    ask: &'a SuggestAsk,
}

impl SuggestAsk {
    fn question(&self) -> Ask {
        Ask {
            who: self.who.clone(),
            who_in: self.who_in.clone(),
            who_tags: self.who_tags.clone(),
            what: String::new(),
            target: String::new(),
            key_in: None,
            vault_in: None,
            to: None,
            variables: Vec::new(),
            now: self.now,
        }
    }
}

#[cfg(test)]
mod tests;
