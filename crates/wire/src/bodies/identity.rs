use serde::Serialize;
use strongroom_model::{
    ApiKey, Compartment, CompartmentState, DynamicGroup, Group, Ocid, Policy, Region, Tag,
    TagNamespace, Tags, Tenancy, Timestamp, User,
};

use super::{TagFields, time};

/// `Compartment`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompartmentBody<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    compartment_id: Option<&'a str>,
    name: &'a str,
    description: &'a str,
    lifecycle_state: CompartmentState,
    is_accessible: bool,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> From<&'a Compartment> for CompartmentBody<'a> {
    fn from(compartment: &'a Compartment) -> Self {
        Self {
            id: compartment.id.as_str(),
            compartment_id: Some(compartment.compartment_id.as_str()),
            name: &compartment.name,
            description: &compartment.description,
            lifecycle_state: compartment.state,
            is_accessible: true,
            time_created: compartment.time_created,
            tags: TagFields::from(&compartment.tags),
        }
    }
}

impl<'a> CompartmentBody<'a> {
    /// Renders a compartment for those who may inspect one below it, and not itself.
    #[must_use]
    pub fn restricted(compartment: &'a Compartment, no_tags: &'a Tags) -> Self {
        Self { description: "", tags: TagFields::from(no_tags), ..Self::from(compartment) }
    }

    /// Renders the root compartment, which has no parent.
    #[must_use]
    pub fn root(tenancy: &'a Tenancy, no_tags: &'a Tags) -> Self {
        Self {
            id: tenancy.id.as_str(),
            compartment_id: None,
            name: &tenancy.name,
            description: "The root compartment of the tenancy",
            lifecycle_state: CompartmentState::Active,
            is_accessible: true,
            time_created: tenancy.time_created,
            tags: TagFields::from(no_tags),
        }
    }
}

/// What every body of the identity service has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    id: &'a str,
    compartment_id: &'a str,
    name: &'a str,
    description: &'a str,
    lifecycle_state: &'static str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

macro_rules! named {
    ($thing:ident) => {
        Named {
            id: $thing.id.as_str(),
            compartment_id: $thing.compartment_id.as_str(),
            name: &$thing.name,
            description: &$thing.description,
            lifecycle_state: "ACTIVE",
            time_created: $thing.time_created,
            tags: TagFields::from(&$thing.tags),
        }
    };
}

/// `User`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserBody<'a> {
    #[serde(flatten)]
    named: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    is_mfa_activated: bool,
    capabilities: Capabilities,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    can_use_api_keys: bool,
    can_use_console_password: bool,
}

impl<'a> From<&'a User> for UserBody<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            named: named!(user),
            email: user.email.as_deref(),
            is_mfa_activated: false,
            capabilities: Capabilities { can_use_api_keys: true, can_use_console_password: false },
        }
    }
}

/// `Group`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct GroupBody<'a>(Named<'a>);

impl<'a> From<&'a Group> for GroupBody<'a> {
    fn from(group: &'a Group) -> Self {
        Self(named!(group))
    }
}

/// `UserGroupMembership`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MembershipBody<'a> {
    id: String,
    compartment_id: &'a str,
    user_id: &'a str,
    group_id: &'a str,
    lifecycle_state: &'static str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
}

impl<'a> MembershipBody<'a> {
    /// Renders the membership of a user in a group.
    #[must_use]
    pub fn new(user: &'a User, group: &'a Ocid) -> Self {
        Self {
            id: user.membership_id(group).to_string(),
            compartment_id: user.compartment_id.as_str(),
            user_id: user.id.as_str(),
            group_id: group.as_str(),
            lifecycle_state: "ACTIVE",
            time_created: user.member_since(group),
        }
    }
}

/// `ApiKey`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyBody<'a> {
    key_id: String,
    key_value: &'a str,
    fingerprint: &'a str,
    user_id: &'a str,
    lifecycle_state: &'static str,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
}

impl<'a> ApiKeyBody<'a> {
    /// Renders a key of a tenancy's user.
    #[must_use]
    pub fn new(tenancy: &Ocid, key: &'a ApiKey) -> Self {
        Self {
            key_id: format!("{tenancy}/{}/{}", key.user_id, key.fingerprint),
            key_value: &key.public_key_pem,
            fingerprint: &key.fingerprint,
            user_id: key.user_id.as_str(),
            lifecycle_state: "ACTIVE",
            time_created: key.time_created,
        }
    }
}

/// `DynamicGroup`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicGroupBody<'a> {
    #[serde(flatten)]
    named: Named<'a>,
    matching_rule: &'a str,
}

