//! C04: secrets in logs, on terminals, in errors.

use std::ops::Range;

use super::super::super::catalogue::SECRET_IN_LOG;
use super::super::super::finding::Finding;
use super::super::flow::{Flow, passes};
use super::super::kind::Kind;
use super::super::names::{is_secret_name, is_secret_variable, snake};
use super::super::outline::{Call, Mention, Outline, last};
use super::super::pattern::Pattern;
use super::super::scan::Subject;
use super::super::shell::{Command, Word};
use super::super::text::Text;

/// What writes, or refuses.
static SINK: Pattern = Pattern::new(
    r"(?i)(?:print\w*|log\w*|console\.\w+|errorf|dbg|warn\w*|info|error|debug|trace|write|echo|bail|anyhow|panic)!?\(|\b(?:raise|throw)\b",
);

/// A name that may be a secret's.
static NAME: Pattern = Pattern::new(
    r"(?i)password|passwd|secret_?value|secret_?content|vault_?secret|(?:decoded|decrypted)_?(?:secret|content|value)",
);

static READER: Pattern = Pattern::new(r"(?i)get_?(?:vault_?)?secret(?:_?value)?\(");

/// Whether a line has both: what is worth a tree.
fn may_tell(text: &Text<'_>) -> bool {
    text.subjects.has(Subject::Bundle)
        || READER.is_in(&text.file.text)
        || text.file.text.lines().any(|line| NAME.is_in(line) && SINK.is_in(line))
}

const WHY: &str =
    "logs and terminals are kept, copied and read by more people than may read the secret";
const ADVICE: &str = "say which secret it is (its name or OCID), and not what is in it";

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    if text.is_test {
        return;
    }
    if let Some(outline) = text.outline_if(may_tell(text)) {
        in_program(text, outline, found);
    }
    for script in text.scripts() {
        in_shell(text, &script.commands, found);
    }
    in_terraform(text, found);
}

fn in_program(text: &Text<'_>, outline: &Outline, found: &mut Vec<Finding>) {
    let flow = Flow::new(outline);
    for call in &outline.calls {
        if !is_sink(text.kind, call) || text.is_comment(call.span.start) {
            continue;
        }
        let mut told = call.arguments.iter().filter_map(|argument| {
            let mention = outline.mentions_in(argument).find(|one| is_told(&flow, one, call));
            let span = mention.map(|mention| mention.span.clone());
            span.or_else(|| told_call(&flow, argument))
        });
        if let Some(span) = told.next() {
            let name = text.at(span.clone());
            found.push(finding(
                span,
                &format!("`{name}`, which holds a secret, is written by `{}`", call.callee),
            ));
        }
    }
    found.extend(raised(text, outline, &flow));
}

/// A call among the arguments whose result is secret: `print(get_secret(x))`.
fn told_call(flow: &Flow<'_>, argument: &Range<usize>) -> Option<Range<usize>> {
    let mut calls = flow.outline.calls_in(argument);
    let (_, call) = calls.find(|(_, call)| call.span == *argument && flow.yields_secret(call))?;
    Some(call.span.clone())
}

/// Python's `raise Error(f"… {secret}")`, and what Java and JavaScript throw.
fn raised(text: &Text<'_>, outline: &Outline, flow: &Flow<'_>) -> Vec<Finding> {
    let is_error = |call: &&Call| {
        let before = text.at(0..call.span.start).trim_end();
        before.ends_with("raise") || before.ends_with("throw") || before.ends_with("throw new")
    };
    let mut found = Vec::new();
    for call in outline.calls.iter().filter(is_error) {
        let told = call.arguments.iter().find_map(|argument| {
            outline.mentions_in(argument).find(|one| is_told(flow, one, call))
        });
        if let Some(mention) = told {
            let name = text.at(mention.span.clone());
            found.push(finding(
                mention.span.clone(),
                &format!("`{name}`, which holds a secret, is a part of an error"),
            ));
        }
    }
    found
}

