use std::collections::BTreeMap;

use strongroom_model::{DefinedTags, Ocid, Tags};

use super::tags;
use crate::error::Refusal;
use crate::fields::{Fields, Text, read_timestamp};

pub(super) const NAME: Text = Text::Name(100);
const USER_NAME: Text = Text::UserName(100);
const DESCRIPTION: Text = Text::Free(400);
const TAG_VALUES_MAX: usize = 300;

/// What every new thing of the identity service has.
#[derive(Debug)]
pub struct NewNamed {
    /// `compartmentId`: the parent of a compartment, the tenancy of users and groups.
    pub compartment_id: Ocid,
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: String,
    /// `freeformTags` and `definedTags`.
    pub tags: Tags,
}

/// Names of the fields of [`NewNamed`].
pub(super) const NEW: &str = "compartmentId, name, description, freeformTags, definedTags";

/// Names of the fields of [`ChangedNamed`] but the name.
const CHANGED: &str = "description, freeformTags, definedTags";

impl NewNamed {
    pub(super) fn take(fields: &mut Fields, name: Text) -> Result<Self, Refusal> {
        Ok(Self {
            compartment_id: fields.required_ocid("compartmentId")?,
            name: fields.required_text("name", name)?,
            description: fields.required_text("description", DESCRIPTION)?,
            tags: tags(fields)?,
        })
    }

    /// Reads the body of `CreateCompartment`, `CreateGroup` or `CreateTagNamespace`.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self::take(&mut fields, NAME)?;
        fields.unsupported(&["locks"])?;
        fields.finish(NEW)?;
        Ok(details)
    }
}

/// What can be changed of everything of the identity service; what is absent stays.
#[derive(Debug)]
pub struct ChangedNamed {
    /// `name`, of compartments only.
    pub name: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `freeformTags`.
    pub freeform_tags: Option<BTreeMap<String, String>>,
    /// `definedTags`.
    pub defined_tags: Option<DefinedTags>,
}

impl ChangedNamed {
    fn take(fields: &mut Fields) -> Result<Self, Refusal> {
        Ok(Self {
            name: None,
            description: fields.text("description", DESCRIPTION)?,
            freeform_tags: fields.freeform_tags()?,
            defined_tags: fields.defined_tags()?,
        })
    }

    /// Reads the body of `UpdateGroup`.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self::take(&mut fields)?;
        fields.finish(CHANGED)?;
        Ok(details)
    }

    /// Reads the body of `UpdateCompartment`.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read_compartment(mut fields: Fields) -> Result<Self, Refusal> {
        let name = fields.text("name", NAME)?;
        let details = Self { name, ..Self::take(&mut fields)? };
        fields.finish(&format!("name, {CHANGED}"))?;
        Ok(details)
    }
}

/// What `CreateUser` asks for.
#[derive(Debug)]
pub struct CreateUserDetails {
    /// What everything has.
    pub named: NewNamed,
    /// `email`.
    pub email: Option<String>,
}

impl CreateUserDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = NewNamed::take(&mut fields, USER_NAME)?;
        let email = email(&mut fields)?;
        fields.finish(&format!("{NEW}, email"))?;
        Ok(Self { named, email })
    }
}

/// What `UpdateUser` asks for.
#[derive(Debug)]
pub struct UpdateUserDetails {
    /// What everything has.
    pub named: ChangedNamed,
    /// `email`.
    pub email: Option<String>,
}

impl UpdateUserDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = ChangedNamed::take(&mut fields)?;
        let email = email(&mut fields)?;
        fields.unsupported(&["dbUserName"])?;
        fields.finish(&format!("{CHANGED}, email"))?;
        Ok(Self { named, email })
    }
}

