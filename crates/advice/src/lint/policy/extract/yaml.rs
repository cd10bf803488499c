//! YAML: plain, quoted and block texts, by the key that they stand under.

use std::ops::Range;

use super::super::piece::{Home, Kind, Piece, Quoting};
use super::block::{self, Line};
use super::{braces, words};

pub(super) fn read(text: &str) -> Vec<Piece> {
    let mut reader = Reader { text, at: 0, keys: Vec::new(), entries: 0, pieces: Vec::new() };
    while reader.at < text.len() {
        reader.entry();
    }
    reader.pieces
}

struct Key {
    indent: usize,
    name: String,
    entry: usize,
}

struct Reader<'a> {
    text: &'a str,
    /// Where a line begins.
    at: usize,
    keys: Vec<Key>,
    entries: usize,
    pieces: Vec<Piece>,
}

impl<'a> Reader<'a> {
    fn line(&self) -> &'a str {
        self.text.get(self.at..).and_then(|rest| rest.split_inclusive('\n').next()).unwrap_or("")
    }

    /// Reads a line, and what belongs to its value.
    fn entry(&mut self) {
        let (start, line) = (self.at, self.line());
        self.at += line.len();
        let mut rest = line.trim_start_matches(' ');
        let is_nothing = |text: &str| text.trim().is_empty() || text.starts_with('#');
        if is_nothing(rest) || rest.starts_with("---") {
            return;
        }
        let mut indent = line.len() - rest.len();
        let outer = indent;
        while let Some(item) = rest.strip_prefix("- ") {
            let item = item.trim_start_matches(' ');
            indent += rest.len() - item.len();
            rest = item;
        }
        self.keys.retain(|key| key.indent < indent);
        if let Some((name, value)) = key_and_value(rest) {
            self.entries += 1;
            self.keys.push(Key { indent, name: name.to_owned(), entry: self.entries });
            rest = value;
        }
        if is_nothing(rest) {
            return;
        }
        let value = start + (line.len() - rest.len());
        self.value(value, outer, start);
    }

    fn value(&mut self, value: usize, indent: usize, start: usize) {
        let rest = self.text.get(value..).unwrap_or("");
        let key = self.keys.last().map(|key| key.name.clone()).unwrap_or_default();
        let policy = self.keys.last().map_or(0, |key| key.entry);
        let is_in_policy = words::is_statement_key(&key);
        let home = Home { policy, is_whole: true, is_in_policy, ..Home::default() };
        match rest.chars().next() {
            Some('[' | '{') => {
                let (found, end) = braces::read_one(self.text, value, Some(&key));
                self.pieces.extend(found.into_iter().map(|mut piece| {
                    piece.home.policy = policy;
                    piece
                }));
                self.skip_to(end);
            }
            Some('|' | '>') => self.block(&key, home, indent),
            Some(quote @ ('"' | '\'')) => {
                let (piece, end) = quoted(self.text, value, quote);
                self.skip_to(end);
                self.take(piece, &key, Home { removal: Some(start..self.at), ..home });
            }
            _ => {
                let piece = self.plain(value, indent);
                self.take(piece, &key, Home { removal: Some(start..self.at), ..home });
            }
        }
    }

    /// Goes on with the line after a place.
    fn skip_to(&mut self, end: usize) {
        while self.at < end && self.at < self.text.len() {
            self.at += self.line().len();
        }
    }

    fn take(&mut self, piece: Piece, key: &str, home: Home) {
        let mut piece = piece.trimmed();
        let Some(kind) = words::kind(&piece.text, key) else { return };
        let is_item = self.text.get(home.removal.clone().unwrap_or_default());
        let is_item = is_item.is_some_and(|lines| lines.trim_start().starts_with("- "));
        (piece.kind, piece.home) = (kind, home);
        if !is_item {
            piece.home.removal = None;
        }
        self.pieces.push(piece);
    }

    /// A text without quotes, with the lines that are indented more.
    fn plain(&mut self, value: usize, indent: usize) -> Piece {
        let mut piece = Piece::new(Kind::Statement, Quoting::Plain);
        let mut from = value;
        loop {
            let line = self.text.get(from..self.at).unwrap_or("");
            let shown = line.split(" #").next().unwrap_or("").trim_end();
            piece.push_str(shown, from);
            let next = self.line();
            let inner = next.trim_start_matches(' ');
            let depth = next.len() - inner.len();
            let goes_on = depth > indent && !inner.trim().is_empty();
            if !goes_on || inner.starts_with(['#', '-']) || key_and_value(inner).is_some() {
                return piece;
            }
            piece.push('\n', self.at..self.at);
            from = self.at + depth;
            self.at += next.len();
        }
    }

    fn block(&mut self, key: &str, home: Home, indent: usize) {
        let mut lines = Vec::new();
        loop {
            let (start, line) = (self.at, self.line());
            let inner = line.trim_start_matches(' ');
            let depth = line.len() - inner.len();
            if line.is_empty() || (depth <= indent && !inner.trim().is_empty()) {
                break;
            }
            self.at += line.len();
            let mut piece = Piece::new(Kind::Statement, Quoting::Plain);
            piece.push_str(inner.trim_end(), start + depth);
            lines.push(Line { piece, range: start..self.at });
        }
        if !words::is_prose_key(key) {
            let is_whole = words::is_statement_key(key);
            let home = Home { is_whole, ..home };
            self.pieces.extend(block::statements(lines, &home, Quoting::Plain));
        }
    }
}

/// Splits `key: value`, but not a statement.
fn key_and_value(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_once(':')?;
    let name = key.trim().trim_matches(['"', '\'']);
    let fits_key = |c: char| c.is_alphanumeric() || "_-. /".contains(c);
    let is_key = !name.is_empty() && name.chars().all(fits_key) && !words::begins(name);
    let ends = rest.is_empty() || rest.starts_with([' ', '\n', '\r']);
    (is_key && ends).then(|| (name, rest.trim_start_matches(' ')))
}

/// A text in quotes, and where it ends.
fn quoted(text: &str, start: usize, quote: char) -> (Piece, usize) {
    let quoting = if quote == '"' { Quoting::Double } else { Quoting::Single };
    let mut piece = Piece::new(Kind::Statement, quoting);
    let inner: Range<usize> = start + 1..text.len();
    let mut left = text.get(inner.clone()).unwrap_or("").char_indices().peekable();
    while let Some((at, c)) = left.next() {
        let at = inner.start + at;
        let doubled = quote == '\'' && left.peek().is_some_and(|(_, next)| *next == '\'');
        if c == quote && !doubled {
            return (piece, at + 1);
        }
        let is_escape = c == quote || (c == '\\' && quote == '"');
        match left.peek().copied().filter(|_| is_escape) {
            Some((next_at, next)) => {
                left.next();
                let meant = if next == 'n' && quote == '"' { '\n' } else { next };
                piece.push(meant, at..inner.start + next_at + next.len_utf8());
            }
            None => piece.push(c, at..at + c.len_utf8()),
        }
    }
    (piece, text.len())
}