/// Whether a mention among the arguments of a sink tells a secret: it holds one, by where it comes from
/// or by its name, and no call between them makes something else of it.
fn is_told(flow: &Flow<'_>, mention: &Mention, sink: &Call) -> bool {
    let around = flow.outline.around(mention);
    let between = around.iter().take_while(|call| call.span != sink.span);
    if !between.into_iter().all(|call| passes(call.name())) {
        return false;
    }
    if !mention.methods.iter().all(|method| passes(method)) {
        return false;
    }
    flow.holds_secret(mention) || is_secret_by_name(mention)
}

fn is_secret_by_name(mention: &Mention) -> bool {
    let name = mention.last();
    let is_getter =
        |method: &String| matches!(method.as_str(), "getSecretBundle" | "getSecretBundleContent");
    if mention.methods.iter().any(is_getter) {
        return true;
    }
    if mention.path.contains('(') || mention.path.contains('[') {
        return false;
    }
    let is_part = mention.path.contains('.');
    let words = snake(name);
    let is_content = words == "content" && snake(&mention.path).contains("secret_bundle_content");
    let is_bundle =
        matches!(words.as_str(), "secret_bundle" | "secret_bundle_content") || is_content;
    let is_type = name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name.contains(|letter: char| letter.is_ascii_lowercase());
    if is_type && !is_bundle {
        return false;
    }
    // A field is often one of a form, of a message or of settings, and its name alone says little.
    is_bundle || is_secret_name(name) && (!is_part || words.contains("secret_"))
}

/// Whether a call writes for people: to a terminal or a log.
fn is_sink(kind: Kind, call: &Call) -> bool {
    let (of, name) = call.callee.rsplit_once('.').unwrap_or(("", call.callee.as_str()));
    let object = last(of).to_ascii_lowercase();
    let is_logger = object.contains("log") && !object.contains("login") && !object.contains("blog");
    let is_level = matches!(
        name.to_ascii_lowercase().trim_end_matches('f').trim_end_matches("ln"),
        "debug"
            | "info"
            | "warning"
            | "warn"
            | "error"
            | "critical"
            | "exception"
            | "trace"
            | "log"
            | "print"
            | "fatal"
            | "panic"
            | "msg"
            | "notice"
            | "severe"
            | "fine"
            | "finer"
            | "finest"
    );
    if is_logger && is_level {
        return true;
    }
    match kind {
        Kind::Python => {
            call.callee == "print"
                || call.callee.ends_with("stdout.write")
                || call.callee.ends_with("stderr.write")
                || matches!(
                    call.callee.as_str(),
                    "pprint" | "pprint.pprint" | "click.echo" | "console.print"
                )
        }
        Kind::JavaScript | Kind::TypeScript => {
            object == "console" || call.callee == "process.stdout.write"
        }
        Kind::Go => {
            of == "fmt" && (name.starts_with("Print") || name == "Errorf")
                || object == "klog" && is_level
        }
        Kind::Java => (of == "System.out" || of == "System.err") && name.starts_with("print"),
        Kind::Rust => matches!(
            name,
            "println"
                | "print"
                | "eprintln"
                | "eprint"
                | "dbg"
                | "info"
                | "warn"
                | "error"
                | "debug"
                | "trace"
                | "panic"
                | "bail"
                | "anyhow"
        ),
        _ => false,
    }
}

fn in_shell(text: &Text<'_>, commands: &[Command], found: &mut Vec<Finding>) {
    let mut held: Vec<&str> = Vec::new();
    for command in commands {
        for (name, value) in &command.assignments {
            if value.has_command && is_read_by(text, value) {
                held.push(name);
            }
        }
        if let Some((word, name)) = told_in_shell(command, &held) {
            found.push(finding(
                word.span.clone(),
                &format!("`{name}`, which holds a secret, is printed"),
            ));
        } else if text.is_pipeline() && prints_bundle(text, command) {
            found.push(finding(command.span.clone(), "a pipeline prints what a secret holds"));
        }
    }
}

