//! The rules, by what they look at.

pub(super) mod budget;
pub(super) mod companions;
pub(super) mod conditions;
pub(super) mod denials;
pub(super) mod escalation;
pub(super) mod everybody;
pub(super) mod inventory;
pub(super) mod matching;
pub(super) mod scope;
pub(super) mod spelling;
pub(super) mod syntax;
pub(super) mod tenancies;
pub(super) mod values;
