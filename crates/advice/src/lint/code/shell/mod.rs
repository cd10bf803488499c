//! Reads shell: scripts, and what stands as shell in workflows, container files, Terraform and prose.

mod command;
mod letters;
mod reader;
mod steering;
mod words;

pub(super) use self::command::{Command, Word};
pub(super) use self::letters::Letters;
pub(super) use self::reader::read;

#[cfg(test)]
mod tests;
