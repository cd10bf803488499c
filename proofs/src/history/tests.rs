//! Histories that the checker must refuse, and their like that it must not.

use strongroom_testkit::Dice;

use super::*;

fn call<I, O>(input: I, output: Option<O>, began: u64, ended: u64) -> Call<I, O> {
    Call { input, output, began, ended }
}

fn read(version: u64, value: u64, began: u64, ended: u64) -> SecretCall {
    let etag = format!("e{version}");
    call(SecretInput::Read, Some(SecretOutput::Read { version, value, etag }), began, ended)
}

fn write(version: u64, value: u64, began: u64, ended: u64) -> SecretCall {
    call(SecretInput::Write { value }, Some(SecretOutput::Wrote { version }), began, ended)
}

fn lost(value: u64, began: u64) -> SecretCall {
    call(SecretInput::Write { value }, None, began, u64::MAX)
}

fn write_if(
    seen: u64,
    output: impl Into<Option<SecretOutput>>,
    value: u64,
    began: u64,
) -> SecretCall {
    call(SecretInput::WriteIf { value, seen }, output.into(), began, began + 2)
}

const fn wrote(version: u64) -> SecretOutput {
    SecretOutput::Wrote { version }
}

fn right(input: RightInput, output: Option<RightOutput>, began: u64, ended: u64) -> RightCall {
    call(input, output, began, ended)
}

type Done = (RightInput, Option<RightOutput>);

const GIVE: Done = (RightInput::Give, Some(RightOutput::Done));
const TAKE: Done = (RightInput::Take, Some(RightOutput::Done));
const ALLOWED: Done = (RightInput::Use, Some(RightOutput::Allowed));
const REFUSED: Done = (RightInput::Use, Some(RightOutput::Refused));

fn rights(calls: &[(Done, u64, u64)]) -> Vec<RightCall> {
    calls.iter().map(|((input, output), b, e)| right(*input, *output, *b, *e)).collect()
}

/// A secret is made with value 10, which is version 1.
fn bad_secrets() -> Vec<(&'static str, Vec<SecretCall>)> {
    vec![
        ("a value that nobody wrote", vec![read(1, 11, 0, 1)]),
        ("a version that is not there", vec![read(2, 10, 0, 1)]),
        ("a read that is too old", vec![write(2, 11, 0, 1), read(1, 10, 2, 3)]),
        ("a write that is lost", vec![write(2, 11, 0, 1), write(2, 12, 2, 3)]),
        ("a value of another version", vec![write(2, 11, 0, 1), read(2, 10, 2, 3)]),
        ("a gap in the versions", vec![write(3, 11, 0, 1)]),
        ("two that get the same version", vec![write(2, 11, 0, 9), write(2, 12, 1, 8)]),
        (
            "time that goes back between two readers",
            vec![write(2, 11, 0, 20), read(2, 11, 1, 2), read(1, 10, 3, 4)],
        ),
        ("a read of what is written later", vec![read(2, 11, 0, 1), write(2, 11, 2, 3)]),
        (
            "a write that two readers see at different times",
            vec![write(2, 11, 0, 9), write(3, 12, 0, 9), read(3, 11, 10, 11)],
        ),
        (
            "a write whose answer was lost, seen and then gone",
            vec![lost(11, 0), read(2, 11, 5, 6), read(1, 10, 7, 8)],
        ),
        (
            "a lost write that happened twice",
            vec![lost(11, 0), read(2, 11, 5, 6), write(3, 12, 7, 8), read(4, 11, 9, 10)],
        ),
        ("a lost write before it began", vec![read(2, 11, 0, 1), lost(11, 5)]),
        (
            "two winners with one etag",
            vec![read(1, 10, 0, 1), write_if(1, wrote(2), 11, 2), write_if(1, wrote(3), 12, 2)],
        ),
        (
            "a winner with an etag that is over",
            vec![
                read(1, 10, 0, 1),
                write(2, 11, 2, 3),
                read(2, 11, 4, 5),
                write_if(1, wrote(3), 12, 6),
            ],
        ),
        (
            "a mismatch with the etag that is in force",
            vec![read(1, 10, 0, 1), write_if(1, SecretOutput::Mismatch, 11, 2)],
        ),
        (
            "one etag for two versions",
            vec![
                read(1, 10, 0, 1),
                write(2, 11, 2, 3),
                call(
                    SecretInput::Read,
                    Some(SecretOutput::Read { version: 2, value: 11, etag: "e1".to_owned() }),
                    4,
                    5,
                ),
            ],
        ),
        (
            "a mismatch that wrote all the same",
            vec![
                read(1, 10, 0, 1),
                write(2, 11, 2, 3),
                read(2, 11, 4, 5),
                write_if(1, SecretOutput::Mismatch, 12, 6),
                read(3, 12, 9, 10),
            ],
        ),
    ]
}

