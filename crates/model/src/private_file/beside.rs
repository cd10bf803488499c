//! What is beside a file until it has its name, and what is left there of writers that were killed.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::publish::{Access, TO_LOOK, trusted};
use crate::Random;

/// Makes a file of the caller's own: without a name until it is whole, where the file system can do
/// that, else with the name `beside`. Tells whether it has one. It is locked for as long as it is open,
/// so that nobody takes it for one that was left.
pub(super) fn new_file(directory: &OwnedFd, beside: &OsStr) -> Result<(OwnedFd, bool), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let private = Mode::RUSR | Mode::WUSR;
    let (file, has_name) = match openat(directory, ".", flags | OFlags::TMPFILE, private) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
            let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            (openat(directory, beside, flags, private)?, true)
        }
        anonymous => (anonymous?, false),
    };
    // Where a file system has no locks, nothing is taken away.
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap_or_default();
    Ok((file, has_name))
}

/// Makes a name that nothing has.
pub(super) fn beside(name: &OsStr, random: &dyn Random) -> OsString {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{:016x}.new", u64::from_be_bytes(bytes)));
    beside
}

/// Takes away what was to become the file and did not, for its writer was killed. It holds a secret.
pub(super) fn sweep(directory: &OwnedFd, name: &OsStr, access: Access) {
    let Ok(entries) = Dir::read_from(directory) else { return };
    for entry in entries.map_while(Result::ok) {
        let found = OsStr::from_bytes(entry.file_name().to_bytes());
        if is_beside(found, name) {
            // What cannot be taken away is tried again the next time.
            remove_if_left(directory, found, access).unwrap_or_default();
        }
    }
}

fn remove_if_left(directory: &OwnedFd, found: &OsStr, access: Access) -> Result<(), Errno> {
    let stat = statat(directory, found, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_file || !trusted(access).contains(&Some(stat.st_uid)) {
        return Ok(());
    }
    let file = openat(directory, found, TO_LOOK, Mode::empty())?;
    // Whoever is writing it holds it.
    flock(&file, FlockOperation::NonBlockingLockShared)?;
    unlinkat(directory, found, AtFlags::empty())
}

/// Tells whether a name is one that [`beside`] makes of another.
fn is_beside(found: &OsStr, name: &OsStr) -> bool {
    let rest = found.as_bytes().strip_prefix(b".");
    let rest = rest.and_then(|rest| rest.strip_prefix(name.as_bytes())?.strip_prefix(b"."));
    let number = rest.and_then(|rest| rest.strip_suffix(b".new"));
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    number.is_some_and(|number| number.len() == 16 && number.iter().all(is_hex))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rustix::fs::{CWD, linkat};
    use rustix::process::geteuid;

    use super::super::publish::{place, publish, withdraw};
    use super::super::tests::Sevens;
    use super::super::{create_new, names_in};
    use super::*;

    fn access() -> Access {
        Access::new(0o600, None, None).unwrap()
    }

    fn names(directory: &Path) -> Vec<OsString> {
        names_in(directory).unwrap()
    }

    #[test]
    fn what_a_writer_left_that_was_killed_is_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let make = |name: &str| create_new(&at(name), b"secret").unwrap();
        let others = [".f.0123456789ABCDEF.new", ".f.01.new", ".f.0123456789abcdef.old"];
        let others = others.iter().chain(&[".g.0123456789abcdef.new", "f.0123456789abcdef.new"]);
        others.clone().for_each(|name| make(name));
        symlink(at("f"), at(".f.1111111111111111.new")).unwrap();
        fs::create_dir(at(".f.2222222222222222.new")).unwrap();
        let kept = others.count() + 2;
        let (left, held) = (".f.0123456789abcdef.new", ".f.fedcba9876543210.new");
        let count = || names(directory.path()).len();
        make(left);
        make(held);
        let writer = fs::File::open(at(held)).unwrap();
        writer.lock().unwrap();
        publish(&at("f"), b"a", access(), &Sevens).unwrap();
        assert!(!at(left).exists() && at(held).exists() && count() == kept + 2);
        drop(writer);
        assert!(withdraw(&at("f"), access()).unwrap());
        assert!(!at(held).exists() && count() == kept);
        make(left);
        assert!(!withdraw(&at("f"), access()).unwrap());
        assert_eq!(count(), kept);
        if geteuid().is_root() {
            make(left);
            std::os::unix::fs::chown(at(left), Some(1234), None).unwrap();
            withdraw(&at("f"), access()).unwrap();
            assert!(at(left).exists());
            withdraw(&at("f"), Access::new(0o600, Some(1234), None).unwrap()).unwrap();
            assert!(!at(left).exists());
        }
    }

    /// What holds the lock is what is being written, until it has its name.
    #[test]
    fn what_is_being_written_is_held() {
        let directory = tempfile::tempdir().unwrap();
        let (place, name) = place(&directory.path().join("f"), access()).unwrap();
        let beside = beside(&name, &Sevens);
        let (file, has_name) = new_file(&place, &beside).unwrap();
        if !has_name {
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(CWD, link, &place, &beside, AtFlags::SYMLINK_FOLLOW).unwrap();
        }
        sweep(&place, &name, access());
        assert_eq!(names(directory.path()), [beside.as_os_str()]);
        drop(file);
        sweep(&place, &name, access());
        assert_eq!(names(directory.path()).len(), 0);
    }
}