/// Whether the commands that fill a word read a secret.
fn is_read_by(text: &Text<'_>, value: &Word) -> bool {
    let commands = text.at(value.span.clone());
    let reads = commands.contains("secret-bundle get") || commands.contains("strongroom get ");
    let is_about = ["secret-id", "version-number", "time-created"].iter().any(|part| {
        commands.contains(&format!("\"{part}\"")) || commands.contains(&format!("data.{part}"))
    });
    reads && !is_about
}

/// Returns the word of a printing command that tells a secret, if its output goes nowhere else.
fn told_in_shell<'a>(command: &'a Command, held: &[&str]) -> Option<(&'a Word, &'a str)> {
    let prints =
        matches!(command.name(), "echo" | "printf" | "logger" | "Write-Host" | "Write-Output");
    let goes_elsewhere = command.is_piped
        || command.is_captured
        || command
            .outputs
            .iter()
            .any(|output| output.stream == 1 && !is_terminal(&output.path.text));
    let is_mask = command.arguments().iter().any(|word| word.text.contains("::add-mask::"));
    if !prints || goes_elsewhere || is_mask {
        return None;
    }
    let is_only =
        command.arguments().iter().filter(|word| !word.text.starts_with('-')).count() == 1;
    command.arguments().iter().find_map(|word| {
        let name = word.variables.iter().find(|name| {
            let is_bare = is_only && is_bare(word, name);
            let is_held = held.contains(&name.as_str());
            // A function that prints a value alone returns it, and a script may, too.
            (is_held && !(is_bare && command.is_in_function))
                || is_secret_variable(name) && !is_masked(name) && !is_bare
        })?;
        Some((word, name.as_str()))
    })
}

/// Secrets of a workflow are masked wherever they are printed.
fn is_masked(name: &str) -> bool {
    name.starts_with("secrets.")
}

fn is_terminal(path: &str) -> bool {
    matches!(path, "/dev/stderr" | "/dev/stdout" | "/dev/tty" | "2")
}

fn is_bare(word: &Word, name: &str) -> bool {
    let text = word.text.trim_start_matches(['$', '{']).trim_end_matches('}').trim();
    text == name
}

fn prints_bundle(text: &Text<'_>, command: &Command) -> bool {
    let words: Vec<&str> =
        command.program().iter().take(4).map(|word| word.text.as_str()).collect();
    let reads = words.starts_with(&["oci", "secrets", "secret-bundle"]) && words.contains(&"get");
    let is_whole = command
        .option("--query")
        .is_none_or(|query| text.at(query.span.clone()).contains("content"));
    reads && is_whole && !command.is_piped && !command.is_captured && command.outputs.is_empty()
}

static SHOWN: Pattern = Pattern::new(
    r"(\bdata\.oci_secrets_secretbundle\.[^\s]+secret_bundle_content|\brandom_password\.[\w-]+(\[[^\]]*\])?\.result|\btls_private_key\.[\w-]+(\[[^\]]*\])?\.private_key_)",
);

/// Outputs of Terraform that show a secret: they are printed after each run.
fn in_terraform(text: &Text<'_>, found: &mut Vec<Finding>) {
    for block in text.blocks().iter().filter(|block| block.kind == "output") {
        let Some(value) = block.attribute("value") else { continue };
        let shown = text.at(value.value.clone());
        let is_secret = SHOWN.is_in(shown);
        let is_marked = block
            .attribute("sensitive")
            .is_some_and(|sensitive| text.at(sensitive.value.clone()).trim() == "true");
        if is_secret && !is_marked && !shown.contains("nonsensitive(sha") {
            found.push(finding(value.value.clone(), "an output shows a secret after each run").advise(
                "sensitive = true, or no output at all: whoever needs the secret reads it from the vault",
            ));
        }
    }
}

fn finding(span: Range<usize>, message: &str) -> Finding {
    Finding::new(&SECRET_IN_LOG, span, message, WHY).advise(ADVICE)
}
