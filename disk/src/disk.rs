//! A disk in memory that knows what it was told to keep: a power cut takes the rest, or a part of it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use strongroom_testkit::Dice;

/// The number of the topmost directory.
pub(crate) const ROOT: u64 = 1;
/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;

/// Why something is not done, in the kernel's numbers.
pub(crate) type Refused = fuser::Errno;

/// Files and directories by number.
#[derive(Debug)]
pub(crate) struct Disk {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    pub(crate) syncs: u64,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) mode: u32,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    File(File),
    Directory(Directory),
}

/// A file as programs see it, as it is on the disk, and what leads from one to the other.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) seen: Vec<u8>,
    kept: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Size(usize),
}

/// Names as programs see them, and as they are on the disk.
#[derive(Debug, Default, Clone)]
pub(crate) struct Directory {
    pub(crate) seen: BTreeMap<OsString, u64>,
    kept: BTreeMap<OsString, u64>,
}

impl Disk {
    pub(crate) fn empty() -> Self {
        let root = Node { mode: 0o700, body: Body::Directory(Directory::default()) };
        Self { nodes: BTreeMap::from([(ROOT, root)]), next: ROOT + 1, syncs: 0 }
    }

    pub(crate) fn node(&self, number: u64) -> Result<&Node, Refused> {
        self.nodes.get(&number).ok_or(Refused::ENOENT)
    }

    pub(crate) fn node_mut(&mut self, number: u64) -> Result<&mut Node, Refused> {
        self.nodes.get_mut(&number).ok_or(Refused::ENOENT)
    }

    pub(crate) fn directory(&mut self, number: u64) -> Result<&mut Directory, Refused> {
        match &mut self.node_mut(number)?.body {
            Body::Directory(directory) => Ok(directory),
            Body::File(_) => Err(Refused::ENOTDIR),
        }
    }

    pub(crate) fn file(&mut self, number: u64) -> Result<&mut File, Refused> {
        match &mut self.node_mut(number)?.body {
            Body::File(file) => Ok(file),
            Body::Directory(_) => Err(Refused::EISDIR),
        }
    }

    pub(crate) fn find(&mut self, parent: u64, name: &OsStr) -> Result<u64, Refused> {
        self.directory(parent)?.seen.get(name).copied().ok_or(Refused::ENOENT)
    }

    /// Makes a file or a directory.
    pub(crate) fn make(
        &mut self,
        parent: u64,
        name: &OsStr,
        mode: u32,
        body: Body,
    ) -> Result<u64, Refused> {
        let number = self.next;
        let names = &mut self.directory(parent)?.seen;
        if names.contains_key(name) {
            return Err(Refused::EEXIST);
        }
        names.insert(name.to_owned(), number);
        self.next += 1;
        self.nodes.insert(number, Node { mode: mode & 0o7777, body });
        Ok(number)
    }

    /// Gives something another name.
    pub(crate) fn link(&mut self, number: u64, parent: u64, name: &OsStr) -> Result<(), Refused> {
        let names = &mut self.directory(parent)?.seen;
        if names.contains_key(name) {
            return Err(Refused::EEXIST);
        }
        names.insert(name.to_owned(), number);
        Ok(())
    }

    pub(crate) fn remove(&mut self, parent: u64, name: &OsStr) -> Result<(), Refused> {
        let number = self.find(parent, name)?;
        if let Body::Directory(directory) = &self.node(number)?.body
            && !directory.seen.is_empty()
        {
            return Err(Refused::ENOTEMPTY);
        }
        self.directory(parent)?.seen.remove(name);
        Ok(())
    }

    pub(crate) fn rename(
        &mut self,
        (from, name): (u64, &OsStr),
        (to, new_name): (u64, &OsStr),
        replaces: bool,
    ) -> Result<(), Refused> {
        let number = self.find(from, name)?;
        if !replaces && self.find(to, new_name).is_ok() {
            return Err(Refused::EEXIST);
        }
        self.directory(from)?.seen.remove(name);
        self.directory(to)?.seen.insert(new_name.to_owned(), number);
        Ok(())
    }

