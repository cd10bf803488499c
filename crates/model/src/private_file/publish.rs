//! Files that other programs read: in directories that nobody else may change, and by rename only.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, XattrFlags, fchmod, fchown,
    fgetxattr, fremovexattr, fsetxattr, fstat, fsync, linkat, open, openat, openat2, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use zeroize::Zeroizing;

use super::WRITABLE_BY_OTHERS;
use super::beside::{beside, new_file, sweep};
use crate::Random;

const STICKY: u32 = 0o1000;
const GROUP_OF_DIRECTORY: u32 = 0o2000;

/// How a file is opened to be looked at: no link is followed, and nothing is waited for.
pub(super) const TO_LOOK: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Attribute of a file about which something is still to be done.
const DUE: &str = "user.strongroom.due";

/// Whose a file is, and what its owner and group may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    mode: u32,
    owner: Option<u32>,
    group: Option<u32>,
}

impl Access {
    /// Takes a mode, and the numbers of a user and a group if they are not to be the caller's.
    ///
    /// # Errors
    /// What is wrong with the mode: others have a right, the owner cannot read, or it has more than
    /// rights of owner and group.
    pub fn new(mode: u32, owner: Option<u32>, group: Option<u32>) -> Result<Self, &'static str> {
        if mode & 0o007 != 0 {
            return Err("a file with secrets is nobody's but its owner's and group's");
        }
        if mode & !0o777 != 0 {
            return Err("it is more than rights of owner and group");
        }
        if mode & 0o400 == 0 {
            return Err("the owner could not read the file");
        }
        Ok(Self { mode, owner, group })
    }
}

/// Why a file is not there as it should be.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The place is not safe.
    #[error("{0}")]
    Unsafe(String),
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for PublishError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

fn refuse<T>(path: &Path, why: &str) -> Result<T, PublishError> {
    Err(PublishError::Unsafe(format!("`{}` {why}", path.display())))
}

/// Puts a file in place of whatever regular file has the absolute path: a new one gets its owner and
/// mode before its content, is synced, and takes the name. A reader sees the old content or the new,
/// whole; another name (hard link) of the old file keeps the old content.
///
/// Every directory of the path must belong to root, to the caller or to the owner of the file, must
/// not be a symbolic link, and must not be writable by group or others unless it is sticky, as `/tmp`
/// is.
///
/// # Errors
/// A [`PublishError`]; the old file is unchanged then.
pub fn publish(
    path: &Path,
    content: &[u8],
    access: Access,
    random: &dyn Random,
) -> Result<(), PublishError> {
    put(path, content, (access, false), random)
}

/// Does the same with a file that says that something is still to be done about it, until
/// [`set_done`]: whoever finds it there knows, whatever became of the program that put it there. Not
/// every file system keeps such a mark; the file is the same without.
///
/// # Errors
/// A [`PublishError`]; the old file is unchanged then.
pub fn publish_due(
    path: &Path,
    content: &[u8],
    access: Access,
    random: &dyn Random,
) -> Result<(), PublishError> {
    put(path, content, (access, true), random)
}

/// Tells whether something is still to be done about a file that is there.
///
/// # Errors
/// A [`PublishError`].
pub fn is_due(path: &Path, access: Access) -> Result<bool, PublishError> {
    Ok(fgetxattr(&opened(path, access)?, DUE, &mut [0_u8; 8]).is_ok())
}

/// Takes the mark from a file that [`publish_due`] put there. Where the mode keeps the caller from
/// that, a file with the same content takes the place of the one with the mark.
///
/// # Errors
/// A [`PublishError`].
pub fn set_done(path: &Path, access: Access, random: &dyn Random) -> Result<(), PublishError> {
    let file = opened(path, access)?;
    if fgetxattr(&file, DUE, &mut [0_u8; 8]).is_err() {
        return Ok(());
    }
    match fremovexattr(&file, DUE) {
        Err(Errno::ACCESS | Errno::PERM) => publish(path, &content_of(file)?, access, random),
        done => Ok(done?),
    }
}

