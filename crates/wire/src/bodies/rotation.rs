//! Rules, generation and rotation of a secret.

use serde::Serialize;
use strongroom_model::{
    Generated, RotationConfig, RotationTarget, SecretGeneration, SecretRules, Timestamp,
};

use super::optional_time;

/// `RotationConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RotationConfigBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_interval: Option<String>,
    is_scheduled_rotation_enabled: bool,
    target_system_details: TargetBody<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "targetSystemType", rename_all = "UPPERCASE")]
enum TargetBody<'a> {
    #[serde(rename_all = "camelCase")]
    Adb { adb_id: &'a str },
    #[serde(rename_all = "camelCase")]
    Function { function_id: &'a str },
}

impl<'a> RotationConfigBody<'a> {
    pub(super) fn new(config: &'a RotationConfig) -> Self {
        Self {
            rotation_interval: config.interval_days.map(|days| format!("P{days}D")),
            is_scheduled_rotation_enabled: config.is_scheduled,
            target_system_details: match &config.target {
                RotationTarget::Adb { id } => TargetBody::Adb { adb_id: id.as_str() },
                RotationTarget::Function { id } => {
                    TargetBody::Function { function_id: id.as_str() }
                }
            },
        }
    }
}

/// `SecretGenerationContext`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationBody<'a> {
    generation_type: &'static str,
    generation_template: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase_length: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_template: Option<&'a str>,
}

impl<'a> GenerationBody<'a> {
    pub(super) fn new(generation: &'a SecretGeneration) -> Self {
        let (generation_type, generation_template, passphrase_length) = match generation.generated {
            Generated::Passphrase { template, length } => {
                ("PASSPHRASE", template.name().to_owned(), Some(length))
            }
            Generated::Bytes { count } => ("BYTES", format!("BYTES_{count}"), None),
            Generated::SshKey { bits } => ("SSH_KEY", format!("RSA_{bits}"), None),
        };
        let secret_template = generation.template.as_deref();
        Self { generation_type, generation_template, passphrase_length, secret_template }
    }
}

/// `SecretRule`.
#[derive(Debug, Serialize)]
#[serde(tag = "ruleType")]
pub(super) enum RuleBody {
    #[serde(rename = "SECRET_REUSE_RULE", rename_all = "camelCase")]
    Reuse { is_enforced_on_deleted_secret_versions: bool },
    #[serde(rename = "SECRET_EXPIRY_RULE", rename_all = "camelCase")]
    Expiry {
        #[serde(skip_serializing_if = "Option::is_none")]
        secret_version_expiry_interval: Option<String>,
        #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
        time_of_absolute_expiry: Option<Timestamp>,
        is_secret_content_retrieval_blocked_on_expiry: bool,
    },
}

/// Renders `secretRules`.
pub(super) fn rules_of(rules: &SecretRules) -> Vec<RuleBody> {
    let expiry = rules.expiry.map(|rule| RuleBody::Expiry {
        secret_version_expiry_interval: rule.interval_days.map(|days| format!("P{days}D")),
        time_of_absolute_expiry: rule.absolute,
        is_secret_content_retrieval_blocked_on_expiry: rule.blocks_retrieval,
    });
    let reuse = rules.reuse.map(|rule| RuleBody::Reuse {
        is_enforced_on_deleted_secret_versions: rule.on_deleted_versions,
    });
    expiry.into_iter().chain(reuse).collect()
}
