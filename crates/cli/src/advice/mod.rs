//! The commands that find what is wrong.

mod cases;
mod check;
mod diff;
pub(crate) mod doctor;
pub(crate) mod explain;
mod export;
mod files;
pub(crate) mod lint;
pub(crate) mod plan;
pub(crate) mod policy;
mod simulate;
mod suggest;
mod tenancy;
