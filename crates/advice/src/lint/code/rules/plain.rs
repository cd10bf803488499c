//! C02: content that is said to be plain where secrets are written.

use super::super::super::catalogue::PLAIN_CONTENT_TYPE;
use super::super::super::finding::Finding;
use super::super::pattern::Pattern;
use super::super::text::Text;

/// Where the content of a secret is described: the types of the kits, a key of JSON, a block of Terraform.
static CONTENT: Pattern = Pattern::new(
    r#"(?i)(secret_?content_?details|["']?secret_?content["']?\s*[:={(]|\bsecret_content\s*\{|--secret-content\b)"#,
);

static PLAIN: Pattern =
    Pattern::new(r#"(?i)\bcontent_?type\\?["']?\s*[:=(,]{1,2}\s*[\w.]*?\\?["']?\b(plain)\b"#);

/// How far the description of a content goes at most, in bytes.
const REACH: usize = 600;

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    for start in CONTENT.all(&text.file.text) {
        let end = end_of_description(text, start.end);
        let described = text.at(start.start..end);
        for groups in PLAIN.groups(described) {
            let Some(Some(word)) = groups.get(1) else { continue };
            let span = start.start + word.start..start.start + word.end;
            if text.is_comment(span.start) {
                continue;
            }
            found.push(
                Finding::new(
                    &PLAIN_CONTENT_TYPE,
                    span,
                    "the content of a secret is said to be `PLAIN`",
                    "OCI takes the content of a secret as BASE64 alone: it refuses this, or stores what cannot be read as it was written",
                )
                .advise("encode the content, and say `BASE64`"),
            );
        }
    }
}

/// Returns where the brackets that are open close, at most so far that a description may reach.
fn end_of_description(text: &Text<'_>, from: usize) -> usize {
    let rest = text.at(from..text.file.text.len());
    let mut depth = 0_i32;
    let mut has_opened = false;
    for (at, letter) in rest.char_indices() {
        match letter {
            '(' | '{' | '[' => {
                depth += 1;
                has_opened = true;
            }
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
        let builds_on = || rest.get(at + 1..).unwrap_or("").trim_start().starts_with('.');
        if depth < 0 || at >= REACH || has_opened && depth == 0 && !builds_on() {
            return from + at;
        }
    }
    text.file.text.len()
}
