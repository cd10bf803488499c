use std::fmt::{self, Write};
use std::ops::Range;

/// Why a statement was not read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The offending bytes of the statement.
    pub span: Range<usize>,
    /// What was found or not found.
    pub message: String,
    /// What could stand there instead.
    pub expected: Vec<&'static str>,
    /// The word that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl ParseError {
    pub(crate) fn syntax(
        span: Range<usize>,
        message: impl Into<String>,
        expected: &[&'static str],
    ) -> Self {
        Self { span, message: message.into(), expected: expected.to_vec(), suggestion: None }
    }

    /// Adds the known word nearest to `word`, if one is near enough to be a misspelling.
    pub(crate) fn suggest(self, word: &str, known: impl Iterator<Item = &'static str>) -> Self {
        Self { suggestion: similar(word, known), ..self }
    }

    /// Says the error in one line, with the word that was probably meant.
    #[must_use]
    pub fn advice(&self) -> String {
        match self.suggestion {
            Some(suggestion) => format!("{self}; did you mean `{suggestion}`?"),
            None => self.to_string(),
        }
    }

    /// Renders the error under the statement, with a caret below the place.
    #[must_use]
    pub fn render(&self, statement: &str) -> String {
        let line: String =
            statement.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let column = statement.get(..self.span.start).map_or(0, |before| before.chars().count());
        let width = statement.get(self.span.clone()).map_or(1, |at| at.chars().count().max(1));
        let mut text = format!("error: {self}\n  | {line}\n  | ");
        text.push_str(&" ".repeat(column));
        text.push_str(&"^".repeat(width));
        if let Some(suggestion) = self.suggestion {
            // Writing to a String cannot fail.
            let _written = write!(text, "\n  = did you mean `{suggestion}`?");
        }
        text
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.message, self.span.start)?;
        for (number, expected) in self.expected.iter().enumerate() {
            f.write_str(if number == 0 { ", expected " } else { ", " })?;
            if expected.chars().all(|c| c.is_ascii_punctuation()) {
                write!(f, "`{expected}`")?;
            } else {
                f.write_str(expected)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ParseError {}

/// Finds the known word nearest to `word`, if one is near enough to be a misspelling; case counts for
/// nothing.
#[must_use]
pub fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let nearest = known.map(|known| (distance(&word, &known.to_ascii_lowercase()), known)).min();
    let near = nearest.filter(|(distance, known)| *distance <= ((known.len() + 1) / 4).clamp(1, 2));
    near.map(|(_, known)| known)
}

/// The Damerau-Levenshtein distance with adjacent transpositions, on bytes.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (row, in_a) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut previous_b = None;
        for (column, in_b) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column) + usize::from(in_a != in_b);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            if previous_a == Some(in_b) && previous_b == Some(in_a) && column > 0 {
                best = best.min(at(&before_last, column - 1).saturating_add(1));
            }
            current.push(best);
            previous_b = Some(in_b);
        }
        before_last = last;
        last = current;
        previous_a = Some(in_a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpositions_count_once() {
        for (a, b, expected) in
            [("raed", "read", 1), ("", "ab", 2), ("use", "use", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
