//! C03 and C18 in shell: files that are written first and closed to others then.

use std::ops::Range;

use super::super::super::catalogue::{OPENED_BEFORE_CHMOD, READABLE_BEFORE_CHMOD};
use super::super::super::finding::{Edit, Finding};
use super::super::pattern::Pattern;
use super::super::scripts::Script;
use super::super::shell::{Command, Word};
use super::super::text::Text;
use super::chmod::mode_of;

/// Paths of files that nobody has to hide, though their mode is often narrow.
static HARMLESS: Pattern = Pattern::new(
    r"(?i)(authorized_keys|known_hosts|\.pub\b|/dev/|swap|GITHUB_(ENV|OUTPUT|PATH|STEP_SUMMARY)|\.crt\b|\.log\b|sudoers)",
);

/// Words of paths and contents that hold secrets.
static SECRET: Pattern = Pattern::new(
    r"(?i)(key|pem\b|cred|secret|token|passw|\.oci/config|netrc|pgpass|kube/?config|id_rsa|\.env\b|\.p12|\.jks|wallet|base64 -d|base64 --decode)",
);

/// A private key that is filled in.
static PRIVATE_KEY: Pattern = Pattern::new(r"(?i)private_?key(_?(pem|content|value))?$");

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    for script in text.scripts() {
        for (number, command) in script.commands.iter().enumerate() {
            for (path, group) in written_by(command) {
                let Some(write) = Write::new(script, number, path, group) else { continue };
                found.extend(write.finding(text));
            }
        }
    }
}

/// Returns the files that a command writes; of those that a group around it opens, with the group's
/// first command.
fn written_by(command: &Command) -> Vec<(&Word, Option<usize>)> {
    let mut paths: Vec<(&Word, Option<usize>)> = command
        .outputs
        .iter()
        .filter(|output| output.stream == 1)
        .map(|output| (&output.path, output.group))
        .collect();
    let of_option = match command.name() {
        "tee" => command.arguments().iter().find(|word| !word.text.starts_with('-')),
        "openssl" => command.option("-out"),
        _ => None,
    };
    paths.extend(of_option.map(|path| (path, None)));
    paths
}

/// A file that is written, and the commands around it.
struct Write<'a> {
    script: &'a Script,
    number: usize,
    command: &'a Command,
    path: &'a Word,
    /// The first command of the group that opens the file.
    group: Option<usize>,
}

impl<'a> Write<'a> {
    /// Takes a write of what should be hidden, to a file that is not hidden yet.
    fn new(
        script: &'a Script,
        number: usize,
        path: &'a Word,
        group: Option<usize>,
    ) -> Option<Self> {
        let command = script.commands.get(number)?;
        let write = Self { script, number, command, path, group };
        // What a group does comes too late for the file that it writes to.
        let earlier = script.commands.get(..group.unwrap_or(number))?;
        let is_hidden = earlier.iter().any(|other| hides(other, command));
        let is_harmless = path.text.is_empty() || write.is_for_anyone();
        if is_harmless || is_hidden || write.is_born_private() {
            return None;
        }
        Some(write)
    }

    /// Whether the path, or what its variables were given, is of a file that nobody has to hide.
    fn is_for_anyone(&self) -> bool {
        let assigned = self.script.commands.iter().flat_map(|other| &other.assignments);
        let mut given = assigned.filter(|(name, _)| self.path.variables.contains(name));
        HARMLESS.is_in(&self.path.text) || given.any(|(_, value)| HARMLESS.is_in(&value.text))
    }

    /// Whether the file's name was made by a program that makes it private.
    fn is_born_private(&self) -> bool {
        self.script.commands.iter().any(|other| {
            other.assignments.iter().any(|(name, value)| {
                self.path.variables.contains(name) && value.text.contains("mktemp")
            })
        })
    }

    fn finding(&self, text: &Text<'_>) -> Option<Finding> {
        let is_before = |other: &&Command| self.command.can_follow(other);
        let earlier = self.script.commands.get(..self.number)?;
        let was_closed = earlier.iter().filter(is_before).find(|other| self.is_closed_by(other));
        if let Some(closed) = was_closed {
            return self.opened_before(earlier, closed);
        }
        let later = self.script.commands.get(self.number + 1..)?;
        let closed = later
            .iter()
            .filter(|other| other.can_follow(self.command))
            .find(|other| self.is_closed_by(other));
        match closed {
            Some(closed) if self.holds_secret(text) => Some(self.readable(text, Some(closed))),
            None if self.writes_private_key() => Some(self.readable(text, None)),
            _ => None,
        }
    }

    fn is_closed_by(&self, other: &Command) -> bool {
        other.name() == "chmod"
            && mode_of(other).is_some_and(|(mode, paths)| {
                mode.closes_to_others()
                    && paths.iter().any(|path| is_same(&path.text, &self.path.text))
            })
    }

