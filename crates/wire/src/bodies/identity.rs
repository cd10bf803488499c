use serde::Serialize;
use strongroom_model::{Compartment, CompartmentState, Region, Tags, Tenancy, Timestamp, User};

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

/// `User`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserBody<'a> {
    id: &'a str,
    compartment_id: &'a str,
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    lifecycle_state: &'static str,
    is_mfa_activated: bool,
    capabilities: Capabilities,
    #[serde(serialize_with = "time")]
    time_created: Timestamp,
    #[serde(flatten)]
    tags: TagFields<'a>,
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
            id: user.id.as_str(),
            compartment_id: user.compartment_id.as_str(),
            name: &user.name,
            description: &user.description,
            email: user.email.as_deref(),
            lifecycle_state: "ACTIVE",
            is_mfa_activated: false,
            capabilities: Capabilities { can_use_api_keys: true, can_use_console_password: false },
            time_created: user.time_created,
            tags: TagFields::from(&user.tags),
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
    /// Renders the subscription to the home region.
    #[must_use]
    pub fn home(region: &'static Region) -> Self {
        Self {
            region_key: region.key.to_uppercase(),
            region_name: region.name,
            status: "READY",
            is_home_region: true,
        }
    }
}
