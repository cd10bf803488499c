use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use super::source::SourceFile;

/// Findings that were there before, and are not told again.
///
/// A finding is known by its rule, its file and the text of its line, however the line moves. As many
/// as there were are not told; one more is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline(BTreeMap<Known, u32>);

/// Rule, file, and FNV-1a of the line without blanks at its ends: a baseline shows no text of the code.
type Known = (String, String, String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    path: String,
    line: String,
    count: u32,
}

/// A baseline cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a baseline: {0}")]
pub struct BaselineError(#[from] serde_json::Error);

impl Baseline {
    /// Reads what [`Baseline::to_json`] wrote.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn from_json(text: &str) -> Result<Self, BaselineError> {
        let entries: Vec<Entry> = serde_json::from_str(text)?;
        let known = |entry: Entry| ((entry.id, entry.path, entry.line), entry.count);
        Ok(Self(entries.into_iter().map(known).collect()))
    }

    /// Writes it, in an order that a diff likes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let entries = self.0.iter().map(|((id, path, line), count)| Entry {
            id: id.clone(),
            path: path.clone(),
            line: line.clone(),
            count: *count,
        });
        let lines: Vec<String> =
            entries.filter_map(|entry| serde_json::to_string(&entry).ok()).collect();
        if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
    }

    /// Takes note of a finding.
    pub fn add(&mut self, file: &SourceFile, finding: &Finding) {
        *self.0.entry(known(file, finding)).or_default() += 1;
    }

    /// Takes one finding off, if it was known, and returns whether it was.
    pub fn take(&mut self, file: &SourceFile, finding: &Finding) -> bool {
        let Some(count) = self.0.get_mut(&known(file, finding)) else { return false };
        let was_known = *count > 0;
        *count = count.saturating_sub(1);
        was_known
    }
}

fn known(file: &SourceFile, finding: &Finding) -> Known {
    let line = file.line(file.position(finding.span.start).line).trim();
    let hash = line.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (finding.rule.id.to_owned(), file.path.clone(), format!("{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::HARD_CODED_OCID;
    use super::*;

    #[test]
    fn what_was_known_is_not_told_again_even_if_it_moved() {
        let finding = |file: &SourceFile, line| {
            Finding::new(&HARD_CODED_OCID, file.line_range(line), "m", "w")
        };
        let old = SourceFile::new("a.py", "id = 1\nid = 2\n");
        let mut baseline = Baseline::default();
        baseline.add(&old, &finding(&old, 1));
        let mut read = Baseline::from_json(&baseline.to_json()).unwrap();
        assert_eq!(read, baseline);
        let new = SourceFile::new("a.py", "\n  id = 1\nid = 1\n");
        assert!(read.take(&new, &finding(&new, 2)));
        assert!(!read.take(&new, &finding(&new, 3)));
        assert!(Baseline::from_json("{}").is_err());
        assert_eq!(
            Baseline::from_json(&Baseline::default().to_json()).unwrap(),
            Baseline::default()
        );
    }
}
