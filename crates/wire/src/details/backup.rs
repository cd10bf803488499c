use crate::error::Refusal;
use crate::fields::{Fields, Text};

/// Where a backup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupLocation {
    /// An object in a bucket.
    Bucket {
        /// `namespace`.
        namespace: String,
        /// `bucketName`.
        bucket: String,
        /// `objectName`.
        object: String,
    },
    /// A pre-authenticated request.
    Uri(String),
}

impl BackupLocation {
    fn read_field(fields: &mut Fields) -> Result<Self, Refusal> {
        let field = "backupLocation";
        let mut location = fields.object(field)?.ok_or_else(|| fields.missing(field))?;
        let destinations = ["BUCKET", "PRE_AUTHENTICATED_REQUEST_URI"];
        let name = Text::Printable(1024);
        match location.one_of("destination", &destinations)? {
            None => Err(location.missing("destination")),
            Some("BUCKET") => {
                let bucket = Self::Bucket {
                    namespace: location.required_text("namespace", name)?,
                    bucket: location.required_text("bucketName", name)?,
                    object: location.required_text("objectName", name)?,
                };
                location.finish("destination, namespace, bucketName, objectName")?;
                Ok(bucket)
            }
            Some(_) => {
                let uri = location.required_text("uri", name)?;
                location.finish("destination, uri")?;
                Ok(Self::Uri(uri))
            }
        }
    }
}

/// What `BackupVault` and `BackupKey` ask for.
#[derive(Debug)]
pub struct BackupDetails {
    /// `backupLocation`.
    pub location: BackupLocation,
    /// `isIncludeKeys`, of a vault.
    pub include_keys: bool,
}

impl BackupDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let location = BackupLocation::read_field(&mut fields)?;
        let include_keys = fields.boolean("isIncludeKeys")?.unwrap_or(false);
        fields.finish("backupLocation, isIncludeKeys")?;
        Ok(Self { location, include_keys })
    }
}

/// What `RestoreVaultFromObjectStore` and `RestoreKeyFromObjectStore` ask for.
#[derive(Debug)]
pub struct RestoreDetails {
    /// `backupLocation`.
    pub location: BackupLocation,
}

impl RestoreDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let location = BackupLocation::read_field(&mut fields)?;
        fields.finish("backupLocation")?;
        Ok(Self { location })
    }
}