/// Opens the file that is there, and nothing but a regular file.
fn opened(path: &Path, access: Access) -> Result<OwnedFd, PublishError> {
    let (directory, name) = place(path, access)?;
    existing(&directory, path, &name)?;
    Ok(openat(&directory, &name, TO_LOOK, Mode::empty())?)
}

fn put(
    path: &Path,
    content: &[u8],
    access: (Access, bool),
    random: &dyn Random,
) -> Result<(), PublishError> {
    let (directory, name) = place(path, access.0)?;
    existing(&directory, path, &name)?;
    let beside = beside(&name, random);
    let (file, has_name) = new_file(&directory, &beside)?;
    let written = write(file, content, access).and_then(|file| {
        if !has_name {
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(CWD, link, &directory, &beside, AtFlags::SYMLINK_FOLLOW)?;
        }
        Ok(file)
    });
    let renamed = written.and_then(|_file| Ok(renameat(&directory, &beside, &directory, &name)?));
    if renamed.is_err() {
        // The first error is the one to tell.
        unlinkat(&directory, &beside, AtFlags::empty()).unwrap_or_default();
    }
    renamed?;
    sweep(&directory, &name, access.0);
    Ok(fsync(&directory)?)
}

/// How a file stands to what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has the name.
    Absent,
    /// Content, mode or owner is another one.
    Differs,
    /// It is as it should be.
    Same,
}

/// Compares a file with the content, mode and owner that it should have; an owner or a group that is
/// not named may be anybody. Refuses the same places as [`publish`].
///
/// # Errors
/// A [`PublishError`].
pub fn standing(path: &Path, content: &[u8], access: Access) -> Result<Standing, PublishError> {
    compare(path, content, access, |_, _, _| Ok(true))
}

/// Does the same, but an owner or a group that is not named should be the one that [`publish`] would
/// give the file.
///
/// # Errors
/// A [`PublishError`].
pub fn standing_as_new(
    path: &Path,
    content: &[u8],
    access: Access,
    random: &dyn Random,
) -> Result<Standing, PublishError> {
    compare(path, content, access, |directory, name, stat| {
        let has = |owner: u32, group: u32| {
            (access.owner.is_some() || stat.st_uid == owner)
                && (access.group.is_some() || stat.st_gid == group)
        };
        let place = fstat(directory)?;
        let gives_group = place.st_mode & GROUP_OF_DIRECTORY != 0;
        let group = if gives_group { place.st_gid } else { getegid().as_raw() };
        if has(geteuid().as_raw(), group) {
            return Ok(true);
        }
        // Not every file system gives a file to who makes it: such a one would be made anew for ever.
        let beside = beside(name, random);
        let (file, has_name) = new_file(directory, &beside)?;
        if has_name {
            unlinkat(directory, &beside, AtFlags::empty())?;
        }
        let new = fstat(file)?;
        Ok(has(new.st_uid, new.st_gid))
    })
}

fn compare(
    path: &Path,
    content: &[u8],
    access: Access,
    is_whose: impl FnOnce(&OwnedFd, &OsStr, &Stat) -> Result<bool, PublishError>,
) -> Result<Standing, PublishError> {
    let (directory, name) = place(path, access)?;
    let Some(stat) = existing(&directory, path, &name)? else {
        return Ok(Standing::Absent);
    };
    let has = |wanted: Option<u32>, has: u32| wanted.is_none_or(|wanted| wanted == has);
    // Before it is opened: one that is another's is perhaps not to be read.
    let is_as_asked = stat.st_mode & 0o7777 == access.mode
        && has(access.owner, stat.st_uid)
        && has(access.group, stat.st_gid)
        && u64::try_from(stat.st_size).ok() == u64::try_from(content.len()).ok();
    if !is_as_asked || !is_whose(&directory, &name, &stat)? {
        return Ok(Standing::Differs);
    }
    let file = openat(&directory, &name, TO_LOOK, Mode::empty())?;
    Ok(if *content_of(file)? == content { Standing::Same } else { Standing::Differs })
}

fn content_of(file: OwnedFd) -> Result<Zeroizing<Vec<u8>>, PublishError> {
    let length = usize::try_from(fstat(&file)?.st_size).unwrap_or_default();
    // What grows leaves copies behind that nobody wipes: one byte more shows the end.
    let mut content = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    File::from(file).read_to_end(&mut content)?;
    Ok(content)
}

