//! Advice: what is wrong with policies, and what they decide, without a server.

mod ask;
mod check;
mod diff;
mod events;
pub mod lint;
mod names;
mod simulate;
mod suggest;
mod tenancy_file;
mod world;

pub use ask::{Answer, AnswerNeed, AnswerStatement, Ask, AskError, answer};
pub use check::{Checked, Refused, check_lines, check_rules, check_statement};
pub use diff::{
    Assumed, AssumedCompartment, Change, Comparison, DiffError, Given, Witness, WitnessPrincipal,
    WitnessSide, diff,
};
pub use events::{AuditEvent, EventField, EventKind, EventsError, each_event};
pub use simulate::{Difference, SimulateError, Simulation, simulate};
pub use strongroom_policy::Semantics;
pub use suggest::{HeldStatement, SuggestAsk, Suggestion, suggest};
pub use tenancy_file::{
    CompartmentEntry, DynamicGroupEntry, GroupEntry, PolicyEntry, PrincipalEntry, TenancyFile,
    WorldFile,
};
