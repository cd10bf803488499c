//! What a Strongroom vault answers about refused requests, beyond OCI.

use serde::{Deserialize, Serialize};

use crate::calls::{encode, get, parse};
use crate::client::Client;
use crate::endpoint::Service;
use crate::error::ClientError;

/// Why a request was refused, by the policies as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// `opc-request-id` of the refused request.
    pub request_id: String,
    /// When it was made, RFC 3339.
    pub time: String,
    /// Status that was answered.
    pub status: u16,
    /// Code that was answered.
    pub code: String,
    /// What was wrong, in a sentence.
    pub reason: String,
    /// Name of the operation; absent if the request came to none.
    pub operation: Option<String>,
    /// Who made it; absent if the signature did not hold.
    pub principal: Option<DeniedPrincipal>,
    /// OCID of what was asked for.
    pub target_id: Option<String>,
    /// Compartment of what was asked for, as statements name it.
    pub compartment: Option<String>,
    /// What the operation needs, in order.
    pub required: Vec<DeniedNeed>,
    /// Whether the same request would be allowed now.
    pub is_allowed_now: bool,
    /// The smallest statements that would allow it, for a policy of the tenancy.
    pub suggestions: Vec<String>,
}

/// Who made a refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeniedPrincipal {
    /// `user`, `instance`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// OCID, or the name of a service.
    pub id: String,
    /// Name of a user.
    pub name: Option<String>,
    /// Names of its groups and dynamic groups now.
    pub groups: Vec<String>,
    /// The dynamic groups that a resource is not in.
    pub other_dynamic_groups: Vec<UnmatchedGroup>,
}

/// A dynamic group that a resource is not in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmatchedGroup {
    /// Name.
    pub name: String,
    /// The clause of its rule that does not hold.
    pub failing: String,
}

/// A permission that the operation needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeniedNeed {
    /// The permission.
    pub permission: String,
    /// Where it is needed, as statements name it.
    pub place: String,
    /// `granted`, `not granted`, `denied`, or `absent` if there is nothing to need it on.
    pub verdict: String,
    /// The statement that grants or denies it.
    pub decided_by: Option<DeniedStatement>,
    /// The statements that came nearest, with what kept each from granting it.
    pub considered: Vec<DeniedStatement>,
    /// How many statements there are besides.
    pub others: usize,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeniedStatement {
    /// Name of the policy.
    pub policy: String,
    /// Number of the statement, from 1.
    pub number: usize,
    /// The statement.
    pub text: String,
    /// `subject`, `location`, `action` or `condition`, whichever fails first.
    pub failing: Option<String>,
    /// The failing words of the statement.
    pub failing_text: Option<String>,
}

impl Client {
    /// `GetDenial`: explains the request that was refused under this `opc-request-id`.
    ///
    /// # Errors
    /// A [`ClientError`]; 404 also if nothing was refused under it in the last thirty days.
    pub async fn denial(&self, request_id: &str) -> Result<Denial, ClientError> {
        let target = format!("/_strongroom/v1/denials/{}", encode(request_id));
        parse(&self.send(get(Service::Vaults, target)).await?, "GetDenial")
    }
}
