use strongroom_model::{DefinedTags, Ocid, Operation};
use strongroom_wire::{
    AddUserToGroupDetails, ChangedNamed, CreateDynamicGroupDetails, CreatePolicyDetails,
    CreateTagDetails, CreateUserDetails, Matched, NewNamed, Query, Refusal,
    UpdateDynamicGroupDetails, UpdatePolicyDetails, UpdateTagDetails, UpdateTagNamespaceDetails,
    UpdateUserDetails, read_api_key, read_target_compartment_id,
};

use super::{
    BY_NAME, ByCompartment, Listing, by_compartment, listing, path_ocid, query_ocid, read,
    second_parameter,
};
use crate::failure::Failure;

/// What is asked of the identity service.
#[derive(Debug)]
pub(crate) enum IdentityAsk {
    ListCompartments(ByCompartment, CompartmentFilter),
    GetCompartment(Ocid),
    CreateCompartment(NewNamed),
    UpdateCompartment(Ocid, ChangedNamed),
    DeleteCompartment(Ocid),
    MoveCompartment(Ocid, Ocid),
    /// `federated`: of an identity provider only, which no user is from.
    ListUsers {
        by: ByCompartment,
        filter: NameFilter,
        federated: bool,
    },
    GetUser(Ocid),
    CreateUser(CreateUserDetails),
    UpdateUser(Ocid, UpdateUserDetails),
    DeleteUser(Ocid),
    ListApiKeys(Ocid),
    UploadApiKey(Ocid, String),
    DeleteApiKey(Ocid, String),
    ListGroups(ByCompartment, NameFilter),
    GetGroup(Ocid),
    CreateGroup(NewNamed),
    UpdateGroup(Ocid, ChangedNamed),
    DeleteGroup(Ocid),
    ListUserGroupMemberships {
        by: ByCompartment,
        user_id: Option<Ocid>,
        group_id: Option<Ocid>,
    },
    GetUserGroupMembership(Ocid),
    AddUserToGroup(AddUserToGroupDetails),
    RemoveUserFromGroup(Ocid),
    ListDynamicGroups(ByCompartment, NameFilter),
    GetDynamicGroup(Ocid),
    CreateDynamicGroup(CreateDynamicGroupDetails),
    UpdateDynamicGroup(Ocid, UpdateDynamicGroupDetails),
    DeleteDynamicGroup(Ocid),
    ListPolicies(ByCompartment, NameFilter),
    GetPolicy(Ocid),
    CreatePolicy(CreatePolicyDetails),
    UpdatePolicy(Ocid, UpdatePolicyDetails),
    DeletePolicy(Ocid),
    ListTagNamespaces {
        by: ByCompartment,
        below: bool,
        filter: NameFilter,
    },
    GetTagNamespace(Ocid),
    CreateTagNamespace(NewNamed),
    UpdateTagNamespace(Ocid, UpdateTagNamespaceDetails),
    DeleteTagNamespace(Ocid),
    ListTags(Ocid, Listing, NameFilter),
    GetTag(Ocid, String),
    CreateTag(Ocid, CreateTagDetails),
    UpdateTag(Ocid, String, UpdateTagDetails),
    DeleteTag(Ocid, String),
    GetTenancy(Ocid),
    ListRegions,
    ListRegionSubscriptions(Ocid),
    ListAvailabilityDomains(Ocid),
}

/// Filters of a list of named things.
#[derive(Debug)]
pub(crate) struct NameFilter {
    pub(crate) name: Option<String>,
    pub(crate) state: Option<&'static str>,
}

/// Filters of `ListCompartments`.
#[derive(Debug)]
pub(crate) struct CompartmentFilter {
    pub(crate) named: NameFilter,
    pub(crate) subtree: bool,
    pub(crate) accessible_only: bool,
}

