use strongroom_model::{CONSUMER_LIVE_SECS, CONSUMER_LIVE_SECS_MAX, RETIREMENT_SECS_MAX};

use crate::error::Refusal;
use crate::fields::{Fields, Text};

const CONSUMER_NAME: Text = Text::Name(255);

/// What `ReportSecretVersion` says.
#[derive(Debug)]
pub struct ReportDetails {
    /// `versionNumber`.
    pub version_number: u64,
    /// `liveForSeconds`: how long the report holds; 0 takes the consumer away.
    pub live_for_secs: u64,
}

impl ReportDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let number = fields.number("versionNumber", 1, i64::MAX.unsigned_abs())?;
        let live = fields.number("liveForSeconds", 0, CONSUMER_LIVE_SECS_MAX)?;
        let read = Self {
            version_number: number.ok_or_else(|| fields.missing("versionNumber"))?,
            live_for_secs: live.unwrap_or(CONSUMER_LIVE_SECS),
        };
        fields.finish("versionNumber, liveForSeconds")?;
        Ok(read)
    }
}

/// Reads the name of a consumer, which stands in the path.
///
/// # Errors
/// A [`Refusal`] that names the rule.
pub fn read_consumer_name(name: &str) -> Result<String, Refusal> {
    CONSUMER_NAME.check("consumerName", name)?;
    Ok(name.to_owned())
}

/// Reads `deadlineSeconds`, the one field of `UpdateSecretRetirement`; null takes the mark away.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_retirement(mut fields: Fields) -> Result<Option<u32>, Refusal> {
    if !fields.has("deadlineSeconds") {
        return Err(fields.missing("deadlineSeconds"));
    }
    let secs = fields.number("deadlineSeconds", 1, RETIREMENT_SECS_MAX)?;
    fields.finish("deadlineSeconds")?;
    Ok(secs.and_then(|secs| u32::try_from(secs).ok()))
}
