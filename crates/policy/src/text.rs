//! Texts are compared without case, and patterns with whole texts.

/// Tells whether a whole text is like a pattern, in which `*` stands for any run of characters.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).fits(text)
}

/// Tells whether two texts are the same but for case.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!(a.is_ascii() && b.is_ascii()) && lower(a).eq(lower(b)))
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// A text in which `*` stands for any run of characters, the empty one included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    first: String,
    /// What stands after the stars; the last one ends the text. None without a star.
    rest: Vec<String>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let mut parts = text.split('*').map(str::to_lowercase);
        Self { first: parts.next().unwrap_or_default(), rest: parts.collect() }
    }

    /// Tells whether a whole text is like the pattern.
    pub(crate) fn fits(&self, text: &str) -> bool {
        // Most texts are ASCII and begin otherwise: they need no copy in lower case.
        let start = text.as_bytes().get(..self.first.len());
        let begins = start.is_some_and(|start| start.eq_ignore_ascii_case(self.first.as_bytes()));
        if text.is_ascii() && !begins {
            return false;
        }
        let text = text.to_lowercase();
        let Some((last, between)) = self.rest.split_last() else { return text == self.first };
        let Some(mut text) = text.strip_prefix(&self.first) else { return false };
        for part in between {
            match text.find(part.as_str()) {
                Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        text.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run_and_ends_are_ends() {
        for (pattern, text, fits) in [
            ("db-*", "db-", true),
            ("DB-*", "db-Prod", true),
            ("db-*", "xdb-1", false),
            ("*-db", "a-db", true),
            ("*-db", "a-dbx", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a.c", "abc", false),
            ("db-*", "DB", false),
            ("k*", "\u{212a}x", true),
            ("\u{212a}*", "kx", true),
            ("ä*", "ab", false),
            ("ÄB*", "äbc", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
        assert!(same("Größe", "GRÖßE") && !same("a", "ä"));
    }
}