fn bad_rights() -> Vec<(&'static str, Vec<RightCall>)> {
    vec![
        ("allowed after it was taken", rights(&[(TAKE, 0, 1), (ALLOWED, 2, 3)])),
        ("refused after it was given", rights(&[(TAKE, 0, 1), (GIVE, 2, 3), (REFUSED, 4, 5)])),
        ("refused before it was taken", rights(&[(REFUSED, 0, 1), (TAKE, 2, 3)])),
        (
            "taken, seen so, and allowed again",
            rights(&[(TAKE, 0, 9), (REFUSED, 1, 2), (ALLOWED, 3, 4)]),
        ),
        (
            "taken, with an answer that was lost, seen so, and allowed again",
            rights(&[((RightInput::Take, None), 0, 9), (REFUSED, 1, 2), (ALLOWED, 3, 4)]),
        ),
        (
            "two takings, and one of them seen late",
            rights(&[(TAKE, 0, 1), (GIVE, 2, 3), (TAKE, 4, 5), (REFUSED, 6, 7), (ALLOWED, 8, 9)]),
        ),
    ]
}

#[test]
fn each_of_the_bad_histories_is_refused() {
    let (secrets, of_rights) = (bad_secrets(), bad_rights());
    assert!(secrets.len() + of_rights.len() >= 20);
    for (what, calls) in secrets {
        assert_eq!(check_secret(10, &calls), Verdict::Broken, "{what}");
    }
    for (what, calls) in of_rights {
        assert_eq!(check_right(true, &calls), Verdict::Broken, "{what}");
    }
}

#[test]
fn good_histories_are_not() {
    let mismatch = || SecretOutput::Mismatch;
    for (what, calls) in [
        ("calls that meet", vec![write(3, 11, 0, 9), write(2, 12, 1, 8), read(2, 12, 2, 7)]),
        ("an answer lost, done late", vec![lost(11, 0), read(1, 10, 5, 6), read(2, 11, 7, 8)]),
        ("an answer lost, never done", vec![lost(11, 0), write(2, 12, 5, 6), read(2, 12, 7, 8)]),
        (
            "one winner",
            vec![read(1, 10, 0, 1), write_if(1, mismatch(), 11, 2), write_if(1, wrote(2), 12, 2)],
        ),
        (
            "a lost answer that won",
            vec![read(1, 10, 0, 1), write_if(1, None, 11, 2), read(2, 11, 5, 6)],
        ),
    ] {
        assert_eq!(check_secret(10, &calls), Verdict::Linearizable, "{what}");
    }
    let calls = rights(&[(TAKE, 0, 9), (ALLOWED, 1, 2), (REFUSED, 3, 4), (GIVE, 10, 11)]);
    assert_eq!(check_right(true, &calls), Verdict::Linearizable);
    let calls = rights(&[((RightInput::Take, None), 0, 9), (ALLOWED, 20, 21), (REFUSED, 30, 31)]);
    assert_eq!(check_right(true, &calls), Verdict::Linearizable);
}

/// A register that is used by eight clients whose calls overlap, some without an answer.
fn random_history(dice: &mut Dice, count: usize) -> Vec<SecretCall> {
    let mut free_at = [0_u64; 8];
    let (mut calls, mut version, mut value, mut now) = (Vec::new(), 1, 10, 0);
    for number in 0..count as u64 {
        now += 1 + dice.roll(3) as u64;
        let client = dice.roll(8);
        let began = free_at[client].max(now.saturating_sub(dice.roll(6) as u64));
        now = now.max(began);
        let ended = now + dice.roll(6) as u64;
        free_at[client] = ended + 1;
        if dice.roll(3) > 0 {
            calls.push(read(version, value, began, ended));
        } else {
            (version, value) = (version + 1, 1000 + number);
            let is_lost = dice.roll(40) == 0;
            calls.push(if is_lost {
                lost(value, began)
            } else {
                write(version, value, began, ended)
            });
        }
    }
    calls
}

