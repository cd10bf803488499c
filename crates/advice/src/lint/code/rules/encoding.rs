//! C06: contents that are used as they were sent, and sent as they are used.

use std::ops::Range;

use super::super::super::catalogue::BASE64_MISSING;
use super::super::super::finding::{Edit, Finding};
use super::super::names::snake;
use super::super::outline::{Mention, Outline};
use super::super::pattern::Pattern;
use super::super::scan::Subject;
use super::super::shell::{Command, Word};
use super::super::text::Text;

/// Paths of the content of a bundle, in words.
static CONTENT: Pattern = Pattern::new(
    r"(secret_bundle_content(_details)?(\(\))?(\.base64_secret_bundle_content_details)?\.(get_)?content|base64_secret_bundle_content_details(\(\))?\.(get_)?content)(\(\))?$",
);

/// Calls that decode.
static DECODES: Pattern = Pattern::new(
    r#"(?i)(b64decode|decodebytes|\batob\b|decode_?string|decode_?base64|base64_?decode|getdecoder|base64\.decode|decoder\(\)|['"]base64['"]|from_?base64|standard\.decode|urlsafe_b64decode|base64\.\w+\.decode|\.decode\(&|parse_?base64|base64url)"#,
);

const READ_WHY: &str = "OCI hands out the content of a secret in base 64; what is used as it is, is not the value that was stored";

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    let may_read = text.subjects.has(Subject::Bundle) && !text.is_test;
    if let Some(outline) = text.outline_if(may_read) {
        in_program(text, outline, found);
    }
    in_terraform(text, found);
    for script in text.scripts() {
        for (number, command) in script.commands.iter().enumerate() {
            let before = script.commands.get(..number).unwrap_or(&[]);
            found.extend(in_shell(text, command, before));
        }
    }
}

fn is_content(mention: &Mention) -> bool {
    let whole = match mention.methods.first() {
        Some(method) if method.starts_with("get") => format!("{}.{method}", mention.path),
        _ => mention.path.clone(),
    };
    let words: Vec<String> = whole.split('.').map(snake).collect();
    CONTENT.is_in(&words.join("."))
}

fn in_program(text: &Text<'_>, outline: &Outline, found: &mut Vec<Finding>) {
    // Whoever decodes anywhere in the file decodes what its functions hand on.
    let decodes_somewhere = DECODES.is_in(&text.file.text);
    for mention in outline.mentions.iter().filter(|mention| is_content(mention)) {
        let is_used = !is_only_asked_for(text, mention) && !is_copied(outline, mention);
        if is_used && (!decodes_somewhere || is_printed_undecoded(text, outline, mention)) {
            let name = text.at(mention.span.clone()).lines().last().unwrap_or("").trim();
            found.push(
                Finding::new(
                    &BASE64_MISSING,
                    mention.span.clone(),
                    format!("`{name}` is used without being decoded"),
                    READ_WHY,
                )
                .advise("decode it from base 64"),
            );
        }
    }
}

/// Whether a content is a condition, or a side of a comparison.
fn is_only_asked_for(text: &Text<'_>, mention: &Mention) -> bool {
    let (line, start) = text.line_of(mention.span.start);
    let before = line.get(..mention.span.start - start).unwrap_or("").trim_end();
    let after = text.at(mention.span.end..text.file.text.len());
    let after = after.lines().next().unwrap_or("").trim_start();
    let is_condition = ["if", "elif", "not", "and", "or", "if (", "if (!", "&&", "||", "!"];
    let is_compared =
        ["==", "!=", "is not", "is None", "==="].iter().any(|sign| after.starts_with(sign));
    is_compared
        || before.ends_with("==")
        || is_condition.iter().any(|word| before.ends_with(word))
            && (after.is_empty()
                || after.starts_with([':', ')', '&', '|', '?'])
                || after.starts_with("and ")
                || after.starts_with("or "))
}

/// Whether a content becomes the content of another secret.
fn is_copied(outline: &Outline, mention: &Mention) -> bool {
    outline.around(mention).iter().any(|call| call.callee.contains("SecretContentDetails"))
}

/// Whether the name that gets a content is printed, and decoded nowhere in its function.
fn is_printed_undecoded(text: &Text<'_>, outline: &Outline, mention: &Mention) -> bool {
    let Some(assign) = outline.assigns.iter().find(|assign| {
        assign.function == mention.function
            && assign.value.start <= mention.span.start
            && mention.span.end <= assign.value.end
    }) else {
        return false;
    };
    let (Some(name), Some(function)) =
        (assign.names.first(), outline.functions.get(mention.function))
    else {
        return false;
    };
    let is_decoded = DECODES.is_in(text.at(function.span.clone()));
    let is_printed = outline.mentions.iter().any(|other| {
        other.function == mention.function
            && other.root() == name
            && outline
                .around(other)
                .iter()
                .any(|call| matches!(call.name(), "print" | "log" | "println"))
    });
    is_printed && !is_decoded
}

