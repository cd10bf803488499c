//! HCL and JSON: strings and heredocs, by the key that they stand under.

use std::ops::Range;

use super::super::piece::{Home, Kind, Piece, Quoting};
use super::block::{self, Line};
use super::{removal, words};

pub(super) fn read(text: &str) -> Vec<Piece> {
    let mut reader = Reader::new(text, 0, None);
    reader.run(false);
    reader.pieces
}

/// Reads one list or object that begins at a place, and returns where it ends.
pub(super) fn read_one(text: &str, at: usize, key: Option<&str>) -> (Vec<Piece>, usize) {
    let mut reader = Reader::new(text, at, key);
    reader.run(true);
    (reader.pieces, reader.at)
}

/// A list, an object or a pair of parentheses that is open.
struct Frame {
    is_object: bool,
    /// What its entry stands under, if it is an object.
    key: Option<String>,
    /// Number of that entry in the file.
    entry: usize,
    is_choice: bool,
    attachment: Option<String>,
    first_piece: usize,
    last_comma: Option<usize>,
    /// The last piece, if nothing stood after it yet, and where its string stands.
    pending: Option<(usize, Range<usize>)>,
}

impl Frame {
    fn new(is_object: bool, entry: usize, first_piece: usize) -> Self {
        Self {
            is_object,
            key: None,
            entry,
            is_choice: false,
            attachment: None,
            first_piece,
            last_comma: None,
            pending: None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    frames: Vec<Frame>,
    entries: usize,
    /// The word or string before, which is a key if a sign says so.
    last: Option<String>,
    pieces: Vec<Piece>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, at: usize, key: Option<&str>) -> Self {
        let mut top = Frame::new(true, 0, 0);
        top.key = key.map(str::to_owned);
        Self { text, at, frames: vec![top], entries: 0, last: None, pieces: Vec::new() }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn top(&mut self) -> Option<&mut Frame> {
        self.frames.last_mut()
    }

    fn run(&mut self, only_one: bool) {
        while let Some(c) = self.rest().chars().next() {
            let before = self.frames.len();
            self.step(c);
            if only_one && before > 1 && self.frames.len() == 1 {
                return;
            }
        }
        while self.frames.len() > 1 {
            self.close();
        }
    }

    fn step(&mut self, c: char) {
        let rest = self.rest();
        if rest.starts_with("//") || c == '#' {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if c == '"' {
            self.string();
        } else if rest.starts_with("<<") && self.heredoc() {
        } else if in_word(c) {
            let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            self.word(rest.get(..length).unwrap_or(""));
            self.at += length;
        } else {
            self.at += c.len_utf8();
            self.sign(c);
        }
    }

    fn word(&mut self, word: &str) {
        if matches!(word, "for" | "if")
            && let Some(top) = self.top()
        {
            top.is_choice = true;
        }
        self.last = Some(word.to_owned());
    }

    fn sign(&mut self, c: char) {
        match c {
            '{' | '[' | '(' => {
                let frame = Frame::new(c == '{', self.entries, self.pieces.len());
                self.frames.push(frame);
                self.last = None;
            }
            '}' | ']' | ')' => self.close(),
            ',' => self.comma(),
            '?' => {
                if let Some(top) = self.top() {
                    top.is_choice = true;
                }
            }
            '=' | ':' => self.key(),
            _ => {}
        }
    }

    /// What stood before is the key of an entry, if this is an object.
    fn key(&mut self) {
        let rest = self.rest();
        if rest.starts_with(['=', '>']) {
            self.at += 1;
            return;
        }
        let Some(key) = self.last.take() else { return };
        let value = rest.split(['\n', ',', '}']).next().unwrap_or("").trim();
        let value = value.trim_matches(['"', '\'']).to_owned();
        let is_attachment = words::is_attachment_key(&key) && !value.is_empty();
        self.entries += 1;
        let entry = self.entries;
        let Some(top) = self.top().filter(|top| top.is_object) else { return };
        (top.key, top.entry, top.is_choice) = (Some(key), entry, false);
        if is_attachment && top.attachment.is_none() {
            top.attachment = Some(value);
        }
    }

    fn comma(&mut self) {
        let (text, at) = (self.text, self.at);
        let Some(top) = self.top() else { return };
        let pending = top.pending.take();
        top.last_comma = Some(at.saturating_sub(1));
        self.last = None;
        if let Some((piece, string)) = pending
            && let Some(piece) = self.pieces.get_mut(piece)
        {
            piece.home.removal = Some(removal(text, &(string.start..at)));
        }
    }

    fn close(&mut self) {
        if self.frames.len() < 2 {
            return;
        }
        let Some(frame) = self.frames.pop() else { return };
        if let (Some((piece, string)), Some(comma)) = (frame.pending, frame.last_comma)
            && let Some(piece) = self.pieces.get_mut(piece)
        {
            let between = self.text.get(comma..string.start).unwrap_or("");
            let has_comment = between.contains('#') || between.contains("//");
            let start = if has_comment { string.start } else { comma };
            piece.home.removal = Some(start..string.end);
        }
        for piece in self.pieces.get_mut(frame.first_piece..).unwrap_or_default() {
            if piece.home.attachment.is_none() {
                piece.home.attachment.clone_from(&frame.attachment);
            }
        }
        self.last = None;
    }

    /// The entry of the innermost object, and whether what stands there always does.
    fn home(&self) -> (Option<&str>, Home) {
        let inner = self.frames.iter().rposition(|frame| frame.is_object).unwrap_or(0);
        let within = self.frames.get(inner..).unwrap_or_default();
        let object = within.first();
        let policy = object.map_or(0, |frame| frame.entry);
        let is_whole = !within.iter().any(|frame| frame.is_choice);
        let key = object.and_then(|frame| frame.key.as_deref()).unwrap_or("");
        let is_in_policy = words::is_statement_key(key);
        let home = Home { policy, is_in_policy, is_whole, ..Home::default() };
        (object.and_then(|frame| frame.key.as_deref()), home)
    }

    fn string(&mut self) {
        let start = self.at;
        let mut piece = Piece::new(Kind::Statement, Quoting::Template);
        self.at += 1;
        while let Some(c) = self.rest().chars().next() {
            if c == '"' {
                self.at += 1;
                break;
            }
            self.character(c, &mut piece);
        }
        let after = self.rest().trim_start_matches([' ', '\t']);
        let is_key = after.starts_with(':') || (after.starts_with('=') && !after.starts_with("=="));
        if is_key && self.frames.last().is_some_and(|top| top.is_object) {
            self.last = Some(piece.text);
            return;
        }
        self.last = None;
        self.take(piece.trimmed(), start..self.at);
    }

    /// A character of a template, an escape or an interpolation.
    fn character(&mut self, c: char, piece: &mut Piece) {
        let (rest, start) = (self.rest(), self.at);
        if rest.starts_with("$${") || rest.starts_with("%%{") {
            self.at += 2;
            piece.push(c, start..self.at);
        } else if rest.starts_with("${") || rest.starts_with("%{") {
            self.at += interpolation(rest);
            let written = self.text.get(start..self.at).unwrap_or("").to_owned();
            piece.push_hole(&written, &(start..self.at));
        } else if c == '\\' && piece.has_escapes() {
            let (meant, length) = escape(rest);
            self.at += length;
            piece.push(meant, start..self.at);
        } else {
            self.at += c.len_utf8();
            piece.push(c, start..self.at);
        }
    }

    fn take(&mut self, mut piece: Piece, string: Range<usize>) {
        let (key, home) = self.home();
        let key = key.unwrap_or("");
        let Some(kind) = words::kind(&piece.text, key) else { return };
        (piece.kind, piece.home) = (kind, home);
        let number = self.pieces.len();
        self.pieces.push(piece);
        if let Some(top) = self.top().filter(|top| !top.is_object) {
            top.pending = Some((number, string));
        }
    }

    /// Reads a heredoc, if one begins here.
    fn heredoc(&mut self) -> bool {
        let rest = self.rest();
        let marker = rest.trim_start_matches('<').trim_start_matches('-');
        let marker = marker.lines().next().unwrap_or("").trim();
        if marker.is_empty() || !marker.chars().all(in_word) {
            return false;
        }
        self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
        let (key, mut home) = self.home();
        home.is_whole &= words::is_statement_key(key.unwrap_or(""));
        let is_prose = words::is_prose_key(key.unwrap_or(""));
        let mut lines = Vec::new();
        while !self.rest().is_empty() {
            let start = self.at;
            let line = self.rest().split_inclusive('\n').next().unwrap_or("");
            let end = start + line.len();
            if line.trim() == marker {
                self.at = end;
                break;
            }
            let mut piece = Piece::new(Kind::Statement, Quoting::Heredoc);
            let stop = start + line.trim_end().len();
            while self.at < stop {
                let Some(c) = self.rest().chars().next() else { break };
                self.character(c, &mut piece);
            }
            self.at = self.at.max(end);
            lines.push(Line { piece: piece.trimmed(), range: start..self.at });
        }
        if !is_prose {
            self.pieces.extend(block::statements(lines, &home, Quoting::Heredoc));
        }
        true
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Length of an interpolation, strings and braces within it counted.
fn interpolation(rest: &str) -> usize {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (at, c) in rest.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            '{' if !in_string => depth += 1,
            '}' if !in_string => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            '\n' if !in_string && depth == 0 => return at,
            _ => {}
        }
    }
    rest.len()
}

/// What an escape means, and its length.
fn escape(rest: &str) -> (char, usize) {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('n') => ('\n', 2),
        Some('t') => ('\t', 2),
        Some('r') => ('\r', 2),
        Some('u') => {
            let code = rest.get(2..6).and_then(|code| u32::from_str_radix(code, 16).ok());
            let meant = code.and_then(char::from_u32);
            meant.map_or(('u', 2), |meant| (meant, 6))
        }
        Some(other) => (other, 1 + other.len_utf8()),
        None => ('\\', 1),
    }
}
