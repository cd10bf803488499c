use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;

/// A regular expression that is compiled when it is first needed.
pub(super) struct Pattern {
    text: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// One that does not compile matches nothing; the tests of the rules would tell.
    fn regex(&self) -> Option<&Regex> {
        // Boundaries between letters of other scripts would rule out the quick way to match.
        let text = || self.text.replace(r"\b", r"(?-u:\b)");
        self.compiled.get_or_init(|| Regex::new(&text()).ok()).as_ref()
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }

    pub(super) fn all(&self, text: &str) -> Vec<Range<usize>> {
        self.regex().map_or_else(Vec::new, |regex| {
            regex.find_iter(text).map(|found| found.range()).collect()
        })
    }

    /// Returns where each group of each match is.
    pub(super) fn groups(&self, text: &str) -> Vec<Vec<Option<Range<usize>>>> {
        let Some(regex) = self.regex() else { return Vec::new() };
        let ranges = |found: regex::Captures<'_>| {
            found.iter().map(|group| group.map(|group| group.range())).collect()
        };
        regex.captures_iter(text).map(ranges).collect()
    }
}
