use std::ops::Range;

/// A simple command.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any can hold")]
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    /// Where it is in the file, its redirections included.
    pub(crate) span: Range<usize>,
    /// Its words, without assignments, redirections and what only steers.
    pub(crate) words: Vec<Word>,
    /// What stands before it as NAME=value.
    pub(crate) assignments: Vec<(String, Word)>,
    /// The files that its output goes to.
    pub(crate) outputs: Vec<Output>,
    /// What it reads as a document that stands in the script.
    pub(crate) document: Option<Word>,
    /// Whether another command reads its output.
    pub(crate) is_piped: bool,
    /// Whether its input is another's output.
    pub(crate) reads_pipe: bool,
    /// Whether its output becomes part of a word.
    pub(crate) is_captured: bool,
    /// Whether it stands in a function.
    pub(crate) is_in_function: bool,
    /// How many subshells are around it, each by its number.
    pub(crate) subshells: Vec<usize>,
    /// The conditions that it stands under: which, and in which of its branches.
    pub(crate) branches: Vec<(usize, usize)>,
}

/// A file that output goes to.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The stream, such as 2; 1 if none is said.
    pub(crate) stream: u8,
    pub(crate) path: Word,
    /// The first command of the group whose output it is. The group opens the file, before any of its
    /// commands runs.
    pub(crate) group: Option<usize>,
}

/// A word, as the command would see it but for what is filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) span: Range<usize>,
    /// The text without quotes; what is filled in stands as it is written.
    pub(crate) text: String,
    /// The names of the variables that are filled in, but for those in commands.
    pub(crate) variables: Vec<String>,
    /// Whether a command's output is filled in.
    pub(crate) has_command: bool,
}

/// Commands that run the rest of their words.
const PREFIXES: &[&str] =
    &["sudo", "command", "exec", "nohup", "time", "env", "timeout", "nice", "builtin", "RUN", "$"];

impl Command {
    /// Returns the words from the program's name on, without what runs it.
    pub(crate) fn program(&self) -> &[Word] {
        let mut words = self.words.as_slice();
        loop {
            let Some((first, rest)) = words.split_first() else { return words };
            if !PREFIXES.contains(&first.text.as_str()) {
                return words;
            }
            let is_option = |word: &&Word| {
                word.text.starts_with('-')
                    || word.text.contains('=')
                    || word.text.starts_with(|c: char| c.is_ascii_digit())
            };
            let options = rest.iter().take_while(is_option).count();
            words = rest.get(options..).unwrap_or(&[]);
        }
    }

    /// Returns whether the shell itself becomes the program, or takes over what is redirected.
    pub(crate) fn replaces_shell(&self) -> bool {
        let before = self.words.len() - self.program().len();
        self.words.iter().take(before).any(|word| word.text == "exec")
    }

    /// Returns the program's name without its directory.
    pub(crate) fn name(&self) -> &str {
        let name = self.program().first().map_or("", |word| word.text.as_str());
        name.rsplit('/').next().unwrap_or(name)
    }

    /// Returns the words after the program's name.
    pub(crate) fn arguments(&self) -> &[Word] {
        self.program().get(1..).unwrap_or(&[])
    }

    /// Returns whether two commands can run one after the other: no condition has them in two of its
    /// branches.
    pub(crate) fn can_follow(&self, earlier: &Self) -> bool {
        self.branches.iter().all(|(condition, branch)| {
            earlier.branches.iter().all(|(other, there)| other != condition || branch == there)
        })
    }

    /// Returns the value after an option, or after its `=`.
    pub(crate) fn option(&self, name: &str) -> Option<&Word> {
        let words = self.arguments();
        let at = words.iter().position(|word| word.text == name);
        at.and_then(|at| words.get(at + 1)).or_else(|| {
            words
                .iter()
                .find(|word| word.text.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
        })
    }
}
