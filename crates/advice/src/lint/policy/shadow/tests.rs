use strongroom_policy::ast::Statement;
use strongroom_policy::parse;

use super::*;

fn entries(texts: &[&str]) -> Vec<Entry> {
    let entry = |text: &&str| match parse(text).unwrap() {
        Statement::Allow(allow) => Entry { allow, attach: String::new() },
        other => panic!("{other}"),
    };
    texts.iter().map(entry).collect()
}

fn idle(texts: &[&str]) -> Vec<(usize, Vec<usize>)> {
    let found = shadowed(&entries(texts), None, Semantics::Strict);
    found.into_iter().map(|one| (one.number, one.by)).collect()
}

type Case = (&'static [&'static str], &'static [(usize, &'static [usize])]);

/// Sets, and which of their statements change nothing beside which.
const CASES: &[Case] = &[
    (
        &["Allow group A to read keys in tenancy", "allow group a to READ keys in tenancy"],
        &[(1, &[0])],
    ),
    (
        &["Allow group A to read keys in compartment X", "Allow any-group to use keys in tenancy"],
        &[(0, &[1])],
    ),
    (
        &[
            "Allow group A to read keys in compartment X",
            "Allow group A to use keys in compartment Y",
        ],
        &[],
    ),
    (&["Allow group A to read keys in tenancy", "Allow group B to use keys in tenancy"], &[]),
    (
        &[
            "Allow group A to read secret-family in compartment X:Y where target.secret.name = /db-prod-*/",
            "Allow group A to read secret-family in compartment X where target.secret.name = /db-*/",
        ],
        &[(0, &[1])],
    ),
    (
        &[
            "Allow group A to read secrets in tenancy",
            "Allow group A to read secret-family in compartment X",
            "Allow group A to read secret-versions in tenancy",
            "Allow group A to read secret-bundles in tenancy",
        ],
        &[(1, &[0, 2, 3])],
    ),
    (
        &["Allow group A, B to read keys in tenancy", "Allow group B to inspect keys in tenancy"],
        &[(1, &[0])],
    ),
    (
        &[
            "Allow group A to manage buckets in tenancy",
            "Allow group A to read buckets in compartment X",
        ],
        &[(1, &[0])],
    ),
    (
        &[
            "Allow group A to manage buckets in tenancy",
            "Allow group A to read objects in compartment X",
        ],
        &[],
    ),
    (
        &[
            "Allow group A to {KEY_READ, KEY_INSPECT} in tenancy",
            "Allow group A to read keys in compartment X",
        ],
        &[(1, &[0])],
    ),
    (
        &[
            "Allow group A to {OBJECT_READ} in tenancy",
            "Allow group A to {OBJECT_READ} in compartment X",
        ],
        &[],
    ),
    (
        &["Deny any-user to use keys in tenancy", "Deny group A to manage keys in compartment X"],
        &[(1, &[0])],
    ),
    (
        &["Deny group A to manage keys in tenancy", "Deny group A to use keys in tenancy"],
        &[(0, &[1])],
    ),
];

#[test]
fn what_others_grant_is_found() {
    for (texts, expected) in CASES {
        let expected: Vec<(usize, Vec<usize>)> =
            expected.iter().map(|(one, by)| (*one, by.to_vec())).collect();
        assert_eq!(idle(texts), expected, "{texts:?}");
    }
}

#[test]
fn what_is_denied_altogether_is_found() {
    for (texts, expected) in [
        (
            vec![
                "Allow group A to read keys in compartment X",
                "Deny any-user to inspect keys in tenancy",
            ],
            vec![(0, vec![1])],
        ),
        (
            vec![
                "Allow group A to read keys in compartment X",
                "Deny any-user to use keys in tenancy",
            ],
            vec![],
        ),
        (
            vec![
                "Allow group A to read keys in tenancy",
                "Deny group A to inspect keys in compartment X",
            ],
            vec![],
        ),
        (
            vec![
                "Allow group Administrators to read keys in tenancy",
                "Deny any-user to inspect keys in tenancy",
            ],
            vec![],
        ),
        (
            vec![
                "Allow group A to use secret-family in tenancy where target.secret.name = 'a'",
                "Deny group A to inspect secret-family in tenancy where target.secret.name = /a*/",
            ],
            vec![(0, vec![1])],
        ),
    ] {
        let found = denied(&entries(&texts), None, Semantics::Oracle);
        let found: Vec<_> = found.into_iter().map(|one| (one.number, one.by)).collect();
        assert_eq!(found, expected, "{texts:?}");
    }
}
