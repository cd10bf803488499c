//! Advice: what is wrong with policies, and what they decide, without a server.

mod check;
mod simulate;
mod world;

pub use check::{Checked, Refused, check_lines, check_rules, check_statement};
pub use simulate::{Difference, SimulateError, Simulation, simulate};
pub use strongroom_policy::Semantics;
