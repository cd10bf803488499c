//! Old words, and forms that are not the usual one.

use std::ops::Range;

use strongroom_policy::ast::Action;

use super::super::clauses::{leaves, variable};
use super::super::piece::Piece;
use super::super::stated::Stated;
use crate::lint::catalogue::{DEPRECATED_WORD, UNFORMATTED};
use crate::lint::finding::Finding;

/// Words of resource-types that were replaced, and by what; by several, if somebody has to choose.
const WORDS: [(&str, &[&str]); 6] = [
    ("key-family", &["vaults", "keys", "key-delegate"]),
    ("vault-family", &["vaults", "keys", "key-delegate"]),
    ("key-delegates", &["key-delegate"]),
    ("vault", &["vaults"]),
    ("tag-namespace", &["tag-namespaces"]),
    ("secret", &["secrets"]),
];

pub(in super::super) fn check(stated: &Stated<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        resource_type(stated).into_iter().chain(variables(stated)).collect();
    if found.is_empty() {
        found.extend(form(stated));
    }
    found
}

fn resource_type(stated: &Stated<'_>) -> Option<Finding> {
    let action = stated.action()?;
    if matches!(action.value, Action::Permissions(_, None)) {
        return None;
    }
    let written = stated.text(&action.span);
    let word = written.split_whitespace().next_back()?;
    let (old, new) = WORDS.iter().find(|(old, _)| word.eq_ignore_ascii_case(old))?;
    let start = action.span.start + written.rfind(word)?;
    let span = start..start + word.len();
    let message = format!("`{word}` is an old word");
    Some(match new {
        [one] => {
            let why = format!("Oracle's policy reference calls the resource-type `{one}`");
            let finding = stated.finding(&DEPRECATED_WORD, &span, &message, &why).labelled("old");
            stated.repaired(finding, &stated.with(&span, one))
        }
        several => {
            let why = format!("`{old}` stands in older pages only, for {}", several.join(", "));
            let finding = stated.finding(&DEPRECATED_WORD, &span, &message, &why).labelled("old");
            finding.advise(format!(
                "a statement each for {}, as far as they are needed",
                several.join(", ")
            ))
        }
    })
}

fn variables(stated: &Stated<'_>) -> Vec<Finding> {
    let clauses = stated.condition().map(leaves).unwrap_or_default();
    let old = |clause: &&strongroom_policy::ast::Spanned<strongroom_policy::ast::Condition>| {
        let name = variable(&clause.value)?;
        let message = format!("`{}` is an old word", name.value);
        if name.value.eq_ignore_ascii_case("target.secret.ocid") {
            let why = "Oracle's policy reference calls the variable `target.secret.id`";
            let finding =
                stated.finding(&DEPRECATED_WORD, &name.span, &message, why).labelled("old");
            return Some(stated.repaired(finding, &stated.with(&name.span, "target.secret.id")));
        }
        if name.value.eq_ignore_ascii_case("request.user.mfaTotpVerified") {
            let why = "tenancies with identity domains do not carry it: the clause is false there";
            let finding =
                stated.finding(&DEPRECATED_WORD, &name.span, &message, why).labelled("old");
            return Some(finding.advise("a sign-on policy of the identity domain"));
        }
        None
    };
    clauses.iter().filter_map(old).collect()
}

/// Doubled blanks, keywords in capitals, and OCIDs without quotes.
fn form(stated: &Stated<'_>) -> Option<Finding> {
    let text = stated.piece.text.as_str();
    let bare = || bare_id(text).filter(|(span, _)| !Piece::is_open(stated.text(span)));
    let (span, what) = doubled_blank(text).or_else(|| capitals(text)).or_else(bare)?;
    let new = stated.statement.to_string();
    if new == text {
        return None;
    }
    let why = "statements in one form are found by a search, and their changes are small in a diff";
    let finding = stated
        .finding(&UNFORMATTED, &span, "the statement is not in the usual form", why)
        .labelled(what);
    Some(stated.repaired(finding, &new))
}

/// Outside quotes: the second of two blanks on a line.
fn doubled_blank(text: &str) -> Option<(Range<usize>, &'static str)> {
    let mut is_quoted = false;
    let mut last = 'x';
    let mut at_start = true;
    for (at, c) in text.char_indices() {
        is_quoted ^= c == '\'';
        let is_blank = |c: char| matches!(c, ' ' | '\t');
        if c == '\n' {
            at_start = true;
        } else if !is_blank(c) {
            at_start = false;
        }
        if !is_quoted && !at_start && is_blank(c) && is_blank(last) {
            return Some((at..at + 1, "a blank too many"));
        }
        last = c;
    }
    None
}

const KEYWORDS: [&str; 19] = [
    "ALLOW",
    "DENY",
    "ADMIT",
    "ENDORSE",
    "DEFINE",
    "TO",
    "IN",
    "WHERE",
    "GROUP",
    "DYNAMIC-GROUP",
    "ANY-USER",
    "ANY-GROUP",
    "TENANCY",
    "COMPARTMENT",
    "ID",
    "MANAGE",
    "USE",
    "READ",
    "INSPECT",
];

fn capitals(text: &str) -> Option<(Range<usize>, &'static str)> {
    let mut at = 0;
    let words = text.split(|c: char| c.is_whitespace()).map(|word| {
        let start = at;
        at += word.len() + 1;
        (start, word)
    });
    let of_keyword = words.into_iter().find(|(_, word)| KEYWORDS.contains(word));
    of_keyword.map(|(start, word)| (start..start + word.len(), "a keyword in capitals"))
}

fn bare_id(text: &str) -> Option<(Range<usize>, &'static str)> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find(" id ocid1.").map(|at| at + " id ".len())?;
    let rest = text.get(start..)?;
    let length = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
    Some((start..start + length, "an OCID without quotes"))
}
