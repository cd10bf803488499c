//! What somebody does to rows who can write them.

use strongroom_testkit::Dice;

use crate::history::{History, Rows, Stored};

/// An edit: rows to write, and rows to remove.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) kind: &'static str,
    pub(crate) rows: Vec<(Vec<u8>, Option<Stored>)>,
    /// Whether the database is then as it once was: only a checkpoint tells.
    pub(crate) rolls_back: bool,
}

/// What the ledger does not enter (docs/format.md).
const PASSING: [&str; 4] = ["meta/seen", "meta/checkpoint", "duty/", "node/"];

type Row = (Vec<u8>, Stored);

type Make = fn(&mut Dice, &History) -> Option<Edit>;

const KINDS: [(&str, Make); 16] = [
    ("value bent", |dice, history| {
        one(dice, history, |dice, row| row.value = bent(dice, &row.value))
    }),
    ("mac bent", |dice, history| one(dice, history, |dice, row| row.mac = bent(dice, &row.mac))),
    ("revision changed", |dice, history| {
        one(dice, history, |dice, row| row.revision += steps(dice))
    }),
    ("revision lowered", |dice, history| {
        one(dice, history, |dice, row| row.revision -= steps(dice))
    }),
    ("key bent", key_bent),
    ("values swapped", |dice, history| {
        swapped(dice, history, "", |one, other| {
            std::mem::swap(&mut one.value, &mut other.value);
        })
    }),
    ("rows swapped", |dice, history| swapped(dice, history, "", std::mem::swap)),
    ("sealed contents swapped", |dice, history| swapped(dice, history, "sv/", std::mem::swap)),
    ("older row", |dice, history| older(dice, history, "")),
    ("older policy", |dice, history| older(dice, history, "p/")),
    ("older secret", |dice, history| older(dice, history, "s/")),
    ("deleted row back", deleted_back),
    ("row deleted", |dice, history| removed(dice, history, "")),
    ("copied to another key", copied),
    ("audit row deleted", |dice, history| removed(dice, history, "audit/")),
    ("ledger", ledger),
];

impl Edit {
    /// Draws an edit that changes something.
    pub(crate) fn draw(dice: &mut Dice, history: &History) -> Self {
        loop {
            let whole = dice.roll(KINDS.len() + 2) >= KINDS.len();
            let (kind, make) = KINDS[dice.roll(KINDS.len())];
            let drawn = if whole { Some(rolled_back(dice, history)) } else { make(dice, history) };
            let Some(edit) = drawn else { continue };
            let changes =
                |(key, row): &(Vec<u8>, Option<Stored>)| history.now().get(key) != row.as_ref();
            if edit.rows.iter().any(changes) {
                return if edit.kind.is_empty() { Self { kind, ..edit } } else { edit };
            }
        }
    }

    fn of(rows: Vec<(Vec<u8>, Option<Stored>)>) -> Self {
        Self { kind: "", rows, rolls_back: false }
    }
}

fn steps(dice: &mut Dice) -> i64 {
    i64::try_from(1 + dice.roll(5)).unwrap()
}

/// Rows that the ledger has.
fn entered<'a>(rows: &'a Rows, prefix: &'a str) -> impl Iterator<Item = (&'a Vec<u8>, &'a Stored)> {
    rows.iter().filter(move |(key, _)| {
        let is_passing = PASSING.iter().any(|kind| key.starts_with(kind.as_bytes()));
        key.starts_with(prefix.as_bytes()) && !is_passing
    })
}

fn any(dice: &mut Dice, rows: &Rows, prefix: &str) -> Option<Row> {
    let count = entered(rows, prefix).count();
    let place = dice.roll(count);
    entered(rows, prefix).nth(place).map(|(key, row)| (key.clone(), row.clone()))
}

fn bent(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() { vec![0] } else { dice.bend(bytes) }
}

