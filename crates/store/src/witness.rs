use std::fmt::Debug;

use crate::types::{Revision, StoreError, Sync};

/// What proves that a row is as it was written.
pub type Mac = [u8; 32];

/// What a group of commits did to one row.
#[derive(Debug, Clone, Copy)]
pub struct Effect<'a> {
    /// The row's key.
    pub key: &'a [u8],
    /// Of the row that was there.
    pub before: Option<Mac>,
    /// The value that is there now, and what proves it.
    pub after: Option<(&'a [u8], Mac)>,
}

/// Vouches for rows. Who can write to the files of a store, but has not the witness's keys, makes no
/// row that it vouches for.
pub trait Witness: Debug + Send + std::marker::Sync + 'static {
    /// Computes what proves a row; without a value, that there is none since this commit.
    fn mac(&self, key: &[u8], value: Option<&[u8]>, revision: Revision) -> Mac;

    /// Tells whether the store is to keep in memory which commit wrote the row, so that an older row
    /// in its place is noticed when it is read.
    fn tracks(&self, key: &[u8]) -> bool;

    /// Begins a chain of entries for one writer.
    fn chain(&self) -> Box<dyn Chain>;
}

/// Key and value of the row that enters a group.
pub type Entered = (Vec<u8>, Vec<u8>);

/// The chain of entries of one writer.
pub trait Chain: Send + std::marker::Sync {
    /// Returns key and value of the row that enters a group of commits; it is written with them, or
    /// none of them is.
    ///
    /// # Errors
    /// A [`StoreError`] if there can be no such row.
    fn next(&mut self, effects: &[Effect<'_>]) -> Result<Option<Entered>, StoreError>;

    /// What `next` was called for is in the store, and the row that it returned, if it did; with
    /// [`Sync::Full`], it is on the disk, and with it all that was made since `lost` was called last,
    /// by any chain, and kept before `next` was called.
    fn kept(&mut self, sync: Sync);

    /// What is not on the disk may not be there any more, or never come. An engine whose connections
    /// break calls it for each that it has anew, before the first `next` on it.
    fn lost(&mut self);
}
