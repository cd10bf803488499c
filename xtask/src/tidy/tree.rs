use std::fs;
use std::path::Path;
use std::process::Command;

/// A file of the tree.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Path from the root, with slashes.
    pub(super) path: String,
    /// Content.
    pub(super) text: String,
}

impl Source {
    /// Iterates over the lines, numbered from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Returns the crate's folder name if the file is in `crates/`, and the path in it.
    pub(super) fn in_crate(&self) -> Option<(&str, &str)> {
        self.path.strip_prefix("crates/")?.split_once('/')
    }
}

/// The files that rules look at: those that git tracks, or would.
#[derive(Debug, Default)]
pub(super) struct Tree(Vec<Source>);

impl Tree {
    /// Reads the tree. Binary files are left out; a tree that git cannot list is an error, since an
    /// empty one would pass every rule.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        // A clone that belongs to another user, as in many containers, is still ours to read.
        let listed = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files"])
            .args(["--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("git did not start: {error}"))?;
        let names = String::from_utf8_lossy(&listed.stdout);
        if !listed.status.success() || names.is_empty() {
            let why = String::from_utf8_lossy(&listed.stderr);
            return Err(format!("git lists no files: {}", why.trim()));
        }
        let read = |name: &str| {
            let text = fs::read_to_string(root.join(name)).ok()?;
            Some(Source { path: name.to_owned(), text })
        };
        Ok(Self(names.lines().filter_map(read).collect()))
    }

    /// Returns a file's content, empty if it is not there.
    pub(super) fn text(&self, path: &str) -> &str {
        self.0.iter().find(|source| source.path == path).map_or("", |source| &source.text)
    }

    /// Iterates over the files whose paths begin and end so.
    pub(super) fn within<'a>(
        &'a self,
        prefix: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = &'a Source> {
        self.0.iter().filter(move |s| s.path.starts_with(prefix) && s.path.ends_with(end))
    }

    /// Tells whether a file, or a folder with one, has the path.
    pub(super) fn has(&self, path: &str) -> bool {
        let beneath = |source: &Source| {
            source
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().any(beneath)
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let source = |(path, text): &(&str, &str)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self(files.iter().map(source).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_git_does_not_know_is_an_error() {
        assert!(Tree::read(Path::new("/")).unwrap_err().starts_with("git lists no files"));
    }
}