fn one(dice: &mut Dice, history: &History, change: fn(&mut Dice, &mut Stored)) -> Option<Edit> {
    let (key, mut row) = any(dice, history.now(), "")?;
    change(dice, &mut row);
    Some(Edit::of(vec![(key, Some(row))]))
}

fn key_bent(dice: &mut Dice, history: &History) -> Option<Edit> {
    let (key, row) = any(dice, history.now(), "")?;
    let other = dice.bend(&key);
    (other != key).then_some(())?;
    Some(Edit::of(vec![(key, None), (other, Some(row))]))
}

fn swapped(
    dice: &mut Dice,
    history: &History,
    prefix: &str,
    swap: fn(&mut Stored, &mut Stored),
) -> Option<Edit> {
    let (mut one, mut other) =
        (any(dice, history.now(), prefix)?, any(dice, history.now(), prefix)?);
    (one.0 != other.0).then_some(())?;
    swap(&mut one.1, &mut other.1);
    Some(Edit::of(vec![(one.0, Some(one.1)), (other.0, Some(other.1))]))
}

fn older(dice: &mut Dice, history: &History, prefix: &str) -> Option<Edit> {
    let then = &history.before()[dice.roll(history.before().len())];
    let (key, row) = any(dice, then, prefix)?;
    history.now().get(&key).filter(|now| **now != row)?;
    Some(Edit::of(vec![(key, Some(row))]))
}

fn deleted_back(dice: &mut Dice, history: &History) -> Option<Edit> {
    let then = &history.before()[dice.roll(history.before().len())];
    let gone: Rows = entered(then, "")
        .filter(|(key, _)| !history.now().contains_key(*key))
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect();
    let (key, row) = any(dice, &gone, "")?;
    Some(Edit::of(vec![(key, Some(row))]))
}

fn removed(dice: &mut Dice, history: &History, prefix: &str) -> Option<Edit> {
    let (key, _) = any(dice, history.now(), prefix)?;
    Some(Edit::of(vec![(key, None)]))
}

fn copied(dice: &mut Dice, history: &History) -> Option<Edit> {
    let (key, row) = any(dice, history.now(), "")?;
    let other = [key.as_slice(), b"x"].concat();
    Some(Edit::of(vec![(other, Some(row))]))
}

/// Entries are dropped, put in another order, or cut off.
fn ledger(dice: &mut Dice, history: &History) -> Option<Edit> {
    let entries: Vec<Row> =
        entered(history.now(), "l/").map(|(key, row)| (key.clone(), row.clone())).collect();
    let place = dice.roll(entries.len() - 1);
    let (kind, rows) = match dice.roll(4) {
        0 => ("entry dropped", vec![(entries[place].0.clone(), None)]),
        1 => {
            let (one, other) = (&entries[place], &entries[place + 1]);
            let rows = vec![
                (one.0.clone(), Some(other.1.clone())),
                (other.0.clone(), Some(one.1.clone())),
            ];
            ("entries reordered", rows)
        }
        2 => (
            "entries cut off",
            entries[place..].iter().map(|(key, _)| (key.clone(), None)).collect(),
        ),
        _ => {
            let chain = entries[place].0.split(|byte| *byte == b'/').nth(1)?.to_vec();
            let of_chain =
                entries.iter().filter(|(key, _)| key.windows(chain.len()).any(|w| w == chain));
            ("chain dropped", of_chain.map(|(key, _)| (key.clone(), None)).collect())
        }
    };
    Some(Edit { kind, rows, rolls_back: false })
}

/// The whole database as it once was.
fn rolled_back(dice: &mut Dice, history: &History) -> Edit {
    let then = &history.before()[dice.roll(history.before().len())];
    let gone = history.now().keys().filter(|key| !then.contains_key(*key));
    let rows = then.iter().map(|(key, row)| (key.clone(), Some(row.clone())));
    let rows = rows.chain(gone.map(|key| (key.clone(), None))).collect();
    Edit { kind: "all of it rolled back", rows, rolls_back: true }
}
