//! Plain text: a statement a line, or one that goes on in the next lines.

use std::ops::Range;

use super::super::piece::{Home, Kind, Piece, Quoting};
use super::block::{self, Line};
use super::words;

/// In a file of statements a line that begins as a statement is one, however wrong; elsewhere it may
/// be prose.
pub(super) fn read(text: &str, is_named_so: bool) -> Vec<Piece> {
    let lines = lines(text, 0..text.len());
    let shown = || lines.iter().map(|line| line.piece.text.trim()).filter(|line| !line.is_empty());
    let are_statements =
        is_named_so || shown().any(words::is_statement) || shown().all(words::begins);
    let home = Home { is_whole: are_statements, ..Home::default() };
    block::statements(lines, &home, Quoting::Plain)
}

/// Returns the lines of a part of a file, without what lists put around a statement: a dash, quotes, a
/// comma at the end.
pub(super) fn lines(text: &str, part: Range<usize>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = part.start;
    for line in text.get(part).unwrap_or("").split_inclusive('\n') {
        let range = start..start + line.len();
        let inner = inner(line);
        let begins = line.find(inner).unwrap_or(0);
        let mut piece = Piece::new(Kind::Statement, Quoting::Plain);
        piece.push_str(inner, start + begins);
        lines.push(Line { piece, range: range.clone() });
        start = range.end;
    }
    lines
}

fn inner(line: &str) -> &str {
    let line = line.trim();
    let line = ["- ", "* ", "• "].iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line);
    let line = line.trim();
    let unquoted = line.strip_prefix('"').map(|rest| rest.strip_suffix(',').unwrap_or(rest));
    let unquoted = unquoted.and_then(|rest| rest.trim_end().strip_suffix('"'));
    unquoted.filter(|inner| !inner.contains('"')).unwrap_or(line)
}
