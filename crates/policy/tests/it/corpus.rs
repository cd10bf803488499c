//! Statements and rules that others wrote, and some that nobody should have written.

use std::fmt::Debug;

use proptest::prelude::*;
use strongroom_policy::{ParseError, parse, parse_rule};

const VALID: &str = include_str!("../corpus/valid-public.txt");
const INVALID: [&str; 2] = [
    include_str!("../corpus/invalid-reasons-public.tsv"),
    include_str!("../corpus/invalid-derived-reasons-public.tsv"),
];
const RULES: &str = include_str!("../corpus/matching-rules-public.txt");
const INVALID_RULES: &str = include_str!("../corpus/matching-rules-invalid-public.txt");

fn check_place(statement: &str, error: &ParseError) {
    assert!(statement.get(error.span.clone()).is_some(), "{error:?} in {statement:?}");
    assert_eq!(error.to_string().lines().count(), 1, "{statement:?}");
    let rendered = error.render(statement);
    assert!(rendered.contains('^') && rendered.lines().count() <= 4, "{rendered}");
}

/// The same as it was read, without the places.
pub(crate) fn shape(read: &impl Debug) -> String {
    let text = format!("{read:?}");
    let mut shape = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("span: ") {
        shape.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    }
    shape + rest
}

#[test]
fn every_public_statement_is_read_and_printed_back() {
    let mut wrong = Vec::new();
    for text in VALID.lines() {
        let statement = match parse(text) {
            Ok(statement) => statement,
            Err(error) => {
                wrong.push(error.render(text));
                continue;
            }
        };
        let printed = statement.to_string();
        match parse(&printed) {
            Ok(again) if shape(&again) == shape(&statement) && again.to_string() == printed => {}
            Ok(_) => wrong.push(format!("{text}\n  became {printed}")),
            Err(error) => wrong.push(format!("{text}\n{}", error.render(&printed))),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(VALID.lines().count(), 4475);
}

#[test]
fn every_invalid_statement_is_refused() {
    let mut read = Vec::new();
    let mut refused = 0;
    for line in INVALID.iter().flat_map(|file| file.lines()) {
        let statement = line.split('\t').next().unwrap();
        match parse(statement) {
            Ok(_) => read.push(line),
            Err(error) => check_place(statement, &error),
        }
        refused += 1;
    }
    assert!(read.is_empty(), "{} were read:\n{}", read.len(), read.join("\n"));
    assert_eq!(refused, 174);
}

#[test]
fn every_public_rule_is_read_and_printed_back() {
    let mut wrong = Vec::new();
    for text in RULES.lines() {
        match parse_rule(text) {
            Ok(rule) => {
                let printed = rule.to_string();
                let again = parse_rule(&printed).map(|again| again.to_string());
                if again.as_ref() != Ok(&printed) {
                    wrong.push(format!("{text}\n  became {printed}"));
                }
            }
            Err(error) => wrong.push(error.render(text)),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{} matching rules read", RULES.lines().count());
}

#[test]
fn every_invalid_rule_is_refused() {
    for text in INVALID_RULES.lines() {
        match parse_rule(text) {
            Ok(rule) => panic!("{text} was read as {rule}"),
            Err(error) => check_place(text, &error),
        }
    }
}

#[test]
fn no_word_of_a_statement_can_be_left_out_or_doubled() {
    for statement in [
        "Allow group A to read secret-family in compartment B",
        "Allow any-user to {KEY_READ} in tenancy",
        "Deny group A to read keys in tenancy where request.user.name = 'x'",
    ] {
        let words: Vec<&str> = statement.split(' ').collect();
        parse(statement).unwrap();
        for place in 0..words.len() {
            let mut fewer = words.clone();
            fewer.remove(place);
            let mut more = words.clone();
            more.insert(place, words[place]);
            // Neither `allow` nor, before a permission set, `to` is necessary; without `deny` a
            // statement allows.
            let optional = match (words[place], words[place + 1..].first()) {
                ("Allow" | "Deny", _) => true,
                ("to", Some(next)) => next.starts_with('{'),
                _ => false,
            };
            let (fewer, more) = (fewer.join(" "), more.join(" "));
            assert_eq!(parse(&fewer).is_ok(), optional, "{fewer}");
            assert!(parse(&more).is_err(), "{more}");
        }
    }
}

const WORDS: [&str; 44] = [
    "allow",
    "deny",
    "group",
    "any-user",
    "dynamic-group",
    "service",
    "resource",
    "admit",
    "endorse",
    "define",
    "of",
    "as",
    "with",
    "A",
    "'B C'",
    ",",
    "/",
    "id",
    "ocid1.group.oc1..a",
    "to",
    "read",
    "manage",
    "{",
    "}",
    "SECRET_READ",
    "secrets",
    "secret-family",
    "buckets",
    "in",
    "tenancy",
    "any-tenancy",
    "compartment",
    ":",
    "where",
    "all",
    "any",
    "request.user.name",
    "=",
    "!",
    "(",
    ")",
    "'",
    "/a*/",
    "\u{200d}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_answered_with_a_place_in_it(text in ".{0,80}") {
        if let Err(error) = parse(&text) {
            check_place(&text, &error);
        }
        if let Err(error) = parse_rule(&text) {
            check_place(&text, &error);
        }
    }

    #[test]
    fn any_run_of_words_is_refused_in_place_or_printed_back(
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..16),
    ) {
        let text = words.join(" ");
        match parse(&text) {
            Ok(statement) => {
                let printed = statement.to_string();
                prop_assert_eq!(shape(&parse(&printed).unwrap()), shape(&statement), "{}", printed);
            }
            Err(error) => check_place(&text, &error),
        }
    }
}
