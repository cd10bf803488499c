use clap::Args;

use crate::failure::Failure;

/// Arguments of `policy diff`.
#[derive(Debug, Args)]
pub(super) struct DiffArguments {}

/// Compares.
pub(super) fn diff(_arguments: &DiffArguments) -> Result<(), Failure> {
    Ok(())
}
