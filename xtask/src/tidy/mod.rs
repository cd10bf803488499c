//! Rules of this codebase that no compiler knows. Each finding names the place and what to do.

mod docs;
mod lengths;
mod operations;
mod ranks;
mod stages;
mod tests_reached;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// `file:line`, or the file.
    place: String,
    /// The rule, and what to do.
    rule: String,
}

impl Finding {
    fn new(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { place: place.into(), rule: rule.into() }
    }
}

/// A file of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Path from the root, with slashes.
    path: String,
    /// Content.
    text: String,
}

/// The files that rules look at.
#[derive(Debug, Default)]
pub(crate) struct Tree(Vec<Source>);

impl Tree {
    fn read(root: &Path) -> Result<Self, String> {
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|error| error.to_string())?;
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        let read = |name: &str| {
            let text = fs::read_to_string(root.join(PathBuf::from(name))).ok()?;
            Some(Source { path: name.to_owned(), text })
        };
        Ok(Self(names.lines().filter_map(read).collect()))
    }

    fn text(&self, path: &str) -> &str {
        self.0.iter().find(|source| source.path == path).map_or("", |source| &source.text)
    }

    fn within<'a>(&'a self, prefix: &'a str, end: &'a str) -> impl Iterator<Item = &'a Source> {
        self.0.iter().filter(move |s| s.path.starts_with(prefix) && s.path.ends_with(end))
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let source = |(path, text): &(&str, &str)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self(files.iter().map(source).collect())
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [Rule; 7] = [
    docs::check,
    lengths::check,
    operations::check,
    ranks::check,
    stages::check,
    tests_reached::check,
    words::check,
];

/// Checks the tree and prints what breaks a rule.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    for Finding { place, rule } in &findings {
        eprintln!("{place}: {rule}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("{} findings", findings.len())) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        let outcome = super::run(&crate::root());
        assert_eq!(outcome, Ok(()));
    }
}
