//! Source: OASIS SARIF 2.1.0.

use std::fmt::Write;
use std::ops::Range;

use serde_json::{Value, json};

use super::super::catalogue::{Rule, rules};
use super::super::finding::{Fix, Level};
use super::Place;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(found: &[Place<'_>]) -> String {
    let used: Vec<&Rule> = rules()
        .iter()
        .copied()
        .filter(|rule| found.iter().any(|place| place.finding.rule == *rule))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "strongroom lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": used.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": found.iter().map(|place| result(place, &used)).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "name": rule.code,
        "shortDescription": { "text": rule.title },
        "help": { "text": rule.page, "markdown": rule.page },
        "defaultConfiguration": { "level": level(rule.level) },
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Info => "note",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn result(place: &Place<'_>, used: &[&Rule]) -> Value {
    let finding = place.finding;
    let others = finding.others.iter().enumerate().map(|(number, other)| {
        let mut location = location(place, &other.span);
        if let Some(fields) = location.as_object_mut() {
            fields.insert("id".to_owned(), json!(number));
            fields.insert("message".to_owned(), json!({ "text": other.text }));
        }
        location
    });
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": used.iter().position(|rule| *rule == finding.rule),
        "level": level(finding.level),
        "message": { "text": format!("{}\n{}", finding.message, finding.why) },
        "locations": [location(place, &finding.span)],
        "relatedLocations": others.collect::<Vec<_>>(),
    });
    let fix = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty());
    if let (Some(fix), Some(fields)) = (fix, result.as_object_mut()) {
        fields.insert("fixes".to_owned(), json!([repair(place, fix)]));
    }
    result
}

fn repair(place: &Place<'_>, fix: &Fix) -> Value {
    let replacements = fix.edits.iter().map(|edit| {
        json!({
            "deletedRegion": region(place, &edit.span),
            "insertedContent": { "text": edit.text },
        })
    });
    json!({
        "description": { "text": fix.text },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(&place.file.path) },
            "replacements": replacements.collect::<Vec<_>>(),
        }],
    })
}

fn location(place: &Place<'_>, span: &Range<usize>) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&place.file.path) },
        "region": region(place, span),
    }})
}

fn region(place: &Place<'_>, span: &Range<usize>) -> Value {
    let (start, end) = (place.file.position(span.start), place.file.position(span.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// Writes a path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _written = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