fn email(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    let field = "email";
    let email = fields.text(field, Text::Printable(255))?;
    let parts = email.as_deref().map(|email| email.split_once('@'));
    match parts {
        Some(None) => Err(fields.invalid(field, "must be an e-mail address")),
        Some(Some((name, host))) if name.is_empty() || host.is_empty() || host.contains('@') => {
            Err(fields.invalid(field, "must be an e-mail address"))
        }
        _ => Ok(email),
    }
}

/// Reads the body of `UploadApiKey`: the public key, PEM.
///
/// # Errors
/// A [`Refusal`] that names the field and the rule.
pub fn read_api_key(mut fields: Fields) -> Result<String, Refusal> {
    let key = fields.required_text("key", Text::Free(16 * 1024))?;
    fields.finish("key")?;
    Ok(key)
}

/// What `AddUserToGroup` asks for.
#[derive(Debug)]
pub struct AddUserToGroupDetails {
    /// `userId`.
    pub user_id: Ocid,
    /// `groupId`.
    pub group_id: Ocid,
}

impl AddUserToGroupDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self {
            user_id: fields.required_ocid("userId")?,
            group_id: fields.required_ocid("groupId")?,
        };
        fields.finish("userId, groupId")?;
        Ok(details)
    }
}

/// What `CreateDynamicGroup` asks for.
#[derive(Debug)]
pub struct CreateDynamicGroupDetails {
    /// What everything has.
    pub named: NewNamed,
    /// `matchingRule`.
    pub matching_rule: String,
}

impl CreateDynamicGroupDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = NewNamed::take(&mut fields, NAME)?;
        let rule = fields.string("matchingRule")?;
        let matching_rule = rule.ok_or_else(|| fields.missing("matchingRule"))?;
        fields.finish(&format!("{NEW}, matchingRule"))?;
        Ok(Self { named, matching_rule })
    }
}

/// What `UpdateDynamicGroup` asks for.
#[derive(Debug)]
pub struct UpdateDynamicGroupDetails {
    /// What everything has.
    pub named: ChangedNamed,
    /// `matchingRule`.
    pub matching_rule: Option<String>,
}

impl UpdateDynamicGroupDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = ChangedNamed::take(&mut fields)?;
        let matching_rule = fields.string("matchingRule")?;
        fields.finish(&format!("{CHANGED}, matchingRule"))?;
        Ok(Self { named, matching_rule })
    }
}

/// What `CreatePolicy` asks for.
#[derive(Debug)]
pub struct CreatePolicyDetails {
    /// What everything has.
    pub named: NewNamed,
    /// `statements`, at least one.
    pub statements: Vec<String>,
    /// `versionDate`.
    pub version_date: Option<String>,
}

impl CreatePolicyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = NewNamed::take(&mut fields, NAME)?;
        let statements = statements(&mut fields)?.ok_or_else(|| fields.missing("statements"))?;
        let version_date = version_date(&mut fields)?;
        fields.finish(&format!("{NEW}, statements, versionDate"))?;
        Ok(Self { named, statements, version_date })
    }
}

/// What `UpdatePolicy` asks for.
#[derive(Debug)]
pub struct UpdatePolicyDetails {
    /// What everything has.
    pub named: ChangedNamed,
    /// `statements`, at least one.
    pub statements: Option<Vec<String>>,
    /// `versionDate`.
    pub version_date: Option<String>,
}

impl UpdatePolicyDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = ChangedNamed::take(&mut fields)?;
        let statements = statements(&mut fields)?;
        let version_date = version_date(&mut fields)?;
        fields.finish(&format!("{CHANGED}, statements, versionDate"))?;
        Ok(Self { named, statements, version_date })
    }
}

fn statements(fields: &mut Fields) -> Result<Option<Vec<String>>, Refusal> {
    let statements = fields.texts("statements")?;
    match statements {
        Some(statements) if statements.is_empty() => {
            Err(fields.invalid("statements", "must hold at least one statement"))
        }
        statements => Ok(statements),
    }
}

