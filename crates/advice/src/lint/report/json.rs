use serde::Serialize;

use super::super::finding::Level;
use super::Place;

/// A finding as programs read it; lines and columns from 1, columns count characters.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    code: &'a str,
    level: Level,
    path: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    why: &'a str,
    fix: Option<&'a str>,
}

pub(super) fn write(found: &[Place<'_>]) -> String {
    let rows: Vec<Row<'_>> = found.iter().map(row).collect();
    // Strings and numbers cannot fail.
    serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n"
}

fn row<'a>(place: &Place<'a>) -> Row<'a> {
    let Place { file, finding } = *place;
    let (start, end) = (file.position(finding.span.start), file.position(finding.span.end));
    Row {
        id: finding.rule.id,
        code: finding.rule.code,
        level: finding.level,
        path: &file.path,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        message: &finding.message,
        why: &finding.why,
        fix: finding.fix.as_ref().map(|fix| fix.text.as_str()),
    }
}