impl IdentityAsk {
    /// Reads query and body of a request whose route is known to be the identity service's.
    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    pub(super) fn read(matched: &Matched, query: &Query, body: &[u8]) -> Result<Self, Failure> {
        let operation = matched.operation;
        let by = || by_compartment(operation, query, &BY_NAME);
        Ok(match operation {
            Operation::ListCompartments => {
                Self::ListCompartments(by()?, CompartmentFilter::read(query)?)
            }
            Operation::GetCompartment => Self::GetCompartment(path_ocid(matched)?),
            Operation::CreateCompartment => Self::CreateCompartment(read(body, NewNamed::read)?),
            Operation::UpdateCompartment => Self::UpdateCompartment(
                path_ocid(matched)?,
                read(body, ChangedNamed::read_compartment)?,
            ),
            Operation::DeleteCompartment => Self::DeleteCompartment(path_ocid(matched)?),
            Operation::MoveCompartment => {
                Self::MoveCompartment(path_ocid(matched)?, read(body, read_target_compartment_id)?)
            }
            Operation::ListUsers => Self::ListUsers {
                by: by()?,
                filter: NameFilter::read(query)?,
                federated: ["identityProviderId", "externalIdentifier"]
                    .iter()
                    .any(|name| query.get(name).is_some()),
            },
            Operation::GetUser => Self::GetUser(path_ocid(matched)?),
            Operation::CreateUser => Self::CreateUser(read(body, CreateUserDetails::read)?),
            Operation::UpdateUser => {
                Self::UpdateUser(path_ocid(matched)?, read(body, UpdateUserDetails::read)?)
            }
            Operation::DeleteUser => Self::DeleteUser(path_ocid(matched)?),
            Operation::ListApiKeys => Self::ListApiKeys(path_ocid(matched)?),
            Operation::UploadApiKey => {
                Self::UploadApiKey(path_ocid(matched)?, read(body, read_api_key)?)
            }
            Operation::DeleteApiKey => {
                let fingerprint = second_parameter(matched).to_ascii_lowercase();
                Self::DeleteApiKey(path_ocid(matched)?, fingerprint)
            }
            Operation::ListGroups => Self::ListGroups(by()?, NameFilter::read(query)?),
            Operation::GetGroup => Self::GetGroup(path_ocid(matched)?),
            Operation::CreateGroup => Self::CreateGroup(read(body, NewNamed::read)?),
            Operation::UpdateGroup => {
                Self::UpdateGroup(path_ocid(matched)?, read(body, ChangedNamed::read)?)
            }
            Operation::DeleteGroup => Self::DeleteGroup(path_ocid(matched)?),
            Operation::ListUserGroupMemberships => Self::ListUserGroupMemberships {
                by: by()?,
                user_id: query_ocid(query, "userId")?,
                group_id: query_ocid(query, "groupId")?,
            },
            Operation::GetUserGroupMembership => Self::GetUserGroupMembership(path_ocid(matched)?),
            Operation::AddUserToGroup => {
                Self::AddUserToGroup(read(body, AddUserToGroupDetails::read)?)
            }
            Operation::RemoveUserFromGroup => Self::RemoveUserFromGroup(path_ocid(matched)?),
            Operation::ListDynamicGroups => {
                Self::ListDynamicGroups(by()?, NameFilter::read(query)?)
            }
            Operation::GetDynamicGroup => Self::GetDynamicGroup(path_ocid(matched)?),
            Operation::CreateDynamicGroup => {
                Self::CreateDynamicGroup(read(body, CreateDynamicGroupDetails::read)?)
            }
            Operation::UpdateDynamicGroup => Self::UpdateDynamicGroup(
                path_ocid(matched)?,
                read(body, UpdateDynamicGroupDetails::read)?,
            ),
            Operation::DeleteDynamicGroup => Self::DeleteDynamicGroup(path_ocid(matched)?),
            Operation::ListPolicies => Self::ListPolicies(by()?, NameFilter::read(query)?),
            Operation::GetPolicy => Self::GetPolicy(path_ocid(matched)?),
            Operation::CreatePolicy => Self::CreatePolicy(read(body, CreatePolicyDetails::read)?),
            Operation::UpdatePolicy => {
                Self::UpdatePolicy(path_ocid(matched)?, read(body, UpdatePolicyDetails::read)?)
            }
            Operation::DeletePolicy => Self::DeletePolicy(path_ocid(matched)?),
            Operation::ListTagNamespaces => Self::ListTagNamespaces {
                by: by()?,
                below: query.flag("includeSubcompartments")?,
                filter: NameFilter::read(query)?,
            },
            Operation::GetTagNamespace => Self::GetTagNamespace(path_ocid(matched)?),
            Operation::CreateTagNamespace => Self::CreateTagNamespace(read(body, NewNamed::read)?),
            Operation::UpdateTagNamespace => Self::UpdateTagNamespace(
                path_ocid(matched)?,
                read(body, UpdateTagNamespaceDetails::read)?,
            ),
            Operation::DeleteTagNamespace => Self::DeleteTagNamespace(path_ocid(matched)?),
            Operation::ListTags => Self::ListTags(
                path_ocid(matched)?,
                listing(matched, query, &BY_NAME)?,
                NameFilter::read(query)?,
            ),
            Operation::GetTag => Self::GetTag(path_ocid(matched)?, tag_name(matched)),
            Operation::CreateTag => {
                Self::CreateTag(path_ocid(matched)?, read(body, CreateTagDetails::read)?)
            }
            Operation::UpdateTag => Self::UpdateTag(
                path_ocid(matched)?,
                tag_name(matched),
                read(body, UpdateTagDetails::read)?,
            ),
            Operation::DeleteTag => Self::DeleteTag(path_ocid(matched)?, tag_name(matched)),
            Operation::GetTenancy => Self::GetTenancy(path_ocid(matched)?),
            Operation::ListRegions => Self::ListRegions,
            Operation::ListRegionSubscriptions => {
                Self::ListRegionSubscriptions(path_ocid(matched)?)
            }
            Operation::ListAvailabilityDomains => Self::ListAvailabilityDomains(
                query_ocid(query, "compartmentId")?
                    .ok_or_else(|| Refusal::missing("compartmentId"))?,
            ),
            other => {
                let reason = format!("{} is no operation of the identity service", other.name());
                return Err(Failure::internal(reason));
            }
        })
    }

