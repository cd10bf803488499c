use std::ops::Range;

use super::kind::Kind;
use super::pattern::Pattern;
use super::text::Text;

/// A call of OCI's command line, wherever it stands.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) span: Range<usize>,
    /// The words after `oci`.
    pub(super) words: Vec<Spoken>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Spoken {
    pub(super) span: Range<usize>,
    pub(super) text: String,
}

/// What a command stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Code, which runs it, or a fenced part of prose, which is there to be copied.
    Code,
    /// A part of a sentence that is set as code.
    Inline,
    /// A sentence, or a comment.
    Prose,
}

impl Invocation {
    pub(super) fn has_option(&self, name: &str) -> bool {
        self.words.iter().any(|word| {
            word.text
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    }

    /// Returns the words that name the command, after the options that may stand before them.
    pub(super) fn command(&self) -> Vec<&Spoken> {
        let mut words = self.words.iter().peekable();
        while let Some(option) = words.next_if(|word| word.text.starts_with('-')) {
            let takes_value = !GLOBAL_FLAGS.contains(&option.text.as_str());
            if takes_value && !option.text.contains('=') {
                words.next();
            }
        }
        let is_name = |word: &&Spoken| {
            word.text.starts_with(|c: char| c.is_ascii_lowercase())
                && word
                    .text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        words.take_while(is_name).collect()
    }
}

/// Options before the command that take no value.
const GLOBAL_FLAGS: &[&str] = &["--debug", "-d", "--no-retry", "--raw-output", "--latest-version"];

static CALL: Pattern = Pattern::new(r#"(?m)(?:^|[\s"'`(=|;&>:])(oci)[ \t]+[a-z$<-]"#);
static LIST: Pattern = Pattern::new(r#"["']oci["'][ \t]*,"#);

pub(super) fn invocations(text: &Text<'_>) -> Vec<Invocation> {
    let all = text.file.text.as_str();
    let mut found = Vec::new();
    let mut after = 0;
    for groups in CALL.groups(all) {
        let Some(Some(word)) = groups.get(1) else { continue };
        if word.start < after {
            continue;
        }
        let (words, end) = line_of_words(all, word.end);
        after = end;
        found.push(Invocation { span: word.start..end, words, place: place(text, word.start) });
    }
    for start in LIST.all(all) {
        let (words, end) = list_of_words(all, start.end);
        found.push(Invocation { span: start.start..end, words, place: place(text, start.start) });
    }
    found
}

fn place(text: &Text<'_>, offset: usize) -> Place {
    let (line, start) = text.line_of(offset);
    let before = line.get(..offset - start).unwrap_or("");
    let is_first = before.trim_start_matches([' ', '\t', '$', '>', '#']).is_empty();
    match text.kind {
        Kind::Markdown => {
            let in_fence = text.fences().iter().any(|fence| fence.span.contains(&offset));
            if in_fence || before.starts_with("    ") && is_first {
                let is_remark = before.trim_start().starts_with('#');
                return if is_remark { Place::Prose } else { Place::Code };
            }
            let is_line = before.trim_start_matches([' ', '$']).is_empty();
            if is_line && text.at(offset..offset + 4) == "oci " {
                return Place::Code;
            }
            let is_set = before.ends_with('`') || before.matches('`').count() % 2 == 1;
            if is_set { Place::Inline } else { Place::Prose }
        }
        Kind::Other if !is_first && !before.ends_with(['=', '(', '"', '\'', '`', ' ', '|']) => {
            Place::Prose
        }
        _ if text.is_comment(offset) => Place::Prose,
        _ => Place::Code,
    }
}

/// Reads words up to the end of the command: the line's, or a sign that ends it.
fn line_of_words(text: &str, from: usize) -> (Vec<Spoken>, usize) {
    let mut words =
        Words { text, at: from, finished: Vec::new(), start: None, word: String::new() };
    words.read();
    let end = words.finished.last().map_or(from, |word| word.span.end);
    (words.finished, end)
}

struct Words<'a> {
    text: &'a str,
    at: usize,
    finished: Vec<Spoken>,
    start: Option<usize>,
    word: String,
}

impl Words<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn finish(&mut self) {
        if let Some(start) = self.start.take() {
            self.finished
                .push(Spoken { span: start..self.at, text: std::mem::take(&mut self.word) });
        }
    }

    fn push(&mut self, text: &str) {
        self.start.get_or_insert(self.at);
        self.word.push_str(text);
        self.at += text.len();
    }

    fn read(&mut self) {
        while let Some(letter) = self.rest().chars().next() {
            if let Some(length) = continuation(self.rest()) {
                self.finish();
                self.at += length;
                continue;
            }
            match letter {
                ' ' | '\t' => {
                    self.finish();
                    self.at += 1;
                }
                '\n' | '\r' | '|' | ';' | '&' | ')' | ']' => break,
                '"' | '\'' | '`' | '\\' => {
                    if !self.quoted() {
                        break;
                    }
                }
                '<' | '>' => {
                    if !self.bracketed() {
                        break;
                    }
                }
                '$' if self.rest().starts_with("$(") => self.balanced(1, '(', ')'),
                '$' if self.rest().starts_with("${") => self.balanced(1, '{', '}'),
                '{' => self.balanced(0, '{', '}'),
                _ => {
                    let mut bytes = [0; 4];
                    self.push(letter.encode_utf8(&mut bytes));
                }
            }
        }
        self.finish();
    }

    /// Reads a quoted part, if one begins here; false if the quote closes what is around the command.
    fn quoted(&mut self) -> bool {
        let rest = self.rest();
        let open = rest.trim_start_matches('\\');
        let length = rest.len() - open.len();
        let Some(quote) = open.chars().next().filter(|letter| matches!(letter, '"' | '\'' | '`'))
        else {
            let bytes = rest.get(..length.max(1)).unwrap_or("").to_owned();
            self.push(&bytes);
            return true;
        };
        if self.start.is_some() && !self.word.ends_with(['=', '(', '$', '@', ':', '/']) {
            return false;
        }
        let mark: String = rest.get(..=length).unwrap_or("").to_owned();
        let Some(inside) = rest.get(mark.len()..) else { return false };
        let Some(end) = inside.find(&mark) else { return false };
        let limit = inside.find("\n\n").unwrap_or(inside.len());
        if end > limit || quote == '`' && self.start.is_none() && end == 0 {
            return false;
        }
        let whole = rest.get(..mark.len() + end + mark.len()).unwrap_or("").to_owned();
        let inside = inside.get(..end).unwrap_or("").to_owned();
        self.start.get_or_insert(self.at);
        self.word.push_str(&inside);
        self.at += whole.len();
        true
    }

    /// Reads `<what somebody fills in>`; false if it is a redirection.
    fn bracketed(&mut self) -> bool {
        let rest = self.rest();
        let end = rest.find(['>', '\n', '|']).filter(|end| *end > 0);
        let is_placeholder = rest.starts_with('<')
            && end.is_some_and(|end| rest.get(end..).is_some_and(|rest| rest.starts_with('>')))
            && !rest.starts_with("< ");
        if !is_placeholder {
            return false;
        }
        let whole = rest.get(..=end.unwrap_or(0)).unwrap_or("").to_owned();
        self.push(&whole);
        true
    }

    fn balanced(&mut self, skip: usize, open: char, close: char) {
        let rest = self.rest();
        let mut depth = 0_usize;
        let mut length = rest.len();
        for (at, letter) in rest.char_indices().skip(skip) {
            if letter == open {
                depth += 1;
            } else if letter == close {
                depth = depth.saturating_sub(1);
            } else if letter == '\n' && rest.get(at..).is_some_and(|rest| rest.starts_with("\n\n"))
            {
                length = at;
                break;
            }
            if depth == 0 {
                length = at + letter.len_utf8();
                break;
            }
        }
        let whole = rest.get(..length).unwrap_or("").to_owned();
        self.push(&whole);
    }
}

/// Returns the length of what joins a line to the next, where it does: a sign at its end, or an option
/// at the next one's beginning.
fn continuation(rest: &str) -> Option<usize> {
    let trimmed = rest.trim_start_matches(['\\', '`', '^']);
    let signs = rest.len() - trimmed.len();
    if signs > 2 {
        return None;
    }
    let line_end = trimmed.trim_start_matches([' ', '\t', '\r']);
    let next = line_end.strip_prefix('\n')?;
    let length = rest.len() - next.len();
    let is_option = next.trim_start_matches([' ', '\t']).starts_with("--");
    (signs > 0 || is_option).then_some(length)
}

static LIST_WORD: Pattern =
    Pattern::new(r#"^\s*,?\s*(?:f?"([^"\n]*)"|f?'([^'\n]*)'|([\w*][\w.()\[\]]*))"#);

/// Reads the words of a list of strings.
fn list_of_words(text: &str, from: usize) -> (Vec<Spoken>, usize) {
    let mut words = Vec::new();
    let mut at = from;
    while let Some(groups) = LIST_WORD.groups(text.get(at..).unwrap_or("")).into_iter().next() {
        let Some(whole) = groups.first().cloned().flatten() else { break };
        let (quoted, bare) = (groups.get(1..3).unwrap_or(&[]), groups.get(3).cloned().flatten());
        let inside = quoted.iter().flatten().next().cloned();
        let Some(span) = inside.clone().or(bare) else { break };
        let span = at + span.start..at + span.end;
        let word = text.get(span.clone()).unwrap_or("");
        let shown = if inside.is_some() { word.to_owned() } else { format!("${word}") };
        words.push(Spoken { span, text: shown });
        at += whole.end;
        if words.len() > 60 {
            break;
        }
    }
    (words, at)
}

#[cfg(test)]
mod tests {
    use super::super::super::source::SourceFile;
    use super::super::scan::Subjects;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(String, Place)> {
        let file = SourceFile::new(path, text);
        let text = Text::new(&file, Subjects::default());
        let line = |one: &Invocation| {
            one.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("|")
        };
        text.invocations().iter().map(|one| (line(one), one.place)).collect()
    }

    #[test]
    fn commands_are_read_wherever_they_stand() {
        for (path, text, words, place) in [
            (
                "a.sh",
                "X=$(oci vault secret get \\\n  --secret-id \"$S\")",
                "vault|secret|get|--secret-id|$S",
                Place::Code,
            ),
            ("a.md", "Say `oci vault secret create` first", "vault|secret|create", Place::Inline),
            (
                "a.md",
                "```\noci vault secret delete --secret-id <secret ocid>\n```\n",
                "vault|secret|delete|--secret-id|<secret ocid>",
                Place::Code,
            ),
            (
                "a.json",
                r#"{"c": "oci kms crypto decrypt --x \"y z\" --w"}"#,
                "kms|crypto|decrypt|--x|y z|--w",
                Place::Code,
            ),
            (
                "a.py",
                "subprocess.run([\"oci\", \"vault\", 'secret', name, \"x\"])",
                "vault|secret|$name|x",
                Place::Code,
            ),
            (
                "a.yml",
                "run: >\n  oci kms management key get\n  --key-id x\n",
                "kms|management|key|get|--key-id|x",
                Place::Code,
            ),
            ("a.sh", "# oci vault secret get", "vault|secret|get", Place::Prose),
            ("a.md", "the oci vault secret", "vault|secret", Place::Prose),
        ] {
            assert_eq!(found(path, text), [(words.to_owned(), place)], "{text}");
        }
        assert!(found("a.md", "OCI Vault Secret Deleted, boci vault, oci.vault").is_empty());
    }

    #[test]
    fn options_may_stand_before_the_command() {
        let file =
            SourceFile::new("a.sh", "oci --profile p --debug vault secret get --secret-id x");
        let text = Text::new(&file, Subjects::default());
        let names: Vec<_> =
            text.invocations()[0].command().iter().map(|word| word.text.clone()).collect();
        assert_eq!(names, ["vault", "secret", "get"]);
        assert!(text.invocations()[0].has_option("--secret-id"));
    }
}