/// A day, or an instant of which the day counts.
fn version_date(fields: &mut Fields) -> Result<Option<String>, Refusal> {
    let text = fields.unless_empty("versionDate").string("versionDate")?;
    let Some(text) = text else { return Ok(None) };
    let day = text.get(..10).unwrap_or_default();
    // Clients read it as a day, and do not read the list in which one is none.
    let is_day = read_timestamp(&format!("{day}T00:00:00Z")).is_some();
    if is_day && matches!(text.get(10..11), None | Some("T")) {
        return Ok(Some(day.to_owned()));
    }
    Err(fields.invalid("versionDate", "must be a day, such as 2026-11-24"))
}

/// What `UpdateTagNamespace` asks for.
#[derive(Debug)]
pub struct UpdateTagNamespaceDetails {
    /// What everything has.
    pub named: ChangedNamed,
    /// `isRetired`.
    pub is_retired: Option<bool>,
}

impl UpdateTagNamespaceDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let named = ChangedNamed::take(&mut fields)?;
        let is_retired = fields.boolean("isRetired")?;
        fields.finish(&format!("{CHANGED}, isRetired"))?;
        Ok(Self { named, is_retired })
    }
}

/// What `CreateTag` asks for.
#[derive(Debug)]
pub struct CreateTagDetails {
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: String,
    /// `freeformTags` and `definedTags`.
    pub tags: Tags,
    /// `isCostTracking`.
    pub is_cost_tracking: bool,
    /// `validator`.
    pub values: TagValues,
}

impl CreateTagDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self {
            name: fields.required_text("name", NAME)?,
            description: fields.required_text("description", DESCRIPTION)?,
            tags: tags(&mut fields)?,
            is_cost_tracking: fields.boolean("isCostTracking")?.unwrap_or(false),
            values: validator(&mut fields)?.unwrap_or(TagValues::Any),
        };
        fields.finish("name, description, freeformTags, definedTags, isCostTracking, validator")?;
        Ok(details)
    }
}

/// What `UpdateTag` asks for.
#[derive(Debug)]
pub struct UpdateTagDetails {
    /// What everything has.
    pub named: ChangedNamed,
    /// `isRetired`.
    pub is_retired: Option<bool>,
    /// `isCostTracking`.
    pub is_cost_tracking: Option<bool>,
    /// `validator`.
    pub values: Option<TagValues>,
}

impl UpdateTagDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self {
            named: ChangedNamed::take(&mut fields)?,
            is_retired: fields.boolean("isRetired")?,
            is_cost_tracking: fields.boolean("isCostTracking")?,
            values: validator(&mut fields)?,
        };
        fields.finish(&format!("{CHANGED}, isRetired, isCostTracking, validator"))?;
        Ok(details)
    }
}

/// The values that a tag may have.
#[derive(Debug, Clone)]
pub enum TagValues {
    /// Any: a validator of type DEFAULT.
    Any,
    /// These: one of type ENUM.
    Listed(Vec<String>),
}

impl From<TagValues> for Option<Vec<String>> {
    fn from(values: TagValues) -> Self {
        match values {
            TagValues::Any => None,
            TagValues::Listed(values) => Some(values),
        }
    }
}

fn validator(fields: &mut Fields) -> Result<Option<TagValues>, Refusal> {
    let Some(mut validator) = fields.object("validator")? else { return Ok(None) };
    let kind = validator.one_of("validatorType", &["ENUM", "DEFAULT"])?;
    let kind = kind.ok_or_else(|| validator.missing("validatorType"))?;
    let values = validator.texts("values")?;
    validator.finish("validatorType, values")?;
    if kind == "DEFAULT" {
        return Ok(Some(TagValues::Any));
    }
    let rule = format!("must hold 1 to {TAG_VALUES_MAX} values");
    let values = values.filter(|values| (1..=TAG_VALUES_MAX).contains(&values.len()));
    let values = values.ok_or_else(|| Refusal::invalid("validator.values", &rule))?;
    Ok(Some(TagValues::Listed(values)))
}
