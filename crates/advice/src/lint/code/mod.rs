//! Finds in code what should not be done with secrets: one pass over the bytes for words, then the rules
//! that those words concern.

mod flow;
mod invocation;
mod kind;
mod names;
mod outline;
mod pattern;
mod prose;
mod rules;
mod scan;
mod scripts;
mod shell;
mod terraform;
mod text;

use self::rules::CHECKS;
use self::scan::{Subject, subjects};
use self::text::Text;
use super::finding::Finding;
use super::source::SourceFile;

/// Whether a rule could find anything in a file of these bytes, or something is suppressed there. Most
/// files need no other look.
#[must_use]
pub fn concerns_secrets(bytes: &[u8]) -> bool {
    let subjects = subjects(bytes);
    subjects.has(Subject::Suppression)
        || CHECKS.iter().any(|check| subjects.has_any(check.subjects))
}

/// Returns what the rules find in a file, from its beginning to its end.
#[must_use]
pub fn look_at_code(file: &SourceFile) -> Vec<Finding> {
    let text = Text::new(file, subjects(file.text.as_bytes()));
    let mut found = Vec::new();
    for check in CHECKS {
        if text.subjects.has_any(check.subjects) {
            (check.look)(&text, &mut found);
        }
    }
    found.sort_by(|one, other| {
        (one.span.start, one.rule.id).cmp(&(other.span.start, other.rule.id))
    });
    found.dedup_by(|one, other| one.rule == other.rule && one.span == other.span);
    found
}
