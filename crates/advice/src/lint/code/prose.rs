use std::ops::Range;

use super::super::source::SourceFile;
use super::kind::Kind;

/// Code in prose: what stands between two lines of three backquotes, or is indented.
#[derive(Debug)]
pub(super) struct Fence {
    /// Without the lines that fence.
    pub(super) span: Range<usize>,
    /// The word after the opening backquotes.
    pub(super) language: String,
}

pub(super) fn fences(kind: Kind, file: &SourceFile) -> Vec<Fence> {
    if kind != Kind::Markdown {
        return Vec::new();
    }
    let mut fences = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for number in 1..=file.line_count() {
        let line = file.line(number).trim();
        let range = file.line_range(number);
        let Some(rest) = line.strip_prefix("```").or_else(|| line.strip_prefix("~~~")) else {
            continue;
        };
        open = match open.take() {
            Some((start, language)) => {
                fences.push(Fence { span: start..range.start, language });
                None
            }
            None => Some((range.end, rest.trim().to_ascii_lowercase())),
        };
    }
    if let Some((start, language)) = open {
        fences.push(Fence { span: start..file.text.len(), language });
    }
    fences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_hold_what_is_between_their_lines() {
        let file = SourceFile::new("a.md", "x\n```bash\na\nb\n```\ny\n  ```\nz");
        let found = fences(Kind::Markdown, &file);
        let shown: Vec<_> = found
            .iter()
            .map(|fence| (fence.language.as_str(), file.text.get(fence.span.clone()).unwrap()))
            .collect();
        assert_eq!(shown, [("bash", "a\nb\n"), ("", "z")]);
        assert!(fences(Kind::Python, &file).is_empty());
    }
}
