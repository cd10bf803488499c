//! What a tenancy is made of: compartments, users, groups, policies.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::calls::{encode, get, parse};
use crate::client::Client;
use crate::credentials::tenancy_of;
use crate::endpoint::Service;
use crate::error::ClientError;

/// Rows that a page is asked to hold.
const PAGE_ROWS: &str = "1000";

/// Defined tags: keys and values by namespace.
pub type DefinedTagValues = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

/// `Tenancy`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenancyDetails {
    /// OCID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Key of the home region, such as `IAD`.
    pub home_region_key: Option<String>,
}

/// `Compartment`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompartmentSummary {
    /// OCID.
    pub id: String,
    /// OCID of the compartment above it.
    pub compartment_id: String,
    /// Name.
    pub name: String,
    /// Lifecycle state.
    pub lifecycle_state: String,
    /// Defined tags.
    #[serde(default)]
    pub defined_tags: DefinedTagValues,
}

/// `User`, `Group` or `DynamicGroup`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedSummary {
    /// OCID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Matching rule of a dynamic group.
    #[serde(default)]
    pub matching_rule: String,
    /// Defined tags.
    #[serde(default)]
    pub defined_tags: DefinedTagValues,
}

/// `UserGroupMembership`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMembership {
    /// OCID of the user.
    pub user_id: String,
    /// OCID of the group.
    pub group_id: String,
}

/// `Policy`, the fields that this product shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySummary {
    /// OCID.
    pub id: String,
    /// OCID of the compartment that it is attached to.
    pub compartment_id: String,
    /// Name.
    pub name: String,
    /// Its statements.
    pub statements: Vec<String>,
}

impl Client {
    /// Returns the OCID of the tenancy whose user or resource signs.
    ///
    /// # Errors
    /// A [`ClientError`] if there is nothing to sign with.
    pub async fn tenancy_id(&self) -> Result<String, ClientError> {
        Ok(tenancy_of(&self.key_id().await?))
    }

    /// `GetTenancy` of the tenancy whose user signs.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn tenancy(&self) -> Result<TenancyDetails, ClientError> {
        let target = format!("/20160918/tenancies/{}", encode(&self.tenancy_id().await?));
        parse(&self.send(get(Service::Identity, target)).await?, "GetTenancy")
    }

    /// `ListCompartments`, all that are below the tenancy, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn compartments(&self) -> Result<Vec<CompartmentSummary>, ClientError> {
        let parameters =
            vec![("compartmentIdInSubtree", "true".to_owned()), ("accessLevel", "ANY".to_owned())];
        self.listed("compartments", parameters, "ListCompartments").await
    }

    /// `ListUsers`, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn users(&self) -> Result<Vec<NamedSummary>, ClientError> {
        self.listed("users", Vec::new(), "ListUsers").await
    }

    /// `ListGroups`, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn groups(&self) -> Result<Vec<NamedSummary>, ClientError> {
        self.listed("groups", Vec::new(), "ListGroups").await
    }

    /// `ListDynamicGroups`, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn dynamic_groups(&self) -> Result<Vec<NamedSummary>, ClientError> {
        self.listed("dynamicGroups", Vec::new(), "ListDynamicGroups").await
    }

    /// `ListUserGroupMemberships` of a group, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn members(&self, group_id: &str) -> Result<Vec<GroupMembership>, ClientError> {
        let parameters = vec![("groupId", group_id.to_owned())];
        self.listed("userGroupMemberships", parameters, "ListUserGroupMemberships").await
    }

    /// `ListPolicies` of those attached to a compartment, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn policies(&self, compartment_id: &str) -> Result<Vec<PolicySummary>, ClientError> {
        let parameters =
            vec![("compartmentId", compartment_id.to_owned()), ("limit", PAGE_ROWS.to_owned())];
        let path = "/20160918/policies";
        self.all_pages(Service::Identity, path, parameters, "ListPolicies").await
    }

    /// Lists what is of the tenancy.
    async fn listed<T: DeserializeOwned>(
        &self,
        kind: &str,
        parameters: Vec<(&'static str, String)>,
        what: &'static str,
    ) -> Result<Vec<T>, ClientError> {
        let of = [("compartmentId", self.tenancy_id().await?), ("limit", PAGE_ROWS.to_owned())];
        let parameters = of.into_iter().chain(parameters).collect();
        self.all_pages(Service::Identity, &format!("/20160918/{kind}"), parameters, what).await
    }
}
