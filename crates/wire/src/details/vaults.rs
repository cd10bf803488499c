use strongroom_model::{DefinedTags, Ocid, Tags, VaultType};

use super::{DISPLAY_NAME, not_implemented, tags};
use crate::error::Refusal;
use crate::fields::{Fields, Text};

/// What `CreateVault` asks for.
#[derive(Debug)]
pub struct CreateVaultDetails {
    /// `compartmentId`.
    pub compartment_id: Ocid,
    /// `displayName`.
    pub display_name: String,
    /// `vaultType`.
    pub vault_type: VaultType,
    /// `freeformTags` and `definedTags`.
    pub tags: Tags,
}

impl CreateVaultDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        if fields.object("externalKeyManagerMetadata")?.is_some() {
            return Err(not_implemented("externalKeyManagerMetadata"));
        }
        let types = ["DEFAULT", "VIRTUAL_PRIVATE", "EXTERNAL"];
        let vault_type = match fields.one_of("vaultType", &types)? {
            Some("DEFAULT") => VaultType::Default,
            Some("VIRTUAL_PRIVATE") => VaultType::VirtualPrivate,
            Some(_) => return Err(not_implemented("vaultType")),
            None => return Err(fields.missing("vaultType")),
        };
        let details = Self {
            compartment_id: fields.required_ocid("compartmentId")?,
            display_name: fields.required_text("displayName", DISPLAY_NAME)?,
            vault_type,
            tags: tags(&mut fields)?,
        };
        fields.finish("compartmentId, displayName, vaultType, freeformTags, definedTags")?;
        Ok(details)
    }
}

/// What `UpdateVault` asks for; absent is unchanged.
#[derive(Debug)]
pub struct UpdateVaultDetails {
    /// `displayName`.
    pub display_name: Option<String>,
    /// `freeformTags`.
    pub freeform_tags: Option<std::collections::BTreeMap<String, String>>,
    /// `definedTags`.
    pub defined_tags: Option<DefinedTags>,
}

impl UpdateVaultDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self {
            display_name: fields.text("displayName", DISPLAY_NAME)?,
            freeform_tags: fields.freeform_tags()?,
            defined_tags: fields.defined_tags()?,
        };
        fields.finish("displayName, freeformTags, definedTags")?;
        Ok(details)
    }
}

/// What `CreateVaultReplica` and `DeleteVaultReplica` ask for.
#[derive(Debug)]
pub struct ReplicaDetails {
    /// `replicaRegion`.
    pub region: String,
}

impl ReplicaDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        if fields.object("replicaVaultMetadata")?.is_some() {
            return Err(not_implemented("replicaVaultMetadata"));
        }
        let region = fields.required_text("replicaRegion", Text::Name(100))?;
        fields.finish("replicaRegion, replicaVaultMetadata")?;
        Ok(Self { region })
    }
}
