//! What tells a statement from other text.

use strongroom_policy::similar;

use super::super::piece::{Kind, Piece};

const FIRST: [&str; 5] = ["allow", "deny", "define", "endorse", "admit"];

const SUBJECTS: [&str; 6] =
    ["group", "any-user", "any-group", "dynamic-group", "service", "resource"];

const DEFINED: [&str; 4] = ["tenancy", "group", "dynamic-group", "compartment"];

/// Keys whose texts are for people.
const PROSE: [&str; 12] = [
    "description",
    "displayname",
    "name",
    "title",
    "comment",
    "comments",
    "errormessage",
    "message",
    "summary",
    "label",
    "help",
    "documentation",
];

fn first_two(text: &str) -> (String, String) {
    let mut words = text.split_whitespace().map(str::to_ascii_lowercase);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// Tells whether a text begins as a statement does.
pub(super) fn begins(text: &str) -> bool {
    let (first, second) = first_two(text);
    FIRST.contains(&first.as_str()) && !second.is_empty()
}

/// Tells whether a line begins a statement that goes on in the next one.
pub(super) fn opens(text: &str) -> bool {
    let (first, second) = first_two(text);
    FIRST.contains(&first.as_str())
        && (SUBJECTS.contains(&second.as_str()) || Piece::is_open(&second))
}

/// Tells whether a text is a statement, perhaps a misspelt one.
pub(super) fn is_statement(text: &str) -> bool {
    let (first, second) = first_two(text);
    let known = FIRST.contains(&first.as_str());
    if !known && similar(&first, FIRST.into_iter()).is_none() {
        return false;
    }
    if first == "define" {
        return DEFINED.contains(&second.as_str());
    }
    let is_subject = |word: &str| SUBJECTS.contains(&word) || Piece::is_open(word);
    let has_subject = is_subject(&second)
        || (matches!(second.as_str(), "admit" | "endorse") && first == "deny")
        || similar(&second, SUBJECTS.into_iter()).is_some();
    let lower = text.to_ascii_lowercase();
    let acts = lower.contains(" to ") || lower.contains('{');
    has_subject && acts && (known || lower.contains(" in "))
}

/// Tells whether a text is a matching rule.
pub(super) fn is_rule(text: &str) -> bool {
    let lower = text.trim_start().to_ascii_lowercase();
    let list = ["all", "any"].iter().filter_map(|word| lower.strip_prefix(word));
    let is_list = list.into_iter().any(|rest| rest.trim_start().starts_with('{'));
    let compares = |text: &str| {
        ["instance.", "resource.", "tag."].iter().any(|start| text.starts_with(start))
            && text.contains(['=', '\''])
    };
    let in_word = |c: char| c.is_alphanumeric() || "._-".contains(c);
    let mut words = lower.split(|c| !in_word(c));
    let looks = words
        .any(|word| ["instance.", "resource.", "tag."].iter().any(|start| word.starts_with(start)));
    (is_list && looks) || compares(&lower)
}

/// Tells what a text under a key is, if it is a statement or a rule.
pub(super) fn kind(text: &str, key: &str) -> Option<Kind> {
    if is_prose_key(key) {
        return None;
    }
    let starts =
        |word: &str| text.get(..word.len()).is_some_and(|own| own.eq_ignore_ascii_case(word));
    if is_rule(text) || (is_rule_key(key) && ["all", "any"].into_iter().any(starts)) {
        return Some(Kind::Rule);
    }
    let is_statement = is_statement(text) || (is_statement_key(key) && begins(text));
    is_statement.then_some(Kind::Statement)
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| !"_- ".contains(*c)).collect::<String>().to_ascii_lowercase()
}

/// Tells whether a key is one of matching rules.
pub(super) fn is_rule_key(key: &str) -> bool {
    matches!(plain(key).as_str(), "matchingrule" | "rule")
}

/// Tells whether a key is one of statements.
pub(super) fn is_statement_key(key: &str) -> bool {
    plain(key).contains("statement")
}

/// Tells whether a key is one of texts for people.
pub(super) fn is_prose_key(key: &str) -> bool {
    PROSE.contains(&plain(key).as_str())
}

/// Tells whether a key says what a policy is attached to.
pub(super) fn is_attachment_key(key: &str) -> bool {
    matches!(plain(key).as_str(), "compartmentid" | "compartmentocid" | "attach" | "compartment")
}
