//! Why a secret cannot be read: the tree of questions, and what follows from what was seen. Nothing is
//! asked here.

mod caller;
mod conclusion;
mod fault;
mod groups;
mod profile;
mod reference;
mod report;
mod rights;
mod states;
mod tree;

pub use caller::{CallerSeen, judge_unauthenticated};
pub use conclusion::{Evidence, KeySeen, Listing, SecretSeen, conclude};
pub use fault::Fault;
pub use groups::{GroupRule, judge_groups};
pub use profile::{judge_fingerprint, judge_values};
pub use reference::{judge_text, judge_type, suspect_region};
pub use report::{Certainty, Finding, Outcome, Walk};
pub use rights::{Explained, ExplainedNeed, ExplainedStatement, judge_explained};
pub use states::{Refusal, judge_key_state, judge_secret_state, judge_service, judge_vault_state};
pub use tree::{Branch, Check, Circumstances, Node, Signer, TREE, When};