impl<'a> From<&'a DynamicGroup> for DynamicGroupBody<'a> {
    fn from(group: &'a DynamicGroup) -> Self {
        Self { named: named!(group), matching_rule: &group.matching_rule }
    }
}

/// `Policy`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyBody<'a> {
    #[serde(flatten)]
    named: Named<'a>,
    statements: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    version_date: Option<&'a str>,
}

impl<'a> From<&'a Policy> for PolicyBody<'a> {
    fn from(policy: &'a Policy) -> Self {
        Self {
            named: named!(policy),
            statements: &policy.statements,
            version_date: policy.version_date.as_deref(),
        }
    }
}

/// `TagNamespace`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagNamespaceBody<'a> {
    #[serde(flatten)]
    named: Named<'a>,
    is_retired: bool,
}

impl<'a> From<&'a TagNamespace> for TagNamespaceBody<'a> {
    fn from(namespace: &'a TagNamespace) -> Self {
        let mut named = named!(namespace);
        named.lifecycle_state = retirable(namespace.is_retired);
        Self { named, is_retired: namespace.is_retired }
    }
}

const fn retirable(is_retired: bool) -> &'static str {
    if is_retired { "INACTIVE" } else { "ACTIVE" }
}

/// `Tag`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagBody<'a> {
    id: &'a str,
    compartment_id: &'a str,
    tag_namespace_id: &'a str,
    tag_namespace_name: &'a str,
    name: &'a str,
    description: &'a str,
    is_retired: bool,
    is_cost_tracking: bool,
    lifecycle_state: &'static str,
    validator: Validator<'a>,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Validator<'a> {
    validator_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<&'a [String]>,
}

impl<'a> TagBody<'a> {
    /// Renders a tag of a namespace.
    #[must_use]
    pub fn new(namespace: &'a TagNamespace, tag: &'a Tag) -> Self {
        Self {
            id: tag.id.as_str(),
            compartment_id: namespace.compartment_id.as_str(),
            tag_namespace_id: namespace.id.as_str(),
            tag_namespace_name: &namespace.name,
            name: &tag.name,
            description: &tag.description,
            is_retired: tag.is_retired,
            is_cost_tracking: tag.is_cost_tracking,
            lifecycle_state: retirable(tag.is_retired),
            validator: Validator {
                validator_type: if tag.values.is_some() { "ENUM" } else { "DEFAULT" },
                values: tag.values.as_deref(),
            },
            time_created: tag.time_created,
            tags: TagFields::from(&tag.tags),
        }
    }
}

/// `Tenancy`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenancyBody<'a> {
    id: &'a str,
    name: &'a str,
    description: &'a str,
    home_region_key: String,
    #[serde(flatten)]
    tags: TagFields<'a>,
}

impl<'a> TenancyBody<'a> {
    /// Renders the tenancy, whose home is `region`.
    #[must_use]
    pub fn new(tenancy: &'a Tenancy, region: &Region, no_tags: &'a Tags) -> Self {
        Self {
            id: tenancy.id.as_str(),
            name: &tenancy.name,
            description: &tenancy.name,
            home_region_key: region.key.to_uppercase(),
            tags: TagFields::from(no_tags),
        }
    }
}

/// `Region`.
#[derive(Debug, Serialize)]
pub struct RegionBody {
    key: String,
    name: &'static str,
}

impl From<&'static Region> for RegionBody {
    fn from(region: &'static Region) -> Self {
        Self { key: region.key.to_uppercase(), name: region.name }
    }
}

/// `AvailabilityDomain`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailabilityDomain<'a> {
    id: String,
    name: String,
    compartment_id: &'a str,
}

impl<'a> AvailabilityDomain<'a> {
    /// Renders the one availability domain of `region`.
    #[must_use]
    pub fn only(tenancy: &'a Ocid, region: &Region) -> Self {
        let (realm, key) = (region.realm.key, region.key);
        Self {
            id: format!("ocid1.availabilitydomain.{realm}.{key}.strongroom"),
            name: format!("strongroom:{}-AD-1", region.name.to_uppercase()),
            compartment_id: tenancy.as_str(),
        }
    }
}

/// `RegionSubscription`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionSubscription {
    region_key: String,
    region_name: &'static str,
    status: &'static str,
    is_home_region: bool,
}

impl RegionSubscription {
    /// Renders the subscription to a region, which may be the home region.
    #[must_use]
    pub fn new(region: &'static Region, is_home_region: bool) -> Self {
        Self {
            region_key: region.key.to_uppercase(),
            region_name: region.name,
            status: "READY",
            is_home_region,
        }
    }
}
