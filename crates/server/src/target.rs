//! Target systems: where a secret's value is used, and how it is changed there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use strongroom_model::{Ocid, RotationStep, Sensitive};

/// What a target system is to do.
#[derive(Debug)]
pub struct StepWork {
    /// The step.
    pub step: RotationStep,
    /// OCID of the secret.
    pub secret_id: Ocid,
    /// Number of the version that the step is about: the current one until the rotation has made
    /// one, then that, and at the end the previous one.
    pub version: u64,
    /// Content of that version, if the target system takes it.
    pub content: Option<Sensitive>,
    /// At the end, content of the current version: what that uses stays.
    pub in_use: Option<Sensitive>,
}

/// What a step that succeeded brought.
#[derive(Debug)]
pub enum StepOutcome {
    /// Nothing but success.
    Done,
    /// New content, which is to be a pending version.
    Content(Sensitive),
    /// A pending version that the target system has made itself.
    Version(u64),
}

/// Why a step did not succeed. The message is shown, so it holds no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// What happened.
    pub message: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

impl StepFailure {
    /// A failure that may pass.
    pub fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_final: false }
    }

    /// A failure that lasts.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_final: true }
    }
}

/// The outcome of a step, to be awaited.
pub type StepAnswer<'a> =
    Pin<Box<dyn Future<Output = Result<StepOutcome, StepFailure>> + Send + 'a>>;

/// A system that uses secrets. Steps may be asked again after they were done: whoever asked was
/// killed before it could write that down.
pub trait TargetSystem: Debug + Send + Sync + 'static {
    /// Tells whether the target system takes contents, or fetches them itself.
    fn takes_content(&self) -> bool;

    /// Does a step.
    fn step<'a>(&'a self, work: &'a StepWork) -> StepAnswer<'a>;
}

/// A target system as the operator has configured it, and whose secrets may have it changed.
#[derive(Debug, Clone)]
pub struct ConfiguredTarget {
    /// The system.
    pub system: Arc<dyn TargetSystem>,
    /// Compartments whose secrets may name it; secrets of any if absent. A server changes passwords
    /// with rights of its own, and who rotates a secret needs a right on that secret alone.
    pub compartments: Option<BTreeSet<Ocid>>,
}

impl ConfiguredTarget {
    /// Tells whether a secret of the compartment may have the system changed.
    pub(crate) fn is_for(&self, compartment_id: &Ocid) -> bool {
        self.compartments.as_ref().is_none_or(|allowed| allowed.contains(compartment_id))
    }
}

/// The target systems that the operator has configured, by the OCID that secrets name.
pub type Targets = BTreeMap<Ocid, ConfiguredTarget>;
