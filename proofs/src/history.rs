//! What clients did to a secret or to a right, and what each of them may have seen.

use std::collections::BTreeSet;

use crate::wgl::{Call, Model, Verdict, check};

/// A secret with versions: reads of what is current, and updates, some under a condition.
#[derive(Debug)]
pub(crate) enum Secret {}

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
}

impl SecretState {
    const fn written(self, value: u64) -> Self {
        Self { version: self.version + 1, value }
    }
}

impl Model for Secret {
    type State = SecretState;
    type Input = SecretInput;
    type Output = SecretOutput;

    fn step(
        state: &SecretState,
        input: &SecretInput,
        output: Option<&SecretOutput>,
    ) -> Option<SecretState> {
        let is_next = |version: u64| version == state.version + 1;
        match (input, output) {
            (SecretInput::Read, None) => Some(*state),
            (SecretInput::Read, Some(SecretOutput::Read { version, value, .. })) => {
                let same = (state.version, state.value) == (*version, *value);
                same.then_some(*state)
            }
            (SecretInput::Write { value }, None) => Some(state.written(*value)),
            (SecretInput::Write { value }, Some(SecretOutput::Wrote { version })) => {
                is_next(*version).then(|| state.written(*value))
            }
            (SecretInput::WriteIf { value, seen }, None) => {
                Some(if state.version == *seen { state.written(*value) } else { *state })
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

/// A right that is given and taken away.
#[derive(Debug)]
pub(crate) enum Right {}

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

    fn step(given: &bool, input: &RightInput, output: Option<&RightOutput>) -> Option<bool> {
        match (input, output) {
            (RightInput::Give, None | Some(RightOutput::Done)) => Some(true),
            (RightInput::Take, None | Some(RightOutput::Done)) => Some(false),
            (RightInput::Use, Some(RightOutput::Allowed)) => given.then_some(true),
            (RightInput::Use, Some(RightOutput::Refused)) => (!given).then_some(false),
            (RightInput::Use, None) => Some(*given),
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
    check::<Secret>(SecretState { version: 1, value }, calls)
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
    check::<Right>(given, calls)
}

#[cfg(test)]
mod tests;
