use std::fmt;

/// The entity tag of a resource: opaque to clients, the revision of the row to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Etag(u64);

impl Etag {
    /// Makes the tag of a row's revision.
    #[must_use]
    pub const fn of_revision(revision: u64) -> Self {
        Self(revision)
    }

    /// Tells whether an `if-match` value names this tag. Quotes are tolerated, `*` matches all
    /// (RFC 9110 §13.1.1).
    #[must_use]
    pub fn matches(self, if_match: &str) -> bool {
        let bare = if_match.trim().trim_matches('"');
        bare == "*" || bare == self.to_string()
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_itself_quoted_or_not() {
        let tag = Etag::of_revision(26);
        assert!(tag.matches("000000000000001a") && tag.matches("\"000000000000001a\""));
        assert!(tag.matches("*"));
        assert!(!tag.matches("1a") && !tag.matches(""));
    }
}
