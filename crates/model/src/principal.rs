use crate::Ocid;

/// Who makes a request, once the signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The tenancy that vouches for the principal.
    pub tenancy_id: Ocid,
    /// The user.
    pub user_id: Ocid,
    /// The user's name.
    pub user_name: String,
    /// The groups that the user is a member of.
    pub group_ids: Vec<Ocid>,
}
