use std::str::FromStr;

/// Secrets by reference; a `*` stands for any run of characters. Stage, version and pointer do not
/// count: who may read a secret may read its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must begin with secret:// or ocid1.vaultsecret, and have no ? and no #")]
pub struct PatternError;

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let begins = text.starts_with("secret://") || text.starts_with("ocid1.vaultsecret");
        if begins && !text.contains(['?', '#']) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PatternError)
        }
    }
}

impl Pattern {
    /// Tells whether a reference is of a secret that is meant.
    #[must_use]
    pub fn covers(&self, reference: &str) -> bool {
        let secret = reference.split(['?', '#']).next().unwrap_or_default();
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = secret.strip_prefix(first) else { return false };
        let mut pieces = pieces.peekable();
        if pieces.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return rest.ends_with(piece);
            }
            let Some((_, after)) = rest.split_once(piece) else { return false };
            rest = after;
        }
        false
    }
}

/// What processes of a user or group may read.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Numeric user; any if absent.
    pub uid: Option<u32>,
    /// Numeric group, the process's own; any if absent.
    pub gid: Option<u32>,
    /// What they may read.
    pub references: Vec<Pattern>,
}

impl Rule {
    pub(super) fn admits(&self, uid: u32, gid: u32, reference: &str) -> bool {
        self.uid.is_none_or(|wanted| wanted == uid)
            && self.gid.is_none_or(|wanted| wanted == gid)
            && self.references.iter().any(|pattern| pattern.covers(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_references() {
        for (pattern, covered, others) in [
            (
                "secret://prod/db",
                &["secret://prod/db", "secret://prod/db?version=3#a"][..],
                &["secret://prod/db2", "secret://dev/db"][..],
            ),
            (
                "secret://prod/app-*",
                &["secret://prod/app-", "secret://prod/app-x"],
                &["secret://prod/ap", "secret://prod2/app-x"],
            ),
            (
                "secret://*/db-*-rw",
                &["secret://a/db-x-rw", "secret://a/db--rw"],
                &["secret://a/db-rw", "secret://a/db-x-rwx"],
            ),
            (
                "secret://prod/*",
                &["secret://prod/", "secret://prod/x?stage=previous"],
                &["secret://pro/x"],
            ),
        ] {
            let read: Pattern = pattern.parse().unwrap();
            for reference in covered {
                assert!(read.covers(reference), "{pattern} {reference}");
            }
            for reference in others {
                assert!(!read.covers(reference), "{pattern} {reference}");
            }
        }
        for wrong in ["", "*", "prod/db", "secret://prod/db?stage=current", "secret://a#b"] {
            assert_eq!(wrong.parse::<Pattern>(), Err(PatternError), "{wrong}");
        }
    }

    #[test]
    fn a_rule_is_for_its_user_and_group() {
        let references = vec!["secret://prod/*".parse().unwrap()];
        let rule = |uid, gid| Rule { uid, gid, references: references.clone() };
        assert!(rule(None, None).admits(1, 2, "secret://prod/x"));
        assert!(rule(Some(1), None).admits(1, 2, "secret://prod/x"));
        assert!(!rule(Some(1), Some(3)).admits(1, 2, "secret://prod/x"));
        assert!(!rule(Some(2), None).admits(1, 2, "secret://prod/x"));
        assert!(!rule(None, None).admits(1, 2, "secret://dev/x"));
    }
}
