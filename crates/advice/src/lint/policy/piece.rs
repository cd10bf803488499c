//! A statement as it stands in a file: its text, and where every byte of it comes from.

use std::fmt::Write;
use std::ops::Range;

use super::super::finding::Edit;

/// What stands for an interpolation: a word that a statement can have anywhere.
const HOLE: &str = "interpolated";

/// How a text is written in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// As it is.
    Plain,
    /// In double quotes, with backslashes.
    Double,
    /// In double quotes, with backslashes and interpolations.
    Template,
    /// In a heredoc, with interpolations.
    Heredoc,
    /// In single quotes, which are doubled within.
    Single,
}

impl Quoting {
    fn escaped(self, text: &str) -> String {
        let backslashes = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        match self {
            Self::Plain => text.to_owned(),
            Self::Double => backslashes(text),
            Self::Template => backslashes(text).replace("${", "$${"),
            Self::Heredoc => text.replace("${", "$${"),
            Self::Single => text.replace('\'', "''"),
        }
    }
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A statement of a policy.
    Statement,
    /// A matching rule of a dynamic group.
    Rule,
}

/// Where a piece belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Home {
    /// Number of its policy in the file.
    pub(super) policy: usize,
    /// What the file says that the policy is attached to, as it is written there.
    pub(super) attachment: Option<String>,
    /// Whether it is in a policy: a list of statements that is one.
    pub(super) is_in_policy: bool,
    /// Whether all statements of the policy are there, one after the other, with no condition.
    pub(super) is_whole: bool,
    /// What goes when the statement goes.
    pub(super) removal: Option<Range<usize>>,
}

/// A statement or a matching rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    /// What is read: interpolations are replaced by words.
    pub(super) text: String,
    pub(super) home: Home,
    quoting: Quoting,
    /// For each byte of the text where in the file it comes from.
    sources: Vec<Range<usize>>,
    holes: Vec<Hole>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hole {
    word: String,
    written: String,
}

impl Piece {
    /// Begins a piece.
    pub(super) fn new(kind: Kind, quoting: Quoting) -> Self {
        let (text, home) = (String::new(), Home::default());
        Self { kind, text, home, quoting, sources: Vec::new(), holes: Vec::new() }
    }

    pub(super) fn push(&mut self, c: char, source: Range<usize>) {
        self.text.push(c);
        self.sources.extend(std::iter::repeat_n(source, c.len_utf8()));
    }

    /// Adds what stands as it is in the file.
    pub(super) fn push_str(&mut self, text: &str, start: usize) {
        for (at, c) in text.char_indices() {
            self.push(c, start + at..start + at + c.len_utf8());
        }
    }

    /// Adds an interpolation: a word of a form that fits the place.
    pub(super) fn push_hole(&mut self, written: &str, source: &Range<usize>) {
        let known = self.holes.iter().position(|hole| hole.written == written);
        let number = known.unwrap_or(self.holes.len());
        let word = format!("{}{HOLE}{number}x", self.prefix());
        for c in word.chars() {
            self.push(c, source.clone());
        }
        self.holes.push(Hole { word, written: written.to_owned() });
    }