/// Takes a file away, and tells whether it was there. Refuses the same places as [`publish`].
///
/// # Errors
/// A [`PublishError`]; the file is still there then.
pub fn withdraw(path: &Path, access: Access) -> Result<bool, PublishError> {
    let (directory, name) = place(path, access)?;
    sweep(&directory, &name, access);
    if existing(&directory, path, &name)?.is_none() {
        return Ok(false);
    }
    unlinkat(&directory, &name, AtFlags::empty())?;
    fsync(&directory)?;
    Ok(true)
}

/// Puts new content in place of a file that is there, whole, with the mode and owner that it had. For
/// files of the caller's own, such as code: the place is not checked.
///
/// # Errors
/// Any error of the file system; the old file is unchanged then.
pub fn rewrite(path: &Path, content: &[u8], random: &dyn Random) -> io::Result<()> {
    let stat = fstat(&open(path, TO_LOOK, Mode::empty())?)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    let access =
        Access { mode: stat.st_mode & 0o777, owner: Some(stat.st_uid), group: Some(stat.st_gid) };
    let beside = path.with_file_name(beside(path.file_name().unwrap_or_default(), random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(&beside, flags, Mode::RUSR | Mode::WUSR)?;
    let written = write(file, content, (access, false)).map_err(|error| match error {
        PublishError::Io(error) => error,
        PublishError::Unsafe(why) => io::Error::other(why),
    });
    let renamed = written.and_then(|_file| std::fs::rename(&beside, path));
    if renamed.is_err() {
        // The first error is the one to tell.
        std::fs::remove_file(&beside).unwrap_or_default();
    }
    renamed
}

fn write(
    file: OwnedFd,
    content: &[u8],
    (access, is_due): (Access, bool),
) -> Result<File, PublishError> {
    if is_due {
        // While the file is the caller's own, and may be written to: attributes of users go by the mode
        // as content does. Not every file system has them.
        fsetxattr(&file, DUE, b"1", XattrFlags::empty()).unwrap_or_default();
    }
    if access.owner.is_some() || access.group.is_some() {
        let (owner, group) = (access.owner.map(Uid::from_raw), access.group.map(Gid::from_raw));
        fchown(&file, owner, group)?;
    }
    fchmod(&file, Mode::from_raw_mode(access.mode))?;
    let mut file = File::from(file);
    file.write_all(content)?;
    file.sync_all()?;
    Ok(file)
}

/// Opens the directory of a file, one component after another, each beneath the one before.
pub(super) fn place(path: &Path, access: Access) -> Result<(OwnedFd, OsString), PublishError> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir => {}
            _ => return refuse(path, "goes through `..`"),
        }
    }
    let Some(name) = names.pop().filter(|_| path.is_absolute()) else {
        return refuse(path, "is not the absolute path of a file");
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut walked = PathBuf::from("/");
    let mut last = names.len();
    let search = |last: usize| if last == 0 { flags } else { flags | OFlags::PATH };
    let mut directory = open(&walked, search(last), Mode::empty())?;
    check_directory(&fstat(&directory)?, &walked, access)?;
    for name in names {
        walked.push(name);
        last -= 1;
        directory = match openat2(&directory, name, search(last), Mode::empty(), beneath) {
            Err(Errno::LOOP) => return refuse(&walked, "is a symbolic link"),
            opened => opened?,
        };
        check_directory(&fstat(&directory)?, &walked, access)?;
    }
    Ok((directory, name.to_owned()))
}

/// Whose files and directories may be where a file is put.
pub(super) fn trusted(access: Access) -> [Option<u32>; 3] {
    [Some(0), Some(geteuid().as_raw()), access.owner]
}

fn check_directory(stat: &Stat, path: &Path, access: Access) -> Result<(), PublishError> {
    if !trusted(access).contains(&Some(stat.st_uid)) {
        return refuse(path, "belongs to another user, who could exchange the file");
    }
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 && stat.st_mode & STICKY == 0 {
        let mode = stat.st_mode & 0o7777;
        return refuse(path, &format!("may be written by others than its owner (mode {mode:04o})"));
    }
    Ok(())
}

