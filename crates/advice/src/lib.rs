//! Advice: what is wrong with policies, what they decide, why a secret cannot be read, and how long to cache, without a server.

mod ask;
mod check;
mod diff;
pub mod doctor;
mod events;
pub mod lint;
mod names;
mod plan;
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
pub use plan::{
    Amount, MONTH, Plan, PlanError, PlanRow, Prices, Trace, TraceAbout, TraceKind, Wanted, chart,
    grouped, parse_trace, plan, spell,
};
pub use simulate::{Difference, SimulateError, Simulation, simulate};
pub use strongroom_policy::Semantics;
pub use suggest::{HeldStatement, SuggestAsk, Suggestion, suggest};
pub use tenancy_file::{
    CompartmentEntry, DynamicGroupEntry, GroupEntry, PolicyEntry, PrincipalEntry, TenancyFile,
    WorldFile,
};
