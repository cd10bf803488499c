//! Memory for keys: outside the heap, outside core files and, where the kernel has
//! `memfd_secret(2)`, outside what other processes can read.
#![expect(
    unsafe_code,
    reason = "memory is mapped and locked, and the process hardened, by calls of libc"
)]

use std::alloc::{Layout, handle_alloc_error};
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fmt, io, mem, slice};

use strongroom_model::{Sensitive, private_file};
use zeroize::Zeroize;

const CELL_BYTES_MIN: usize = 64;
const CELL_BYTES_MAX: usize = 4 << 10;
const REGION_BYTES_MIN: usize = 64 << 10;
const REGION_BYTES_MAX: usize = 1 << 20;

/// Bytes in memory that neither a core file nor another process reads; wiped on drop.
pub struct LockedBytes {
    cell: Cell,
    length: usize,
}

impl LockedBytes {
    /// Lends `length` zero bytes to `fill`, so that the content is born in place.
    pub fn with(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = Self { cell: arena().take(length), length };
        if let Some(content) = bytes.cell.bytes_mut().get_mut(..length) {
            fill(content);
        }
        bytes
    }

    /// Copies `bytes`, which their own drop wipes.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the heap's copy ends here")]
    pub fn from_sensitive(bytes: Sensitive) -> Self {
        Self::with(bytes.expose().len(), |content| content.copy_from_slice(bytes.expose()))
    }

    /// Lends the content.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.cell.bytes().get(..self.length).unwrap_or_default()
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        self.cell.bytes_mut().zeroize();
        if let Cell::Shared(cell) = &mut self.cell {
            arena().give_back(mem::take(cell));
        }
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedBytes(..)")
    }
}

/// How well the memory is protected, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryProtection {
    /// Removed from the kernel's own map (`memfd_secret`): in no core file, no swap, and unreadable
    /// through `/proc/PID/mem` and `ptrace`.
    SecretMemory,
    /// In no swap (`mlock`) and no core file (`MADV_DONTDUMP`); a debugger reads it.
    Locked,
    /// As other memory, except that core files are asked to leave it out: the limit on locked
    /// memory is reached.
    None,
}

/// Tells how well the weakest region so far is protected; maps the first if there is none.
#[must_use]
pub fn memory_protection() -> MemoryProtection {
    let mut arena = arena();
    if arena.weakest.is_none() {
        arena.grow();
    }
    arena.weakest.unwrap_or(MemoryProtection::None)
}

/// Switches core files off, for this process and those it starts, and makes this process not
/// dumpable: only root attaches a debugger, and a core file is not even piped to a collector.
///
/// # Errors
/// What could not be done; the rest is done all the same.
pub fn harden_process() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let off: libc::c_ulong = 0;
    // SAFETY: `none` outlives the call, which only reads it.
    let core = checked(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) });
    // SAFETY: this prctl takes integers and touches no memory.
    let dumpable = checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, off, off, off, off) });
    let failed = |what, done: io::Result<()>| done.err().map(|error| format!("{what}: {error}"));
    let failures = [failed("limit core files to 0", core), failed("make not dumpable", dumpable)];
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    if failures.is_empty() { Ok(()) } else { Err(io::Error::other(failures.join("; "))) }
}

/// Gives the pages of the program that hold code and constants back to the kernel, which maps them
/// again from the program's file when they are used. A start uses much that nothing after it does.
///
/// # Errors
/// What the system says, such as that the pages are locked.
pub fn give_back_program() -> io::Result<()> {
    let program = std::env::current_exe()?;
    let text = private_file::read("/proc/self/smaps".as_ref())?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    for Range { start, end } in unwritten(&text, &program.to_string_lossy()) {
        let start_at = ptr::with_exposed_provenance_mut(start);
        // SAFETY: a part of the program, which is never unmapped, that cannot be written to, and of
        // which the kernel says that no page ever was: the file has what is forgotten here.
        checked(unsafe { libc::madvise(start_at, end - start, libc::MADV_DONTNEED) })?;
    }
    Ok(())
}

