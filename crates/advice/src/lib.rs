//! Advice: what is wrong with policies, and what they decide, without a server.

mod ask;
mod check;
mod diff;
pub mod lint;
mod names;
mod simulate;
mod tenancy_file;
mod world;

pub use ask::{Answer, AnswerNeed, AnswerStatement, Ask, AskError, answer};
pub use check::{Checked, Refused, check_lines, check_rules, check_statement};
pub use diff::{
    Assumed, AssumedCompartment, Change, Comparison, DiffError, Given, Witness, WitnessPrincipal,
    WitnessSide, diff,
};
pub use simulate::{Difference, SimulateError, Simulation, simulate};
pub use strongroom_policy::Semantics;
pub use tenancy_file::{
    CompartmentEntry, DynamicGroupEntry, GroupEntry, PolicyEntry, PrincipalEntry, TenancyFile,
    WorldFile,
};
