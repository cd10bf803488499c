use super::command::{Command, Output, Word};
use super::letters::Letters;
use super::steering::{is_name, next_branch, steer};
use super::words::variable;

/// Reads the commands of a script, those within words included, in the order in which they begin to
/// run. What is no shell is read as far as it goes.
pub(crate) fn read(letters: &Letters) -> Vec<Command> {
    let mut reader = Reader { letters, at: 0, commands: Vec::new(), depth: 0, numbers: 0 };
    let mut place = Place::default();
    while reader.peek().is_some() {
        reader.list(&mut place, None);
        reader.at += 1;
    }
    reader.commands
}

/// How deep commands may stand in each other.
pub(super) const DEEPEST: usize = 40;

pub(super) struct Reader<'a> {
    pub(super) letters: &'a Letters,
    pub(super) at: usize,
    commands: Vec<Command>,
    pub(super) depth: usize,
    pub(super) numbers: usize,
}

/// What is around a command.
#[derive(Clone, Default)]
pub(super) struct Place {
    pub(super) is_captured: bool,
    pub(super) functions: usize,
    pub(super) subshells: Vec<usize>,
    pub(super) branches: Vec<(usize, usize)>,
    /// What was begun and not ended: the words that end it.
    pub(super) open: Vec<&'static str>,
    /// The first command of each group that is open.
    pub(super) groups: Vec<usize>,
    /// Documents that begin on the next line: their ends, and the command that reads each.
    pub(super) documents: Vec<(String, bool)>,
}

/// A command while it is read.
#[derive(Default)]
struct Draft {
    command: Command,
    has_begun: bool,
    /// The first command of the group that it ends.
    group: Option<usize>,
}

