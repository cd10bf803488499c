use strongroom_model::{
    Curve, KeyAlgorithm, KeyChange, KeyShape, Ocid, ProtectionMode, ROTATION_DAYS_MAX,
    ROTATION_DAYS_MIN, RotationChange, ShapeError, Tags, WrappingAlgorithm,
};

use super::{DISPLAY_NAME, not_implemented, tags};
use crate::error::Refusal;
use crate::fields::Fields;

/// Longest wrapped key material: an RSA-4096 key under `RSA_OAEP_AES_SHA256` needs 3 KiB.
const WRAPPED_BYTES_MAX: usize = 8 * 1024;

/// What `CreateKey` asks for.
#[derive(Debug)]
pub struct CreateKeyDetails {
    /// `compartmentId`.
    pub compartment_id: Ocid,
    /// `displayName`.
    pub display_name: String,
    /// `keyShape`.
    pub shape: KeyShape,
    /// `protectionMode`.
    pub protection_mode: Option<ProtectionMode>,
    /// `isAutoRotationEnabled` and `autoKeyRotationDetails`.
    pub rotation: RotationChange,
    /// `freeformTags` and `definedTags`.
    pub tags: Tags,
}

impl CreateKeyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        if fields.object("externalKeyReference")?.is_some() {
            return Err(not_implemented("externalKeyReference"));
        }
        let details = Self::read_common(&mut fields)?;
        fields.finish(
            "compartmentId, displayName, keyShape, protectionMode, isAutoRotationEnabled, \
             autoKeyRotationDetails, externalKeyReference, freeformTags, definedTags",
        )?;
        Ok(details)
    }

    fn read_common(fields: &mut Fields) -> Result<Self, Refusal> {
        let mode = fields.one_of("protectionMode", &["HSM", "SOFTWARE", "EXTERNAL"])?;
        let shape = fields.object("keyShape")?.ok_or_else(|| fields.missing("keyShape"))?;
        Ok(Self {
            compartment_id: fields.required_ocid("compartmentId")?,
            display_name: fields.required_text("displayName", DISPLAY_NAME)?,
            shape: key_shape(shape)?,
            protection_mode: match mode {
                None => None,
                Some("HSM") => Some(ProtectionMode::Hsm),
                Some("SOFTWARE") => Some(ProtectionMode::Software),
                Some(_) => return Err(not_implemented("protectionMode")),
            },
            rotation: rotation(fields)?.unwrap_or(RotationChange::Off),
            tags: tags(fields)?,
        })
    }
}

/// Reads a key shape.
pub(super) fn key_shape(mut fields: Fields) -> Result<KeyShape, Refusal> {
    let algorithm = match fields.one_of("algorithm", &["AES", "RSA", "ECDSA"])? {
        Some("AES") => KeyAlgorithm::Aes,
        Some("RSA") => KeyAlgorithm::Rsa,
        Some(_) => KeyAlgorithm::Ecdsa,
        None => return Err(fields.missing("algorithm")),
    };
    let names = Curve::ALL.map(Curve::name);
    let curve = fields.one_of("curveId", &names)?;
    let curve = Curve::ALL.into_iter().find(|known| Some(known.name()) == curve);
    let length = fields.number("length", 0, u64::from(u16::MAX))?;
    let length = length.ok_or_else(|| fields.missing("length"))?;
    let shape = KeyShape::new(algorithm, length, curve).map_err(|error| {
        let field = match error {
            ShapeError::Length(_) => "length",
            ShapeError::Curve(_) => "curveId",
        };
        fields.invalid(field, &error.to_string())
    })?;
    fields.finish("algorithm, length, curveId")?;
    Ok(shape)
}

/// Reads `isAutoRotationEnabled` and `autoKeyRotationDetails`; absent if the body has neither. The
/// fields of the latter that tell what has happened are taken and not believed. Terraform turns rotation
/// off with the details still in place.
fn rotation(fields: &mut Fields) -> Result<Option<RotationChange>, Refusal> {
    let enabled = fields.boolean("isAutoRotationEnabled")?;
    let Some(mut details) = fields.object("autoKeyRotationDetails")? else {
        return Ok(enabled.map(|enabled| {
            let unchanged = RotationChange::On { interval_days: None, schedule_start: None };
            if enabled { unchanged } else { RotationChange::Off }
        }));
    };
    let (low, high) = (u64::from(ROTATION_DAYS_MIN), u64::from(ROTATION_DAYS_MAX));
    let interval = details.number("rotationIntervalInDays", low, high)?;
    let schedule_start = details.timestamp("timeOfScheduleStart")?;
    details.timestamp("timeOfNextRotation")?;
    details.timestamp("timeOfLastRotation")?;
    details.string("lastRotationStatus")?;
    details.string("lastRotationMessage")?;
    details.finish("rotationIntervalInDays, timeOfScheduleStart")?;
    if enabled == Some(false) {
        return Ok(Some(RotationChange::Off));
    }
    let interval_days = interval.and_then(|days| u32::try_from(days).ok());
    Ok(Some(RotationChange::On { interval_days, schedule_start }))
}

