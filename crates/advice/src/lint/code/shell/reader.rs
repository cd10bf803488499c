use std::ops::Range;

use super::command::{Command, Output, Word};
use super::letters::Letters;

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
const DEEPEST: usize = 40;

struct Reader<'a> {
    letters: &'a Letters,
    at: usize,
    commands: Vec<Command>,
    depth: usize,
    numbers: usize,
}

/// What is around a command.
#[derive(Clone, Default)]
struct Place {
    is_captured: bool,
    functions: usize,
    subshells: Vec<usize>,
    branches: Vec<(usize, usize)>,
    /// What was begun and not ended: the words that end it.
    open: Vec<&'static str>,
    /// Documents that begin on the next line: their ends, and the command that reads each.
    documents: Vec<(String, bool)>,
}

/// A command while it is read.
#[derive(Default)]
struct Draft {
    command: Command,
    has_begun: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.letters.letters.get(self.at + ahead).map(|(_, letter)| *letter)
    }

    fn offset(&self) -> usize {
        self.letters.letters.get(self.at).map_or(self.letters.end, |(offset, _)| *offset)
    }

    fn has(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, letter)| self.peek_at(ahead) == Some(letter))
    }

    /// Reads commands until `end`, which is left to be read, or to the end of the text.
    fn list(&mut self, place: &mut Place, end: Option<char>) {
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
        self.at += 1;
        self.numbers += 1;
        let mut inner = place.clone();
        inner.subshells.push(self.numbers);
        let first = self.commands.len();
        self.depth += 1;
        self.list(&mut inner, Some(')'));
        self.depth -= 1;
        self.at += 1;
        drop(std::mem::take(draft));
        let is_piped = self.is_pipe_ahead();
        if is_piped {
            for command in self.commands.iter_mut().skip(first) {
                command.is_piped = true;
            }
        }
    }

    fn is_pipe_ahead(&self) -> bool {
        let mut ahead = 0;
        while self.peek_at(ahead) == Some(' ') {
            ahead += 1;
        }
        self.peek_at(ahead) == Some('|') && self.peek_at(ahead + 1) != Some('|')
    }

    /// Ends a command, if there is one, and takes note of what it steers.
    fn finish(&mut self, draft: &mut Draft, place: &mut Place, is_piped: bool) {
        let Draft { mut command, has_begun } = std::mem::take(draft);
        if !has_begun {
            return;
        }
        steer(&mut command, place, &mut self.numbers);
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
            draft.command.outputs.push(Output { stream, path });
        } else if is_output && path.text == "2" {
            draft.command.outputs.push(Output { stream: 2, path });
        }
    }

    /// Reads `<your vault's OCID>`, which stands for something that the reader fills in.
    fn placeholder(&mut self) -> Option<Word> {
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

    /// Reads a word: until a blank or a sign that is not quoted.
    fn word(&mut self, place: &Place, end: Option<char>) -> Word {
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

    fn text(&self, letters: Range<usize>) -> String {
        let letters = self.letters.letters.get(letters).unwrap_or(&[]);
        letters.iter().map(|(_, letter)| *letter).collect()
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
        draft.command.words.is_empty() && is_name(name)
    });
    match assignment {
        Some((name, value)) => {
            let (name, value) = (name.trim_end_matches('+').to_owned(), value.to_owned());
            draft.command.assignments.push((name, Word { text: value, ..word }));
        }
        None => draft.command.words.push(word),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Returns the name that `$NAME`, `${NAME…}` or `${{ path.of.name }}` begins with.
fn variable(text: &str) -> &str {
    let text = text.trim_start_matches(['$', '{', ' ', '!', '#']);
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let path = |c: char| is_inside(c) || c == '.';
    let end = text.find(|c: char| !path(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or("").trim_end_matches('.')
}

fn next_branch(place: &mut Place) {
    if let Some((_, branch)) = place.branches.last_mut() {
        *branch += 1;
    }
}

/// Takes off the words that steer, and takes note of what they begin and end.
fn steer(command: &mut Command, place: &mut Place, numbers: &mut usize) {
    while let Some(first) = command.words.first().map(|word| word.text.clone()) {
        match first.as_str() {
            "if" | "case" => {
                *numbers += 1;
                place.branches.push((*numbers, 0));
            }
            "elif" | "else" => next_branch(place),
            "fi" | "esac" => drop(place.branches.pop()),
            "function" => {
                place.open.push("function");
                command.words.drain(..command.words.len().min(1));
            }
            "{" => {
                let is_function = place.open.last() == Some(&"function");
                if is_function {
                    place.open.pop();
                    place.functions += 1;
                }
                place.open.push(if is_function { "}function" } else { "}" });
            }
            "}" => {
                if place.open.pop() == Some("}function") {
                    place.functions = place.functions.saturating_sub(1);
                }
            }
            "then" | "do" | "while" | "until" | "done" | "!" => {}
            _ => return,
        }
        if first == "case" {
            command.words.clear();
            return;
        }
        if command.words.is_empty() {
            return;
        }
        let word = command.words.remove(0);
        begin_after(command, &word);
        take_assignments(command);
    }
}

fn begin_after(command: &mut Command, word: &Word) {
    if let Some(next) = command.words.first() {
        command.span.start = next.span.start.max(word.span.end);
    }
}

/// After `then` and its like, NAME=value is an assignment and not yet taken for one.
fn take_assignments(command: &mut Command) {
    while let Some(word) = command.words.first() {
        let Some((name, value)) = word.text.split_once('=') else { return };
        if !is_name(name) {
            return;
        }
        let (name, value) = (name.to_owned(), value.to_owned());
        let word = command.words.remove(0);
        command.assignments.push((name, Word { text: value, ..word }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(text: &str) -> Vec<Command> {
        read(&Letters::plain(text, 0..text.len()))
    }

    fn shown(text: &str) -> Vec<String> {
        let line = |command: &Command| {
            let words = command.words.iter().map(|word| word.text.as_str());
            let set =
                command.assignments.iter().map(|(name, value)| format!("{name}={}", value.text));
            let out = command.outputs.iter().map(|out| format!("{}>{}", out.stream, out.path.text));
            set.chain(words.map(str::to_owned)).chain(out).collect::<Vec<_>>().join(" ")
        };
        commands(text).iter().map(line).collect()
    }

    #[test]
    fn words_quotes_and_continuations() {
        assert_eq!(
            shown("A=1 B=\"x y\" run 'a b'\\\n  c # rest\nnext;last"),
            ["A=1 B=x y run a b c", "next", "last"]
        );
        assert_eq!(
            shown("run <vault ocid> <in >out 2>&1 2>/dev/null"),
            ["run <vault ocid> 1>out 2>/dev/null"]
        );
        assert_eq!(shown("a && b || c | d & e"), ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn commands_in_words_come_before_their_command() {
        let all = commands("X=$(echo -n \"$V\" | base64 -w 0) run \"`id`\" <(cat \"$F\")");
        let names: Vec<_> =
            all.iter().map(|command| (command.name(), command.is_captured)).collect();
        let expected =
            [("echo", true), ("base64", true), ("id", true), ("cat", true), ("run", false)];
        assert_eq!(names, expected);
        assert!(all[0].is_piped && all[1].reads_pipe);
        assert_eq!(all[0].words[2].variables, ["V"]);
        assert!(all[4].assignments[0].1.has_command);
    }

    #[test]
    fn documents_belong_to_their_command() {
        let all = commands("cat > f <<'EOF'\nkey=$K\nEOF\nchmod 600 f\n");
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].document.as_ref().unwrap().text, "key=$K\n");
        assert_eq!(all[0].document.as_ref().unwrap().variables, ["K"]);
        assert_eq!(all[1].name(), "chmod");
    }

    #[test]
    fn branches_exclude_each_other() {
        let all = commands("if a; then b; else c; fi\nd\ncase x in y) e ;; z) f ;; esac");
        let find = |name: &str| all.iter().find(|command| command.name() == name).unwrap();
        assert!(!find("c").can_follow(find("b")));
        assert!(find("d").can_follow(find("b")) && find("b").can_follow(find("a")));
        assert!(!find("f").can_follow(find("e")));
    }

    #[test]
    fn functions_and_prefixes() {
        let all =
            commands("get() {\n  X=1\n  echo $X\n}\nsudo -E chmod 600 f\nfunction g { b; }\n");
        let find = |name: &str| all.iter().find(|command| command.name() == name).unwrap();
        assert!(find("echo").is_in_function && find("b").is_in_function);
        assert!(!find("chmod").is_in_function);
        assert_eq!(find("chmod").arguments()[0].text, "600");
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in
            ["$(", "`", "\"a", "a <<E", "((((", "${", "x)y)z", "<", "a\\", "${{ a", "'", "2>"]
        {
            drop(commands(text));
        }
    }

    #[test]
    fn strings_of_other_languages_are_read_without_their_escapes() {
        let text = r#"echo \"${a.b}\" > private.key\nchmod 600 private.key"#;
        let all = read(&Letters::quoted(text, 0..text.len()));
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].words[1].variables, ["a.b"]);
        assert_eq!(all[0].outputs[0].path.text, "private.key");
    }
}
