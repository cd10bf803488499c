//! C03 and C18 in programs: files that are written first and closed to others then.

use std::ops::Range;

use super::super::super::catalogue::{OPENED_BEFORE_CHMOD, READABLE_BEFORE_CHMOD};
use super::super::super::finding::{Edit, Finding};
use super::super::kind::Kind;
use super::super::outline::{Call, Outline};
use super::super::pattern::Pattern;
use super::super::text::Text;

/// How a call makes a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// With its content.
    Whole,
    /// Empty, to be written through what it returns.
    Empty,
}

/// Modes that leave a file to its owner: as numbers, as names, as letters.
static PRIVATE: Pattern = Pattern::new(
    r#"(\b0o?[467]00\b|\bS_IRUSR\b|\bS_IWUSR\b|\bS_IRWXU\b|["']rw-------["']|["']r--------["']|["']0?[46]00["']|\bOWNER_READ\b|\bOWNER_WRITE\b)"#,
);

static OPEN: Pattern =
    Pattern::new(r"(S_I[RWX](GRP|OTH|WXG|WXO)|(GROUP|OTHERS)_(READ|WRITE)|S_IRWX[GO])");

static MASKED: Pattern =
    Pattern::new(r"(umask\s*\(\s*0?o?[01]77|mkstemp|NamedTemporaryFile|tempfile)");

static NARROW_AT_BIRTH: Pattern =
    Pattern::new(r"(\bmode\s*:|0o?[46]00\b|opener\s*=|PosixFilePermissions|\.mode\(|\bO_EXCL\b)");

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    let Some(outline) = text.outline().filter(|_| !text.is_test) else { return };
    for (number, closing) in outline.calls.iter().enumerate() {
        let Some(path) = closed_path(text, closing) else { continue };
        let earlier = outline.calls.get(..number).unwrap_or(&[]);
        let made = earlier.iter().rev().find_map(|call| {
            let is_before =
                call.function == closing.function && call.span.start < closing.span.start;
            let kind = made(text, call).filter(|(_, at)| is_before && text.at(at.clone()) == path);
            kind.map(|(kind, _)| (call, kind))
        });
        let Some((making, kind)) = made else { continue };
        let between = text.at(making.span.end..closing.span.start);
        if NARROW_AT_BIRTH.is_in(text.at(making.span.clone())) || is_masked(text, outline, closing)
        {
            continue;
        }
        let is_written = kind == Made::Whole || writes(between);
        if is_written {
            found.push(readable(text, making, closing, &path));
        } else if kind == Made::Empty && writes_after(text, outline, closing) {
            found.push(opened(making, closing, &path));
        }
    }
}

/// Whether the function sees to it that files are born private.
fn is_masked(text: &Text<'_>, outline: &Outline, call: &Call) -> bool {
    let function = outline.functions.get(call.function);
    function.is_some_and(|function| MASKED.is_in(text.at(function.span.start..call.span.start)))
}

/// Returns the path that a call closes to others.
fn closed_path(text: &Text<'_>, call: &Call) -> Option<String> {
    let name = call.name();
    let closes = matches!(
        name,
        "chmod" | "chmodSync" | "Chmod" | "set_permissions" | "setPosixFilePermissions" | "fchmod"
    );
    let modes: Vec<&str> = call.arguments.iter().map(|span| text.at(span.clone())).collect();
    let mode = modes.last()?;
    if !closes || !(PRIVATE.is_in(mode) || is_named_private(text, mode)) || OPEN.is_in(mode) {
        return None;
    }
    let is_method = modes.len() == 1;
    if !is_method {
        return modes.first().map(|path| plain(path));
    }
    receiver(text, call).map(|span| text.at(span).to_owned())
}

/// Returns where the object is whose method a call calls: `path` of `path.chmod(0o600)`.
fn receiver(text: &Text<'_>, call: &Call) -> Option<Range<usize>> {
    let end = call.arguments.first().map_or(call.span.end, |first| first.start);
    let head = text.at(call.span.start..end);
    let at = head.rfind(&format!(".{}", call.name()))?;
    Some(call.span.start..call.span.start + at)
}

/// Whether a mode is a name that was given a private mode before.
fn is_named_private(text: &Text<'_>, mode: &str) -> bool {
    let name = mode.trim_start_matches('&').trim();
    let is_name =
        !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let mut given = text
        .file
        .text
        .lines()
        .filter(|line| line.split_once('=').is_some_and(|(names, _)| names.contains(name)));
    let is_private = |line: &str| PRIVATE.is_in(line) && !OPEN.is_in(line);
    match given.next() {
        Some(first) => is_name && (is_private(first) || given.any(is_private)),
        // Java's permissions have a type of their own, which is seldom used to open a file.
        None => is_name && text.kind == Kind::Java,
    }
}

fn plain(path: &str) -> String {
    path.trim().trim_start_matches('&').to_owned()
}