/// Returns the mappings of a file, in the text of `/proc/PID/smaps`, that cannot be written to and of
/// which no page was. Source: proc(5).
fn unwritten(text: &str, path: &str) -> Vec<Range<usize>> {
    let (mut found, mut mapping) = (Vec::new(), None);
    for line in text.lines() {
        if let Some(pages) = line.strip_prefix("Anonymous:") {
            found.extend(mapping.take().filter(|_| pages.trim() == "0 kB"));
        } else if let Some(range) = line.split_once(' ').and_then(|(first, _)| addresses(first)) {
            let is_fixed = line
                .split(' ')
                .nth(1)
                .is_some_and(|access| access.ends_with('p') && !access.contains('w'));
            mapping = Some(range).filter(|_| is_fixed && line.ends_with(&format!(" {path}")));
        }
    }
    found
}

/// Reads `START-END`, hexadecimal.
fn addresses(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

enum Cell {
    Shared(&'static mut [u8]),
    Own(Mapping),
}

impl Cell {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own(mapping) => mapping.bytes(),
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own(mapping) => mapping.bytes_mut(),
        }
    }
}

/// Cuts regions into cells. A cell is an exclusive borrow, so that no two overlap; free ones are
/// zero.
struct Arena {
    uncut: &'static mut [u8],
    free: BTreeMap<usize, Vec<&'static mut [u8]>>,
    region_bytes: usize,
    weakest: Option<MemoryProtection>,
}

static ARENA: Mutex<Arena> = Mutex::new(Arena {
    uncut: &mut [],
    free: BTreeMap::new(),
    region_bytes: REGION_BYTES_MIN,
    weakest: None,
});

fn arena() -> MutexGuard<'static, Arena> {
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Arena {
    fn take(&mut self, length: usize) -> Cell {
        if length > CELL_BYTES_MAX {
            return Cell::Own(self.map(length));
        }
        let cell_bytes = length.max(CELL_BYTES_MIN).next_power_of_two();
        if let Some(cell) = self.free.get_mut(&cell_bytes).and_then(Vec::pop) {
            return Cell::Shared(cell);
        }
        loop {
            if let Some(cell) = self.uncut.split_off_mut(..cell_bytes) {
                return Cell::Shared(cell);
            }
            self.grow();
        }
    }

    fn give_back(&mut self, cell: &'static mut [u8]) {
        self.free.entry(cell.len()).or_default().push(cell);
    }

    fn grow(&mut self) {
        self.uncut = self.map(self.region_bytes).leak();
        self.region_bytes = (self.region_bytes * 2).min(REGION_BYTES_MAX);
    }

    fn map(&mut self, length: usize) -> Mapping {
        let (mapping, protection) = Mapping::new(length);
        self.weakest = self.weakest.max(Some(protection));
        mapping
    }
}

