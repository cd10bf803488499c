use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::failure::{Exit, Failure};

/// Returns the files beneath the paths, sorted, but for those that .gitignore and its like name, and
/// .git itself. A path that is named is taken whatever names it.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let entries = WalkBuilder::new(path)
            .hidden(false)
            .require_git(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(path, &error.to_string()))?;
            if entry.file_type().is_some_and(|kind| kind.is_file()) {
                files.push(entry.into_path());
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Returns a path as it is printed: without `./`, with slashes.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

fn unreadable(path: &Path, why: &str) -> Failure {
    let message = format!("cannot look at `{}`", path.display());
    Failure::new(Exit::Failed, "no-file", message).because(why)
}