/// Returns how a call makes a file, and where its path is.
fn made(text: &Text<'_>, call: &Call) -> Option<(Made, Range<usize>)> {
    let first = call.arguments.first().cloned();
    let at_path = |kind: Made| {
        let mut span = first.clone()?;
        if text.at(span.clone()).starts_with('&') {
            span.start += 1;
        }
        Some((kind, span))
    };
    let method = |kind: Made| receiver(text, call).map(|span| (kind, span));
    let callee = call.callee.as_str();
    match (text.kind, call.name()) {
        (Kind::Python, "open") if callee == "open" || callee == "io.open" => {
            let mode = call.arguments.get(1).map_or("", |span| text.at(span.clone()));
            mode.contains(['w', 'x', 'a']).then(|| at_path(Made::Empty)).flatten()
        }
        (Kind::Python, "open") => method(Made::Empty),
        (Kind::Python, "write_text" | "write_bytes") => method(Made::Whole),
        (Kind::Go, "WriteFile") => at_path(Made::Whole),
        (Kind::Go, "Create") if callee == "os.Create" => at_path(Made::Empty),
        (Kind::Rust, "write") if callee.ends_with("fs.write") => at_path(Made::Whole),
        (Kind::Rust, "create") if callee.ends_with("File.create") => at_path(Made::Empty),
        (Kind::Java, "write" | "writeString") if callee.starts_with("Files.") => {
            at_path(Made::Whole)
        }
        (Kind::Java, "FileWriter" | "FileOutputStream" | "newBufferedWriter") => {
            at_path(Made::Empty)
        }
        (Kind::JavaScript | Kind::TypeScript, "writeFileSync" | "writeFile") => {
            at_path(Made::Whole)
        }
        _ => None,
    }
}

/// Whether something is written in a part of a program.
fn writes(part: &str) -> bool {
    static WRITES: Pattern = Pattern::new(
        r"(\.write(_all|lines|String|ln)?\s*\(|\.Write(String)?\s*\(|\bdump\s*\(|Fprint|io\.Copy|\.append\(|file\s*=|copyfileobj|Encode\s*\(|\bwrite!\s*\()",
    );
    WRITES.is_in(part)
}

fn writes_after(text: &Text<'_>, outline: &Outline, call: &Call) -> bool {
    outline
        .functions
        .get(call.function)
        .is_some_and(|function| writes(text.at(call.span.end..function.span.end)))
}

fn readable(text: &Text<'_>, making: &Call, closing: &Call, path: &str) -> Finding {
    let finding = Finding::new(
        &READABLE_BEFORE_CHMOD,
        making.span.clone(),
        format!("`{path}` is readable by other users for a moment"),
        "the file gets the umask's mode, 0644 as a rule, and permissions are checked when a file is opened, not when it is read",
    )
    .labelled("created here with the umask's mode")
    .and_at(closing.span.clone(), "closed here; whoever opened it before can go on reading");
    match repaired(text, making) {
        Some((advice, edits)) => finding.repair(advice, edits),
        None => finding.advise(advice(text.kind)),
    }
}

const fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::Python => "os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)",
        Kind::Go => "os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0600)",
        Kind::Rust => "OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)",
        Kind::Java => {
            "Files.createFile(path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(\"rw-------\")))"
        }
        _ => "give the mode when the file is made",
    }
}

/// Gives the mode to the call that makes the file.
fn repaired(text: &Text<'_>, making: &Call) -> Option<(String, Vec<Edit>)> {
    let last = making.arguments.last()?;
    let replace = |span: Range<usize>, with: &str| vec![Edit { span, text: with.to_owned() }];
    match (text.kind, making.name(), making.arguments.len()) {
        (Kind::Go, "WriteFile", 3) => {
            Some(("the mode 0600 when the file is made".to_owned(), replace(last.clone(), "0600")))
        }
        (Kind::JavaScript | Kind::TypeScript, "writeFileSync", 2) => Some((
            "{ mode: 0o600 } when the file is made".to_owned(),
            replace(last.end..last.end, ", { mode: 0o600 }"),
        )),
        (Kind::Python, "open", 2) if making.callee == "open" => {
            let path = text.at(making.arguments.first()?.clone());
            let mode = text.at(last.clone());
            let flags = match mode.trim_matches(['"', '\'']) {
                "w" | "wb" => "os.O_CREAT | os.O_WRONLY | os.O_TRUNC",
                "x" | "xb" => "os.O_CREAT | os.O_WRONLY | os.O_EXCL",
                _ => return None,
            };
            let has_module = text.file.text.lines().any(|line| line.trim() == "import os")
                || text.file.text.contains("os.chmod");
            let whole = format!("os.fdopen(os.open({path}, {flags}, 0o600), {mode})");
            has_module.then(|| (whole.clone(), replace(making.span.clone(), &whole)))
        }
        _ => None,
    }
}

fn opened(making: &Call, closing: &Call, path: &str) -> Finding {
    Finding::new(
        &OPENED_BEFORE_CHMOD,
        making.span.clone(),
        format!("`{path}` can be opened by other users before it is closed"),
        "it is empty then, but whoever holds it open reads what is written later",
    )
    .labelled("created here with the umask's mode")
    .and_at(closing.span.clone(), "closed here")
    .advise("give the mode when the file is made")
}
