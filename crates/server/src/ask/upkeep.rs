use strongroom_model::Operation;
use strongroom_wire::{Matched, RootKeyDetails, read_is_read_only};

use super::read;
use crate::failure::Failure;

/// What operators do to the whole installation.
#[derive(Debug)]
pub(crate) enum UpkeepAsk {
    UpdateReadOnly { is_read_only: bool },
    RotateRootKey(RootKeyDetails),
}

impl UpkeepAsk {
    /// Reads the body of a request whose route is known to be of this family.
    pub(super) fn read(matched: &Matched, body: &[u8]) -> Result<Self, Failure> {
        Ok(match matched.operation {
            Operation::UpdateReadOnly => {
                Self::UpdateReadOnly { is_read_only: read(body, read_is_read_only)? }
            }
            Operation::RotateRootKey => Self::RotateRootKey(read(body, RootKeyDetails::read)?),
            other => {
                let reason = format!("{} is no operation of upkeep", other.name());
                return Err(Failure::internal(reason));
            }
        })
    }
}