/// Pages of this process alone, zero at first.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the pages belong to this value, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: a shared borrow only reads.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the best pages to be had. Ends the process if there are none at all, as the heap does.
    fn new(length: usize) -> (Self, MemoryProtection) {
        if let Ok(mapping) = Self::secret(length) {
            return (mapping, MemoryProtection::SecretMemory);
        }
        let anonymous = Self::map(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1);
        let Ok(mapping) = anonymous else {
            handle_alloc_error(Layout::array::<u8>(length).unwrap_or(Layout::new::<u8>()))
        };
        // SAFETY: the pages are mapped; locking them changes no content.
        let locked = checked(unsafe { libc::mlock(mapping.start.as_ptr().cast(), length) });
        let hidden = mapping.advise(libc::MADV_DONTDUMP).and(mapping.advise(libc::MADV_DONTFORK));
        let protected = locked.and(hidden).is_ok();
        (mapping, if protected { MemoryProtection::Locked } else { MemoryProtection::None })
    }

    /// Maps pages that the kernel cannot read either. The descriptor is closed, so that nobody maps
    /// them a second time.
    fn secret(length: usize) -> io::Result<Self> {
        // SAFETY: takes an integer and returns a new descriptor or -1.
        let opened = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let opened = libc::c_int::try_from(opened).map_err(io::Error::other)?;
        checked(opened)?;
        // SAFETY: the descriptor is new and nobody else's.
        let file = unsafe { OwnedFd::from_raw_fd(opened) };
        let size = libc::off_t::try_from(length).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open; no memory is touched.
        checked(unsafe { libc::ftruncate(file.as_raw_fd(), size) })?;
        let mapping = Self::map(length, libc::MAP_SHARED, file.as_raw_fd())?;
        mapping.advise(libc::MADV_DONTFORK)?;
        Ok(mapping)
    }

    fn map(length: usize, flags: libc::c_int, file: libc::c_int) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: no address is asked for, so that no mapping is replaced.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, access, flags, file, 0) };
        let mapped = NonNull::new(start.cast()).filter(|_| start != libc::MAP_FAILED);
        mapped.map(|start| Self { start, length }).ok_or_else(io::Error::last_os_error)
    }

    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: the pages are this value's; both advices leave their content alone.
        checked(unsafe { libc::madvise(self.start.as_ptr().cast(), self.length, advice) })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, initialized to zero, `length` long, and borrowed as this value is.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// Gives the pages away for as long as the process lives.
    fn leak(self) -> &'static mut [u8] {
        let kept = mem::ManuallyDrop::new(self);
        // SAFETY: as in `bytes_mut`; the value that would unmap the pages is never dropped.
        unsafe { slice::from_raw_parts_mut(kept.start.as_ptr(), kept.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the pages are this value's and no borrow of them outlives it. A refusal leaves
        // them mapped, which harms nobody.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

fn checked(returned: libc::c_int) -> io::Result<()> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_keep_their_content_and_come_back_wiped(
            steps in prop::collection::vec((0_usize..9000, any::<u8>(), any::<bool>()), 1..200),
        ) {
            let mut held: Vec<(LockedBytes, u8)> = Vec::new();
            for (length, byte, leaves) in steps {
                let mut was_zero = true;
                let bytes = LockedBytes::with(length, |cell| {
                    was_zero = cell.iter().all(|byte| *byte == 0);
                    cell.fill(byte);
                });
                prop_assert!(was_zero, "a cell was not wiped");
                held.push((bytes, byte));
                if leaves {
                    held.swap_remove(length % held.len());
                }
                for (bytes, byte) in &held {
                    prop_assert!(bytes.expose().iter().all(|found| found == byte));
                }
            }
        }
    }

    #[test]
    fn a_program_goes_on_without_the_pages_that_it_gave_back() {
        let resident = || {
            let status = private_file::read("/proc/self/status".as_ref()).unwrap();
            let status = String::from_utf8(status).unwrap();
            let kib = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        // touches more of the program than the rest of this test does
        let before = (LockedBytes::with(100, |cell| cell.fill(1)), resident());
        give_back_program().unwrap();
        assert!(resident() < before.1);
        assert_eq!(before.0.expose(), [1; 100]);
    }

    #[test]
    fn what_was_written_to_or_may_be_or_is_of_another_file_is_not_given_back() {
        let mapping = |start: &str, access: &str, kib: u32, path: &str| {
            format!(
                "{start}000-{start}800 {access} 00000000 fe:00 77    {path}\nSize:   2 kB\n\
                 Anonymous:          {kib} kB\nVmFlags: rd mr\n"
            )
        };
        let text = [
            mapping("1", "r--p", 0, "/bin/a b"),
            mapping("2", "r-xp", 0, "/bin/a b"),
            mapping("3", "r--p", 40, "/bin/a b"),
            mapping("4", "rw-p", 0, "/bin/a b"),
            mapping("5", "r--s", 0, "/bin/a b"),
            mapping("6", "r-xp", 0, "/lib/a"),
        ];
        assert_eq!(unwritten(&text.concat(), "/bin/a b"), [0x1000..0x1800, 0x2000..0x2800]);
    }

    #[test]
    fn debug_shows_nothing() {
        let bytes = LockedBytes::with(3, |cell| cell.fill(b'x'));
        assert_eq!(format!("{bytes:?}"), "LockedBytes(..)");
    }
}