    /// What the words before ask for.
    fn prefix(&self) -> &'static str {
        if self.kind == Kind::Statement
            && let Some(prefix) = self.prefix_in_condition()
        {
            return prefix;
        }
        if !self.text.ends_with([' ', '\t', '\n']) {
            return if self.text.is_empty() { "allow group " } else { "" };
        }
        let last = self.text.split_whitespace().next_back().unwrap_or("").to_ascii_lowercase();
        match last.as_str() {
            _ if self.kind == Kind::Rule => "",
            "id" | "as" => "ocid1.",
            "allow" | "deny" | "admit" | "endorse" => "group ",
            "in" if !self.text.contains('{') => "compartment ",
            _ => "",
        }
    }

    /// Tells whether something is interpolated.
    pub(super) fn has_holes(&self) -> bool {
        !self.holes.is_empty()
    }

    /// Tells whether a backslash means something where it is written.
    pub(super) fn has_escapes(&self) -> bool {
        matches!(self.quoting, Quoting::Double | Quoting::Template)
    }

    /// In a condition a clause, a variable or a value can be interpolated; after a location all of it.
    fn prefix_in_condition(&self) -> Option<&'static str> {
        let lower = self.text.to_ascii_lowercase();
        if let Some((_, condition)) = lower.split_once(" where") {
            let is_quoted = condition.matches('\'').count() % 2 == 1;
            let begins = condition.ends_with([' ', '\t', '\n', '{', ',', '(', '=']);
            return Some(if begins && !is_quoted { "request." } else { "" });
        }
        let words: Vec<&str> = lower.split_whitespace().collect();
        let is_whole = match words.as_slice() {
            [.., "in", "tenancy"] | [.., "compartment", "id", _] => true,
            [.., "compartment", last] => *last != "id",
            _ => false,
        };
        (is_whole && lower.ends_with(' ')).then_some("where request.")
    }

    /// Adds another piece at the end.
    pub(super) fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.sources.extend(other.sources);
        self.holes.extend(other.holes);
    }

    /// Leaves out blanks at both ends.
    pub(super) fn trimmed(mut self) -> Self {
        self.text.truncate(self.text.trim_end().len());
        self.sources.truncate(self.text.len());
        let blanks = self.text.len() - self.text.trim_start().len();
        self.text = self.text.split_off(blanks);
        self.sources = self.sources.split_off(blanks);
        self
    }

    /// Returns where a part of the text stands in the file.
    pub(super) fn in_file(&self, span: &Range<usize>) -> Range<usize> {
        let end_of_all = self.sources.last().map_or(0, |source| source.end);
        let start = self.sources.get(span.start).map_or(end_of_all, |source| source.start);
        let last = span.end.checked_sub(1).filter(|last| *last >= span.start);
        let end = last.and_then(|last| self.sources.get(last)).map_or(start, |source| source.end);
        start..end.max(start)
    }

    /// Returns where all of it stands in the file.
    pub(super) fn whole(&self) -> Range<usize> {
        self.in_file(&(0..self.text.len()))
    }

    /// Puts the interpolations back.
    pub(super) fn shown(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for Hole { word, written } in self.holes.iter().rev() {
            shown = shown.replace(word.as_str(), written);
        }
        shown
    }

    /// The text with other words for its interpolations.
    pub(super) fn with_words(&self, mut word_for: impl FnMut(&str) -> String) -> String {
        let mut text = self.text.clone();
        for Hole { word, written } in self.holes.iter().rev() {
            // What the place asked for stays before it.
            let own = word.find(HOLE).and_then(|at| word.get(at..)).unwrap_or(word);
            text = text.replace(own, &word_for(written));
        }
        text
    }

    /// Tells whether a text was interpolated.
    pub(super) fn is_open(text: &str) -> bool {
        text.to_ascii_lowercase().contains(HOLE)
    }

    /// Returns the change of the file that puts `new` for the whole text; none if nothing changes.
    pub(super) fn rewritten(&self, new: &str) -> Option<Edit> {
        let same = |(a, b): &(char, char)| a == b;
        let start: usize =
            self.text.chars().zip(new.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
        let (old_rest, new_rest) = (self.text.get(start..)?, new.get(start..)?);
        let backwards = old_rest.chars().rev().zip(new_rest.chars().rev());
        let end: usize = backwards.take_while(same).map(|(c, _)| c.len_utf8()).sum();
        let old = start..self.text.len().checked_sub(end)?;
        let text = new.get(start..new.len().checked_sub(end)?)?;
        if old.is_empty() && text.is_empty() {
            return None;
        }
        self.replaced(&old, text)
    }

    /// Returns the change of the file that puts `text` for a part; none if that would cut an
    /// interpolation in two.
    pub(super) fn replaced(&self, span: &Range<usize>, text: &str) -> Option<Edit> {
        let cuts = |at: usize| {
            let before = at.checked_sub(1).and_then(|before| self.sources.get(before));
            let after = self.sources.get(at);
            matches!((before, after), (Some(a), Some(b)) if a == b && self.is_in_hole(at))
        };
        if cuts(span.start) || cuts(span.end) {
            return None;
        }
        let text = self.shown(&self.quoting.escaped(text));
        Some(Edit { span: self.in_file(span), text })
    }

    fn is_in_hole(&self, at: usize) -> bool {
        let is_in = |hole: &Hole| {
            let mut found = self.text.match_indices(&hole.word);
            found.any(|(start, word)| start < at && at < start + word.len())
        };
        self.holes.iter().any(is_in)
    }

    /// Says where it stands, for another file.
    pub(super) fn place(&self, file: &super::SourceFile) -> String {
        let mut place = file.path.clone();
        // Writing to a String cannot fail.
        let _written = write!(place, ":{}", file.position(self.whole().start).line);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_mapped_back_to_the_file() {
        // "Allow ${var.who} to raed x" behind a quote
        let mut piece = Piece::new(Kind::Statement, Quoting::Template);
        piece.push_str("Allow ", 1);
        piece.push_hole("${var.who}", &(7..17));
        piece.push_str(" to raed x ", 17);
        let piece = piece.trimmed();
        assert_eq!(piece.text, "Allow group interpolated0x to raed x");
        let fixed = piece.text.replace("raed", "read");
        let edit = piece.rewritten(&fixed).unwrap();
        assert_eq!((edit.span, edit.text.as_str()), (22..24, "ea"));
        assert_eq!(piece.shown(&fixed), "Allow ${var.who} to read x");
        assert_eq!(piece.rewritten(&piece.text), None);
        assert_eq!(piece.replaced(&(8..14), "x"), None);
        assert_eq!(piece.whole(), 1..27);
    }
}