    fn pipeline(&self) -> &[Command] {
        let before = self.script.commands.get(..self.number).unwrap_or(&[]);
        let piped =
            before.iter().rev().take_while(|other| other.is_piped || other.is_captured).count();
        let reads = if self.command.reads_pipe { piped } else { 0 };
        self.script.commands.get(self.number - reads..=self.number).unwrap_or(&[])
    }

    /// Whether what is written, or the name it gets, speaks of a secret. A template without values
    /// has none.
    fn holds_secret(&self, text: &Text<'_>) -> bool {
        if let Some(document) = &self.command.document {
            let has_value =
                |line: &str| line.split_once('=').is_none_or(|(_, value)| !value.trim().is_empty());
            let assigns = document
                .text
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.starts_with('['));
            if assigns.clone().count() > 0 && !assigns.clone().any(has_value) {
                return false;
            }
            if SECRET.is_in(&document.text) && !document.variables.is_empty() {
                return true;
            }
        }
        let writers = self.pipeline();
        SECRET.is_in(&self.path.text)
            || writers.iter().any(|command| {
                let words = text.at(command.span.clone());
                SECRET.is_in(words)
            })
    }

    fn writes_private_key(&self) -> bool {
        let is_key = |word: &Word| word.variables.iter().any(|name| PRIVATE_KEY.is_in(name));
        self.pipeline().iter().any(|command| {
            matches!(command.name(), "echo" | "printf" | "cat") && command.words.iter().any(is_key)
        })
    }

    fn readable(&self, text: &Text<'_>, closed: Option<&Command>) -> Finding {
        let path = &self.path.text;
        let finding = Finding::new(
            &READABLE_BEFORE_CHMOD,
            self.path.span.clone(),
            format!("`{path}` is readable by other users{}", if closed.is_some() { " for a moment" } else { "" }),
            "the file gets the umask's mode, 0644 as a rule, and permissions are checked when a file is opened, not when it is read",
        )
        .labelled("created here with the umask's mode");
        let finding = match closed {
            Some(closed) => finding.and_at(
                closed.span.clone(),
                "closed here; whoever opened it before can go on reading",
            ),
            None => finding,
        };
        match self.wrapped(text) {
            Some((advice, edits)) => finding.repair(advice, edits),
            None => finding.advise("umask 077 before it is written"),
        }
    }

    /// Puts a pipeline that fills its line into a subshell with a mask of its own.
    fn wrapped(&self, text: &Text<'_>) -> Option<(String, Vec<Edit>)> {
        let is_whole = self.group.is_none() && !self.command.replaces_shell();
        let is_plain = self.script.is_plain && self.command.document.is_none();
        if !is_whole || !is_plain || self.command.is_captured {
            return None;
        }
        let start = self.pipeline().iter().map(|command| command.span.start).min()?;
        let end = self.command.span.end;
        let whole = text.at(start..end);
        let rest = text.file.text.get(end..).unwrap_or("").split('\n').next().unwrap_or("");
        let (line, line_start) = text.line_of(start);
        let head = line.get(..start - line_start)?;
        let fills = head.trim().is_empty() && rest.trim().is_empty() && !whole.contains('\n');
        let insert = |at: usize, text: &str| Edit { span: at..at, text: text.to_owned() };
        fills.then(|| {
            (format!("(umask 077; {whole})"), vec![insert(start, "(umask 077; "), insert(end, ")")])
        })
    }

    /// The file was made by one command, closed by the next, and is written now.
    fn opened_before(&self, earlier: &[Command], closed: &Command) -> Option<Finding> {
        let made = earlier.iter().find(|other| {
            other.span.start < closed.span.start
                && (other.name() == "touch"
                    && other.arguments().iter().any(|path| is_same(&path.text, &self.path.text))
                    || written_by(other)
                        .iter()
                        .any(|(path, _)| is_same(&path.text, &self.path.text)))
        })?;
        let span: Range<usize> = made.span.clone();
        Some(
            Finding::new(
                &OPENED_BEFORE_CHMOD,
                span,
                format!("`{}` can be opened by other users before it is closed", self.path.text),
                "it is empty then, but whoever holds it open reads what is written later",
            )
            .labelled("created here with the umask's mode")
            .and_at(closed.span.clone(), "closed here")
            .and_at(self.path.span.clone(), "written here")
            .advise("umask 077 before it is made, or install -m 600 /dev/null FILE"),
        )
    }
}

/// Whether a command sees to it that what comes after it is born private.
fn hides(other: &Command, later: &Command) -> bool {
    let mask = other.arguments().first().map(|word| word.text.as_str());
    let is_private = matches!(
        mask,
        Some("077" | "0077" | "177" | "0177" | "u=rwx,go=" | "u=rw,go=" | "027" | "0027")
    );
    let is_around = other.subshells.iter().all(|number| later.subshells.contains(number));
    other.name() == "umask" && is_private && is_around
}

fn is_same(one: &str, other: &str) -> bool {
    let plain = |path: &str| {
        path.replace("${HOME}", "~").replace("$HOME", "~").trim_start_matches("./").to_owned()
    };
    plain(one) == plain(other)
}
