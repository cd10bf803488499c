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
    POLICY_SYNTAX = "P01" "policy-syntax" Error "statement or matching rule that is not in the language";
    MISSPELT_WORD = "P02" "misspelt-word" Error "misspelt verb, resource-type, permission or variable";
    ANY_USER_UNBOUNDED = "P03" "any-user-unbounded" Error "any-user without a clause that says who";
    ANY_USER_FOR_ANY_GROUP = "P04" "any-user-for-any-group" Warning "any-user where services are not meant";
    BROAD_SECRET_MANAGER = "P05" "broad-secret-manager" Error "secrets managed by everybody, or everywhere";
    UNNAMED_SECRETS = "P06" "unnamed-secrets" Warning "secrets read without a clause that names them";
    QUOTED_WILDCARD = "P07" "quoted-wildcard" Error "wildcard in quotes, which OCI takes as it is";
    MISSING_KEY_GRANT = "P08" "missing-key-grant" Warning "secrets created or read without the use of key and vault";
    LISTER_WITHOUT_INSPECT = "P09" "lister-without-inspect" Warning "secrets given by name to people who cannot list them";
    TENANCY_WIDE_SECRETS = "P10" "tenancy-wide-secrets" Warning "vaults, keys or secrets of the whole tenancy";
    MANAGE_ALL_RESOURCES = "P11" "manage-all-resources" Error "manage all-resources for others than the administrators";
    NEVER_TRUE = "P12" "never-true" Error "condition that never holds";
    REGION_NAME = "P13" "region-name" Error "request.region with a region's name in place of its key";
    ALWAYS_TRUE = "P14" "always-true" Warning "condition that always holds";
    REDUNDANT_STATEMENT = "P15" "redundant-statement" Info "statement that changes nothing";
    REPEATED_GRANT = "P16" "repeated-grant" Warning "the same grant in several policies, or a limit that is near";
    UNKNOWN_NAME = "P17" "unknown-name" Error "group or compartment that the tenancy does not have";
    UNQUOTED_NAME = "P18" "unquoted-name" Warning "name with blanks that is not quoted, or a domain left open";
    DYNAMIC_GROUP_TAKES_EVERYTHING = "P19" "dynamic-group-takes-everything" Error "matching rule that takes in the whole tenancy";
    DYNAMIC_GROUP_MANAGES = "P20" "dynamic-group-manages" Warning "machines that manage, or a matching rule that nothing matches";
    DENY_FAILS_OPEN = "P21" "deny-fails-open" Warning "deny that does not hold where a variable is absent";
    DENY_MANAGE_ONLY = "P22" "deny-manage-only" Warning "deny of manage, which leaves use, read and inspect";
    PERMISSION_DENY_LIST = "P23" "permission-deny-list" Warning "permissions left out one by one";
    OPERATION_CONDITION = "P24" "operation-condition" Warning "operations named where permissions would do";
    PRIVILEGE_ESCALATION = "P25" "privilege-escalation" Error "a way to more than was given";
    UNNAMED_WORKLOAD = "P26" "unnamed-workload" Warning "workload without cluster, namespace and service account";
    UNFORMATTED = "P27" "unformatted" Info "statement that is not in the usual form";
    DEPRECATED_WORD = "P28" "deprecated-word" Warning "word that Oracle replaced";
    SERVICE_WITHOUT_REGION = "P29" "service-without-region" Warning "regional service without its region";
    HALF_OF_A_PAIR = "P30" "half-of-a-pair" Error "endorse, admit or define without what belongs to it";
    UNREACHABLE_COMPARTMENT = "P31" "unreachable-compartment" Warning "compartment that does not lead from where the policy is";
    KEYS_AND_SECRETS_TOGETHER = "P32" "keys-and-secrets-together" Info "one group manages keys and reads secrets";
    DENIED_ALLOW = "P33" "denied-allow" Warning "allow of which denials leave nothing";
    READ_DIFFERENTLY = "P34" "read-differently" Info "condition that strict and Oracle's semantics read apart";
    BLAST_RADIUS = "P35" "blast-radius" Info "who reads which secrets by a statement";
    UNUSED_GRANT = "P36" "unused-grant" Info "statement that no request of the log needed";
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
