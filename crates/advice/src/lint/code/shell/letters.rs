use std::ops::Range;

/// The letters of a text, each with the byte of the file where it stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters {
    pub(super) letters: Vec<(usize, char)>,
    /// The byte after the last.
    pub(super) end: usize,
}

impl Letters {
    /// Takes a part of a file as it stands.
    pub(crate) fn plain(file: &str, span: Range<usize>) -> Self {
        let text = file.get(span.clone()).unwrap_or("");
        let letters = text.char_indices().map(|(at, letter)| (span.start + at, letter)).collect();
        Self { letters, end: span.end }
    }

    /// Takes the inside of a string in double quotes, in which a backslash escapes.
    pub(crate) fn quoted(file: &str, span: Range<usize>) -> Self {
        let plain = Self::plain(file, span);
        let mut letters = Vec::with_capacity(plain.letters.len());
        let mut all = plain.letters.into_iter();
        while let Some((at, letter)) = all.next() {
            if letter != '\\' {
                letters.push((at, letter));
                continue;
            }
            match all.next() {
                Some((_, 'n')) => letters.push((at, '\n')),
                Some((_, 't')) => letters.push((at, '\t')),
                Some((_, escaped)) => letters.push((at, escaped)),
                None => letters.push((at, letter)),
            }
        }
        Self { letters, end: plain.end }
    }

    /// Adds what follows it, on a line of its own.
    pub(crate) fn then(&mut self, other: Self) {
        if !self.letters.is_empty() {
            self.letters.push((self.end, '\n'));
        }
        self.letters.extend(other.letters);
        self.end = other.end;
    }
}
