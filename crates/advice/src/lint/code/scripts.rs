use super::super::source::SourceFile;
use super::kind::Kind;
use super::shell::{Command, Letters, read};
use super::terraform::{Block, Value};
use super::text::Text;

/// Shell in a file: commands that run one after the other.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    /// Whether edits can be made in it as they would be in a script of its own.
    pub(super) is_plain: bool,
}

pub(super) fn scripts(text: &Text<'_>) -> Vec<Script> {
    let file = text.file;
    let whole = 0..file.text.len();
    match text.kind {
        Kind::Markdown => in_prose(text),
        Kind::Yaml if has_keys(file) => in_yaml(file),
        // YAML without a key is a piece that was cut out of a workflow.
        Kind::Shell | Kind::Dockerfile | Kind::Yaml => {
            vec![script(&Letters::plain(&file.text, whole))]
        }
        Kind::Hcl => text.blocks().iter().filter_map(|block| in_block(text, block)).collect(),
        _ => Vec::new(),
    }
}

fn script(letters: &Letters) -> Script {
    Script { commands: read(letters), is_plain: true }
}

fn in_prose(text: &Text<'_>) -> Vec<Script> {
    let is_shell = |language: &str| {
        let word = language.split([' ', '{', ',']).next().unwrap_or("");
        matches!(word, "" | "bash" | "sh" | "shell" | "console" | "zsh" | "shell-session")
    };
    if text.fences().is_empty() {
        return vec![script(&bare_commands(text.file))];
    }
    let fences = text.fences().iter().filter(|fence| is_shell(&fence.language));
    fences.map(|fence| script(&Letters::plain(&text.file.text, fence.span.clone()))).collect()
}

/// Takes the lines of prose without fences that are commands by their first word.
fn bare_commands(file: &SourceFile) -> Letters {
    let mut letters = Letters::default();
    for number in 1..=file.line_count() {
        let line = file.line(number).trim_start_matches([' ', '$']);
        if line.starts_with("oci ") {
            letters.then(Letters::plain(&file.text, file.line_range(number)));
        }
    }
    letters
}

/// Keys whose values are run by a shell.
const RUN_KEYS: &[&str] =
    &["run", "script", "before_script", "after_script", "command", "shell", "bash"];

/// Reads what workflows run: values of `run:` and its like, on the line or in a block, and the entries of
/// such a list.
fn in_yaml(file: &SourceFile) -> Vec<Script> {
    let mut scripts = Vec::new();
    let mut number = 1;
    while number <= file.line_count() {
        let (key, value_at) = key_of(file, number);
        if !RUN_KEYS.contains(&key) {
            number += 1;
            continue;
        }
        let line = file.line(number);
        let value = line.get(value_at..).unwrap_or("").trim();
        let is_block = value.is_empty() || value.starts_with(['|', '>']);
        let start = file.line_range(number).start;
        if !is_block {
            let letters = scalar(file, start + value_at..start + line.len());
            scripts.push(Script { is_plain: false, ..script(&letters) });
            number += 1;
            continue;
        }
        let after = end_of_block(file, number);
        let first = file.line_range(number).end;
        let last = file.line_range(after.saturating_sub(1)).end.max(first);
        let is_list = value.is_empty();
        scripts.push(Script { is_plain: !is_list, ..script(&lines(file, first..last, is_list)) });
        number = after;
    }
    scripts
}

fn has_keys(file: &SourceFile) -> bool {
    (1..=file.line_count()).any(|number| {
        let (key, _) = key_of(file, number);
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !key.is_empty() && key.chars().all(is_word)
    })
}

/// Returns the key of a line, and where in it the value begins.
fn key_of(file: &SourceFile, number: usize) -> (&str, usize) {
    let line = file.line(number);
    let Some(colon) = line.find(':') else { return ("", 0) };
    let key = line.get(..colon).unwrap_or("").trim_start_matches([' ', '-']).trim();
    let blanks = line.get(colon + 1..).map_or(0, |rest| rest.len() - rest.trim_start().len());
    (key, colon + 1 + blanks)
}

/// Returns the line after the block that a line announces: the first that is not indented deeper.
fn end_of_block(file: &SourceFile, number: usize) -> usize {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let outer = indent(file.line(number));
    let is_inside = |line: &str| line.trim().is_empty() || indent(line) > outer;
    let mut after = number + 1;
    while after <= file.line_count() && is_inside(file.line(after)) {
        after += 1;
    }
    after
}

/// Takes a value of one line, without its quotes.
fn scalar(file: &SourceFile, span: std::ops::Range<usize>) -> Letters {
    let text = file.text.get(span.clone()).unwrap_or("");
    for (quote, escapes) in [('"', true), ('\'', false)] {
        let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            let inner = span.start + 1..span.start + 1 + inner.len();
            let quoted = if escapes { Letters::quoted } else { Letters::plain };
            return quoted(&file.text, inner);
        }
    }
    Letters::plain(&file.text, span)
}

/// Takes the lines of a block; of a list, what follows each dash.
fn lines(file: &SourceFile, span: std::ops::Range<usize>, is_list: bool) -> Letters {
    if !is_list {
        return Letters::plain(&file.text, span);
    }
    let mut letters = Letters::default();
    let mut start = span.start;
    for line in file.text.get(span).unwrap_or("").split_inclusive('\n') {
        let body = line.trim_end();
        let dash = body.find("- ").map_or(0, |at| at + 2);
        letters.then(scalar(file, start + dash..start + body.len()));
        start += line.len();
    }
    letters
}

/// Takes what the provisioners of a block run, and its documents that begin as scripts do.
fn in_block(text: &Text<'_>, block: &Block) -> Option<Script> {
    let mut letters = Letters::default();
    for attribute in block.attributes_within() {
        if !matches!(attribute.name.as_str(), "command" | "inline" | "user_data" | "script") {
            continue;
        }
        for value in &attribute.strings {
            let Value { span, is_document } = value;
            letters.then(if *is_document {
                Letters::plain(&text.file.text, span.clone())
            } else {
                Letters::quoted(&text.file.text, span.clone())
            });
        }
    }
    let commands = read(&letters);
    (!commands.is_empty()).then_some(Script { commands, is_plain: false })
}
