//! The rules, a file each.

mod argv;
mod cache;
mod chmod;
mod command;
mod created;
mod debug;
mod encoding;
mod key;
mod lifetime;
mod log;

mod ocid;
mod plain;
mod principal;
mod recreate;
mod retry;
mod state;
mod written;

use super::super::finding::Finding;
use super::scan::{Subject, Subjects};
use super::text::Text;

/// A rule's look at a file.
pub(super) struct Check {
    /// It is taken only if the file speaks of one of these.
    pub(super) subjects: Subjects,
    pub(super) look: fn(&Text<'_>, &mut Vec<Finding>),
}

const fn check(subjects: &[Subject], look: fn(&Text<'_>, &mut Vec<Finding>)) -> Check {
    Check { subjects: Subjects::of(subjects), look }
}

pub(super) static CHECKS: &[Check] = &[
    check(&[Subject::Ocid], ocid::look),
    check(&[Subject::Content], plain::look),
    check(&[Subject::Mode, Subject::KeyName], written::look),
    check(&[Subject::Mode], created::look),
    check(&[Subject::Bundle, Subject::Value, Subject::Content], log::look),
    check(&[Subject::Bundle], cache::look),
    check(&[Subject::Bundle, Subject::Content], encoding::look),
    check(&[Subject::Command, Subject::Deletion, Subject::Content], recreate::look),
    check(&[Subject::Command], command::look),
    check(&[Subject::Content, Subject::Bundle], state::look),
    check(&[Subject::Retry], retry::look),
    check(&[Subject::Mode], key::look_at_modes),
    check(&[Subject::PrivateKey], key::look),
    check(&[Subject::Argument, Subject::Value], argv::look),
    check(&[Subject::Bundle], argv::look_at_programs),
    check(&[Subject::Command], debug::look_at_commands),
    check(&[Subject::Debug], debug::look_at_settings),
    check(&[Subject::Rotation], lifetime::look),
    check(&[Subject::Bundle], principal::look),
];