impl Reader<'_> {
    pub(super) fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<char> {
        self.letters.letters.get(self.at + ahead).map(|(_, letter)| *letter)
    }

    pub(super) fn offset(&self) -> usize {
        self.letters.letters.get(self.at).map_or(self.letters.end, |(offset, _)| *offset)
    }

    pub(super) fn has(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, letter)| self.peek_at(ahead) == Some(letter))
    }

    /// Reads commands until `end`, which is left to be read, or to the end of the text.
    pub(super) fn list(&mut self, place: &mut Place, end: Option<char>) {
        let mut draft = Draft::default();
        while let Some(letter) = self.peek() {
            if Some(letter) == end {
                break;
            }
            match letter {
                ' ' | '\t' | '\r' => self.at += 1,
                '\\' if self.peek_at(1) == Some('\n') => self.at += 2,
                '\n' => {
                    self.finish(&mut draft, place, false);
                    self.at += 1;
                    self.documents(place);
                }
                '#' => self.skip_line(),
                ';' | '&' | '|' | '(' | ')' => self.separator(letter, &mut draft, place),
                '<' | '>' => self.redirection(1, &mut draft, place),
                _ => self.word_of(&mut draft, place, end),
            }
        }
        self.finish(&mut draft, place, false);
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|letter| letter != '\n') {
            self.at += 1;
        }
    }

    fn separator(&mut self, letter: char, draft: &mut Draft, place: &mut Place) {
        if letter == '&' && self.peek_at(1) == Some('>') {
            self.at += 1;
            return self.redirection(1, draft, place);
        }
        if letter == '(' && self.peek_at(1) == Some(')') && draft.command.words.len() == 1 {
            self.at += 2;
            draft.command.words.clear();
            place.open.push("function");
            return;
        }
        if letter == '(' && draft.command.words.is_empty() && self.depth < DEEPEST {
            return self.subshell(draft, place);
        }
        let is_pipe = letter == '|' && self.peek_at(1) != Some('|');
        self.finish(draft, place, is_pipe);
        self.at += 1;
        match self.peek() {
            Some(second) if letter == ';' && second == ';' => {
                self.at += 1;
                next_branch(place);
            }
            Some(second) if second == letter && letter != '(' && letter != ')' => self.at += 1,
            Some('&') if letter == '|' => self.at += 1,
            _ => {}
        }
        draft.command.reads_pipe = is_pipe;
    }

    fn subshell(&mut self, draft: &mut Draft, place: &Place) {
        let start = self.offset();
        self.at += 1;
        self.numbers += 1;
        let mut inner = place.clone();
        inner.subshells.push(self.numbers);
        let first = self.commands.len();
        self.depth += 1;
        self.list(&mut inner, Some(')'));
        self.depth -= 1;
        self.at += 1;
        let command = Command { span: start..self.offset(), ..Command::default() };
        *draft = Draft { command, has_begun: true, group: Some(first) };
    }

    /// Ends a command, if there is one, and takes note of what it steers.
    fn finish(&mut self, draft: &mut Draft, place: &mut Place, is_piped: bool) {
        let Draft { mut command, has_begun, group } = std::mem::take(draft);
        if !has_begun {
            return;
        }
        let ended = steer(&mut command, place, &mut self.numbers, self.commands.len());
        if let (Some(first), true) = (group.or(ended), command.words.is_empty()) {
            // Where a group's output goes, that of its commands goes.
            let of_group =
                |output: &Output| Output { group: output.group.or(Some(first)), ..output.clone() };
            for inner in self.commands.iter_mut().skip(first) {
                inner.outputs.extend(command.outputs.iter().map(of_group));
                inner.is_piped |= is_piped;
            }
            return;
        }
        command.is_piped = is_piped;
        command.is_captured = place.is_captured;
        command.is_in_function = place.functions > 0;
        command.subshells.clone_from(&place.subshells);
        command.branches.clone_from(&place.branches);
        let says_something = !command.words.is_empty()
            || !command.assignments.is_empty()
            || !command.outputs.is_empty();
        if says_something {
            self.commands.push(command);
        }
    }

    fn redirection(&mut self, stream: u8, draft: &mut Draft, place: &mut Place) {
        if let Some(word) = self.placeholder() {
            return push_word(draft, word);
        }
        if (self.has("<(") || self.has(">(")) && self.depth < DEEPEST {
            return self.word_of(draft, place, None);
        }
        let start = self.offset();
        let is_output = self.peek() == Some('>');
        let is_document = self.has("<<") && !self.has("<<<");
        let strips = is_document && self.has("<<-");
        while self.peek().is_some_and(|letter| matches!(letter, '<' | '>' | '|' | '-')) {
            self.at += 1;
        }
        let is_stream = self.peek() == Some('&');
        if is_stream {
            self.at += 1;
        }
        while self.peek() == Some(' ') {
            self.at += 1;
        }
        let path = self.word(place, None);
        begin(draft, start);
        draft.command.span.end = self.offset();
        if is_document {
            draft.command.document = Some(Word::default());
            place.documents.push((path.text, strips));
        } else if is_output && !is_stream {
            draft.command.outputs.push(Output { stream, path, group: None });
        } else if is_output && path.text == "2" {
            draft.command.outputs.push(Output { stream: 2, path, group: None });
        }
    }

    fn word_of(&mut self, draft: &mut Draft, place: &mut Place, end: Option<char>) {
        let before = self.at;
        let word = self.word(place, end);
        if self.at == before {
            self.at += 1;
            return;
        }
        let is_number = word.text.len() == 1 && word.text.starts_with(|c: char| c.is_ascii_digit());
        if is_number && matches!(self.peek(), Some('>' | '<')) {
            let stream = word.text.parse().unwrap_or(1);
            begin(draft, word.span.start);
            return self.redirection(stream, draft, place);
        }
        push_word(draft, word);
    }

    /// Reads the documents that the line before announced.
    fn documents(&mut self, place: &mut Place) {
        for (end, _strips) in std::mem::take(&mut place.documents) {
            let mut word = Word { span: self.offset()..self.offset(), ..Word::default() };
            while self.peek().is_some() {
                let line = self.line();
                if line.trim() == end {
                    break;
                }
                for (at, _) in line.match_indices('$') {
                    let name = variable(line.get(at..).unwrap_or(""));
                    if !name.is_empty() {
                        word.variables.push(name.to_owned());
                    }
                }
                word.text.push_str(&line);
                word.span.end = self.offset();
            }
            let reader = self.commands.iter_mut().rev();
            let waiting = |command: &&mut Command| {
                command.document.as_ref().is_some_and(|document| document.span.is_empty())
            };
            if let Some(command) = reader.into_iter().find(waiting) {
                command.document = Some(word);
            }
        }
    }

    fn line(&mut self) -> String {
        let from = self.at;
        self.skip_line();
        self.at += 1;
        self.text(from..self.at)
    }
}

/// Commands that assign what follows them.
const DECLARATIONS: &[&str] = &["export", "local", "declare", "readonly", "typeset"];

fn begin(draft: &mut Draft, start: usize) {
    if !draft.has_begun {
        draft.has_begun = true;
        draft.command.span.start = start;
    }
}

fn push_word(draft: &mut Draft, word: Word) {
    begin(draft, word.span.start);
    draft.command.span.end = word.span.end;
    let assignment = word.text.split_once('=').filter(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        let declares = |first: &Word| DECLARATIONS.contains(&first.text.as_str());
        draft.command.words.first().is_none_or(declares) && is_name(name)
    });
    match assignment {
        Some((name, value)) => {
            let (name, value) = (name.trim_end_matches('+').to_owned(), value.to_owned());
            draft.command.assignments.push((name, Word { text: value, ..word }));
        }
        None => draft.command.words.push(word),
    }
}
