use std::ops::Range;

/// A file that is looked at.
#[derive(Debug)]
pub struct SourceFile {
    /// As it is printed: relative to where the command was given, with slashes.
    pub path: String,
    /// What it holds.
    pub text: String,
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
}

/// A place in a file, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl SourceFile {
    /// Takes a file's text.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(after.map(|(at, _)| at + 1)).collect();
        Self { path: path.into(), text, lines }
    }

    /// Returns the line and column of a byte.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("");
        Position { line, column: before.chars().count() + 1 }
    }

    /// Returns the text of a line, without its end.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        let range = self.line_range(number);
        self.text.get(range).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// Returns where a line is, with its end.
    #[must_use]
    pub fn line_range(&self, number: usize) -> Range<usize> {
        let start = number.checked_sub(1).and_then(|index| self.lines.get(index));
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        start.copied().unwrap_or(self.text.len())..end
    }

    /// Returns how many lines there are.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_characters() {
        let file = SourceFile::new("a", "ä b\r\nc\n");
        let at = |offset| {
            let Position { line, column } = file.position(offset);
            (line, column)
        };
        assert_eq!(
            [0, 2, 3, 6, 7, 8, 99].map(at),
            [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1), (3, 1)]
        );
        assert_eq!((file.line(1), file.line(2), file.line(3), file.line(4)), ("ä b", "c", "", ""));
        assert_eq!((file.line_count(), file.line_range(2)), (3, 6..8));
    }
}
