//! Rules, generation and rotation, as a secret's creation and update name them.

use strongroom_model::{
    EXPIRY_DAYS_MAX, ExpiryRule, Generated, PassphraseTemplate, ReuseRule, RotationConfig,
    RotationTarget, SECRET_ROTATION_DAYS_MAX, SECRET_ROTATION_DAYS_MIN, SecretGeneration,
    SecretRules,
};

use crate::error::Refusal;
use crate::fields::{Fields, Text};

const TEMPLATE_CHARS_MAX: usize = 8 * 1024;

/// Takes `secretRules`, at most one of each type.
pub(super) fn rules(fields: &mut Fields) -> Result<Option<SecretRules>, Refusal> {
    let Some(items) = fields.objects("secretRules")? else { return Ok(None) };
    let mut rules = SecretRules::default();
    for mut rule in items {
        let kind = rule.one_of("ruleType", &["SECRET_EXPIRY_RULE", "SECRET_REUSE_RULE"])?;
        let kind = kind.ok_or_else(|| rule.missing("ruleType"))?;
        let (taken, known) = if kind == "SECRET_REUSE_RULE" {
            let on_deleted_versions =
                rule.boolean("isEnforcedOnDeletedSecretVersions")?.unwrap_or(false);
            let taken = rules.reuse.replace(ReuseRule { on_deleted_versions }).is_some();
            (taken, "ruleType, isEnforcedOnDeletedSecretVersions")
        } else {
            let taken = rules.expiry.replace(expiry_rule(&mut rule)?).is_some();
            let known = "ruleType, secretVersionExpiryInterval, timeOfAbsoluteExpiry, \
                         isSecretContentRetrievalBlockedOnExpiry";
            (taken, known)
        };
        if taken {
            return Err(rule.invalid("ruleType", "occurs twice; one of each is the most"));
        }
        rule.finish(known)?;
    }
    Ok(Some(rules))
}

fn expiry_rule(rule: &mut Fields) -> Result<ExpiryRule, Refusal> {
    let interval = "secretVersionExpiryInterval";
    let read = ExpiryRule {
        interval_days: rule.unless_empty(interval).days(interval, 1, EXPIRY_DAYS_MAX)?,
        absolute: rule.timestamp("timeOfAbsoluteExpiry")?,
        blocks_retrieval: rule.boolean("isSecretContentRetrievalBlockedOnExpiry")?.unwrap_or(false),
    };
    if read.interval_days.is_none() && read.absolute.is_none() {
        let rule_text = "is required, unless timeOfAbsoluteExpiry is given";
        return Err(rule.invalid(interval, rule_text));
    }
    Ok(read)
}

/// Takes `secretGenerationContext`.
pub(super) fn generation(fields: &mut Fields) -> Result<Option<SecretGeneration>, Refusal> {
    let Some(mut fields) = fields.object("secretGenerationContext")? else { return Ok(None) };
    let kinds = ["PASSPHRASE", "SSH_KEY", "BYTES"];
    let kind = fields.one_of("generationType", &kinds)?;
    let generated = match kind.ok_or_else(|| fields.missing("generationType"))? {
        "PASSPHRASE" => passphrase(&mut fields)?,
        "SSH_KEY" => {
            let bits = match template_name(&mut fields, &["RSA_2048", "RSA_3072", "RSA_4096"])? {
                "RSA_2048" => 2048,
                "RSA_3072" => 3072,
                _ => 4096,
            };
            Generated::SshKey { bits }
        }
        _ => {
            let name = template_name(&mut fields, &["BYTES_512", "BYTES_1024"])?;
            Generated::Bytes { count: if name == "BYTES_512" { 512 } else { 1024 } }
        }
    };
    let template = fields.unless_empty("secretTemplate");
    let template = template.text("secretTemplate", Text::Free(TEMPLATE_CHARS_MAX))?;
    let generation = SecretGeneration { generated, template };
    if let Some(template) = &generation.template {
        let placeholders = generation.placeholders();
        if let Some(absent) = placeholders.iter().find(|name| !template.contains(**name)) {
            return Err(fields.invalid("secretTemplate", &format!("must contain {absent}")));
        }
    }
    fields.finish("generationType, generationTemplate, passphraseLength, secretTemplate")?;
    Ok(Some(generation))
}

fn template_name(fields: &mut Fields, names: &[&'static str]) -> Result<&'static str, Refusal> {
    let name = fields.one_of("generationTemplate", names)?;
    name.ok_or_else(|| fields.missing("generationTemplate"))
}

fn passphrase(fields: &mut Fields) -> Result<Generated, Refusal> {
    let known =
        [PassphraseTemplate::SecretsDefaultPassword, PassphraseTemplate::DbaasDefaultPassword];
    let name = template_name(fields, &known.map(PassphraseTemplate::name))?;
    let template = known.into_iter().find(|template| template.name() == name);
    let template = template.unwrap_or(PassphraseTemplate::SecretsDefaultPassword);
    let (shortest, usual, longest) = template.lengths();
    let length = fields.number("passphraseLength", shortest.into(), longest.into())?;
    let length = length.and_then(|length| u16::try_from(length).ok()).unwrap_or(usual);
    Ok(Generated::Passphrase { template, length })
}

/// Takes `rotationConfig`.
pub(super) fn rotation(fields: &mut Fields) -> Result<Option<RotationConfig>, Refusal> {
    let Some(mut fields) = fields.object("rotationConfig")? else { return Ok(None) };
    let target = fields.object("targetSystemDetails")?;
    let mut target = target.ok_or_else(|| fields.missing("targetSystemDetails"))?;
    let kind = target.one_of("targetSystemType", &["ADB", "FUNCTION"])?;
    let read = match kind.ok_or_else(|| target.missing("targetSystemType"))? {
        "ADB" => RotationTarget::Adb { id: target.required_ocid("adbId")? },
        _ => RotationTarget::Function { id: target.required_ocid("functionId")? },
    };
    target.finish("targetSystemType, adbId, functionId")?;
    let config = RotationConfig {
        target: read,
        interval_days: fields.unless_empty("rotationInterval").days(
            "rotationInterval",
            SECRET_ROTATION_DAYS_MIN,
            SECRET_ROTATION_DAYS_MAX,
        )?,
        is_scheduled: fields.boolean("isScheduledRotationEnabled")?.unwrap_or(false),
    };
    if config.is_scheduled && config.interval_days.is_none() {
        let rule = "is required when isScheduledRotationEnabled is true";
        return Err(fields.invalid("rotationInterval", rule));
    }
    fields.finish("targetSystemDetails, rotationInterval, isScheduledRotationEnabled")?;
    Ok(Some(config))
}