static TERRAFORM: Pattern = Pattern::new(
    r"(base64decode\(\s*)?\bdata\.oci_secrets_secretbundle\.[A-Za-z0-9_-]+(\[[^\]]*\])?\.secret_bundle_content(\.0|\[0\])\.content\b",
);

fn in_terraform(text: &Text<'_>, found: &mut Vec<Finding>) {
    for block in text.blocks().iter().flat_map(super::super::terraform::Block::all) {
        for attribute in &block.attributes {
            let expression = text.at(attribute.value.clone());
            let is_copy =
                attribute.name == "content" && matches!(block.kind.as_str(), "secret_content" | "");
            let is_decoded_later = block.kind == "locals"
                && text.file.text.contains(&format!("base64decode(local.{}", attribute.name));
            if is_copy || is_decoded_later {
                continue;
            }
            for span in TERRAFORM.all(expression) {
                if expression.get(span.clone()).unwrap_or("").starts_with("base64decode") {
                    continue;
                }
                found.push(undecoded(
                    attribute.value.start + span.start..attribute.value.start + span.end,
                    text,
                ));
            }
        }
    }
}

fn undecoded(span: Range<usize>, text: &Text<'_>) -> Finding {
    let whole = format!("base64decode({})", text.at(span.clone()));
    let edits = vec![
        Edit { span: span.start..span.start, text: "base64decode(".to_owned() },
        Edit { span: span.end..span.end, text: ")".to_owned() },
    ];
    Finding::new(
        &BASE64_MISSING,
        span,
        "a secret's content is used without being decoded",
        READ_WHY,
    )
    .repair(whole, edits)
}

/// Names that say that a value is encoded.
static ENCODED: Pattern = Pattern::new(r"(?i)(b64|base64|base_64|enc(oded)?$|enc_)");

fn in_shell(text: &Text<'_>, command: &Command, before: &[Command]) -> Option<Finding> {
    undecoded_in_shell(text, command).or_else(|| unencoded(text, command, before))
}

static DECODES_IN_SHELL: Pattern =
    Pattern::new(r"(base64 +(-i +)?(-d|-D|--d)|b64decode|base64 -di|@base64d|FromBase64)");

/// A content that a variable takes as it comes, in a script that decodes nothing.
fn undecoded_in_shell(text: &Text<'_>, command: &Command) -> Option<Finding> {
    let (_, value) = command.assignments.iter().find(|(_, value)| {
        let raw = text.at(value.span.clone());
        raw.contains("secret-bundle get")
            && raw.contains("bundle-content")
            && !raw.contains("base64")
    })?;
    if DECODES_IN_SHELL.is_in(&text.file.text) {
        return None;
    }
    let message = "the content of a secret is used without being decoded";
    Some(
        Finding::new(&BASE64_MISSING, value.span.clone(), message, READ_WHY)
            .advise("| base64 -d behind the command"),
    )
}

fn unencoded(text: &Text<'_>, command: &Command, before: &[Command]) -> Option<Finding> {
    let value = command.option("--secret-content-content").or_else(|| fragment(command))?;
    if is_encoded(text, value, before) {
        return None;
    }
    Some(
        Finding::new(
            &BASE64_MISSING,
            value.span.clone(),
            "a value is stored without being encoded",
            "OCI takes the content of a secret in base 64: it refuses other text, or stores what decodes to something else",
        )
        .advise("--secret-content-content \"$(printf %s VALUE | base64 -w0)\""),
    )
}

/// An option on a line of its own, cut out of its command.
fn fragment(command: &Command) -> Option<&Word> {
    let first = command.words.first()?;
    (first.text == "--secret-content-content").then(|| command.words.get(1))?
}

fn is_encoded(text: &Text<'_>, value: &Word, before: &[Command]) -> bool {
    let raw = text.at(value.span.clone());
    if value.has_command {
        return raw.contains("base64")
            || raw.contains("b64")
            || raw.contains("kms crypto")
            || !raw.contains("echo");
    }
    let Some(name) = value.variables.first() else {
        return is_base64(&value.text)
            || value.text.contains("file://")
            || value.text.starts_with(['<', '@']);
    };
    // What a workflow was given is not seen.
    if ENCODED.is_in(name)
        || name.contains('.')
        || name.chars().all(|letter| letter.is_ascii_digit())
    {
        return true;
    }
    let assigned = before
        .iter()
        .rev()
        .flat_map(|command| &command.assignments)
        .find(|(other, _)| other == name);
    match assigned {
        Some((_, from)) => {
            let raw = text.at(from.span.clone());
            raw.contains("base64")
                || raw.contains("b64")
                || raw.contains("kms crypto")
                || raw.contains("plaintext")
        }
        // Where the value comes from is not seen: its name has to say that it is one.
        None => !super::super::names::is_secret_variable(name) && !was_read(before, name),
    }
}

/// Whether somebody was asked for a variable's value.
fn was_read(before: &[Command], name: &str) -> bool {
    before.iter().any(|command| {
        command.name() == "read" && command.arguments().iter().any(|word| word.text == name)
    })
}

fn is_base64(text: &str) -> bool {
    text.len().is_multiple_of(4)
        && text.len() >= 4
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}
