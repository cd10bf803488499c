//! Points of the grammar where two readings are close.

use strongroom_policy::ast::{Allow, GroupName, QualifiedName, Spanned, Statement, Subject};
use strongroom_policy::{parse, types_of};

fn groups(statement: &str) -> Vec<GroupName> {
    let Statement::Allow(Allow { subject, .. }) = parse(statement).unwrap() else { panic!() };
    match subject.value {
        Subject::Groups(groups) => groups.into_iter().map(|Spanned { value, .. }| value).collect(),
        other => panic!("{other:?}"),
    }
}

fn named(name: &str) -> GroupName {
    GroupName::Named(QualifiedName { domain: None, name: name.to_owned() })
}

#[test]
fn an_ocid_is_one_after_id_and_a_name_elsewhere() {
    let (a, b) = ("ocid1.group.oc1..a", "ocid1.group.oc1..b");
    let by_id = |unique: &str| GroupName::Id(format!("ocid1.group.oc1..{unique}"));
    for (subject, expected) in [
        (format!("id {a}, id {b}"), vec![by_id("a"), by_id("b")]),
        (format!("id {a}, '{b}'"), vec![by_id("a"), named(b)]),
        (format!("id {a}, {b}"), vec![by_id("a"), by_id("b")]),
        (format!("A, {b}"), vec![named("A"), named(b)]),
        (format!("id {a}, B"), vec![by_id("a"), named("B")]),
        ("id, 'id'".to_owned(), vec![named("id"), named("id")]),
        ("to".to_owned(), vec![named("to")]),
    ] {
        let statement = format!("Allow group {subject} to read keys in tenancy");
        assert_eq!(groups(&statement), expected, "{statement}");
    }
}

#[test]
fn blanks_tabs_and_line_breaks_separate_and_nothing_else_does() {
    for blank in [" ", "\t", "\n", "\r\n", "   "] {
        parse(&format!("Allow any-user to read keys in{blank}tenancy")).unwrap();
    }
    for other in ["", "\u{a0}", "\u{200d}", "\u{2003}", "\u{b}", "\0"] {
        let statement = format!("Allow any-user to read keys in{other}tenancy");
        assert!(parse(&statement).is_err(), "{other:?}");
    }
}

#[test]
fn a_statement_has_at_most_4096_bytes() {
    let statement = |bytes: usize| format!("{:<bytes$}", "Allow any-user to read keys in tenancy");
    parse(&statement(4096)).unwrap();
    let error = parse(&statement(4097)).unwrap_err();
    assert_eq!(error.span, 0..4097);
    assert_eq!(error.message, "the statement is longer than 4096 bytes");
}

#[test]
fn the_caret_stands_below_the_word_after_letters_of_many_bytes() {
    let statement = "Allow group 'Schlüssel\tträger' to raed keys in tenancy";
    assert_eq!(
        parse(statement).unwrap_err().render(statement),
        "error: unexpected word `raed` at character 36, expected inspect, read, use, manage\n  \
         | Allow group 'Schlüssel träger' to raed keys in tenancy\n  \
         |                                   ^^^^\n  \
         = did you mean `read`?"
    );
}

#[test]
fn a_policy_is_of_the_type_of_what_its_statements_do() {
    let allow = "Allow group A to read keys in tenancy";
    let admit = "Admit group A of tenancy T to read keys in tenancy";
    let endorse = "Endorse group A to read keys in any-tenancy";
    let deny = |text: &str| format!("Deny {text}").replace("Allow ", "");
    let define = "Define tenancy T as ocid1.tenancy.oc1..t";
    for text in [allow, admit, endorse] {
        assert_eq!(types_of(&[text.to_owned(), define.to_owned()]), ["allow"], "{text}");
        assert_eq!(types_of(&[deny(text)]), ["deny"], "{text}");
        assert_eq!(types_of(&[deny(text), admit.to_owned()]), ["allow", "deny"], "{text}");
    }
    assert!(types_of(&[define.to_owned(), "read keys".to_owned()]).is_empty());
}
