//! The disk, mounted: the kernel asks for each call of a program.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Outcome;
use crate::disk::{Body, Directory, Disk, File, Refused};
use fuser::{
    BackgroundSession, Config, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

/// Nobody else changes the disk: what the kernel was told stays so.
const TTL: Duration = Duration::from_hours(1);

/// A mounted disk; it is unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Mounted(Option<BackgroundSession>);

#[derive(Debug)]
struct Server(Arc<Mutex<Disk>>);

/// Mounts a disk at a directory.
pub(crate) fn mount(disk: &Arc<Mutex<Disk>>, place: &Path) -> Outcome<Mounted> {
    let server = Server(Arc::clone(disk));
    Ok(Mounted(Some(fuser::spawn_mount(server, place, &Config::default())?)))
}

impl Mounted {
    /// Unmounts it, and waits until that is done. What the kernel had yet to write is written.
    pub(crate) fn unmount(mut self) -> Outcome<()> {
        match self.0.take() {
            Some(session) => Ok(session.umount_and_join()?),
            None => Ok(()),
        }
    }
}

impl Server {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(
        &self,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        body: Body,
    ) -> Result<FileAttr, Refused> {
        let mut disk = self.disk();
        let number = disk.make(parent.0, name, mode, body)?;
        attributes(&disk, number)
    }
}

fn attributes(disk: &Disk, number: u64) -> Result<FileAttr, Refused> {
    let node = disk.node(number)?;
    let (kind, size) = match &node.body {
        Body::File(file) => (FileType::RegularFile, file.seen.len()),
        Body::Directory(_) => (FileType::Directory, 0),
    };
    let size = u64::try_from(size).map_err(|_error| Refused::EFBIG)?;
    Ok(FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: u16::try_from(node.mode & 0o7777).unwrap_or(0o700),
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    })
}

fn entry(found: Result<FileAttr, Refused>, reply: ReplyEntry) {
    match found {
        Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn done(outcome: Result<(), Refused>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut disk = self.disk();
        let found = disk.find(parent.0, name);
        entry(found.and_then(|number| attributes(&disk, number)), reply);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match attributes(&self.disk(), number.0) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let changed = (|| {
            if let Some(mode) = mode {
                disk.node_mut(number.0)?.mode = mode & 0o7777;
            }
            if let Some(size) = size {
                disk.file(number.0)?.resize(place(size));
            }
            attributes(&disk, number.0)
        })();
        match changed {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        entry(self.made(parent, name, mode, Body::Directory(Directory::default())), reply);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.made(parent, name, mode, Body::File(File::default())) {
            Ok(attributes) => {
                let (handle, flags) = (FileHandle(0), FopenFlags::empty());
                reply.created(&TTL, &attributes, Generation(0), handle, flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.disk().remove(parent.0, name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.disk().remove(parent.0, name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let replaces = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        let renamed = self.disk().rename((parent.0, name), (to.0, new_name), replaces);
        done(renamed, reply);
    }

    fn link(&self, _: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut disk = self.disk();
        let linked = disk.link(number.0, parent.0, name);
        entry(linked.and_then(|()| attributes(&disk, number.0)), reply);
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().file(number.0) {
            Ok(file) => {
                let rest = file.seen.get(place(offset)..).unwrap_or_default();
                let wanted = rest.len().min(place(u64::from(size)));
                reply.data(rest.get(..wanted).unwrap_or_default());
            }
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().file(number.0) {
            Ok(file) => {
                file.write(place(offset), bytes);
                reply.written(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            }
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.disk().sync(number.0), reply);
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.disk().sync(number.0), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut disk = self.disk();
        let names = match disk.directory(number.0) {
            Ok(directory) => directory.seen.clone(),
            Err(error) => return reply.error(error),
        };
        for (next, (name, number)) in (1..).zip(names).skip(place(offset)) {
            let kind = attributes(&disk, number).map_or(FileType::RegularFile, |found| found.kind);
            if reply.add(INodeNo(number), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
