use serde_json::Value;

use super::identity::{NAME, NEW, NewNamed};
use crate::error::Refusal;
use crate::fields::{Fields, Text};

const RESOURCE_TYPE: Text = Text::Name(40);

/// Certificates between a machine's and the root.
const INTERMEDIATES_MAX: usize = 4;

/// Lengths of a session. Source: OCI API reference, `GenerateUserSecurityTokenDetails`.
const SESSION_MINUTES_MIN: u64 = 5;
const SESSION_MINUTES_MAX: u64 = 60;

/// What `CreateWorkload` asks for.
#[derive(Debug)]
pub struct CreateWorkloadDetails {
    /// What everything has.
    pub named: NewNamed,
    /// `resourceType`, lower-case letters; `instance` if absent.
    pub resource_type: Option<String>,
}

impl CreateWorkloadDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = NewNamed::take(&mut fields, NAME)?;
        let resource_type = fields.text("resourceType", RESOURCE_TYPE)?;
        let legal = |text: &String| text.bytes().all(|byte| byte.is_ascii_lowercase());
        if resource_type.as_ref().is_some_and(|text| !legal(text)) {
            return Err(fields.invalid("resourceType", "must be lower-case letters"));
        }
        fields.finish(&format!("{NEW}, resourceType"))?;
        Ok(Self { named, resource_type })
    }
}

/// Reads `publicKey`, the one field of `IssueWorkloadCertificate`: PEM, or its body without armor.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_public_key(mut fields: Fields) -> Result<String, Refusal> {
    let key = fields.string("publicKey")?.ok_or_else(|| fields.missing("publicKey"))?;
    fields.finish("publicKey")?;
    Ok(key)
}

/// What `ExchangeCertificate` and `RenewWorkloadCertificate` ask for, as Oracle's SDKs send it.
#[derive(Debug)]
pub struct ExchangeDetails {
    /// `certificate`: the body of a PEM block.
    pub certificate: String,
    /// `publicKey`: the body of a PEM block.
    pub public_key: String,
    /// `intermediateCertificates`: bodies of PEM blocks.
    pub intermediate_certificates: Vec<String>,
}

impl ExchangeDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let mut required = |field| fields.string(field)?.ok_or_else(|| fields.missing(field));
        let (certificate, public_key) = (required("certificate")?, required("publicKey")?);
        let intermediates = fields.texts("intermediateCertificates")?.unwrap_or_default();
        if intermediates.len() > INTERMEDIATES_MAX {
            let rule = format!("must be at most {INTERMEDIATES_MAX}");
            return Err(fields.invalid("intermediateCertificates", &rule));
        }
        fields.one_of("purpose", &["DEFAULT"])?;
        fields.one_of("fingerprintAlgorithm", &["SHA1", "SHA256"])?;
        fields.finish(
            "certificate, publicKey, intermediateCertificates, purpose, fingerprintAlgorithm",
        )?;
        Ok(Self { certificate, public_key, intermediate_certificates: intermediates })
    }
}

/// What `GenerateUserSecurityToken` asks for.
#[derive(Debug)]
pub struct SessionTokenDetails {
    /// `publicKey`, PEM.
    pub public_key: String,
    /// `sessionExpirationInMinutes`.
    pub minutes: u64,
}

impl SessionTokenDetails {
    /// Reads the body. Oracle's command line sends the number as a string.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let field = "sessionExpirationInMinutes";
        let public_key = fields.string("publicKey")?.ok_or_else(|| fields.missing("publicKey"))?;
        fields.numeral(field);
        let minutes = fields.number(field, SESSION_MINUTES_MIN, SESSION_MINUTES_MAX)?;
        fields.finish("publicKey, sessionExpirationInMinutes")?;
        Ok(Self { public_key, minutes: minutes.unwrap_or(SESSION_MINUTES_MAX) })
    }
}

/// Reads `currentToken`, the one field of `RefreshUserSecurityToken`.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_current_token(mut fields: Fields) -> Result<String, Refusal> {
    let token = fields.string("currentToken")?.ok_or_else(|| fields.missing("currentToken"))?;
    fields.finish("currentToken")?;
    Ok(token)
}

/// Reads `isRevoking`, the one field of `RotateTokenSigner`.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_is_revoking(mut fields: Fields) -> Result<bool, Refusal> {
    let is_revoking = fields.boolean("isRevoking")?;
    fields.finish("isRevoking")?;
    Ok(is_revoking.unwrap_or_default())
}

impl Fields {
    /// Takes a string of digits for the number that it writes.
    fn numeral(&mut self, field: &str) {
        self.replace(field, |value| match value {
            Value::String(text) => text.parse::<u64>().map_or(Value::String(text), Value::from),
            other => other,
        });
    }
}
