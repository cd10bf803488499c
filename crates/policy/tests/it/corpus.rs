//! Statements that others wrote, and statements that nobody should have written.

use proptest::prelude::*;
use strongroom_policy::{ParseError, ParseErrorKind, ResourceType, Verb, parse};

const VALID: &str = include_str!("../corpus/valid-public.txt");
const INVALID: [&str; 2] = [
    include_str!("../corpus/invalid-reasons-public.tsv"),
    include_str!("../corpus/invalid-derived-reasons-public.tsv"),
];

/// A documentation page's shortened OCID, which names nothing.
const SHORTENED_OCID: &str = "ocid1.group.oc1..aaaaaaaaqjihfhvxmum...awuc7i5xwe6s7qmnsbc6a";

/// Tells, by words alone, whether a statement is `allow group|any-user|any-group … to <verb>
/// <known resource-type> in …` without a condition.
fn evident(statement: &str) -> bool {
    let lower = statement.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let subject = matches!(words.as_slice(), ["allow", "group" | "any-user" | "any-group", ..]);
    let action = words.windows(4).any(|four| {
        four[0] == "to"
            && four[3] == "in"
            && Verb::ALL.iter().any(|verb| verb.name() == four[1])
            && ResourceType::ALL.iter().any(|known| known.name() == four[2])
    });
    let condition = words.contains(&"where");
    subject && action && !condition
}

fn check_place(statement: &str, error: &ParseError) {
    assert!(statement.get(error.span.clone()).is_some(), "{error:?} in {statement:?}");
    assert_eq!(error.to_string().lines().count(), 1, "{statement:?}");
    let rendered = error.render(statement);
    assert!(rendered.contains('^') && rendered.lines().count() <= 4, "{rendered}");
}

#[test]
fn every_public_statement_is_read_or_refused_by_name() {
    let (mut read, mut evident_ones, mut unsupported) = (0, 0, 0);
    for statement in VALID.lines() {
        evident_ones += usize::from(evident(statement));
        match parse(statement) {
            Ok(_) => read += 1,
            Err(error) => {
                check_place(statement, &error);
                let shortened = statement.contains(SHORTENED_OCID);
                assert!(!evident(statement) || shortened, "{}", error.render(statement));
                let expected = error.kind == ParseErrorKind::Unsupported || shortened;
                assert!(expected, "{}", error.render(statement));
                unsupported += 1;
            }
        }
    }
    println!(
        "{read} statements read ({evident_ones} evidently core), {unsupported} refused by name"
    );
    assert_eq!((read, unsupported, evident_ones), (534, 3941, 533));
}

#[test]
fn what_is_read_says_nothing_that_is_not_evaluated() {
    for statement in VALID.lines().filter(|statement| parse(statement).is_ok()) {
        let lower = format!(" {} ", statement.to_ascii_lowercase());
        for word in [" where ", " deny ", "dynamic-group ", " service ", " any-tenancy ", " with "]
        {
            assert!(!lower.contains(word), "{statement}");
        }
    }
}

#[test]
fn every_invalid_statement_is_refused() {
    let mut refused = 0;
    for line in INVALID.iter().flat_map(|file| file.lines()) {
        let statement = line.split('\t').next().unwrap();
        match parse(statement) {
            Ok(read) => panic!("{line} was read as {read:?}"),
            Err(error) => check_place(statement, &error),
        }
        refused += 1;
    }
    assert_eq!(refused, 174);
}

#[test]
fn no_word_of_a_statement_can_be_left_out_or_doubled() {
    for statement in [
        "Allow group A to read secret-family in compartment B",
        "Allow any-user to {KEY_READ} in tenancy",
    ] {
        let words: Vec<&str> = statement.split(' ').collect();
        parse(statement).unwrap();
        for place in 0..words.len() {
            let mut fewer = words.clone();
            fewer.remove(place);
            let mut more = words.clone();
            more.insert(place, words[place]);
            // Neither `allow` nor, before a permission set, `to` is necessary.
            let optional = match (words[place], words[place + 1..].first()) {
                ("Allow", _) => true,
                ("to", Some(next)) => next.starts_with('{'),
                _ => false,
            };
            let (fewer, more) = (fewer.join(" "), more.join(" "));
            assert_eq!(parse(&fewer).is_ok(), optional, "{fewer}");
            assert!(parse(&more).is_err(), "{more}");
        }
    }
}

const WORDS: [&str; 32] = [
    "allow",
    "deny",
    "group",
    "any-user",
    "dynamic-group",
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
    "KEY_READ",
    "secrets",
    "secret-family",
    "buckets",
    "in",
    "tenancy",
    "compartment",
    ":",
    "where",
    "=",
    "!",
    "(",
    "'",
    "ä",
    "\u{200d}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_answered_with_a_place_in_it(text in ".{0,80}") {
        if let Err(error) = parse(&text) {
            check_place(&text, &error);
        }
    }

    #[test]
    fn any_run_of_words_is_answered_with_a_place_in_it(
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..14),
    ) {
        let text = words.join(" ");
        match parse(&text) {
            Ok(statement) => {
                let parts = [&statement.subject.span, &statement.action.span, &statement.location.span];
                let edges: Vec<usize> = parts.iter().flat_map(|span| [span.start, span.end]).collect();
                prop_assert!(edges.is_sorted(), "{edges:?} in {text}");
                prop_assert!(edges.last() <= Some(&text.len()));
            }
            Err(error) => check_place(&text, &error),
        }
    }
}
