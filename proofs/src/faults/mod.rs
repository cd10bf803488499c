//! Failures of the server's process and of its disk, and what is there afterwards.

mod alone;
mod kill;
mod power;
mod syscalls;
mod trace;
mod writers;

use crate::Outcome;
use crate::options::{Options, usage};

/// Runs one kind of failures, or a little of each.
pub(crate) fn run(words: &[&str]) -> Outcome<()> {
    match words {
        ["kill", rest @ ..] => kill::run(&Options::read(rest)?),
        ["power", rest @ ..] => power::run(&Options::read(rest)?),
        ["syscalls", rest @ ..] => syscalls::run(&Options::read(rest)?),
        ["--smoke"] => {
            let smoke = Options::read(&["--smoke"])?;
            kill::run(&smoke)?;
            kill::run(&Options { postgres: true, ..smoke.clone() })?;
            syscalls::run(&smoke)
        }
        _ => Err(usage()),
    }
}
