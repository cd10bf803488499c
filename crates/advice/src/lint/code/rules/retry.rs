//! C11: reads of secrets that give up at the first refusal.

use super::super::super::catalogue::NO_RETRY;
use super::super::super::finding::{Edit, Finding};
use super::super::invocation::Place;
use super::super::pattern::Pattern;
use super::super::scan::Subject;
use super::super::text::Text;

static SWITCHED_OFF: Pattern = Pattern::new(
    r"(\bNoneRetryStrategy\s*\(|\bNO_RETRY_CONFIGURATION\b|\bNoRetryPolicy\s*\(|\bNoRetryConfigurationDetails\b|\bNO_RETRY_STRATEGY\b)",
);

const WHY: &str = "the vault answers 429 when it is asked too often and 500 when it is busy, both for a moment: without another try the application fails for it";

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    if text.is_test {
        return;
    }
    if text.subjects.has(Subject::Bundle) {
        for span in SWITCHED_OFF.all(&text.file.text) {
            if !text.is_comment(span.start) && !is_declared(text, span.start) {
                found.push(
                    Finding::new(&NO_RETRY, span, "secrets are read without another try", WHY)
                        .advise("the kit's default retry strategy, which waits longer each time"),
                );
            }
        }
    }
    for invocation in text.invocations().iter().filter(|one| one.place == Place::Code) {
        let reads = invocation.command().first().is_some_and(|word| word.text == "secrets");
        let option = invocation.words.iter().find(|word| word.text == "--no-retry");
        if let (true, Some(option)) = (reads, option) {
            let blank = text.at(0..option.span.start).ends_with(' ');
            let start = option.span.start - usize::from(blank);
            found.push(
                Finding::new(
                    &NO_RETRY,
                    option.span.clone(),
                    "a secret is read without another try",
                    WHY,
                )
                .repair(
                    "leave the option out",
                    vec![Edit { span: start..option.span.end, text: String::new() }],
                ),
            );
        }
    }
}

/// Whether the word is where the kit itself declares it, or where it is taken in.
fn is_declared(text: &Text<'_>, offset: usize) -> bool {
    let (line, _) = text.line_of(offset);
    let line = line.trim_start();
    ["import ", "from ", "class ", "func ", "def ", "export "]
        .iter()
        .any(|word| line.starts_with(word))
}
