//! The one door for files: born with their final mode, synced, renamed into place.

#![expect(
    clippy::disallowed_types,
    reason = "every other file of the workspace comes here for its files"
)]

mod beside;
mod growing;
mod publish;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{
    DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

pub use self::growing::{GrowingFile, reader};
pub use self::publish::{
    Access, PublishError, Standing, is_due, publish, publish_due, rewrite, set_done, standing,
    standing_as_new, withdraw,
};

const PRIVATE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;
const OTHERS: u32 = 0o077;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Makes a directory, and its parents, for the owner alone (0700). An existing one is left as it is.
///
/// # Errors
/// Any error of the file system.
pub fn create_directory(path: &Path) -> io::Result<()> {
    let is_new = |directory: &&Path| !directory.as_os_str().is_empty() && !directory.exists();
    let new: Vec<&Path> = path.ancestors().take_while(is_new).collect();
    DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(path)?;
    // A file that is synced is of no use in a directory that a power cut takes.
    new.into_iter().try_for_each(sync_directory_of)
}

/// Makes a file that must not be there yet, mode 0600 from birth, and syncs it and its directory.
///
/// # Errors
/// `AlreadyExists` if anything, a symbolic link included, has the name; any other error of the file
/// system.
pub fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
    create(path, content)?.sync_all()?;
    sync_directory_of(path)
}

fn create(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)?;
    file.write_all(content)?;
    Ok(file)
}

/// Puts a file in place of whatever has the name: a new one, born 0600, is written and synced beside
/// it and renamed over it. A reader sees the old content or the new, whole.
///
/// # Errors
/// Any error of the file system; the old file is unchanged then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    remove_if_present(&beside)?;
    create_new(&beside, content)?;
    fs::rename(&beside, path)?;
    sync_directory_of(path)
}

/// Does the same without waiting for the disk: for what means nothing after the process that wrote it.
///
/// # Errors
/// Any error of the file system; the old file is unchanged then.
pub fn replace_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    remove_if_present(&beside)?;
    create(&beside, content)?;
    fs::rename(&beside, path)
}

/// Reads a file that holds a secret. Refuses one that others may read or write.
///
/// # Errors
/// `PermissionDenied` if group or others have any right to the file; any other error of the file
/// system.
pub fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
    }
    let mode = metadata.mode();
    if mode & OTHERS != 0 {
        let why = format!("mode is {:04o}, must be 0600 or 0400", mode & 0o7777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    read_all(&mut file)
}

/// Returns the mode of a file: who may do what with it.
///
/// # Errors
/// Any error of the file system.
pub fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.mode() & 0o7777)
}

/// Reads a file that holds no secret.
///
/// # Errors
/// Any error of the file system.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_all(&mut File::open(path)?)
}

/// Reads a file that says what is to be done, and holds no secret: nobody but root and the caller may
/// be able to change it.
///
/// # Errors
/// `PermissionDenied` if it is another user's, or group or others may write to it; any other error of
/// the file system.
pub fn read_obeyed(path: &Path) -> io::Result<Vec<u8>> {
    read_all(&mut open_obeyed(path)?)
}

/// Checks that nobody but root and the caller can change a file, which is to be executed.
///
/// # Errors
/// As [`read_obeyed`].
pub fn check_obeyed(path: &Path) -> io::Result<()> {
    open_obeyed(path).map(drop)
}

fn open_obeyed(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let (owner, caller) = (metadata.uid(), geteuid().as_raw());
    if owner != 0 && owner != caller {
        let own =
            if caller == 0 { String::new() } else { format!(" or of {caller}, as who this runs") };
        return refuse(format!(
            "it belongs to user {owner}, who could change what is done: it must be root's{own}"
        ));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        return refuse(format!(
            "its mode is {mode:04o}: group or others could change what is done; it must not be \
             writable by them, as with 0644"
        ));
    }
    Ok(file)
}

/// Makes a directory for the owner, and for others to pass through if `mode` says so. An existing one
/// is left as it is.
///
/// # Errors
/// Any error of the file system.
pub fn create_passage(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY | mode & 0o055).create(path)
}

/// Opens a socket of ours, to which nobody could connect so far, since it does not listen yet, to those
/// that `mode` names.
///
/// # Errors
/// Any error of the file system.
pub fn open_socket(path: &Path, mode: u32) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "nobody is let in before the socket listens")]
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Reads a file that holds no secret, if it is not larger than `bytes_max`.
///
/// # Errors
/// `FileTooLarge` if it is; any other error of the file system.
pub fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let more = bytes_max.saturating_add(1);
    let count = File::open(path)?.take(more).read_to_end(&mut content)?;
    if u64::try_from(count).is_ok_and(|count| count <= bytes_max) {
        return Ok(content);
    }
    let why = format!("it is larger than {bytes_max} bytes");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
}