/// What `UpdateKey` asks for.
#[derive(Debug)]
pub struct UpdateKeyDetails {
    /// The change.
    pub change: KeyChange,
}

impl UpdateKeyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let change = KeyChange {
            display_name: fields.text("displayName", DISPLAY_NAME)?,
            freeform_tags: fields.freeform_tags()?,
            defined_tags: fields.defined_tags()?,
            rotation: rotation(&mut fields)?,
        };
        fields.finish(
            "displayName, isAutoRotationEnabled, autoKeyRotationDetails, freeformTags, definedTags",
        )?;
        Ok(Self { change })
    }
}

/// Key material, wrapped under the vault's wrapping key.
#[derive(Debug)]
pub struct WrappedImportKey {
    /// `keyMaterial`, decoded.
    pub material: Vec<u8>,
    /// `wrappingAlgorithm`.
    pub algorithm: WrappingAlgorithm,
}

impl WrappedImportKey {
    /// Reads the body of `ImportKeyVersion`.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let wrapped = Self::read_field(&mut fields)?;
        tags(&mut fields)?;
        fields.finish("wrappedImportKey, freeformTags, definedTags")?;
        Ok(wrapped)
    }

    fn read_field(fields: &mut Fields) -> Result<Self, Refusal> {
        let field = "wrappedImportKey";
        let mut wrapped = fields.object(field)?.ok_or_else(|| fields.missing(field))?;
        let material = wrapped.required_bytes("keyMaterial", 1, WRAPPED_BYTES_MAX)?;
        let name = wrapped.one_of("wrappingAlgorithm", WrappingAlgorithm::NAMES)?;
        let algorithm = name.and_then(WrappingAlgorithm::named);
        let algorithm = algorithm.ok_or_else(|| wrapped.missing("wrappingAlgorithm"))?;
        wrapped.finish("keyMaterial, wrappingAlgorithm")?;
        Ok(Self { material: material.expose().to_vec(), algorithm })
    }
}

/// What `ImportKey` asks for.
#[derive(Debug)]
pub struct ImportKeyDetails {
    /// The key, as for `CreateKey`.
    pub key: CreateKeyDetails,
    /// `wrappedImportKey`.
    pub wrapped: WrappedImportKey,
}

impl ImportKeyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let wrapped = WrappedImportKey::read_field(&mut fields)?;
        let key = CreateKeyDetails::read_common(&mut fields)?;
        fields.finish(
            "compartmentId, displayName, keyShape, wrappedImportKey, protectionMode, \
             isAutoRotationEnabled, autoKeyRotationDetails, freeformTags, definedTags",
        )?;
        Ok(Self { key, wrapped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    fn create(rest: &str) -> Result<CreateKeyDetails, Refusal> {
        let body =
            format!(r#"{{"compartmentId":"ocid1.compartment.oc1..c","displayName":"k"{rest}}}"#);
        parse_object(body.as_bytes()).and_then(CreateKeyDetails::read)
    }

    #[test]
    fn refusals_name_field_and_rule() {
        let shape = r#","keyShape":{"algorithm":"AES","length":32}"#;
        for (rest, rule) in [
            (r"", "keyShape: is required"),
            (r#","keyShape":{"algorithm":"AES","length":31}"#, "keyShape.length: must be 16, 24"),
            (r#","keyShape":{"algorithm":"RSA","length":128}"#, "keyShape.length: must be 256"),
            (r#","keyShape":{"algorithm":"DES","length":8}"#, "keyShape.algorithm: must be one of"),
            (
                r#","keyShape":{"algorithm":"ECDSA","length":48,"curveId":"NIST_P256"}"#,
                "keyShape.curveId: is not",
            ),
            (&format!(r#"{shape},"protectionMode":"TPM""#), "protectionMode: must be one of"),
            (&format!(r#"{shape},"protectionMode":"EXTERNAL""#), "protectionMode: external"),
            (
                &format!(r#"{shape},"autoKeyRotationDetails":{{"rotationIntervalInDays":59}}"#),
                "autoKeyRotationDetails.rotationIntervalInDays: must be a whole number, 60 to 365",
            ),
            (
                &format!(
                    r#"{shape},"isAutoRotationEnabled":false,
                       "autoKeyRotationDetails":{{"rotationIntervalInDays":59}}"#
                ),
                "autoKeyRotationDetails.rotationIntervalInDays: must be",
            ),
        ] {
            let refusal = create(rest).unwrap_err();
            assert!(refusal.message.starts_with(rule), "{rest}: {}", refusal.message);
        }
        let rest = format!(r#"{shape},"autoKeyRotationDetails":{{"rotationIntervalInDays":60}}"#);
        let rotation = RotationChange::On { interval_days: Some(60), schedule_start: None };
        assert_eq!(create(&rest).unwrap().rotation, rotation);
        let rest = format!(r#"{rest},"isAutoRotationEnabled":false"#);
        assert_eq!(create(&rest).unwrap().rotation, RotationChange::Off);
    }
}
