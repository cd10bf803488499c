//! What is not in the language, and what was meant.

use std::ops::Range;

use strongroom_policy::ast::{GroupName, Location, Subject};
use strongroom_policy::{ParseError, parse, parse_rule};

use super::super::piece::{Kind, Piece};
use super::super::repair::{Repair, repair, repaired_rule};
use super::super::stated::{Stated, found};
use crate::lint::catalogue::{MISSPELT_WORD, POLICY_SYNTAX, UNQUOTED_NAME};
use crate::lint::finding::Finding;

/// Tells whether reading stopped at something that is interpolated, and that nobody can know.
pub(in super::super) fn is_open(piece: &Piece, error: &ParseError) -> bool {
    let before = piece.text.get(..error.span.start).unwrap_or("");
    let last = before.split_whitespace().next_back().unwrap_or("");
    let at = piece.text.get(error.span.clone()).unwrap_or("");
    Piece::is_open(last) || Piece::is_open(at)
}

/// A finding about a piece that cannot be read.
pub(in super::super) fn refused(piece: &Piece, error: &ParseError) -> Finding {
    let repaired = match piece.kind {
        Kind::Statement => repair(&piece.text, |text| parse(text).map(|_read| ())),
        Kind::Rule => repaired_rule(&piece.text, |text| parse_rule(text).map(|_read| ())),
    };
    let rule = match &repaired {
        Some(Repair { is_spelling: true, .. }) => &MISSPELT_WORD,
        Some(Repair { is_quoting: true, .. }) => &UNQUOTED_NAME,
        _ => &POLICY_SYNTAX,
    };
    let rule = if repaired.is_none() && error.suggestion.is_some_and(is_word) {
        &MISSPELT_WORD
    } else {
        rule
    };
    let span = place(&piece.text, &error.span);
    let what = if piece.kind == Kind::Rule { "the matching rule" } else { "the statement" };
    let why = match expected(error) {
        Some(expected) => format!("{}; expected {expected}", error.message),
        None => error.message.clone(),
    };
    let finding =
        found(piece, rule, &span, &format!("{what} is not in the language"), &why).labelled("here");
    match repaired {
        Some(Repair { text, .. }) => {
            let shown = piece.shown(&text);
            match piece.rewritten(&text) {
                Some(edit) => finding.repair(shown, vec![edit]),
                None => finding.advise(shown),
            }
        }
        None => match error.suggestion {
            Some(meant) => finding.advise(format!("perhaps `{meant}` is meant")),
            None => finding,
        },
    }
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// What is underlined: the end of the text if that is where something is missing.
fn place(text: &str, span: &Range<usize>) -> Range<usize> {
    if span.is_empty() && span.start >= text.len() {
        let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
        return last..text.len();
    }
    span.clone()
}

fn expected(error: &ParseError) -> Option<String> {
    let words: Vec<String> = error.expected.iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}

/// OCIDs that are read as names, because `id` is not there.
pub(in super::super) fn without_id(stated: &Stated<'_>) -> Vec<Finding> {
    let Some(allow) = stated.allow() else { return Vec::new() };
    let mut places: Vec<(Range<usize>, &str)> = Vec::new();
    if let Location::Path(path) = &allow.location.value
        && let [name] = path.as_slice()
        && name.starts_with("ocid1.")
    {
        let end = allow.location.span.end;
        let written = stated.text(&allow.location.span);
        let length = written.rfind("ocid1.").map_or(0, |at| written.len() - at);
        let start = end.saturating_sub(length);
        let is_quoted = stated.piece.text.get(..start).is_some_and(|before| before.ends_with('\''));
        places.push((start - usize::from(is_quoted)..end, "compartment"));
    }
    if let Subject::Groups(groups) | Subject::DynamicGroups(groups) = &allow.subject.value {
        // After one that is named by OCID `id` may be left out.
        let unnamed = groups.iter().take_while(|group| matches!(group.value, GroupName::Named(_)));
        for group in unnamed {
            if matches!(&group.value, GroupName::Named(name) if name.domain.is_none() && name.name.starts_with("ocid1."))
            {
                places.push((group.span.clone(), "group"));
            }
        }
    }
    let finding = |(span, what): (Range<usize>, &str)| {
        let message = format!("the OCID is read as the name of a {what}");
        let why =
            format!("without `id` before it no {what} is found by it, and the policy is refused");
        let finding = stated
            .finding(&POLICY_SYNTAX, &span, &message, &why)
            .labelled("`id` is missing before it");
        let new = stated.with(&span, &format!("id {}", stated.text(&span)));
        stated.repaired(finding, &new)
    };
    places.into_iter().map(finding).collect()
}
