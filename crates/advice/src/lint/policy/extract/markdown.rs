//! Markdown: what stands in fenced or indented blocks, but for what is shown as a bad example.

use super::super::piece::{Home, Piece, Quoting};
use super::block::{self, Line};
use super::lines::lines;

/// Words before an example of what is wrong, and of what is right.
const BAD: [&str; 5] = ["BAD", "WRONG", "INCORRECT", "DON'T", "NEVER"];
const GOOD: [&str; 3] = ["GOOD", "RIGHT", "CORRECT"];

pub(super) fn read(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut block: Vec<Line> = Vec::new();
    let (mut is_fenced, mut is_bad, mut policy) = (false, false, 0);
    for line in lines(text, 0..text.len()) {
        let whole = text.get(line.range.clone()).unwrap_or("");
        let is_fence = ["```", "~~~"].iter().any(|fence| whole.trim_start().starts_with(fence));
        let is_code = is_fenced || whole.starts_with("    ") || whole.starts_with('\t');
        let says = |words: &[&str]| {
            let has = |word: &str| {
                whole.split(|c: char| !c.is_alphanumeric() && c != '\'').any(|one| one == word)
            };
            words.iter().any(|word| has(word))
        };
        if is_fence || !is_code {
            pieces.extend(end(&mut block, &mut policy));
            is_fenced = is_fenced != is_fence;
        }
        if says(&BAD) || whole.contains('❌') {
            is_bad = true;
        } else if says(&GOOD) || whole.contains('✅') || whole.starts_with('#') {
            is_bad = false;
        }
        if is_code && !is_fence && !is_bad {
            block.push(line);
        }
    }
    pieces.extend(end(&mut block, &mut policy));
    pieces
}

fn end(block: &mut Vec<Line>, policy: &mut usize) -> Vec<Piece> {
    *policy += 1;
    let home = Home { policy: *policy, ..Home::default() };
    block::statements(std::mem::take(block), &home, Quoting::Plain)
}
