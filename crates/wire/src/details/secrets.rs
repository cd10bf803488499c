use strongroom_model::{NewVersion, Ocid, SecretChange, Sensitive, VersionMove};

use super::{replication, rotation};
use crate::content::{CONTENT_BYTES_MAX, decode_base64};
use crate::error::Refusal;
use crate::fields::{Fields, Text};

const SECRET_NAME: Text = Text::Name(255);
const DESCRIPTION: Text = Text::Free(400);

/// What `CreateSecret` asks for.
#[derive(Debug)]
pub struct CreateSecretDetails {
    /// `compartmentId`.
    pub compartment_id: Ocid,
    /// `vaultId`.
    pub vault_id: Ocid,
    /// `keyId`.
    pub key_id: Ocid,
    /// `secretName`.
    pub secret_name: String,
    /// `metadata`, tags, rules, generation and rotation.
    pub set_up: SecretChange,
    /// `secretContent.content`, decoded; absent if it is to be generated.
    pub content: Option<Sensitive>,
    /// `secretContent.name`.
    pub version_name: Option<String>,
}

impl CreateSecretDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let given = secret_content(&mut fields)?;
        let set_up = set_up(&mut fields)?;
        let generates = set_up.is_auto_generation_enabled == Some(true);
        let given = match given {
            None if !generates => return Err(fields.missing("secretContent")),
            given => given.unwrap_or_default(),
        };
        if given.stage == Some(NewVersion::Pending) {
            let rule = "must be CURRENT for the first version";
            return Err(Refusal::invalid("secretContent.stage", rule));
        }
        match (&given.content, generates) {
            (None, false) => return Err(Refusal::missing("secretContent.content")),
            (Some(_), true) => {
                let rule = "is generated when enableAutoGeneration is true, so leave it out";
                return Err(Refusal::invalid("secretContent.content", rule));
            }
            _ => {}
        }
        let details = Self {
            compartment_id: fields.required_ocid("compartmentId")?,
            vault_id: fields.required_ocid("vaultId")?,
            key_id: fields.required_ocid("keyId")?,
            secret_name: fields.required_text("secretName", SECRET_NAME)?,
            set_up,
            content: given.content,
            version_name: given.name,
        };
        fields.finish(
            "compartmentId, vaultId, keyId, secretName, secretContent, description, metadata, \
             secretRules, secretGenerationContext, enableAutoGeneration, rotationConfig, \
             replicationConfig, freeformTags, definedTags",
        )?;
        Ok(details)
    }
}

/// What `UpdateSecret` asks for.
#[derive(Debug)]
pub struct UpdateSecretDetails {
    /// The change of the secret's state.
    pub change: SecretChange,
    /// `secretContent.content`, decoded; present if and only if the change adds a version.
    pub content: Option<Sensitive>,
    /// `secretContent.name`.
    pub version_name: Option<String>,
}

impl UpdateSecretDetails {
    /// Reads the body. A `secretContent` without `content` is no content change: Oracle's command
    /// line sends one with every update.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let promoted = fields.number("currentVersionNumber", 1, i64::MAX.unsigned_abs())?;
        let given = secret_content(&mut fields)?.unwrap_or_default();
        if given.content.is_none() && given.name.is_some() {
            let rule = "names a new version, so it needs secretContent.content";
            return Err(Refusal::invalid("secretContent.name", rule));
        }
        let versions = match (promoted, &given.content, given.stage) {
            (Some(_), Some(_), _) => {
                let rule = "cannot be changed together with secretContent.content";
                return Err(Refusal::invalid("currentVersionNumber", rule));
            }
            (Some(number), None, _) => Some(VersionMove::Promote(number)),
            (None, Some(_), stage) => Some(VersionMove::Add(stage.unwrap_or(NewVersion::Current))),
            (None, None, Some(NewVersion::Current)) => Some(VersionMove::PromotePending),
            (None, None, Some(NewVersion::Pending)) => {
                return Err(Refusal::missing("secretContent.content"));
            }
            (None, None, None) => None,
        };
        let change = SecretChange { versions, ..set_up(&mut fields)? };
        if change.rules.is_some() && change.versions.is_some() {
            let rule = "cannot be changed together with the content or the current version";
            return Err(Refusal::invalid("secretRules", rule));
        }
        fields.finish(
            "secretContent, currentVersionNumber, description, metadata, secretRules, \
             secretGenerationContext, enableAutoGeneration, rotationConfig, replicationConfig, \
             freeformTags, definedTags",
        )?;
        Ok(Self { change, content: given.content, version_name: given.name })
    }
}

/// What creation and update both say.
fn set_up(fields: &mut Fields) -> Result<SecretChange, Refusal> {
    Ok(SecretChange {
        description: fields.text("description", DESCRIPTION)?,
        metadata: fields.metadata()?,
        freeform_tags: fields.freeform_tags()?,
        defined_tags: fields.defined_tags()?,
        versions: None,
        rules: rotation::rules(fields)?,
        generation: rotation::generation(fields)?,
        is_auto_generation_enabled: fields.boolean("enableAutoGeneration")?,
        rotation: rotation::rotation(fields)?,
        replication: replication::replication(fields)?,
    })
}

