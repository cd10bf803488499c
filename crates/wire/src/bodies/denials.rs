//! What this server answers about refused requests, beyond OCI.

use serde::Serialize;

/// Why a request was refused, by the policies as they are now.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DenialBody {
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
    pub principal: Option<DenialPrincipal>,
    /// OCID of what was asked for.
    pub target_id: Option<String>,
    /// Compartment of what was asked for.
    pub compartment: Option<String>,
    /// What the operation needs, in order.
    pub required: Vec<DenialNeed>,
    /// Whether the same request would be allowed now.
    pub is_allowed_now: bool,
    /// The smallest statements that would allow it, for a policy of the tenancy.
    pub suggestions: Vec<String>,
}

/// Who made a refused request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DenialPrincipal {
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
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnmatchedGroup {
    /// Name.
    pub name: String,
    /// The clause of its rule that does not hold.
    pub failing: String,
}

/// A permission that the operation needs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DenialNeed {
    /// The permission.
    pub permission: String,
    /// Where it is needed: a compartment by name and path.
    pub place: String,
    /// `granted`, `not granted`, `denied`, or `absent` if there is nothing to need it on.
    pub verdict: &'static str,
    /// The statement that grants or denies it.
    pub decided_by: Option<DenialStatement>,
    /// The statements that came nearest, with what kept each from granting it.
    pub considered: Vec<DenialStatement>,
    /// How many statements there are besides.
    pub others: usize,
}

/// A statement of a policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DenialStatement {
    /// Name of the policy.
    pub policy: String,
    /// Number of the statement, from 1.
    pub number: usize,
    /// The statement.
    pub text: String,
    /// `subject`, `location`, `action` or `condition`, whichever fails first.
    pub failing: Option<&'static str>,
    /// The failing words of the statement.
    pub failing_text: Option<String>,
}
