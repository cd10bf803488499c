//! C15: output of requests and answers in pipelines, with what is secret in them.

use super::super::super::catalogue::DEBUG_OUTPUT;
use super::super::super::finding::{Edit, Finding};
use super::super::invocation::{Invocation, Place};
use super::super::kind::Kind;
use super::super::pattern::Pattern;
use super::super::text::Text;

/// Commands whose requests or answers hold secrets.
const WITH_SECRETS: &[&str] = &["vault", "secrets", "kms", "iam"];

pub(super) fn look_at_commands(text: &Text<'_>, found: &mut Vec<Finding>) {
    if !text.is_pipeline() {
        return;
    }
    for invocation in text.invocations().iter().filter(|one| one.place == Place::Code) {
        let group = invocation.command().first().map(|word| word.text.clone()).unwrap_or_default();
        if WITH_SECRETS.contains(&group.as_str()) {
            found.extend(with_debug(text, invocation));
        }
    }
}

fn with_debug(text: &Text<'_>, invocation: &Invocation) -> Option<Finding> {
    let names = invocation.command();
    let first = names.first().map_or(0, |word| word.span.start);
    let is_it = |text: &str, start: usize| text == "--debug" || text == "-d" && start < first;
    let option = invocation.words.iter().find(|word| is_it(&word.text, word.span.start))?;
    // With the blank before it.
    let blank = text.at(0..option.span.start).ends_with(' ');
    let start = option.span.start - usize::from(blank);
    Some(
        Finding::new(
            &DEBUG_OUTPUT,
            option.span.clone(),
            "a pipeline prints what is sent and answered",
            "`--debug` writes whole requests and answers, with the content of secrets and signed headers, to a log that is kept and that many may read",
        )
        .repair(
            "leave the option out",
            vec![Edit { span: start..option.span.end, text: String::new() }],
        ),
    )
}

static SETTING: Pattern = Pattern::new(
    r#"(?m)(OCI_GO_SDK_DEBUG["']?\s*[:=]\s*["']?(?:1|2|3|v|i|true|verbose|info)\b|["']?log_requests["']?\]?\s*[:=]\s*True\b)"#,
);

/// A condition that somebody turns on.
static ASKED_FOR: Pattern = Pattern::new(r"(?i)\bif\b.*(debug|verbose|log|trace)");

fn line_before<'a>(text: &Text<'a>, offset: usize) -> &'a str {
    text.file.line(text.file.position(offset).line.saturating_sub(1))
}

pub(super) fn look_at_settings(text: &Text<'_>, found: &mut Vec<Finding>) {
    if text.is_test || text.kind == Kind::Markdown {
        return;
    }
    for span in SETTING.all(&text.file.text) {
        let sets_environment = text.at(span.clone()).starts_with("OCI_GO");
        let is_asked_for = ASKED_FOR.is_in(line_before(text, span.start));
        if is_asked_for || text.is_comment(span.start) || sets_environment && !text.is_pipeline() {
            continue;
        }
        found.push(
            Finding::new(
                &DEBUG_OUTPUT,
                span,
                "requests and answers are logged whole",
                "the answer that reads a secret has its content, and the log keeps it",
            )
            .advise("leave the setting out, or set it by hand while a fault is looked for"),
        );
    }
}
