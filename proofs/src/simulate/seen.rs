//! What was seen in a world, and its trace: worlds of the same seed have the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{RightCall, SecretCall};

/// What clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of each secret.
    pub(crate) secrets: Vec<Vec<SecretCall>>,
    pub(crate) right: Vec<RightCall>,
    /// Requests that were answered, other than with 5xx: each must be on record.
    pub(crate) answered: BTreeSet<String>,
    /// Names for which somebody was told that the secret was made, and how often.
    pub(crate) made: BTreeMap<String, Vec<String>>,
    /// Answers that nothing explains.
    pub(crate) odd: Vec<String>,
    pub(crate) ops: usize,
    hash: Trace,
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

    pub(crate) const fn hash(&self) -> u64 {
        self.hash.0
    }
}
