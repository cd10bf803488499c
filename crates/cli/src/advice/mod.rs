//! The commands that find what is wrong.

pub(crate) mod policy;
