use std::ops::Range;

use super::command::Word;
use super::reader::{DEEPEST, Place, Reader};

impl Reader<'_> {
    /// Reads `<your vault's OCID>`, which stands for something that the reader fills in.
    pub(super) fn placeholder(&mut self) -> Option<Word> {
        if self.peek() != Some('<') || !self.peek_at(1)?.is_ascii_alphabetic() {
            return None;
        }
        let is_inside = |letter: char| {
            letter.is_ascii_alphanumeric() || matches!(letter, ' ' | '_' | '.' | ':' | '-' | '\'')
        };
        let mut length = 1;
        while self.peek_at(length).is_some_and(is_inside) && length < 60 {
            length += 1;
        }
        if self.peek_at(length) != Some('>') || self.peek_at(length - 1) == Some(' ') {
            return None;
        }
        let start = self.offset();
        let text = (0..=length).filter_map(|ahead| self.peek_at(ahead)).collect();
        self.at += length + 1;
        Some(Word { span: start..self.offset(), text, ..Word::default() })
    }

    /// Reads a word: until a blank or a sign that is not quoted.
    pub(super) fn word(&mut self, place: &Place, end: Option<char>) -> Word {
        let start = self.offset();
        let mut word = Word::default();
        while let Some(letter) = self.peek() {
            if Some(letter) == end {
                break;
            }
            match letter {
                '<' | '>' if self.peek_at(1) == Some('(') && self.depth < DEEPEST => {
                    self.at += 1;
                    self.substitution(&mut word, place);
                }
                '(' if word.text.ends_with('=') => {
                    word.text.push(letter);
                    self.at += 1;
                }
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => self.single_quoted(&mut word),
                '"' => self.double_quoted(&mut word, place),
                '$' => self.dollar(&mut word, place),
                '`' => self.backquoted(&mut word, place),
                '\\' if self.peek_at(1) == Some('\n') => break,
                '\\' => {
                    word.text.extend(self.peek_at(1));
                    self.at += 2;
                }
                _ => {
                    word.text.push(letter);
                    self.at += 1;
                }
            }
        }
        word.span = start..self.offset();
        word
    }

    fn single_quoted(&mut self, word: &mut Word) {
        self.at += 1;
        while let Some(letter) = self.peek() {
            self.at += 1;
            if letter == '\'' {
                break;
            }
            word.text.push(letter);
        }
    }

    fn double_quoted(&mut self, word: &mut Word, place: &Place) {
        self.at += 1;
        while let Some(letter) = self.peek() {
            match letter {
                '"' => {
                    self.at += 1;
                    break;
                }
                '$' => self.dollar(word, place),
                '`' => self.backquoted(word, place),
                '\\' => {
                    word.text.extend(self.peek_at(1).filter(|letter| *letter != '\n'));
                    self.at += 2;
                }
                _ => {
                    word.text.push(letter);
                    self.at += 1;
                }
            }
        }
    }

    fn dollar(&mut self, word: &mut Word, place: &Place) {
        let from = self.at;
        if self.has("$(") && self.depth < DEEPEST {
            self.at += 1;
            return self.substitution(word, place);
        }
        self.at += 1;
        if self.has("{{") {
            self.skip_until("}}");
        } else if self.has("{") {
            self.skip_braces();
        } else {
            while self.peek().is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            {
                self.at += 1;
            }
        }
        let text = self.text(from..self.at);
        let name = variable(&text);
        if !name.is_empty() {
            word.variables.push(name.to_owned());
        }
        word.text.push_str(&text);
    }

    fn skip_until(&mut self, end: &str) {
        while self.peek().is_some_and(|letter| letter != '\n') && !self.has(end) {
            self.at += 1;
        }
        self.at += end.len();
    }

    fn skip_braces(&mut self) {
        let mut depth = 0_usize;
        while let Some(letter) = self.peek() {
            self.at += 1;
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                '\n' => break,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }

    /// Reads `(…)`, the commands of which are filled in.
    fn substitution(&mut self, word: &mut Word, place: &Place) {
        let from = self.at;
        self.at += 1;
        self.captured(place, ')');
        word.has_command = true;
        word.text.push('$');
        word.text.push_str(&self.text(from..self.at));
    }

    fn backquoted(&mut self, word: &mut Word, place: &Place) {
        let from = self.at;
        self.at += 1;
        self.captured(place, '`');
        word.has_command = true;
        word.text.push_str(&self.text(from..self.at));
    }

    fn captured(&mut self, place: &Place, end: char) {
        let mut inner = Place { is_captured: true, open: Vec::new(), ..place.clone() };
        self.numbers += 1;
        inner.subshells.push(self.numbers);
        self.depth += 1;
        self.list(&mut inner, Some(end));
        self.depth -= 1;
        self.at += 1;
    }

    pub(super) fn text(&self, letters: Range<usize>) -> String {
        let letters = self.letters.letters.get(letters).unwrap_or(&[]);
        letters.iter().map(|(_, letter)| *letter).collect()
    }
}

/// Returns the name that `$NAME`, `${NAME…}` or `${{ path.of.name }}` begins with.
pub(super) fn variable(text: &str) -> &str {
    let text = text.trim_start_matches(['$', '{', ' ', '!', '#']);
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let path = |c: char| is_inside(c) || c == '.';
    let end = text.find(|c: char| !path(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or("").trim_end_matches('.')
}
