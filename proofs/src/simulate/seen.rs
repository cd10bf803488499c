//! What was seen in a world, and its trace: worlds of the same seed have the same.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_rig::Answer;

use crate::history::{RightCall, RightOutput, SecretCall, SecretOutput};

/// What clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of each secret.
    pub(crate) secrets: Vec<Vec<SecretCall>>,
    pub(crate) right: Vec<RightCall>,
    /// Requests that were answered, other than with 503: each must be on record.
    pub(crate) answered: BTreeSet<String>,
    /// Names for which somebody was told that the secret was made, and how often.
    pub(crate) made: BTreeMap<String, Vec<String>>,
    /// Answers that nothing explains.
    pub(crate) odd: Vec<String>,
    pub(crate) ops: usize,
    hash: Trace,
}

/// How often clients were told what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// Versions that were acknowledged.
    pub(crate) writes: usize,
    /// Etags that were not the secret's any more.
    pub(crate) mismatches: usize,
    /// Uses of the right that were allowed.
    pub(crate) allowed: usize,
}

impl Told {
    pub(crate) const fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.mismatches += other.mismatches;
        self.allowed += other.allowed;
    }

    /// Tells whether there was about a third at least, of so many operations, of what there is usually: of
    /// a hundred operations 19 write, 6 use the right while it is given, and 2 come with an old etag.
    pub(crate) const fn shows_something_of(self, ops: usize) -> bool {
        self.writes * 16 >= ops && self.allowed * 50 >= ops && self.mismatches * 150 >= ops
    }
}

#[derive(Debug)]
struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Seen {
    pub(crate) fn about(secrets: usize) -> Self {
        Self { secrets: vec![Vec::new(); secrets], ..Self::default() }
    }

    /// Adds what happened to the trace (FNV-1a).
    pub(crate) fn trace(&mut self, what: &str) {
        for byte in what.bytes().chain([b'\n']) {
            self.hash.0 = (self.hash.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Notes an answer other than 503; failures of the server are never right.
    pub(crate) fn answer(&mut self, answer: &Answer) {
        if answer.request_id.is_none() {
            self.odd.push(format!("an answer without a request's name: {}", answer.status));
        }
        if answer.status >= 500 {
            self.odd.push(format!("a failure: {} {}", answer.status, answer.body));
        }
        self.answered.extend(answer.request_id.clone());
    }

    /// What clients were told that shows something only where it was told often.
    pub(crate) fn told(&self) -> Told {
        let count = |wanted: fn(&SecretOutput) -> bool| {
            let outputs = self.secrets.iter().flatten().filter_map(|call| call.output.as_ref());
            outputs.filter(|output| wanted(output)).count()
        };
        let is_allowed = |call: &&RightCall| call.output == Some(RightOutput::Allowed);
        Told {
            writes: count(|output| matches!(output, SecretOutput::Wrote { .. })),
            mismatches: count(|output| *output == SecretOutput::Mismatch),
            allowed: self.right.iter().filter(is_allowed).count(),
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash.0
    }
}
