use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::{DirEntry, Error, WalkBuilder, WalkState};

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

/// Visits the files of the paths as [`files`] finds them, but for those that are larger than `largest`
/// bytes, on several threads, and returns what `each` returns, in no order. What it cannot look at ends
/// the walk.
pub(super) fn visit<T: Send>(
    paths: &[PathBuf],
    largest: u64,
    each: &(dyn Fn(PathBuf) -> Result<Option<T>, Failure> + Sync),
) -> Result<Vec<T>, Failure> {
    let Some((first, others)) = paths.split_first() else { return Ok(Vec::new()) };
    let mut builder = WalkBuilder::new(first);
    for path in others {
        builder.add(path);
    }
    let walk = builder
        .hidden(false)
        .require_git(false)
        .max_filesize(Some(largest))
        .filter_entry(|entry| entry.file_name() != ".git")
        .build_parallel();
    let found: Mutex<Result<Vec<T>, Failure>> = Mutex::new(Ok(Vec::new()));
    walk.run(|| {
        Box::new(|entry: Result<DirEntry, Error>| {
            let visited = match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    each(entry.into_path())
                }
                Ok(_directory) => Ok(None),
                Err(error) => Err(unreadable(first, &error.to_string())),
            };
            keep(&found, visited)
        })
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn keep<T>(
    found: &Mutex<Result<Vec<T>, Failure>>,
    visited: Result<Option<T>, Failure>,
) -> WalkState {
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    match (visited, found.as_mut()) {
        (Ok(one), Ok(found)) => {
            found.extend(one);
            WalkState::Continue
        }
        (Err(failure), Ok(_)) => {
            *found = Err(failure);
            WalkState::Quit
        }
        (_, Err(_)) => WalkState::Quit,
    }
}

/// Returns a path as it is printed: without `./`, with slashes.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

pub(super) fn unreadable(path: &Path, why: &str) -> Failure {
    let message = format!("cannot look at `{}`", path.display());
    Failure::new(Exit::Failed, "no-file", message).because(why)
}
