//! Values of a variable: one for each way in which they can compare.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use strongroom_model::Timestamp;

use super::atoms::Atoms;

/// States of all patterns together that are looked at for one variable.
const STATES_MAX: usize = 4096;

/// A value that is none of those that occur, unless one of them is called so.
pub(super) const ANOTHER: &str = "another";

/// What a request carries under a variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    One(String),
    Many(Vec<String>),
    At(Timestamp),
    Absent,
}

/// Values to try, and whether there is one for each way to compare.
#[derive(Debug, Clone)]
pub(super) struct Candidates {
    pub(super) values: Vec<Value>,
    pub(super) are_all: bool,
}

/// Returns values for each way in which a value can compare with `atoms`: first one that compares
/// with nothing, then those that occur, those of each pattern and of patterns together, and absence.
pub(super) fn candidates(atoms: &Atoms, preferred: &[&str]) -> Candidates {
    let tests: Vec<Vec<Part>> = atoms
        .texts
        .iter()
        .map(|text| text.chars().map(Part::Is).collect())
        .chain(atoms.patterns.iter().map(|pattern| parts(pattern)))
        .collect();
    let mut found: BTreeMap<Vec<bool>, String> = BTreeMap::new();
    let mut order = Vec::new();
    let mut add = |text: String| {
        let way: Vec<bool> = tests.iter().map(|test| fits(test, &text)).collect();
        found.entry(way).or_insert_with(|| {
            order.push(text.clone());
            text
        });
    };
    for text in preferred.iter().chain(&[ANOTHER, "another-2", "x", "0"]) {
        add((*text).to_owned());
    }
    atoms.texts.iter().for_each(|text| add(text.clone()));
    for pattern in &atoms.patterns {
        for run in [ANOTHER, "", "1"] {
            add(pattern.replace('*', run));
        }
    }
    let mut are_all = true;
    if atoms.patterns.len() > 1 || atoms.patterns.iter().any(|pattern| pattern.contains("**")) {
        are_all = walk(&tests, &mut add);
    }
    if !atoms.variables.is_empty() {
        order.push(unlike(&order));
    }
    let mut values: Vec<Value> = order.into_iter().map(Value::One).collect();
    for set in &atoms.sets {
        values.push(Value::Many(set.clone()));
        if set.len() > 1 {
            values.extend(set.iter().map(|one| Value::One(one.clone())));
        }
    }
    values.push(Value::Absent);
    Candidates { values, are_all }
}

/// A second value that compares with nothing.
fn unlike(taken: &[String]) -> String {
    let mut text = format!("{ANOTHER}-3");
    while taken.contains(&text) {
        text.push('0');
    }
    text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Is(char),
    AnyRun,
}

fn parts(pattern: &str) -> Vec<Part> {
    pattern.chars().map(|c| if c == '*' { Part::AnyRun } else { Part::Is(c) }).collect()
}

/// Where in a pattern a text can have come to.
type Places = BTreeSet<usize>;

fn start(test: &[Part]) -> Places {
    let mut places = Places::from([0]);
    skip_runs(test, &mut places);
    places
}

/// A run can be empty.
fn skip_runs(test: &[Part], places: &mut Places) {
    for (at, part) in test.iter().enumerate() {
        if *part == Part::AnyRun && places.contains(&at) {
            places.insert(at + 1);
        }
    }
}

fn step(test: &[Part], from: &Places, c: char) -> Places {
    let mut places = Places::new();
    for at in from {
        match test.get(*at) {
            Some(Part::AnyRun) => {
                places.insert(*at);
            }
            Some(Part::Is(own)) if *own == c => {
                places.insert(at + 1);
            }
            _ => {}
        }
    }
    skip_runs(test, &mut places);
    places
}

fn fits(parts: &[Part], text: &str) -> bool {
    let end = text.chars().fold(start(parts), |places, c| step(parts, &places, c));
    end.contains(&parts.len())
}

/// Goes through all texts that patterns tell apart, the shortest first, and returns whether none is
/// left.
fn walk(tests: &[Vec<Part>], add: &mut impl FnMut(String)) -> bool {
    let own = tests.iter().flatten().filter_map(|part| match part {
        Part::Is(c) => Some(*c),
        Part::AnyRun => None,
    });
    let mut alphabet: BTreeSet<char> = own.collect();
    alphabet.extend(('a'..='z').find(|c| !alphabet.contains(c)));
    let first: Vec<Places> = tests.iter().map(|test| start(test)).collect();
    let mut seen = BTreeSet::from([first.clone()]);
    let mut queue = VecDeque::from([(first, String::new())]);
    while let Some((state, text)) = queue.pop_front() {
        for c in &alphabet {
            let next: Vec<Places> =
                tests.iter().zip(&state).map(|(test, places)| step(test, places, *c)).collect();
            if seen.contains(&next) {
                continue;
            }
            if seen.len() >= STATES_MAX {
                return false;
            }
            let text = format!("{text}{c}");
            add(text.clone());
            seen.insert(next.clone());
            queue.push_back((next, text));
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str], patterns: &[&str]) -> Vec<String> {
        let set = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let atoms = Atoms { texts: set(texts), patterns: set(patterns), ..Atoms::default() };
        let candidates = candidates(&atoms, &[]);
        assert!(candidates.are_all);
        let one = |value| match value {
            Value::One(text) => Some(text),
            _ => None,
        };
        candidates.values.into_iter().filter_map(one).collect()
    }

    #[test]
    fn every_way_to_compare_has_one_value() {
        assert_eq!(texts(&["a", "b"], &[]), ["another", "a", "b"]);
        assert_eq!(texts(&["db-1"], &["db-*"]), ["another", "db-1", "db-another"]);
        let values = texts(&[], &["db-*", "*-prod"]);
        assert_eq!(values.len(), 4, "{values:?}");
        assert!(values.iter().any(|text| text.starts_with("db-") && text.ends_with("-prod")));
        assert_eq!(texts(&["another"], &[]), ["another", "another-2"]);
        assert_eq!(texts(&[], &["*"]), ["another"]);
        assert_eq!(texts(&["a*"], &["a*"]), ["another", "x", "a*"]);
    }

    #[test]
    fn patterns_that_take_in_others_are_told_apart() {
        let values = texts(&["abc"], &["a*", "*b*", "*c"]);
        let ways: BTreeSet<[bool; 4]> = values
            .iter()
            .map(|text| ["abc", "a*", "*b*", "*c"].map(|test| fits(&parts(test), text)))
            .collect();
        assert_eq!(ways.len(), values.len());
        assert_eq!(ways.len(), 9);
    }
}
