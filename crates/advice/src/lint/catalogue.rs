use super::finding::Level;

/// A rule: what is looked for, and the page that explains it.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Such as `C03` or `P07`.
    pub id: RuleId,
    /// The word by which it is explained and suppressed.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// The page, Markdown.
    pub page: &'static str,
}

/// The number of a rule in the catalogue.
pub type RuleId = &'static str;

macro_rules! catalogue {
    ($($name:ident = $id:literal $code:literal $level:ident $title:literal;)*) => {
        $(
            #[doc = $title]
            pub(crate) static $name: Rule = Rule {
                id: $id,
                code: $code,
                level: Level::$level,
                title: $title,
                page: include_str!(concat!("../../../../docs/explain/", $code, ".md")),
            };
        )*

        static ALL: &[&Rule] = &[$(&$name),*];
    };
}

catalogue! {
    HARD_CODED_OCID = "C01" "hard-coded-ocid" Warning "OCID of a secret, key, vault or compartment in code";
    PLAIN_CONTENT_TYPE = "C02" "plain-content-type" Error "content of a secret that is said to be plain";
    READABLE_BEFORE_CHMOD = "C03" "readable-before-chmod" Warning "file with a secret that is closed to others after it is written";
    SECRET_IN_LOG = "C04" "secret-in-log" Error "secret in a log, on a terminal or in an error";
    UNCACHED_RETRIEVAL = "C05" "uncached-retrieval" Warning "secret that is read again and again";
    BASE64_MISSING = "C06" "base64-missing" Error "content of a secret that is not decoded, or not encoded";
    DELETE_AND_RECREATE = "C07" "delete-and-recreate" Warning "secret that is deleted and made anew in place of a new version";
    NO_SUCH_COMMAND = "C08" "no-such-command" Error "command that OCI's command line does not have";
    KEY_COMMAND_WITHOUT_ENDPOINT = "C09" "key-command-without-endpoint" Error "key command without the endpoint of its vault";
    SECRET_IN_STATE = "C10" "secret-in-state" Warning "content of a secret in Terraform's state";
    NO_RETRY = "C11" "no-retry" Warning "read of a secret that gives up at the first refusal";
    READABLE_KEY_FILE = "C12" "readable-key-file" Info "key file that is made readable for others";
    PRIVATE_KEY_IN_TREE = "C13" "private-key-in-tree" Error "private key in a file of the tree";
    SECRET_IN_ARGUMENTS = "C14" "secret-in-arguments" Warning "secret among the arguments of a program";
    DEBUG_OUTPUT = "C15" "debug-output" Warning "requests and answers with secrets in a log";
    TTL_EXCEEDS_ROTATION = "C16" "ttl-exceeds-rotation" Error "secret that is kept longer than it lasts";
    USER_KEY_IN_SERVICE = "C17" "user-key-in-service" Info "API key of a person in code that reads secrets";
    OPENED_BEFORE_CHMOD = "C18" "opened-before-chmod" Info "file for a secret that is made open and closed then";
    MISSING_OPTION = "C19" "missing-option" Error "command without an option that it needs";
    SUPPRESSED_WITHOUT_REASON = "L01" "suppressed-without-reason" Warning "a suppression that says no reason, or names no rule";
}

/// Returns the rules, in the order of the catalogue.
#[must_use]
pub fn rules() -> &'static [&'static Rule] {
    ALL
}

/// Returns the rule of an id or code, in any case.
#[must_use]
pub fn rule_named(name: &str) -> Option<&'static Rule> {
    let is_it =
        |rule: &&&Rule| rule.id.eq_ignore_ascii_case(name) || rule.code.eq_ignore_ascii_case(name);
    ALL.iter().find(is_it).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_page_that_begins_with_its_code_and_shows_bad_and_good() {
        for rule in rules() {
            let first = format!("# {} ({})\n", rule.code, rule.id);
            assert!(rule.page.starts_with(&first), "{}", rule.code);
            for part in ["## Why", "## Bad", "## Good"] {
                assert!(rule.page.contains(part), "{}: {part}", rule.code);
            }
            assert_eq!(rule_named(rule.id), Some(*rule));
            assert_eq!(rule_named(&rule.code.to_uppercase()), Some(*rule));
        }
        assert_eq!(rule_named("C99"), None);
    }
}
