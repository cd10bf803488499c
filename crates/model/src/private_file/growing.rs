//! Large files: written and read in parts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{PRIVATE, beside, remove_if_present, sync_directory_of};

const BUFFER_BYTES: usize = 128 << 10;

/// A file that is not there under its name until it is whole; mode 0600 from birth.
#[derive(Debug)]
pub struct GrowingFile {
    file: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
    is_whole: bool,
}

impl GrowingFile {
    /// Begins a file that must not be there yet. What an earlier attempt left is removed.
    ///
    /// # Errors
    /// `AlreadyExists` if anything has the name; any other error of the file system.
    pub fn begin(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let beside = beside(path);
        remove_if_present(&beside)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&beside)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { file, beside, path: path.to_owned(), is_whole: false })
    }

    /// Syncs the file and gives it its name, unless that was taken meanwhile.
    ///
    /// # Errors
    /// Any error of the file system; the file is removed then.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        renameat_with(CWD, &self.beside, CWD, &self.path, RenameFlags::NOREPLACE)?;
        self.is_whole = true;
        sync_directory_of(&self.path)
    }
}

impl Drop for GrowingFile {
    fn drop(&mut self) {
        if !self.is_whole {
            // The next attempt removes what this one could not.
            remove_if_present(&self.beside).unwrap_or_default();
        }
    }
}

impl Write for GrowingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file to be read in parts.
///
/// # Errors
/// Any error of the file system.
pub fn reader(path: &Path) -> io::Result<impl Read + Seek + Send + std::fmt::Debug + use<>> {
    Ok(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?))
}

#[cfg(test)]
mod tests {
    use super::super::{create_new, mode, names_in, read};
    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let mut file = GrowingFile::begin(&path).unwrap();
        file.write_all(b"one").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(names_in(directory.path()).unwrap().len(), 0);
        create_new(&beside(&path), b"left").unwrap();
        let mut file = GrowingFile::begin(&path).unwrap();
        file.write_all(b"two").unwrap();
        file.finish().unwrap();
        assert_eq!((mode(&path).unwrap(), read(&path).unwrap()), (0o600, b"two".to_vec()));
        assert_eq!(names_in(directory.path()).unwrap(), ["x"]);
        let taken = GrowingFile::begin(&path).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_name_that_was_taken_meanwhile_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let file = GrowingFile::begin(&path).unwrap();
        create_new(&path, b"other").unwrap();
        assert_eq!(file.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap(), b"other");
        assert_eq!(names_in(directory.path()).unwrap(), ["x"]);
    }
}
