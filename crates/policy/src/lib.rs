//! OCI's policy language: parser with spans, the tables from verbs to permissions, and decisions that carry their reasons.

pub mod ast;
mod clause;
mod condition;
mod decide;
mod error;
mod explain;
mod facts;
mod lexer;
mod parser;
mod print;
mod reach;
mod required;
mod resource_type;
mod rule;
mod set;
mod suggest;
mod text;
pub mod wording;

pub use clause::CompartmentFacts;
pub use decide::{Decision, Verdict, decide};
pub use error::{ParseError, similar};
pub use explain::{Considered, Failing, Reason, explain};
pub use facts::{Asked, Fact, FactName, Question, Request};
pub use parser::parse;
pub use reach::Parts;
pub use required::{
    Need, REPLICATION, Semantics, Target, needs_by_name, operation_names, required,
    required_by_name,
};
pub use resource_type::{ResourceType, Verb, denied_by, permissions_of};
pub use rule::{Rule, RuleVariable, parse_rule};
pub use set::{
    CompileError, CompileErrorCause, Directory, PolicySet, Source, StatementRef, resolve, types_of,
};
pub use suggest::suggest;
pub use text::{fits, same};