    /// The defined tags that the request puts on something.
    pub(super) fn defined_tags(&self) -> Option<&DefinedTags> {
        match self {
            Self::CreateCompartment(details)
            | Self::CreateGroup(details)
            | Self::CreateTagNamespace(details) => Some(&details.tags.defined),
            Self::CreateUser(details) => Some(&details.named.tags.defined),
            Self::CreateDynamicGroup(details) => Some(&details.named.tags.defined),
            Self::CreatePolicy(details) => Some(&details.named.tags.defined),
            Self::CreateTag(_, details) => Some(&details.tags.defined),
            Self::UpdateCompartment(_, details) | Self::UpdateGroup(_, details) => {
                details.defined_tags.as_ref()
            }
            Self::UpdateUser(_, details) => details.named.defined_tags.as_ref(),
            Self::UpdateDynamicGroup(_, details) => details.named.defined_tags.as_ref(),
            Self::UpdatePolicy(_, details) => details.named.defined_tags.as_ref(),
            Self::UpdateTagNamespace(_, details) => details.named.defined_tags.as_ref(),
            Self::UpdateTag(_, _, details) => details.named.defined_tags.as_ref(),
            _ => None,
        }
    }
}

fn tag_name(matched: &Matched) -> String {
    second_parameter(matched).to_owned()
}

const STATES: [&str; 5] = ["CREATING", "ACTIVE", "INACTIVE", "DELETING", "DELETED"];

impl NameFilter {
    pub(super) fn read(query: &Query) -> Result<Self, Refusal> {
        Ok(Self {
            name: query.get("name").map(str::to_owned),
            state: query.one_of("lifecycleState", &STATES)?,
        })
    }

    /// Tells whether a thing of this name and state is in the list.
    pub(crate) fn admits(&self, name: &str, state: &str) -> bool {
        self.name.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
            && self.state.is_none_or(|wanted| wanted == state)
    }
}

impl CompartmentFilter {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let access = query.one_of("accessLevel", &["ANY", "ACCESSIBLE"])?;
        Ok(Self {
            named: NameFilter::read(query)?,
            subtree: query.flag("compartmentIdInSubtree")?,
            accessible_only: access == Some("ACCESSIBLE"),
        })
    }
}
