//! C01: the OCID of one object of one tenancy, where a setting belongs.

use super::super::super::catalogue::HARD_CODED_OCID;
use super::super::super::finding::{Finding, Level};
use super::super::kind::Kind;
use super::super::pattern::Pattern;
use super::super::text::Text;

static OCID: Pattern = Pattern::new(
    r"ocid1\.(vaultsecret|vault|key|compartment|tenancy)\.oc[0-9]+\.[a-z0-9-]*\.([a-zA-Z0-9_.-]+)",
);

static DEFINITION: Pattern = Pattern::new(r"(?i)\bdefine\s+tenancy\b");

/// What stands before an OCID that is only shown.
static SHOWN: Pattern =
    Pattern::new(r"(?i)\b(e\.g\.|eg:|for example|for instance|such as|sample|looks like|format:)");

pub(super) fn look(text: &Text<'_>, found: &mut Vec<Finding>) {
    let is_state = text.file.path.ends_with(".tfstate");
    if text.is_test || is_state {
        return;
    }
    for groups in OCID.groups(&text.file.text) {
        let [Some(whole), Some(kind), Some(unique)] = groups.as_slice() else { continue };
        let trimmed = text.at(unique.clone()).trim_end_matches(['.', '-', '_']);
        if !names_a_thing(trimmed) {
            continue;
        }
        let (line, start) = text.line_of(whole.start);
        let before = line.get(..whole.start - start).unwrap_or("");
        if DEFINITION.is_in(line) || SHOWN.is_in(before) {
            continue;
        }
        let is_remark = text.is_comment(whole.start);
        if is_remark && !before.contains(['=', ':']) {
            continue;
        }
        let span = whole.start..unique.start + trimmed.len();
        let finding = finding(text, span, text.at(kind.clone()));
        let only_told = is_remark || text.kind == Kind::Markdown && !in_fence(text, whole.start);
        found.push(if only_told { finding.at_level(Level::Info) } else { finding });
    }
}

fn in_fence(text: &Text<'_>, offset: usize) -> bool {
    text.fences().iter().any(|fence| fence.span.contains(&offset))
}

fn finding(text: &Text<'_>, span: std::ops::Range<usize>, kind: &str) -> Finding {
    let name = if kind == "vaultsecret" { "secret" } else { kind };
    let source =
        if text.kind == Kind::Hcl { "a variable without default" } else { "the environment" };
    Finding::new(
        &HARD_CODED_OCID,
        span,
        format!("the OCID of a {name} stands in the file"),
        format!(
            "it names one {name} of one tenancy: the file cannot be used elsewhere, and shows its readers where the {name} is"
        ),
    )
    .labelled("a real one, by its letters")
    .advise(format!("take it from {source}"))
}

const FEWEST_LETTERS: usize = 40;
const FEWEST_DIFFERENT: usize = 14;
const LONGEST_RUN: usize = 4;

/// Words of those who make OCIDs up.
const INVENTED: &[&str] = &[
    "example",
    "unique",
    "your",
    "xxxx",
    "placeholder",
    "dummy",
    "sample",
    "fake",
    "mock",
    "redact",
];

/// Whether the last part of an OCID was given by OCI: base 32, without patterns that people type.
fn names_a_thing(unique: &str) -> bool {
    let is_base32 = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    };
    let tail = unique.split('.').max_by_key(|part| part.len()).unwrap_or(unique);
    if unique.len() < FEWEST_LETTERS || !unique.split('.').all(is_base32) {
        return false;
    }
    let body = tail.trim_start_matches('a');
    let mut seen = [false; 256];
    for byte in body.bytes() {
        if let Some(seen) = seen.get_mut(usize::from(byte)) {
            *seen = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    different >= FEWEST_DIFFERENT
        && longest_run(body) <= LONGEST_RUN
        && !INVENTED.iter().any(|word| unique.contains(word))
        && !body.contains("abcdefgh")
}

/// Returns how many equal letters stand side by side at most, but for `a`, with which OCI fills up.
fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for byte in text.bytes().filter(|byte| *byte != b'a') {
        run = if last == Some(byte) { run + 1 } else { 1 };
        longest = longest.max(run);
        last = Some(byte);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_oci_gave_is_taken_for_a_name() {
        assert!(names_a_thing("aaaaaaaaqv7ny4xkw2mzc5hd3gtr6bjue4spoflix72yvqkz5nwr3mtc6hda"));
        for made_up in [
            "aaaaaaaaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "exampleuniqueidabcdefghijklmnopqrstuvwxyz234567abcdefghijkl",
            "flocilocaltenancy0000000000000000000000000000000000000000",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaqv7ny4xkw2mz",
            "aaaaaaaaqv7ny4xkw2mzc5hd3gtr6bjue4spoflix12yvqkz5nwr3mtc6hda",
        ] {
            assert!(!names_a_thing(made_up), "{made_up}");
        }
    }
}
