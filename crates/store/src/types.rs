use std::fmt::Debug;
use std::pin::Pin;

/// The outcome of a call to a store, to be awaited.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What is shown the rows of a walk, one after the other; an error ends the walk.
pub type Visit<'a> = Box<dyn FnMut(&[u8], Versioned) -> Result<(), StoreError> + Send + 'a>;

/// A range of keys: the start is in it, the end is not. Keys compare as bytes.
pub type Range = std::ops::Range<Vec<u8>>;

/// Number of the commit that wrote a row: strictly increasing over the store's life, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// A row's value and the commit that wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Vec<u8>,
    /// The commit.
    pub revision: Revision,
}

impl Debug for Versioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Versioned").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// The order of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A condition on a row, checked in the moment of the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// The row must not be there.
    Absent,
    /// The row must have been written by this commit.
    Revision(Revision),
}

/// How safe a commit is when it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Sync {
    /// With the operating system: it survives the process, and reaches the disk within a second or
    /// with the next full commit.
    Deferred,
    /// On the disk.
    #[default]
    Full,
}

/// A commit: conditions and changes, all or nothing.
#[derive(Clone, Default)]
pub struct Batch {
    pub(crate) require: Vec<(Vec<u8>, Require)>,
    pub(crate) changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) sync: Sync,
    pub(crate) number: Option<Revision>,
}

impl Batch {
    /// Makes an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    #[must_use]
    pub fn require(mut self, key: Vec<u8>, require: Require) -> Self {
        self.require.push((key, require));
        self
    }

    /// Adds a row to write.
    #[must_use]
    pub fn put(mut self, key: Vec<u8>, value: Vec<u8>) -> Self {
        self.changes.push((key, Some(value)));
        self
    }

    /// Adds a row to remove.
    #[must_use]
    pub fn delete(mut self, key: Vec<u8>) -> Self {
        self.changes.push((key, None));
        self
    }

    /// Tells whether the batch writes or removes a row whose key begins with `prefix`.
    #[must_use]
    pub fn writes_below(&self, prefix: &[u8]) -> bool {
        self.changes.iter().any(|(key, _)| key.starts_with(prefix))
    }

    /// Returns the rows that the batch writes, and without a value those it removes.
    pub fn changes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Says how safe the commit must be when it is acknowledged; [`Sync::Full`] unless said.
    #[must_use]
    pub fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// Gives the commit this number in place of the next one: for rows that come from another store
    /// and keep the number that they have there. Later commits go on from the highest.
    #[must_use]
    pub fn numbered(mut self, number: Revision) -> Self {
        self.number = Some(number);
        self
    }
}

impl Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("require", &self.require.len())
            .field("changes", &self.changes.len())
            .field("sync", &self.sync)
            .field("number", &self.number)
            .finish()
    }
}

/// A change of a watched row; without a value the row was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Vec<u8>,
    /// The row as written.
    pub value: Option<Versioned>,
}

/// A place in the history of watched rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(pub u64);

/// What happened to watched rows since a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// These changes, oldest first.
    Changes(Vec<Change>),
    /// Too much to tell: read everything again.
    Reset,
}

/// What a store has written since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Commits that were acknowledged.
    pub commits: u64,
    /// Transactions that carried them.
    pub groups: u64,
    /// Times that this process waited for a disk of its own.
    pub syncs: u64,
}

/// Why a store did not do what was asked. Messages hold no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; nothing was changed.
    #[error("a condition of the commit did not hold")]
    Conflict {
        /// The key whose condition failed.
        key: Vec<u8>,
    },
    /// Whether the commit happened is not known; the store takes no more.
    #[error("the outcome of the commit is not known: {0}")]
    Unknown(String),
    /// Whoever keeps the store lets nothing be changed.
    #[error("the store takes no changes: it is read-only")]
    ReadOnly,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What is stored is not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The file is not this product's, or of a newer version.
    #[error("{0}")]
    Foreign(String),
    /// The system refused.
    #[error("the store cannot be used: {0}")]
    Io(String),
}

/// All rows as they were at one moment, in the order of their keys, while others go on writing.
pub trait Snapshot: Debug + Send {
    /// Returns the highest number that a commit had at that moment, or a higher one.
    fn last(&self) -> Revision;

    /// Reads the next rows, at most `limit`. When none come, all have.
    fn next(&mut self, limit: usize) -> Answer<'_, Vec<(Vec<u8>, Versioned)>>;
}

/// Ordered keys with snapshot reads and single-shot conditional commits.
pub trait Store: Debug + Send + std::marker::Sync + 'static {
    /// Reads rows, all as of one moment, in the order asked.
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>>;

    /// Reads at most `limit` rows of a range, as of one moment.
    fn scan(
        &self,
        range: Range,
        order: Order,
        limit: usize,
    ) -> Answer<'_, Vec<(Vec<u8>, Versioned)>>;

    /// Applies a batch, all or nothing, and answers when it is as safe as the batch asks.
    fn commit(&self, batch: Batch) -> Answer<'_, Revision>;

    /// Tells what happened to watched rows since `since`: everything that was acknowledged before
    /// the call is in it.
    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)>;

    /// Shows every row as of one moment: as they lie in the store those whose keys do not begin with
    /// `sorted`, and then those that do, in the order of their keys. May hold the thread meanwhile.
    fn walk<'a>(&'a self, sorted: &'a [u8], visit: Visit<'a>) -> Answer<'a, ()>;

    /// Makes what was deleted or replaced leave the files that the store writes: at once, or as soon as
    /// other nodes have been told of it.
    fn forget(&self) -> Answer<'_, ()>;

    /// Begins to read all rows as they are now. What was acknowledged before the call is in it.
    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>>;

    /// Tells how many commits were grouped into how many transactions; nothing by engines that do not
    /// group.
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// Returns the range of all keys that begin with `prefix`.
#[must_use]
pub fn prefix_range(prefix: &[u8]) -> Range {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return prefix.to_vec()..end;
        }
    }
    prefix.to_vec()..vec![0xff; 16]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_holds_the_prefix_and_nothing_else() {
        let range = prefix_range(b"a/");
        for (key, within) in [
            (&b"a/"[..], true),
            (b"a/\xff\xff", true),
            (b"a0", false),
            (b"a", false),
            (b"b", false),
        ] {
            assert_eq!(range.contains(&key.to_vec()), within, "{key:?}");
        }
        assert_eq!(prefix_range(b"a\xff"), b"a\xff".to_vec()..b"b".to_vec());
    }
}
