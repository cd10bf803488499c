//! Source: docs.github.com, "Workflow commands for GitHub Actions".

use super::super::finding::Level;
use super::Place;

pub(super) fn write(found: &[Place<'_>]) -> String {
    found.iter().map(one).collect()
}

fn one(place: &Place<'_>) -> String {
    let Place { file, finding } = place;
    let command = match finding.level {
        Level::Info => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let (start, end) = (file.position(finding.span.start), file.position(finding.span.end));
    let fix = place.fix().map(|fix| format!("\nfix: {fix}")).unwrap_or_default();
    let text = format!("{}\nwhy: {}{fix}", finding.message, finding.why);
    format!(
        "::{command} file={},line={},endLine={},col={},endColumn={},title={}::{}\n",
        property(&file.path),
        start.line,
        end.line,
        start.column,
        end.column,
        finding.rule.code,
        value(&text)
    )
}

fn value(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    value(text).replace(':', "%3A").replace(',', "%2C")
}
