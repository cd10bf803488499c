use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// What a word speaks of; a rule looks only where its subjects are spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Ocid,
    Bundle,
    Content,
    Command,
    PrivateKey,
    KeyName,
    Mode,
    Value,
    Argument,
    Retry,
    Debug,
    Rotation,
    Lifetime,
    Deletion,
    Suppression,
}

/// The words, in any case.
const WORDS: &[(&str, Subject)] = &[
    ("ocid1.", Subject::Ocid),
    ("secret_bundle", Subject::Bundle),
    ("secretbundle", Subject::Bundle),
    ("secret-bundle", Subject::Bundle),
    ("secret_content", Subject::Content),
    ("secretcontent", Subject::Content),
    ("secret-content", Subject::Content),
    ("oci_vault_secret", Subject::Content),
    ("oci vault", Subject::Command),
    ("oci kms", Subject::Command),
    ("oci secret", Subject::Command),
    ("oci iam", Subject::Command),
    ("oci --", Subject::Command),
    ("oci -d", Subject::Command),
    ("oci\",", Subject::Command),
    ("oci',", Subject::Command),
    ("private key-----", Subject::PrivateKey),
    ("private_key", Subject::KeyName),
    ("chmod", Subject::Mode),
    ("set_permissions", Subject::Mode),
    ("setposixfilepermissions", Subject::Mode),
    ("password", Subject::Value),
    ("passwd", Subject::Value),
    ("get_secret", Subject::Value),
    ("secret_value", Subject::Value),
    ("secretvalue", Subject::Value),
    ("vault_secret", Subject::Value),
    ("vaultsecret", Subject::Value),
    ("decoded", Subject::Value),
    ("decrypted", Subject::Value),
    ("--password", Subject::Argument),
    ("sshpass", Subject::Argument),
    ("passin", Subject::Argument),
    ("noneretrystrategy", Subject::Retry),
    ("noretry", Subject::Retry),
    ("no_retry", Subject::Retry),
    ("no-retry", Subject::Retry),
    ("oci_go_sdk_debug", Subject::Debug),
    ("log_requests", Subject::Debug),
    ("rotation", Subject::Rotation),
    ("ttl", Subject::Lifetime),
    ("strongroom-lint: allow", Subject::Suppression),
    ("schedule_secret_deletion", Subject::Deletion),
    ("schedulesecretdeletion", Subject::Deletion),
];

/// The subjects that a text speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Subjects(u32);

impl Subjects {
    pub(super) const fn has(self, subject: Subject) -> bool {
        self.0 & bit(subject) != 0
    }

    pub(super) const fn of(subjects: &[Subject]) -> Self {
        let mut bits = 0;
        let mut rest = subjects;
        while let [first, others @ ..] = rest {
            bits |= bit(*first);
            rest = others;
        }
        Self(bits)
    }

    pub(super) const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[expect(clippy::as_conversions, reason = "the number of a variant without a field")]
const fn bit(subject: Subject) -> u32 {
    1 << subject as u32
}

/// Returns what a text speaks of, in one pass over its bytes.
pub(super) fn subjects(text: &[u8]) -> Subjects {
    static WORD_SET: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let words = WORD_SET.get_or_init(|| {
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(WORDS.iter().map(|(word, _)| word))
            .ok()
    });
    let Some(words) = words else { return Subjects::default() };
    let mut found = Subjects::default();
    for hit in words.find_overlapping_iter(text) {
        if let Some((_, subject)) = WORDS.get(hit.pattern().as_usize()) {
            found.0 |= bit(*subject);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_overlap_are_all_seen() {
        let found = subjects(b"get SecretBundleContent --password");
        assert!(found.has(Subject::Bundle) && found.has(Subject::Argument));
        assert!(found.has(Subject::Value) && !found.has(Subject::Ocid));
        assert_eq!(subjects(b"nothing of the kind"), Subjects::default());
        assert!(found.has_any(Subjects::of(&[Subject::Ocid, Subject::Value])));
        assert!(!found.has_any(Subjects::of(&[Subject::Ocid])));
    }
}
