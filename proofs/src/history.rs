//! What clients did to a secret or to a right, and what each of them may have seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::wgl::{Call, Model, Verdict, check};

/// A secret with versions: reads of what is current, and updates, some under a condition.
#[derive(Debug, Default)]
pub(crate) struct Secret {
    /// Versions of which it is known what wrote them, by an answer or a read.
    known: BTreeSet<u64>,
    /// Of the values of writes without a condition of which nothing is known: which of them may
    /// happen first, second and so on. Whoever began first: nobody can tell one from another.
    turns: BTreeMap<u64, usize>,
}

/// What is asked of a secret. Each write has a value of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretInput {
    Read,
    Write {
        value: u64,
    },
    /// With the etag of the version that was `seen`.
    WriteIf {
        value: u64,
        seen: u64,
    },
}

/// What a secret answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretOutput {
    Read {
        version: u64,
        value: u64,
        etag: String,
    },
    Wrote {
        version: u64,
    },
    /// 412: the etag is not that of the secret.
    Mismatch,
}

/// The current version of a secret and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SecretState {
    pub(crate) version: u64,
    pub(crate) value: u64,
    /// Writes that happened of those that have turns.
    pub(crate) turns: usize,
}

impl SecretState {
    const fn written(self, value: u64) -> Self {
        Self { version: self.version + 1, value, ..self }
    }
}

impl Model for Secret {
    type State = SecretState;
    type Input = SecretInput;
    type Output = SecretOutput;

    fn step(
        &self,
        state: &SecretState,
        input: &SecretInput,
        output: Option<&SecretOutput>,
    ) -> Option<SecretState> {
        let is_next = |version: u64| version == state.version + 1;
        // What made the next version is another write.
        let is_taken = || self.known.contains(&(state.version + 1));
        match (input, output) {
            (SecretInput::Read, Some(SecretOutput::Read { version, value, .. })) => {
                let same = (state.version, state.value) == (*version, *value);
                same.then_some(*state)
            }
            (SecretInput::Write { value }, None) => {
                let has_turn = self.turns.get(value) == Some(&state.turns);
                let next = SecretState { turns: state.turns + 1, ..state.written(*value) };
                (has_turn && !is_taken()).then_some(next)
            }
            (SecretInput::Write { value }, Some(SecretOutput::Wrote { version })) => {
                is_next(*version).then(|| state.written(*value))
            }
            (SecretInput::WriteIf { value, seen }, None) => {
                (state.version == *seen && !is_taken()).then(|| state.written(*value))
            }
            (SecretInput::WriteIf { value, seen }, Some(SecretOutput::Wrote { version })) => {
                let right = state.version == *seen && is_next(*version);
                right.then(|| state.written(*value))
            }
            (SecretInput::WriteIf { seen, .. }, Some(SecretOutput::Mismatch)) => {
                (state.version != *seen).then_some(*state)
            }
            _ => None,
        }
    }
}

impl Secret {
    /// What is known of a secret from all `calls`, and the calls that matter then. A search in them
    /// finds what a search without that knowledge does, with fewer orders to try: a write whose
    /// answer was lost is placed by who read its value; nothing but such writes makes a version that
    /// no answer and no read tells of; and of two that nobody read, the one that began first can
    /// stand wherever the other could.
    fn learn(calls: &[SecretCall]) -> (Self, Vec<SecretCall>) {
        // The version of each value that was read, and when it surely was there.
        let mut read: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for call in calls {
            match call.output {
                Some(SecretOutput::Read { version, value, .. }) => {
                    let first = read.entry(value).or_insert((version, call.ended));
                    first.1 = first.1.min(call.ended);
                    known.insert(version);
                }
                Some(SecretOutput::Wrote { version }) => {
                    known.insert(version);
                }
                Some(SecretOutput::Mismatch) | None => {}
            }
        }
        let mut calls = calls.to_vec();
        calls.sort_by_key(|call| call.began);
        let (mut turns, mut conditions) = (BTreeMap::new(), BTreeSet::new());
        calls.retain_mut(|call| match (&call.input, &call.output) {
            (_, Some(_)) => true,
            (SecretInput::Read, None) => false,
            (SecretInput::Write { value } | SecretInput::WriteIf { value, .. }, None)
                if read.contains_key(value) =>
            {
                if let Some((version, ended)) = read.get(value).copied() {
                    call.output = Some(SecretOutput::Wrote { version });
                    call.ended = ended;
                }
                true
            }
            (SecretInput::Write { value }, None) => {
                turns.insert(*value, turns.len());
                true
            }
            (SecretInput::WriteIf { seen, .. }, None) => conditions.insert(*seen),
        });
        (Self { known, turns }, calls)
    }
}

/// A right that is given and taken away.
#[derive(Debug)]
pub(crate) struct Right;

/// What is done with a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RightInput {
    Give,
    Take,
    Use,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RightOutput {
    Done,
    Allowed,
    Refused,
}

impl Model for Right {
    type State = bool;
    type Input = RightInput;
    type Output = RightOutput;

    fn step(&self, given: &bool, input: &RightInput, output: Option<&RightOutput>) -> Option<bool> {
        match (input, output) {
            (RightInput::Give, Some(RightOutput::Done)) => Some(true),
            (RightInput::Take, Some(RightOutput::Done)) => Some(false),
            (RightInput::Give, None) => (!given).then_some(true),
            (RightInput::Take, None) => given.then_some(false),
            (RightInput::Use, Some(RightOutput::Allowed)) => given.then_some(true),
            (RightInput::Use, Some(RightOutput::Refused)) => (!given).then_some(false),
            _ => None,
        }
    }
}

/// Calls that are about one secret.
pub(crate) type SecretCall = Call<SecretInput, SecretOutput>;
/// Calls that are about one right.
pub(crate) type RightCall = Call<RightInput, RightOutput>;

/// Checks what was done to a secret that was made with `value`.
pub(crate) fn check_secret(value: u64, calls: &[SecretCall]) -> Verdict {
    if !etags_agree(calls) {
        return Verdict::Broken;
    }
    let (secret, calls) = Secret::learn(calls);
    check(&secret, SecretState { version: 1, value, turns: 0 }, &calls)
}

/// Tells whether each version was seen with one etag, and each etag with one version.
fn etags_agree(calls: &[SecretCall]) -> bool {
    let seen: BTreeSet<(u64, &str)> = calls
        .iter()
        .filter_map(|call| match &call.output {
            Some(SecretOutput::Read { version, etag, .. }) => Some((*version, etag.as_str())),
            _ => None,
        })
        .collect();
    let versions: BTreeSet<u64> = seen.iter().map(|(version, _)| *version).collect();
    let etags: BTreeSet<&str> = seen.iter().map(|(_, etag)| *etag).collect();
    (versions.len(), etags.len()) == (seen.len(), seen.len())
}

/// Checks what was done with a right that was `given`, or not, at first.
pub(crate) fn check_right(given: bool, calls: &[RightCall]) -> Verdict {
    check(&Right, given, calls)
}

#[cfg(test)]
mod tests;
