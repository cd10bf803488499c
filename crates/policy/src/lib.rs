//! OCI's policy language: parser with spans, the tables from verbs to permissions, and decisions that carry their reasons.

pub mod ast;
mod decide;
mod error;
mod lexer;
mod parser;
mod required;
mod resource_type;
mod set;

pub use decide::{Asked, Decision, Question, decide};
pub use error::{ParseError, ParseErrorKind};
pub use parser::parse;
pub use required::{Need, Semantics, Target, required};
pub use resource_type::{ResourceType, Verb, permissions_of};
pub use set::{CompileError, CompileErrorCause, Directory, PolicySet, Source, StatementRef};