/// Appends lines to a file, and syncs it. A new one is born 0600; one that is there keeps its mode, so
/// that who collects logs can be let in. What is no regular file is refused. A line that was cut, by a
/// power cut or a full disk, is ended before the first.
///
/// # Errors
/// Any error of the file system; the file is as long as before then, unless that fails as well.
pub fn append_lines(path: &Path, lines: &[u8]) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(PRIVATE);
    let mut file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut last = [b'\n'];
    if let Some(place) = found.len().checked_sub(1) {
        file.read_exact_at(&mut last, place)?;
    }
    let end: &[u8] = if last == [b'\n'] { b"" } else { b"\n" };
    let written = file.write_all(&[end, lines].concat()).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(found.len())?;
    }
    written
}

/// Removes a file if it is there.
///
/// # Errors
/// Any error of the file system other than its absence.
pub fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Checks that a socket may be made at a path: nothing is there, or a socket that somebody left.
///
/// # Errors
/// `AlreadyExists` if something else is there; any other error of the file system.
pub fn check_socket_place(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "is there, and is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file as it is, whatever its name: another in its place is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Returns that of what is at a path; a link is not followed.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn of(path: &Path) -> io::Result<Self> {
        let there = fs::symlink_metadata(path)?;
        Ok(Self { device: there.dev(), inode: there.ino() })
    }
}

/// Removes a directory with all that is in it.
///
/// # Errors
/// Any error of the file system.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

/// Returns the names in a directory, in byte order.
///
/// # Errors
/// Any error of the file system.
pub fn names_in(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names: Vec<OsString> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

/// Returns the absolute path of something that is there, without symbolic links.
///
/// # Errors
/// Any error of the file system.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// The exclusive right to a directory, held by this process until the value is dropped or the
/// process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock file `path`, making it (0600) if it is not there.
    ///
    /// # Errors
    /// `WouldBlock` if another process holds it; any other error of the file system.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn read_all(file: &mut File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(content)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    pub(super) struct Sevens;

    impl crate::Random for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test makes a loose directory on purpose")]
    pub(super) fn set_mode(path: &Path, mode: fs::Permissions) {
        fs::set_permissions(path, mode).unwrap();
    }

    #[test]
    fn large_files_are_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        create_new(&path, b"12345").unwrap();
        assert_eq!(read_at_most(&path, 5).unwrap(), b"12345");
        let error = read_at_most(&path, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(read_at_most(Path::new("/dev/zero"), 4).is_err());
    }

    fn mode(path: &Path) -> u32 {
        super::mode(path).unwrap()
    }

    #[test]
    fn files_are_born_private_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        create_new(&path, b"one").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(create_new(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        replace(&path, b"three").unwrap();
        assert_eq!((mode(&path), read_private(&path).unwrap()), (0o600, b"three".to_vec()));
    }

    #[test]
    fn what_is_appended_to_is_private_or_as_its_owner_made_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append_lines(&path, b"one\n").unwrap();
        assert_eq!(mode(&path), 0o600);
        set_mode(&path, fs::Permissions::from_mode(0o640));
        append_lines(&path, b"two\ncut").unwrap();
        append_lines(&path, b"three\n").unwrap();
        assert_eq!(
            (mode(&path), read(&path).unwrap()),
            (0o640, b"one\ntwo\ncut\nthree\n".to_vec())
        );
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(append_lines(&link, b"x").is_err());
        assert!(append_lines(directory.path(), b"x").is_err());
        assert!(append_lines(Path::new("/dev/null"), b"x").is_err());
    }

    #[test]
    fn a_link_is_never_followed_at_creation() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(create_new(&link, b"x").is_err());
        replace(&link, b"x").unwrap();
        assert!(!target.exists());
    }

    #[test]
    fn loose_modes_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path).unwrap();
        assert_eq!(read_private(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn what_somebody_else_could_change_is_not_obeyed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("agent.toml"), directory.path().join("link"));
        create_new(&path, b"x").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let told = |mode| {
            set_mode(&path, fs::Permissions::from_mode(mode));
            check_obeyed(&path).unwrap_err().to_string()
        };
        for mode in [0o666, 0o664, 0o646] {
            let why = told(mode);
            assert!(why.starts_with(&format!("its mode is {mode:04o}: ")), "{why}");
            assert!(read_obeyed(&link).is_err());
        }
        set_mode(&path, fs::Permissions::from_mode(0o644));
        assert_eq!(read_obeyed(&link).unwrap(), b"x");
        assert_eq!(
            check_obeyed(Path::new("/nowhere")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
            let why = told(0o600);
            assert!(why.starts_with("it belongs to user 1234, "), "{why}");
        }
    }

    #[test]
    fn a_lock_has_one_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = DirectoryLock::acquire(&path).unwrap();
        assert_eq!(DirectoryLock::acquire(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        DirectoryLock::acquire(&path).unwrap();
    }
}
