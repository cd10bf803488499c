use std::fmt::Write;
use std::ops::Range;

use super::Place;

const TAB: &str = "    ";

/// A part of a line that is underlined.
struct Mark<'a> {
    line: usize,
    span: Range<usize>,
    sign: char,
    text: &'a str,
}

pub(super) fn write(found: &[Place<'_>]) -> String {
    found.iter().map(one).collect()
}

fn one(place: &Place<'_>) -> String {
    let Place { file, finding } = place;
    let mut marks = vec![mark(place, &finding.span, '^', finding.label.as_deref())];
    let others = finding.others.iter();
    marks.extend(others.map(|other| mark(place, &other.span, '-', Some(&other.text))));
    marks.sort_by_key(|mark| mark.line);
    let widest = marks.iter().map(|mark| mark.line).max().unwrap_or(1).to_string().len();
    let blank = " ".repeat(widest);
    let position = file.position(finding.span.start);
    let mut text = format!(
        "{}[{}]: {}\n{blank} ┌─ {}:{}:{}\n",
        finding.level.name(),
        finding.rule.code,
        printable(&finding.message),
        printable(&file.path),
        position.line,
        position.column
    );
    let mut last = 0;
    for Mark { line, span, sign, text: label } in marks {
        if line != last {
            text.push_str(format!("{line:>widest$} │ {}", shown(file.line(line))).trim_end());
            text.push('\n');
            last = line;
        }
        let start = file.line_range(line).start;
        let before = shown(file.text.get(start..span.start).unwrap_or(""));
        let inside = shown(file.text.get(span).unwrap_or(""));
        let under = format!("{blank} │ {}", " ".repeat(before.chars().count()));
        let signs = sign.to_string().repeat(inside.chars().count().max(1));
        text.push_str(format!("{under}{signs} {}", printable(label)).trim_end());
        text.push('\n');
    }
    for (name, said) in [("why", Some(finding.why.as_str())), ("fix", place.fix())] {
        if let Some(said) = said {
            let lines: Vec<String> = said.lines().map(printable).collect();
            // Writing to a String cannot fail.
            let _written =
                writeln!(text, "{blank} {name}: {}", lines.join(&format!("\n{blank}      ")));
        }
    }
    let _written = writeln!(text, "{blank} see: strongroom explain {}\n", finding.rule.code);
    text
}

/// Cuts a span to the line where it begins.
fn mark<'a>(place: &Place<'_>, span: &Range<usize>, sign: char, text: Option<&'a str>) -> Mark<'a> {
    let line = place.file.position(span.start).line;
    let range = place.file.line_range(line);
    let end = range.start + place.file.line(line).len();
    let span = span.start..span.end.clamp(span.start, end.max(span.start));
    Mark { line, span, sign, text: text.unwrap_or("") }
}

fn shown(text: &str) -> String {
    printable(&text.replace('\t', TAB))
}

/// Replaces what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