/// Looks at what has the name: nothing, or a regular file of someone who is trusted.
fn existing(directory: &OwnedFd, path: &Path, name: &OsStr) -> Result<Option<Stat>, PublishError> {
    let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        stat => stat?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some(stat)),
        FileType::Symlink => refuse(path, "is a symbolic link"),
        FileType::Directory => refuse(path, "is a directory"),
        _ => refuse(path, "is neither a file nor absent"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use rustix::fs::mknodat;
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    use super::super::tests::Sevens;
    use super::*;

    fn access(mode: u32) -> Access {
        Access::new(mode, None, None).unwrap()
    }

    fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), PublishError> {
        publish(path, content, access(mode), &Sevens)
    }

    fn names(directory: &Path) -> Vec<OsString> {
        super::super::names_in(directory).unwrap()
    }

    #[test]
    fn what_is_still_to_be_done_is_known_as_long_as_the_file_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let due = |content: &[u8]| publish_due(&path, content, access(0o640), &Sevens).unwrap();
        put(&path, b"a", 0o640).unwrap();
        assert!(!is_due(&path, access(0o640)).unwrap());
        set_done(&path, access(0o640), &Sevens).unwrap();
        for (content, replacement) in [(&b"b"[..], &b"c"[..]), (b"d", b"e")] {
            due(content);
            assert!(is_due(&path, access(0o640)).unwrap());
            assert_eq!(standing(&path, content, access(0o640)).unwrap(), Standing::Same);
            put(&path, replacement, 0o640).unwrap();
            assert!(!is_due(&path, access(0o640)).unwrap());
        }
        due(b"f");
        set_done(&path, access(0o640), &Sevens).unwrap();
        assert!(!is_due(&path, access(0o640)).unwrap());
        fs::remove_file(&path).unwrap();
        is_due(&path, access(0o640)).unwrap_err();
    }

    /// Takes from this thread, which is one test's, what root may do beyond the modes of files.
    fn go_by_modes() {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::DAC_OVERRIDE);
        set_capabilities(None, sets).unwrap();
    }

    #[test]
    fn a_file_that_its_owner_may_not_write_to_has_a_mark_too() {
        go_by_modes();
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o400, 0o440] {
            let path = directory.path().join(format!("{mode:o}"));
            publish_due(&path, b"a", access(mode), &Sevens).unwrap();
            fs::File::options().write(true).open(&path).unwrap_err();
            assert!(is_due(&path, access(mode)).unwrap());
            for _ in 0..2 {
                set_done(&path, access(mode), &Sevens).unwrap();
                assert!(!is_due(&path, access(mode)).unwrap());
                assert_eq!(standing(&path, b"a", access(mode)).unwrap(), Standing::Same);
            }
        }
    }

    #[test]
    fn a_file_has_its_mode_and_replaces_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.conf");
        for (mode, content) in [(0o600, &b"one"[..]), (0o640, b"two"), (0o400, b"three")] {
            assert_ne!(standing(&path, content, access(mode)).unwrap(), Standing::Same);
            put(&path, content, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(standing(&path, content, access(mode)).unwrap(), Standing::Same);
        }
        for (content, mode) in [(&b"three"[..], 0o600), (b"other", 0o400)] {
            assert_eq!(standing(&path, content, access(mode)).unwrap(), Standing::Differs);
        }
        assert_eq!(names(directory.path()), ["app.conf"]);
        assert!(withdraw(&path, access(0o600)).unwrap());
        assert!(!withdraw(&path, access(0o600)).unwrap());
        assert_eq!(standing(&path, b"three", access(0o400)).unwrap(), Standing::Absent);
    }

    /// As root, who alone can give a file away.
    #[test]
    fn a_file_for_which_nobody_is_named_is_the_callers_and_its_groups() {
        if !geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let (none, own) = (access(0o440), (geteuid().as_raw(), getegid().as_raw()));
        let kept = |access| standing_as_new(&path, b"a", access, &Sevens).unwrap();
        assert_eq!(kept(none), Standing::Absent);
        for (owner, group) in [(Some(1234), None), (None, Some(1234)), (Some(1), Some(2))] {
            let named = Access::new(0o440, owner, group).unwrap();
            publish(&path, b"a", named, &Sevens).unwrap();
            assert_eq!(kept(named), Standing::Same);
            assert_eq!(standing(&path, b"a", none).unwrap(), Standing::Same);
            assert_eq!(kept(none), Standing::Differs, "{owner:?} {group:?}");
            publish(&path, b"a", none, &Sevens).unwrap();
            assert_eq!(kept(none), Standing::Same);
            let stat = fs::metadata(&path).unwrap();
            assert_eq!((stat.uid(), stat.gid()), own);
        }
        // A directory may have a say in the group.
        std::os::unix::fs::chown(directory.path(), None, Some(1234)).unwrap();
        super::super::tests::set_mode(directory.path(), fs::Permissions::from_mode(0o2700));
        assert_eq!(kept(none), Standing::Differs);
        publish(&path, b"a", none, &Sevens).unwrap();
        assert_eq!((kept(none), fs::metadata(&path).unwrap().gid()), (Standing::Same, 1234));
        assert_eq!(names(directory.path()), ["f"]);
    }

    #[test]
    fn another_name_of_the_old_file_keeps_the_old_content() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("a"), directory.path().join("b"));
        put(&path, b"old", 0o600).unwrap();
        fs::hard_link(&path, &other).unwrap();
        put(&path, b"new", 0o600).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&other).unwrap()),
            (b"new".into(), b"old".into())
        );
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        put(&at("target"), b"old", 0o600).unwrap();
        symlink(at("target"), at("link")).unwrap();
        symlink(at("directory"), at("way")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        for name in ["directory", "link", "dangling", "fifo", "way/x", "directory/../x", "target/x"]
        {
            assert!(put(&at(name), b"x", 0o600).is_err(), "{name}");
            assert!(standing(&at(name), b"x", access(0o600)).is_err(), "{name}");
            assert!(withdraw(&at(name), access(0o600)).is_err(), "{name}");
        }
        for path in ["relative", "/", "/dev/null", "/proc/self/cwd/x", "/proc/x"] {
            assert!(put(Path::new(path), b"x", 0o600).is_err(), "{path}");
        }
        assert_eq!(fs::read(at("target")).unwrap(), b"old");
        assert_eq!(names(&at("directory")).len(), 0);
    }

    #[test]
    fn a_directory_that_others_may_change_is_refused_unless_sticky() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("below");
        fs::create_dir(&below).unwrap();
        let path = below.join("x");
        let set = |mode| super::super::tests::set_mode(directory.path(), mode);
        for (mode, is_safe) in [(0o770, false), (0o702, false), (0o1777, true), (0o755, true)] {
            set(fs::Permissions::from_mode(mode));
            assert_eq!(put(&path, b"x", 0o600).is_ok(), is_safe, "{mode:o}");
        }
        set(fs::Permissions::from_mode(0o700));
    }

    #[test]
    fn what_stands_in_the_way_of_the_new_file_leaves_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        put(&path, b"old", 0o600).unwrap();
        let squatter = directory.path().join(".x.0707070707070707.new");
        symlink(&path, &squatter).unwrap();
        assert!(put(&path, b"new", 0o600).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_file_that_is_rewritten_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("code.py");
        put(&path, b"old", 0o640).unwrap();
        super::super::tests::set_mode(&path, fs::Permissions::from_mode(0o755));
        rewrite(&path, b"new", &Sevens).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(names(directory.path()), ["code.py"]);
        assert!(rewrite(&directory.path().join("absent"), b"", &Sevens).is_err());
        assert!(rewrite(directory.path(), b"", &Sevens).is_err());
    }

    #[test]
    fn modes_that_give_too_much_or_too_little_are_refused() {
        for mode in [0o604, 0o601, 0o602, 0o666, 0o4600, 0o1600, 0o200, 0] {
            assert!(Access::new(mode, None, None).is_err(), "{mode:o}");
        }
    }
}
