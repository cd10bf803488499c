use super::finding::{Edit, Finding};

/// Returns a text with the edits of all findings that need no choice, and how many findings those
/// were. Of findings whose edits overlap, the first in the text is repaired; another run repairs the
/// next.
#[must_use]
pub fn fixed(text: &str, findings: &[Finding]) -> (String, usize) {
    let mut repairs: Vec<&[Edit]> = findings
        .iter()
        .filter_map(|finding| finding.fix.as_ref())
        .map(|fix| fix.edits.as_slice())
        .filter(|edits| !edits.is_empty())
        .collect();
    repairs.sort_by_key(|edits| edits.iter().map(|edit| edit.span.start).min());
    let mut chosen: Vec<&Edit> = Vec::new();
    let mut count = 0;
    for edits in repairs {
        let is_free = |edit: &Edit| chosen.iter().all(|other| !overlap(other, edit));
        if edits.iter().all(is_free) {
            chosen.extend(edits);
            count += 1;
        }
    }
    chosen.sort_by_key(|edit| edit.span.start);
    (applied(text, &chosen), count)
}

fn overlap(one: &Edit, other: &Edit) -> bool {
    let is_same_place = one.span.start == other.span.start;
    is_same_place || (one.span.start < other.span.end && other.span.start < one.span.end)
}

fn applied(text: &str, edits: &[&Edit]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = 0;
    for edit in edits {
        result.push_str(text.get(rest..edit.span.start).unwrap_or(""));
        result.push_str(&edit.text);
        rest = edit.span.end;
    }
    result.push_str(text.get(rest..).unwrap_or(""));
    result
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::HARD_CODED_OCID;
    use super::*;

    fn finding(edits: &[(std::ops::Range<usize>, &str)]) -> Finding {
        let edit = |(span, text): &(std::ops::Range<usize>, &str)| Edit {
            span: span.clone(),
            text: (*text).to_owned(),
        };
        Finding::new(&HARD_CODED_OCID, 0..1, "m", "w").repair("f", edits.iter().map(edit).collect())
    }

    #[test]
    fn edits_that_do_not_overlap_are_made() {
        let findings = [
            finding(&[(4..5, "E")]),
            finding(&[(0..2, "AB"), (6..6, "!")]),
            finding(&[(1..3, "x")]),
            finding(&[]),
        ];
        assert_eq!(fixed("abcdef", &findings), ("ABcdEf!".to_owned(), 2));
    }
}
