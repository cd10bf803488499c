use std::fmt::Write;

use super::Place;

pub(super) fn write(found: &[Place<'_>]) -> String {
    let (tests, failures) = (found.len().max(1), found.len());
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"strongroom lint\" tests=\"{tests}\" failures=\"{failures}\">\n"
    );
    if found.is_empty() {
        // Build servers take a suite without tests for one that was not run.
        text.push_str("<testcase name=\"nothing was found\" classname=\"strongroom lint\"/>\n");
    }
    for place in found {
        let Place { file, finding } = place;
        let line = file.position(finding.span.start).line;
        let fix = place.fix().map(|fix| format!("\nfix: {fix}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _written = writeln!(
            text,
            "<testcase name=\"{} in line {line}\" classname=\"{}\" file=\"{}\" line=\"{line}\"><failure type=\"{}\" message=\"{}\">{}</failure></testcase>",
            escaped(finding.rule.code),
            escaped(&file.path),
            escaped(&file.path),
            finding.level.name(),
            escaped(&finding.message),
            escaped(&format!("why: {}{fix}", finding.why))
        );
    }
    text.push_str("</testsuite>\n</testsuites>\n");
    text
}

/// XML 1.0 has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
