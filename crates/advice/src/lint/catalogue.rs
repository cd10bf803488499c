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