#[derive(Debug, Default)]
struct SecretContent {
    content: Option<Sensitive>,
    name: Option<String>,
    stage: Option<NewVersion>,
}

fn secret_content(fields: &mut Fields) -> Result<Option<SecretContent>, Refusal> {
    let Some(mut fields) = fields.object("secretContent")? else {
        return Ok(None);
    };
    match fields.string("contentType")?.as_deref() {
        Some("BASE64") => {}
        None => return Err(fields.missing("contentType")),
        Some(_) => {
            let rule = "must be BASE64, PLAIN is not part of the API; encode the value and send \
                        that as secretContent.content: base64 -w0 FILE, or printf %s \"$VALUE\" | \
                        base64 -w0";
            return Err(fields.invalid("contentType", rule));
        }
    }
    let encoded = fields.string("content")?.map(|text| Sensitive::new(text.into_bytes()));
    let decode =
        |text: Sensitive| decode_base64("secretContent.content", text.expose(), CONTENT_BYTES_MAX);
    let content = encoded.map(decode).transpose()?;
    let stage = fields.one_of("stage", &["CURRENT", "PENDING"])?.map(|stage| match stage {
        "CURRENT" => NewVersion::Current,
        _ => NewVersion::Pending,
    });
    let name = fields.unless_empty("name").text("name", SECRET_NAME)?;
    fields.finish("contentType, content, name, stage")?;
    Ok(Some(SecretContent { content, name, stage }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    fn update(body: &str) -> Result<UpdateSecretDetails, Refusal> {
        parse_object(body.as_bytes()).and_then(UpdateSecretDetails::read)
    }

    #[test]
    fn what_oracles_command_line_sends_for_an_update() {
        let cases = [
            (r#"{"secretContent":{"contentType":"BASE64"},"description":"d"}"#, None),
            (
                r#"{"secretContent":{"contentType":"BASE64"},"currentVersionNumber":3}"#,
                Some(VersionMove::Promote(3)),
            ),
            (
                r#"{"secretContent":{"stage":"CURRENT","contentType":"BASE64"}}"#,
                Some(VersionMove::PromotePending),
            ),
            (
                r#"{"secretContent":{"content":"aGk=","contentType":"BASE64"}}"#,
                Some(VersionMove::Add(NewVersion::Current)),
            ),
        ];
        for (body, versions) in cases {
            assert_eq!(update(body).unwrap().change.versions, versions, "{body}");
        }
    }

    #[test]
    fn what_terraform_sends_for_optional_fields_that_nobody_set() {
        let body = r#"{"secretContent":{"contentType":"BASE64","content":"aGk=","name":""},
            "secretGenerationContext":{"generationType":"BYTES","generationTemplate":"BYTES_512",
                "secretTemplate":""},
            "rotationConfig":{"rotationInterval":"","targetSystemDetails":
                {"targetSystemType":"FUNCTION","functionId":"ocid1.fnfunc.oc1..a"}}}"#;
        let details = update(body).unwrap();
        assert_eq!(details.version_name, None);
        assert_eq!(details.change.generation.unwrap().template, None);
        assert_eq!(details.change.rotation.unwrap().interval_days, None);
        let body = r#"{"secretRules":[{"ruleType":"SECRET_EXPIRY_RULE",
            "secretVersionExpiryInterval":"","timeOfAbsoluteExpiry":"2026-11-24T00:00:00Z"}]}"#;
        let rules = update(body).unwrap().change.rules.unwrap();
        assert_eq!(rules.expiry.unwrap().interval_days, None);
    }

    #[test]
    fn refusals_name_field_and_rule_and_never_the_value() {
        let cases = [
            (r#"{"secretContent":{"contentType":"PLAIN","content":"s3cr3t"}}"#, "must be BASE64"),
            (r#"{"secretContent":{"contentType":"BASE64","content":"s3cr3t!"}}"#, "must be base64"),
            (r#"{"secretContent":"s3cr3t"}"#, "secretContent: must be an object"),
            (r#"{"secretContent":{"content":"aGk="}}"#, "secretContent.contentType: is required"),
            (
                r#"{"secretContent":{"contentType":"BASE64","s3cr3t":1}}"#,
                "secretContent: has an unknown field",
            ),
            (r#"{"s3cr3t":1}"#, "body: has an unknown field"),
            (r#"{"freeformTags":"s3cr3t"}"#, "freeformTags: must be an object"),
            (r#"{"freeformTags":{"a":1}}"#, "freeformTags: must map"),
            (r#"{"description":7}"#, "description: must be a string"),
            (r#"{"currentVersionNumber":0}"#, "currentVersionNumber: must be"),
            (r#"{"currentVersionNumber":1.5}"#, "currentVersionNumber: must be"),
            (r#"{"secretRules":[{"ruleType":"s3cr3t"}]}"#, "secretRules[0].ruleType: must be one"),
            (r#"{"secretRules":{}}"#, "secretRules: must be a list"),
            (
                r#"{"secretRules":[{"ruleType":"SECRET_REUSE_RULE"},{"ruleType":"SECRET_REUSE_RULE"}]}"#,
                "secretRules[1].ruleType: occurs twice",
            ),
            (
                r#"{"secretRules":[{"ruleType":"SECRET_EXPIRY_RULE","secretVersionExpiryInterval":"P91D"}]}"#,
                "must be P1D to P90D",
            ),
            (
                r#"{"secretRules":[{"ruleType":"SECRET_EXPIRY_RULE"}]}"#,
                "secretVersionExpiryInterval: is required",
            ),
            (
                r#"{"secretRules":[],"secretContent":{"contentType":"BASE64","content":""}}"#,
                "secretRules: cannot be changed together",
            ),
            (
                r#"{"secretGenerationContext":{"generationType":"PASSPHRASE",
                    "generationTemplate":"DBAAS_DEFAULT_PASSWORD","passphraseLength":31}}"#,
                "passphraseLength: must be a whole number, 12 to 30",
            ),
            (
                r#"{"secretGenerationContext":{"generationType":"BYTES",
                    "generationTemplate":"BYTES_512","secretTemplate":"s3cr3t"}}"#,
                "secretTemplate: must contain %GENERATED_BYTES%",
            ),
            (
                r#"{"rotationConfig":{"isScheduledRotationEnabled":true,"targetSystemDetails":
                    {"targetSystemType":"ADB","adbId":"ocid1.autonomousdatabase.oc1..a"}}}"#,
                "rotationConfig.rotationInterval: is required",
            ),
            (
                r#"{"rotationConfig":{"rotationInterval":"P361D","targetSystemDetails":
                    {"targetSystemType":"FUNCTION","functionId":"ocid1.fnfunc.oc1..a"}}}"#,
                "rotationInterval: must be P1D to P360D",
            ),
            (r#"{"rotationConfig":{}}"#, "targetSystemDetails: is required"),
            (
                r#"{"currentVersionNumber":1,"secretContent":{"contentType":"BASE64","content":""}}"#,
                "cannot be changed together",
            ),
        ];
        for (body, rule) in cases {
            let refusal = update(body).unwrap_err();
            assert!(refusal.message.contains(rule), "{body}: {}", refusal.message);
            assert!(!refusal.message.contains("s3cr3t"));
        }
    }

    #[test]
    fn a_defined_tag_is_given_once_in_whatever_case() {
        for tags in [
            r#"{"Ops":{"Team":"s3cr3t","team":"b"}}"#,
            r#"{"Ops":{"Team":"s3cr3t"},"ops":{"Level":"b"}}"#,
        ] {
            let refusal = update(&format!(r#"{{"definedTags":{tags}}}"#)).unwrap_err();
            let rule = "definedTags: must name each namespace and key once; upper and lower case are the \
                 same";
            assert_eq!(refusal.message, rule, "{tags}");
        }
        let tags = r#"{"Ops":{"Team":"a"},"Costs":{"Team":"a"}}"#;
        assert!(update(&format!(r#"{{"definedTags":{tags}}}"#)).is_ok());
    }

    #[test]
    fn where_a_secret_is_replicated_is_checked() {
        let cases = [
            (r#"{"replicationConfig":{"s3cr3t":1}}"#, "replicationTargets: is required"),
            (
                r#"{"replicationConfig":{"replicationTargets":[{},{},{},{}]}}"#,
                "replicationTargets: must have at most 3 entries",
            ),
            (
                r#"{"replicationConfig":{"replicationTargets":[],"isWriteForwardEnabled":true}}"#,
                "isWriteForwardEnabled: must be false",
            ),
            (
                r#"{"replicationConfig":{"replicationTargets":[{"targetRegion":"s3cr3t"}]}}"#,
                "replicationTargets[0].targetRegion: must be a region",
            ),
            (
                r#"{"replicationConfig":{"replicationTargets":[
                    {"targetRegion":"fra","targetVaultId":"ocid1.vault.oc1.fra.a","targetKeyId":"ocid1.key.oc1.fra.a"},
                    {"targetRegion":"eu-frankfurt-1","targetVaultId":"ocid1.vault.oc1.fra.a","targetKeyId":"ocid1.key.oc1.fra.a"}]}}"#,
                "replicationTargets[1].targetRegion: occurs twice",
            ),
        ];
        for (body, rule) in cases {
            let refusal = update(body).unwrap_err();
            assert!(refusal.message.contains(rule), "{body}: {}", refusal.message);
            assert!(!refusal.message.contains("s3cr3t"));
        }
        let body = r#"{"replicationConfig":{"replicationTargets":[{"targetRegion":"FRA",
            "targetVaultId":"ocid1.vault.oc1.fra.a","targetKeyId":"ocid1.key.oc1.fra.a"}],
            "isWriteForwardEnabled":false}}"#;
        let targets = update(body).unwrap().change.replication.unwrap();
        assert_eq!(targets.first().unwrap().region, "eu-frankfurt-1");
    }
}
