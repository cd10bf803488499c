//! Rules of this codebase that no compiler knows. Each finding names the place, the rule and what to
//! do.

mod code;
mod docs;
mod doors;
mod lengths;
mod links;
mod lints;
mod operations;
mod ranks;
mod stages;
mod tests_reached;
mod tree;
mod words;

use std::path::Path;

use self::tree::Tree;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// `file:line`.
    place: String,
    /// What is wrong, and what to do.
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), what: what.into() }
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [(&str, Rule); 10] = [
    ("docs", docs::check),
    ("doors", doors::check),
    ("lengths", lengths::check),
    ("links", links::check),
    ("lints", lints::check),
    ("operations", operations::check),
    ("ranks", ranks::check),
    ("stages", stages::check),
    ("tests-reached", tests_reached::check),
    ("words", words::check),
];

/// Checks the tree, and prints its measures and what breaks a rule.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    println!("{}", lengths::measures(&tree));
    let mut count = 0;
    for (name, rule) in RULES {
        for Finding { place, what } in rule(&tree) {
            eprintln!("{place}: {name}: {what}");
            count += 1;
        }
    }
    if count == 0 { Ok(()) } else { Err(format!("{count} findings")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        let outcome = super::run(&crate::root());
        assert_eq!(outcome, Ok(()));
    }
}