    /// Keeps what was changed of a file or a directory.
    pub(crate) fn sync(&mut self, number: u64) -> Result<(), Refused> {
        self.syncs += 1;
        match &mut self.node_mut(number)?.body {
            Body::File(file) => {
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.kept);
                }
            }
            Body::Directory(directory) => directory.kept.clone_from(&directory.seen),
        }
        Ok(())
    }

    /// Takes the power away. Of what was not synced, all is lost, or each change by chance, a write
    /// perhaps in the midst.
    pub(crate) fn cut(&mut self, dice: &mut Dice) {
        let loses_all = dice.roll(3) == 0;
        for node in self.nodes.values_mut() {
            match &mut node.body {
                Body::File(file) => file.cut(dice, loses_all),
                Body::Directory(directory) if loses_all || dice.roll(2) == 0 => {
                    directory.seen.clone_from(&directory.kept);
                }
                Body::Directory(directory) => directory.kept.clone_from(&directory.seen),
            }
        }
    }
}

impl File {
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.change(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(crate) fn resize(&mut self, size: usize) {
        self.change(Change::Size(size));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    fn cut(&mut self, dice: &mut Dice, loses_all: bool) {
        for change in std::mem::take(&mut self.pending) {
            if loses_all {
                continue;
            }
            match (dice.roll(4), change) {
                (0 | 1, _) => {}
                (2, Change::Write { offset, mut bytes }) => {
                    bytes.truncate(dice.roll(bytes.len() / SECTOR + 1) * SECTOR);
                    Change::Write { offset, bytes }.apply(&mut self.kept);
                }
                (_, change) => change.apply(&mut self.kept),
            }
        }
        self.seen.clone_from(&self.kept);
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Size(size) => content.resize(*size, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*offset..end) {
                    place.copy_from_slice(bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn what_was_synced_outlives_every_cut_and_the_rest_does_not_always() {
        let mut rest = std::collections::BTreeSet::new();
        for seed in 0..60 {
            let mut disk = Disk::empty();
            let file = disk.make(ROOT, name("f"), 0o600, Body::File(File::default())).unwrap();
            disk.file(file).unwrap().write(0, &[1; 2048]);
            disk.sync(file).unwrap();
            disk.sync(ROOT).unwrap();
            disk.file(file).unwrap().write(1024, &[2; 1024]);
            disk.make(ROOT, name("g"), 0o600, Body::File(File::default())).unwrap();
            disk.cut(&mut Dice::new(Some(seed)));
            let content = disk.file(file).unwrap().seen.clone();
            assert_eq!((&content[..1024], content.len()), (&[1; 1024][..], 2048));
            rest.insert((content[1024], content[1536], disk.find(ROOT, name("g")).is_ok()));
        }
        for whole in [(1, 1), (2, 1), (2, 2)] {
            assert!(rest.iter().any(|(a, b, _)| (*a, *b) == whole), "{whole:?}");
        }
        assert!(rest.iter().any(|(.., is_there)| *is_there));
        assert!(rest.iter().any(|(.., is_there)| !is_there));
    }

    #[test]
    fn a_rename_is_lost_without_a_sync_of_its_directory() {
        let mut disk = Disk::empty();
        disk.make(ROOT, name("a"), 0o600, Body::File(File::default())).unwrap();
        disk.sync(ROOT).unwrap();
        disk.rename((ROOT, name("a")), (ROOT, name("b")), true).unwrap();
        let lost = (0..100).find(|seed| {
            let mut dice = Dice::new(Some(*seed));
            dice.roll(3) == 0
        });
        disk.cut(&mut Dice::new(lost));
        assert!(disk.find(ROOT, name("a")).is_ok() && disk.find(ROOT, name("b")).is_err());
    }
}
