use super::catalogue::{Rule, SUPPRESSED_WITHOUT_REASON, rule_named};
use super::finding::Finding;
use super::source::SourceFile;

/// What stands before the rules in a comment.
const MARK: &str = "strongroom-lint: allow";

/// What is left after suppressions.
#[derive(Debug)]
pub struct Suppressed {
    /// The findings that were not suppressed, and those about suppressions.
    pub findings: Vec<Finding>,
    /// How many were.
    pub count: usize,
}

struct Allowance {
    /// The line that it stands on; it holds for it and the next.
    line: usize,
    rules: Vec<&'static Rule>,
}

/// Takes away what comments allow: `strongroom-lint: allow RULE[, RULE] -- reason`, on the line of the
/// finding or the one before.
#[must_use]
pub fn suppress(file: &SourceFile, findings: Vec<Finding>) -> Suppressed {
    let mut kept = Vec::new();
    let mut allowances = Vec::new();
    for (at, _) in file.text.match_indices(MARK) {
        // In quotes it is spoken of.
        if file.text.get(..at).is_some_and(|before| before.ends_with(['`', '"', '\''])) {
            continue;
        }
        match allowance(file, at) {
            Ok(allowance) => allowances.push(allowance),
            Err(finding) => kept.push(*finding),
        }
    }
    let mut count = 0;
    for finding in findings {
        let line = file.position(finding.span.start).line;
        let is_allowed = allowances.iter().any(|allowance| {
            (allowance.line == line || allowance.line + 1 == line)
                && allowance.rules.contains(&finding.rule)
        });
        if is_allowed {
            count += 1;
        } else {
            kept.push(finding);
        }
    }
    kept.sort_by_key(|finding| finding.span.start);
    Suppressed { findings: kept, count }
}

fn allowance(file: &SourceFile, at: usize) -> Result<Allowance, Box<Finding>> {
    let line = file.position(at).line;
    let end = file.line_range(line).end;
    let text = file.text.get(at + MARK.len()..end).unwrap_or("").trim_end();
    let span = at..at + MARK.len() + text.len();
    let refuse = |message: &str, why: String| {
        Box::new(Finding::new(&SUPPRESSED_WITHOUT_REASON, span.clone(), message, why))
    };
    let (names, reason) = text.split_once("--").unwrap_or((text, ""));
    // What closes a comment is no reason.
    let reason = reason.trim().trim_end_matches("*/").trim_end_matches("-->").trim();
    let mut rules = Vec::new();
    for name in names.split(',').map(str::trim) {
        match rule_named(name) {
            Some(rule) => rules.push(rule),
            None => {
                return Err(refuse(
                    "a suppression names no rule",
                    format!("there is no rule `{name}`"),
                ));
            }
        }
    }
    if reason.is_empty() {
        let why = "nothing stands after `--`, so that it suppresses nothing".to_owned();
        return Err(refuse("a suppression says no reason", why));
    }
    Ok(Allowance { line, rules })
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::HARD_CODED_OCID;
    use super::*;

    #[test]
    fn only_what_is_allowed_with_a_reason_is_taken_away() {
        for (comment, kept) in [
            ("", vec!["C01"]),
            ("# strongroom-lint: allow C01 -- a constant", vec![]),
            ("/* strongroom-lint: allow hard-coded-ocid, L01 -- a constant */", vec![]),
            ("# strongroom-lint: allow C01", vec!["L01", "C01"]),
            ("/* strongroom-lint: allow C01 -- */", vec!["L01", "C01"]),
            ("# strongroom-lint: allow C99 -- why", vec!["L01", "C01"]),
            ("# strongroom-lint: allow L01 -- why", vec!["C01"]),
            ("write `strongroom-lint: allow CODE`", vec!["C01"]),
        ] {
            let text = format!("{comment}\nid = 1\nid = 2\n");
            let file = SourceFile::new("a.py", text);
            let found = Finding::new(&HARD_CODED_OCID, file.line_range(2), "m", "w");
            let left = suppress(&file, vec![found]);
            let ids: Vec<_> = left.findings.iter().map(|finding| finding.rule.id).collect();
            assert_eq!(ids, kept, "{comment}");
            assert_eq!(left.count, usize::from(kept.is_empty()), "{comment}");
        }
        let file = SourceFile::new("a.py", "# strongroom-lint: allow C01 -- why\n\nid = 1\n");
        let found = Finding::new(&HARD_CODED_OCID, file.line_range(3), "m", "w");
        assert_eq!(suppress(&file, vec![found]).findings.len(), 1);
    }
}
