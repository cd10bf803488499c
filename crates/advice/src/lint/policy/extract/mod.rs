//! Finds statements and matching rules in files.

mod block;
mod braces;
mod lines;
mod markdown;
mod words;
mod yaml;

use std::ops::Range;

use super::piece::Piece;
use crate::lint::source::SourceFile;

/// Endings of files in which statements are looked for if a directory is named.
const ENDINGS: [&str; 10] =
    ["tf", "tfvars", "hcl", "json", "yaml", "yml", "txt", "policy", "policies", "oci"];

/// Tells whether statements are looked for in a file of this name that nobody named.
#[must_use]
pub fn holds_policies(path: &str) -> bool {
    ending(path).is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Returns the statements and rules of a file, in the order of the file.
pub(super) fn pieces(file: &SourceFile) -> Vec<Piece> {
    let mut pieces = match ending(&file.path).as_deref() {
        Some("tf" | "tfvars" | "hcl" | "json" | "template") => braces::read(&file.text),
        Some("yaml" | "yml") => yaml::read(&file.text),
        Some("md" | "markdown") => markdown::read(&file.text),
        _ if file.text.trim_start().starts_with(['{', '[']) => braces::read(&file.text),
        ending => {
            let is_named_so = matches!(ending, Some("policy" | "policies" | "oci"));
            lines::read(&file.text, is_named_so)
        }
    };
    pieces.sort_by_key(|piece| piece.whole().start);
    pieces
}

/// Returns what goes with an item of a list and its comma: the whole line, if nothing else is on it.
fn removal(text: &str, item: &Range<usize>) -> Range<usize> {
    let before = text.get(..item.start).unwrap_or("");
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let after = text.get(item.end..).unwrap_or("");
    let blanks = after.len() - after.trim_start_matches([' ', '\t', '\r']).len();
    let is_first = before.get(line..).unwrap_or("").trim().is_empty();
    if is_first && after.get(blanks..).is_some_and(|rest| rest.starts_with('\n')) {
        line..item.end + blanks + 1
    } else {
        item.start..item.end + blanks
    }
}

fn ending(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
