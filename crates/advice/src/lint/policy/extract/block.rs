//! Statements line by line, one after the other.

use std::ops::Range;

use super::super::piece::{Home, Kind, Piece, Quoting};
use super::words;

/// A line of a piece under construction, already without what surrounds it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its text, with the words that stand for interpolations.
    pub(super) piece: Piece,
    /// All of the line in the file, with its end.
    pub(super) range: Range<usize>,
}

/// Splits lines into statements: one begins where a line begins as a statement does, and goes on until
/// an empty line or the next one.
pub(super) fn statements(lines: Vec<Line>, home: &Home, quoting: Quoting) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut is_open = false;
    for Line { piece, range } in lines {
        let text = piece.text.trim();
        if text.is_empty() || is_comment(text) {
            is_open = is_open && !text.is_empty();
            continue;
        }
        let last = pieces.last().map_or("", |piece| piece.text.trim_end());
        let goes_on = is_open && !is_whole(last);
        let kind = if words::is_rule(text) && !goes_on {
            Some(Kind::Rule)
        } else {
            let is_one = words::is_statement(text)
                || words::opens(text)
                || (words::begins(text) && home.is_whole);
            is_one.then_some(Kind::Statement)
        };
        if let Some(kind) = kind {
            let mut begun = Piece::new(kind, quoting);
            begun.append(piece);
            begun.home = Home { removal: Some(range), ..home.clone() };
            pieces.push(begun);
            is_open = true;
        } else if is_open && let Some(last) = pieces.last_mut() {
            last.push('\n', range.start..range.start);
            last.append(piece);
            if let Some(removal) = &mut last.home.removal {
                removal.end = range.end;
            }
        }
    }
    pieces.into_iter().map(Piece::trimmed).collect()
}

/// Tells whether a statement or rule can end here.
fn is_whole(text: &str) -> bool {
    let is_even = text.matches('{').count() == text.matches('}').count();
    let last = text.split_whitespace().next_back().unwrap_or("").to_ascii_lowercase();
    let is_end = !matches!(last.as_str(), "where" | "to" | "in" | "and" | "or" | "all" | "any");
    is_even && is_end && !text.ends_with([',', '='])
}

fn is_comment(text: &str) -> bool {
    ["#", "//", "--", "/*"].iter().any(|start| text.starts_with(start))
}
