//! Finds in code and policies what should not be there.

mod baseline;
mod catalogue;
mod code;
mod finding;
mod fix;
mod policy;
mod report;
mod source;
mod suppression;

pub use self::baseline::{Baseline, BaselineError};
pub use self::catalogue::{Rule, RuleId, rule_named, rules};
pub use self::code::{concerns_secrets, look_at_code};
pub use self::finding::{Edit, Finding, Fix, Label, Level};
pub use self::fix::fixed;
pub use self::policy::{
    PolicyContext, PolicyFindings, Seen, SeenSecret, holds_policies, lint_policies,
};
pub use self::report::{Format, report};
pub use self::source::{Position, SourceFile};
pub use self::suppression::{Suppressed, suppress};
