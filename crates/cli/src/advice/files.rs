use std::io::Read;
use std::path::{Path, PathBuf};

use strongroom_model::private_file;

use crate::failure::{Exit, Failure};

fn unreadable(path: &Path, why: &str) -> Failure {
    let message = format!("cannot read `{}`", path.display());
    Failure::new(Exit::Failed, "no-file", message).because(why)
}

/// Returns the file itself, or the files of a directory.
pub(super) fn files_at(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = path.read_dir().map_err(|error| unreadable(path, &error.to_string()))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| unreadable(path, &error.to_string()))?.path();
        if file.is_file() {
            files.push(file);
        }
    }
    Ok(files)
}

/// Reads a file, or standard input if the path is `-`.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map(|_count| bytes)
    } else {
        private_file::read(path)
    };
    let bytes = bytes.map_err(|error| unreadable(path, &error.to_string()))?;
    String::from_utf8(bytes).map_err(|_error| unreadable(path, "not UTF-8"))
}