/// A secret of which nothing is known but what its calls answer.
struct Plain;

impl Model for Plain {
    type State = SecretState;
    type Input = SecretInput;
    type Output = SecretOutput;

    fn step(
        &self,
        state: &SecretState,
        input: &SecretInput,
        output: Option<&SecretOutput>,
    ) -> Option<SecretState> {
        match (input, output) {
            (SecretInput::Read, None) => Some(*state),
            (SecretInput::Write { value }, None) => Some(state.written(*value)),
            (SecretInput::WriteIf { value, seen }, None) => {
                Some(if state.version == *seen { state.written(*value) } else { *state })
            }
            _ => Secret::default().step(state, input, output),
        }
    }
}

/// Calls that meet, `lost_of_100` of them without an answer; half of those never happened.
fn history_with_losses(dice: &mut Dice, count: u64, lost_of_100: usize) -> Vec<SecretCall> {
    let (mut calls, mut version, mut value) = (Vec::new(), 1_u64, 10);
    for number in 0..count {
        let now = 10 * number;
        let (began, ended) =
            (now.saturating_sub(dice.roll(40) as u64), now + 1 + dice.roll(40) as u64);
        let (is_lost, happens) = (dice.roll(100) < lost_of_100, dice.roll(2) == 0);
        let new = 1000 + number;
        let seen = version.saturating_sub(dice.roll(2) as u64);
        let input = match dice.roll(4) {
            0..=1 => SecretInput::Read,
            2 => SecretInput::Write { value: new },
            _ => SecretInput::WriteIf { value: new, seen },
        };
        let fits = match input {
            SecretInput::Read => false,
            SecretInput::Write { .. } => true,
            SecretInput::WriteIf { seen, .. } => seen == version,
        };
        let output = match input {
            SecretInput::Read => SecretOutput::Read { version, value, etag: format!("e{version}") },
            _ if fits => SecretOutput::Wrote { version: version + 1 },
            _ => SecretOutput::Mismatch,
        };
        if fits && (happens || !is_lost) {
            (version, value) = (version + 1, new);
        }
        calls.push(call(input, (!is_lost).then_some(output), began, ended));
    }
    calls
}

#[test]
fn what_is_learnt_before_the_search_changes_no_verdict() {
    let mut dice = Dice::new(Some(11));
    let mut verdicts = [0; 2];
    for _ in 0..20_000 {
        let mut calls = history_with_losses(&mut dice, 12, 40);
        // Something is made untrue in some: an answer, or when it came.
        let bent = dice.roll(2 * calls.len());
        if let Some(call) = calls.get_mut(bent) {
            match &mut call.output {
                Some(SecretOutput::Read { version, value, .. }) => {
                    (*version, *value) = (*version + 1, *value + dice.roll(2) as u64);
                }
                Some(SecretOutput::Wrote { version }) => *version += 1,
                Some(SecretOutput::Mismatch) => call.output = Some(wrote(2)),
                None => call.began += 60,
            }
        }
        let plain = check(&Plain, SecretState { version: 1, value: 10, turns: 0 }, &calls);
        let (secret, kept) = Secret::learn(&calls);
        let found = check(&secret, SecretState { version: 1, value: 10, turns: 0 }, &kept);
        assert_eq!(found, plain, "{calls:?}");
        verdicts[usize::from(found == Verdict::Linearizable)] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 2_000), "{verdicts:?}");
}

#[test]
fn a_history_with_many_lost_answers_is_not_too_hard() {
    let mut dice = Dice::new(Some(12));
    for _ in 0..20 {
        let calls = history_with_losses(&mut dice, 400, 30);
        assert_eq!(check_secret(10, &calls), Verdict::Linearizable);
    }
}

#[test]
fn long_random_histories_are_found_good_and_bad_once_an_answer_is_bent() {
    let mut dice = Dice::new(Some(7));
    for _ in 0..50 {
        let mut calls = random_history(&mut dice, 400);
        assert_eq!(check_secret(10, &calls), Verdict::Linearizable);
        let reads: Vec<usize> =
            (0..calls.len()).filter(|n| calls[*n].input == SecretInput::Read).collect();
        let bent = reads[dice.roll(reads.len())];
        // A version that is far from all that were current then.
        if let Some(SecretOutput::Read { version, .. }) = &mut calls[bent].output {
            *version += 40;
        }
        assert_eq!(check_secret(10, &calls), Verdict::Broken, "call {bent}");
    }
}
