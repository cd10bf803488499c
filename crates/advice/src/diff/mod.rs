//! What one set of policies allows and another does not.

mod assumed;
mod atoms;
mod attempt;
mod callers;
mod domains;
mod invented;
mod kinds;
mod known;
mod moments;
mod places;
mod report;
mod resources;
mod rows;
mod search;
mod shapes;
mod sides;
mod trial;
mod users;
mod values;
mod words;

use std::fmt;

use strongroom_policy::Semantics;

pub use self::assumed::{Assumed, AssumedCompartment};
use self::callers::callers;
use self::places::places;
pub use self::report::{Change, Comparison, Witness, WitnessPrincipal, WitnessSide};
use self::rows::Compared;
use self::search::Search;
pub use self::sides::Given;
use self::sides::Sides;
pub(crate) use self::words::words;

/// Why two files cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffError {
    /// What the file is called.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

impl DiffError {
    fn new(given: &Given<'_>, message: impl Into<String>) -> Self {
        Self { file: given.name.to_owned(), message: message.into() }
    }
}

impl fmt::Display for DiffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

impl std::error::Error for DiffError {}

/// Compares two sets of policies: every kind of request that they tell apart is decided by both.
///
/// # Errors
/// A [`DiffError`] if a file cannot be read, or both are of different tenancies.
pub fn diff(
    old: &Given<'_>,
    new: &Given<'_>,
    semantics: Semantics,
) -> Result<Comparison, DiffError> {
    let sides = Sides::read(old, new, semantics)?;
    let (callers, places) = (callers(&sides), places(&sides));
    let mut search = Search::new(&sides, semantics);
    search.run(&callers, &places);
    let compared = Compared { sides: &sides, callers: &callers.all, places: &places };
    Ok(Comparison::of(&search, &compared, semantics))
}

#[cfg(test)]
mod tests;
