mod backup;
mod consumers;
mod crypto;
mod federation;
mod identity;
mod keys;
mod replication;
mod rotation;
mod secrets;
mod upkeep;
mod vaults;

pub use backup::{BackupDetails, BackupLocation, RestoreDetails};
pub use consumers::{ReportDetails, read_consumer_name, read_retirement};
pub use crypto::{
    DecryptDetails, EncryptDetails, ExportKeyDetails, GenerateKeyDetails, SignDetails,
    VerifyDetails,
};
pub use federation::{
    CreateWorkloadDetails, ExchangeDetails, SessionTokenDetails, read_current_token,
    read_is_revoking, read_public_key,
};
pub use identity::{
    AddUserToGroupDetails, ChangedNamed, CreateDynamicGroupDetails, CreatePolicyDetails,
    CreateTagDetails, CreateUserDetails, NewNamed, TagValues, UpdateDynamicGroupDetails,
    UpdatePolicyDetails, UpdateTagDetails, UpdateTagNamespaceDetails, UpdateUserDetails,
    read_api_key,
};
pub use keys::{CreateKeyDetails, ImportKeyDetails, UpdateKeyDetails, WrappedImportKey};
pub use secrets::{CreateSecretDetails, UpdateSecretDetails};
use strongroom_model::{Ocid, Tags, Timestamp};
pub use upkeep::{RootKeyDetails, read_is_read_only};
pub use vaults::{CreateVaultDetails, ReplicaDetails, UpdateVaultDetails};

use crate::error::{ErrorCode, Refusal};
use crate::fields::{Fields, Text};

const DISPLAY_NAME: Text = Text::Printable(255);

fn tags(fields: &mut Fields) -> Result<Tags, Refusal> {
    Ok(Tags {
        freeform: fields.freeform_tags()?.unwrap_or_default(),
        defined: fields.defined_tags()?.unwrap_or_default(),
    })
}

/// Refuses what belongs to external key management.
fn not_implemented(field: &str) -> Refusal {
    let message = format!("{field}: external key management is not part of this server");
    Refusal::new(ErrorCode::MethodNotImplemented, message)
}

/// Reads `timeOfDeletion`, the one field of a scheduled deletion.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_time_of_deletion(mut fields: Fields) -> Result<Option<Timestamp>, Refusal> {
    let time = fields.timestamp("timeOfDeletion")?;
    fields.finish("timeOfDeletion")?;
    Ok(time)
}

/// Reads `compartmentId`, the one field of a move.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_compartment_id(mut fields: Fields) -> Result<Ocid, Refusal> {
    let id = fields.required_ocid("compartmentId")?;
    fields.finish("compartmentId")?;
    Ok(id)
}

/// Reads `targetCompartmentId`, the one field of `MoveCompartment`.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_target_compartment_id(mut fields: Fields) -> Result<Ocid, Refusal> {
    let id = fields.required_ocid("targetCompartmentId")?;
    fields.finish("targetCompartmentId")?;
    Ok(id)
}

/// Reads the body of `CreateKeyVersion`, which has nothing to say about keys of this server.
///
/// # Errors
/// A [`Refusal`] if it names an external key version.
pub fn read_no_external_version(mut fields: Fields) -> Result<(), Refusal> {
    if fields.string("externalKeyVersionId")?.is_some() {
        return Err(not_implemented("externalKeyVersionId"));
    }
    fields.finish("externalKeyVersionId")
}
