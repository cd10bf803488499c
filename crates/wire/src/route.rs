use std::collections::HashMap;
use std::sync::LazyLock;

use strongroom_model::Operation;

use crate::query::percent_decode;

/// A method of HTTP that OCI's API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        match name {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// A request's operation, with the path's parameters decoded, in the order of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The operation.
    pub operation: Operation,
    /// Values of the template's `{…}` segments.
    pub parameters: Vec<String>,
}

/// Why no operation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No template has this path.
    Path,
    /// A template has this path, for another method.
    Method,
    /// OCI has operations at this path, this server has none.
    NotImplemented,
}

/// Returns the method and path template of an operation.
///
/// Source: OCI API reference of the service.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one line for each operation")]
pub const fn template(operation: Operation) -> (Method, &'static str) {
    use Method::{Delete, Get, Post, Put};
    match operation {
        Operation::CreateVault => (Post, "/20180608/vaults"),
        Operation::GetVault => (Get, "/20180608/vaults/{vaultId}"),
        Operation::ListVaults => (Get, "/20180608/vaults"),
        Operation::UpdateVault => (Put, "/20180608/vaults/{vaultId}"),
        Operation::ScheduleVaultDeletion => {
            (Post, "/20180608/vaults/{vaultId}/actions/scheduleDeletion")
        }
        Operation::CancelVaultDeletion => {
            (Post, "/20180608/vaults/{vaultId}/actions/cancelDeletion")
        }
        Operation::ChangeVaultCompartment => {
            (Post, "/20180608/vaults/{vaultId}/actions/changeCompartment")
        }
        Operation::GetVaultUsage => (Get, "/20180608/vaults/{vaultId}/usage"),
        Operation::BackupVault => (Post, "/20180608/vaults/{vaultId}/actions/backup"),
        Operation::RestoreVaultFromFile => (Post, "/20180608/vaults/actions/restoreFromFile"),
        Operation::RestoreVaultFromObjectStore => {
            (Post, "/20180608/vaults/actions/restoreFromObjectStore")
        }
        Operation::CreateVaultReplica => (Post, "/20180608/vaults/{vaultId}/actions/createReplica"),
        Operation::DeleteVaultReplica => (Post, "/20180608/vaults/{vaultId}/actions/deleteReplica"),
        Operation::ListVaultReplicas => (Get, "/20180608/vaults/{vaultId}/actions/listReplicas"),
        Operation::UpdateRegisteredVaultForMtls => {
            (Put, "/20180608/vaults/{vaultId}/updateRegisteredVaultForMtls")
        }
        Operation::CreateKey => (Post, "/20180608/keys"),
        Operation::GetKey => (Get, "/20180608/keys/{keyId}"),
        Operation::ListKeys => (Get, "/20180608/keys"),
        Operation::UpdateKey => (Put, "/20180608/keys/{keyId}"),
        Operation::EnableKey => (Post, "/20180608/keys/{keyId}/actions/enable"),
        Operation::DisableKey => (Post, "/20180608/keys/{keyId}/actions/disable"),
        Operation::ScheduleKeyDeletion => (Post, "/20180608/keys/{keyId}/actions/scheduleDeletion"),
        Operation::CancelKeyDeletion => (Post, "/20180608/keys/{keyId}/actions/cancelDeletion"),
        Operation::ChangeKeyCompartment => {
            (Post, "/20180608/keys/{keyId}/actions/changeCompartment")
        }
        Operation::CreateKeyVersion => (Post, "/20180608/keys/{keyId}/keyVersions"),
        Operation::GetKeyVersion => (Get, "/20180608/keys/{keyId}/keyVersions/{keyVersionId}"),
        Operation::ListKeyVersions => (Get, "/20180608/keys/{keyId}/keyVersions"),
        Operation::ScheduleKeyVersionDeletion => {
            (Post, "/20180608/keys/{keyId}/keyVersions/{keyVersionId}/actions/scheduleDeletion")
        }
        Operation::CancelKeyVersionDeletion => {
            (Post, "/20180608/keys/{keyId}/keyVersions/{keyVersionId}/actions/cancelDeletion")
        }
        Operation::GetWrappingKey => (Get, "/20180608/wrappingKeys"),
        Operation::ImportKey => (Post, "/20180608/keys/import"),
        Operation::ImportKeyVersion => (Post, "/20180608/keys/{keyId}/keyVersions/import"),
        Operation::BackupKey => (Post, "/20180608/keys/{keyId}/actions/backup"),
        Operation::RestoreKeyFromFile => (Post, "/20180608/keys/actions/restoreFromFile"),
        Operation::RestoreKeyFromObjectStore => {
            (Post, "/20180608/keys/actions/restoreFromObjectStore")
        }
        Operation::GetReplicationStatus => {
            (Get, "/20180608/replicaOperations/{replicationId}/status")
        }
        Operation::Encrypt => (Post, "/20180608/encrypt"),
        Operation::Decrypt => (Post, "/20180608/decrypt"),
        Operation::GenerateDataEncryptionKey => (Post, "/20180608/generateDataEncryptionKey"),
        Operation::Sign => (Post, "/20180608/sign"),
        Operation::Verify => (Post, "/20180608/verify"),
        Operation::ExportKey => (Post, "/20180608/exportKey"),
        Operation::CreateSecret => (Post, "/20180608/secrets"),
        Operation::GetSecret => (Get, "/20180608/secrets/{secretId}"),
        Operation::ListSecrets => (Get, "/20180608/secrets"),
        Operation::UpdateSecret => (Put, "/20180608/secrets/{secretId}"),
        Operation::ListSecretVersions => (Get, "/20180608/secrets/{secretId}/versions"),
        Operation::GetSecretVersion => {
            (Get, "/20180608/secrets/{secretId}/version/{secretVersionNumber}")
        }
        Operation::ScheduleSecretDeletion => {
            (Post, "/20180608/secrets/{secretId}/actions/scheduleDeletion")
        }
        Operation::CancelSecretDeletion => {
            (Post, "/20180608/secrets/{secretId}/actions/cancelDeletion")
        }
        Operation::ScheduleSecretVersionDeletion => (
            Post,
            "/20180608/secrets/{secretId}/version/{secretVersionNumber}/actions/scheduleDeletion",
        ),
        Operation::CancelSecretVersionDeletion => (
            Post,
            "/20180608/secrets/{secretId}/version/{secretVersionNumber}/actions/cancelDeletion",
        ),
        Operation::ChangeSecretCompartment => {
            (Post, "/20180608/secrets/{secretId}/actions/changeCompartment")
        }
        Operation::RotateSecret => (Post, "/20180608/secrets/{secretId}/actions/rotate"),
        Operation::CancelSecretRotation => {
            (Post, "/20180608/secrets/{secretId}/actions/cancelRotation")
        }
        Operation::GetSecretBundle => (Get, "/20190301/secretbundles/{secretId}"),
        Operation::GetSecretBundleByName => (Post, "/20190301/secretbundles/actions/getByName"),
        Operation::ListSecretBundleVersions => (Get, "/20190301/secretbundles/{secretId}/versions"),
        Operation::ListCompartments => (Get, "/20160918/compartments"),
        Operation::GetCompartment => (Get, "/20160918/compartments/{compartmentId}"),
        Operation::CreateCompartment => (Post, "/20160918/compartments"),
        Operation::UpdateCompartment => (Put, "/20160918/compartments/{compartmentId}"),
        Operation::DeleteCompartment => (Delete, "/20160918/compartments/{compartmentId}"),
        Operation::MoveCompartment => {
            (Post, "/20160918/compartments/{compartmentId}/actions/moveCompartment")
        }
        Operation::ListUsers => (Get, "/20160918/users"),
        Operation::GetUser => (Get, "/20160918/users/{userId}"),
        Operation::CreateUser => (Post, "/20160918/users"),
        Operation::UpdateUser => (Put, "/20160918/users/{userId}"),
        Operation::DeleteUser => (Delete, "/20160918/users/{userId}"),
        Operation::ListApiKeys => (Get, "/20160918/users/{userId}/apiKeys"),
        Operation::UploadApiKey => (Post, "/20160918/users/{userId}/apiKeys"),
        Operation::DeleteApiKey => (Delete, "/20160918/users/{userId}/apiKeys/{fingerprint}"),
        Operation::ListGroups => (Get, "/20160918/groups"),
        Operation::GetGroup => (Get, "/20160918/groups/{groupId}"),
        Operation::CreateGroup => (Post, "/20160918/groups"),
        Operation::UpdateGroup => (Put, "/20160918/groups/{groupId}"),
        Operation::DeleteGroup => (Delete, "/20160918/groups/{groupId}"),
        Operation::ListUserGroupMemberships => (Get, "/20160918/userGroupMemberships"),
        Operation::GetUserGroupMembership => {
            (Get, "/20160918/userGroupMemberships/{userGroupMembershipId}")
        }
        Operation::AddUserToGroup => (Post, "/20160918/userGroupMemberships"),
        Operation::RemoveUserFromGroup => {
            (Delete, "/20160918/userGroupMemberships/{userGroupMembershipId}")
        }
        Operation::ListDynamicGroups => (Get, "/20160918/dynamicGroups"),
        Operation::GetDynamicGroup => (Get, "/20160918/dynamicGroups/{dynamicGroupId}"),
        Operation::CreateDynamicGroup => (Post, "/20160918/dynamicGroups"),
        Operation::UpdateDynamicGroup => (Put, "/20160918/dynamicGroups/{dynamicGroupId}"),
        Operation::DeleteDynamicGroup => (Delete, "/20160918/dynamicGroups/{dynamicGroupId}"),
        Operation::ListPolicies => (Get, "/20160918/policies"),
        Operation::GetPolicy => (Get, "/20160918/policies/{policyId}"),
        Operation::CreatePolicy => (Post, "/20160918/policies"),
        Operation::UpdatePolicy => (Put, "/20160918/policies/{policyId}"),
        Operation::DeletePolicy => (Delete, "/20160918/policies/{policyId}"),
        Operation::ListTagNamespaces => (Get, "/20160918/tagNamespaces"),
        Operation::GetTagNamespace => (Get, "/20160918/tagNamespaces/{tagNamespaceId}"),
        Operation::CreateTagNamespace => (Post, "/20160918/tagNamespaces"),
        Operation::UpdateTagNamespace => (Put, "/20160918/tagNamespaces/{tagNamespaceId}"),
        Operation::DeleteTagNamespace => (Delete, "/20160918/tagNamespaces/{tagNamespaceId}"),
        Operation::ListTags => (Get, "/20160918/tagNamespaces/{tagNamespaceId}/tags"),
        Operation::GetTag => (Get, "/20160918/tagNamespaces/{tagNamespaceId}/tags/{tagName}"),
        Operation::CreateTag => (Post, "/20160918/tagNamespaces/{tagNamespaceId}/tags"),
        Operation::UpdateTag => (Put, "/20160918/tagNamespaces/{tagNamespaceId}/tags/{tagName}"),
        Operation::DeleteTag => (Delete, "/20160918/tagNamespaces/{tagNamespaceId}/tags/{tagName}"),
        Operation::GetTenancy => (Get, "/20160918/tenancies/{tenancyId}"),
        Operation::ListRegions => (Get, "/20160918/regions"),
        Operation::ListRegionSubscriptions => {
            (Get, "/20160918/tenancies/{tenancyId}/regionSubscriptions")
        }
        Operation::ListAvailabilityDomains => (Get, "/20160918/availabilityDomains"),
        Operation::ListEvents => (Get, "/20190901/auditEvents"),
        Operation::ReportSecretVersion => {
            (Put, "/_strongroom/v1/secrets/{secretId}/consumers/{consumerName}")
        }
        Operation::ListSecretConsumers => (Get, "/_strongroom/v1/secrets/{secretId}/consumers"),
        Operation::GetSecretRetirement => (Get, "/_strongroom/v1/secrets/{secretId}/retirement"),
        Operation::UpdateSecretRetirement => (Put, "/_strongroom/v1/secrets/{secretId}/retirement"),
        Operation::WatchSecrets => (Get, "/_strongroom/v1/secretChanges"),
        Operation::ExchangeCertificate => (Post, "/v1/x509"),
        Operation::GenerateUserSecurityToken => (Post, "/v1/token/upst/actions/GenerateUpst"),
        Operation::RefreshUserSecurityToken => (Post, "/v1/authentication/refresh"),
        Operation::CreateWorkload => (Post, "/_strongroom/v1/workloads"),
        Operation::GetWorkload => (Get, "/_strongroom/v1/workloads/{workloadId}"),
        Operation::ListWorkloads => (Get, "/_strongroom/v1/workloads"),
        Operation::UpdateWorkload => (Put, "/_strongroom/v1/workloads/{workloadId}"),
        Operation::ChangeWorkloadCompartment => {
            (Post, "/_strongroom/v1/workloads/{workloadId}/actions/changeCompartment")
        }
        Operation::DeleteWorkload => (Delete, "/_strongroom/v1/workloads/{workloadId}"),
        Operation::IssueWorkloadCertificate => {
            (Post, "/_strongroom/v1/workloads/{workloadId}/actions/issueCertificate")
        }
        Operation::RenewWorkloadCertificate => (Post, "/_strongroom/v1/x509/renew"),
        Operation::RotateTokenSigner => (Post, "/_strongroom/v1/tokenSigner/actions/rotate"),
        Operation::UpdateReadOnly => (Put, "/_strongroom/v1/readOnly"),
        Operation::RotateRootKey => (Post, "/_strongroom/v1/rootKey/actions/rotate"),
        Operation::GetDenial => (Get, "/_strongroom/v1/denials/{requestId}"),
    }
}

/// Finds the operation of a request. Empty path segments are skipped: some clients double the first
/// slash.
///
/// # Errors
/// [`NoRoute`] tells an unknown path from an unknown method.
pub fn find(method: &str, path: &str) -> Result<Matched, NoRoute> {
    let asked = Method::named(method);
    let mut no_route = NoRoute::Path;
    for operation in BY_SHAPE.get(&shape(path)).into_iter().flatten() {
        let (method, template) = template(*operation);
        if !fits(template, path) {
            continue;
        }
        if asked == Some(method) {
            return match parameters(template, path) {
                Some(parameters) => Ok(Matched { operation: *operation, parameters }),
                None => Err(NoRoute::Path),
            };
        }
        no_route = NoRoute::Method;
    }
    if no_route == NoRoute::Path && is_not_implemented(path) {
        return Err(NoRoute::NotImplemented);
    }
    Err(no_route)
}

/// Paths of OCI's API that this server has no part of: dedicated HSM clusters and external key
/// management, and of identity what is about passwords, networks, domains and work requests.
const NOT_IMPLEMENTED: [&str; 16] = [
    "/20180608/hsmClusters",
    "/20180608/ekmsPrivateEndpoints",
    "/20160918/tagDefaults",
    "/20160918/tagNamespaces/{tagNamespaceId}/actions",
    "/20160918/users/{userId}/authTokens",
    "/20160918/users/{userId}/capabilities",
    "/20160918/users/{userId}/state",
    "/20160918/users/{userId}/uiPassword",
    "/20160918/networkSources",
    "/20160918/compartments/{compartmentId}/actions",
    "/20160918/authenticationPolicies",
    "/20160918/domains",
    "/20160918/workRequests",
    "/20160918/taggingWorkRequests",
    "/20160918/faultDomains",
    "/20160918/identityProviders",
];

fn is_not_implemented(path: &str) -> bool {
    NOT_IMPLEMENTED.iter().any(|beginning| {
        let mut given = segments(path);
        segments(beginning)
            .all(|wanted| given.next().is_some_and(|given| is_parameter(wanted) || wanted == given))
    })
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// What a path has in common with the template that it fits: how many segments there are, and the
/// second, which is a parameter in no template.
type Shape<'a> = (usize, Option<&'a str>);

fn shape(path: &str) -> Shape<'_> {
    (segments(path).count(), segments(path).nth(1))
}

/// Few operations have templates of one shape.
static BY_SHAPE: LazyLock<HashMap<Shape<'static>, Vec<Operation>>> = LazyLock::new(|| {
    let mut by_shape: HashMap<_, Vec<_>> = HashMap::new();
    for operation in Operation::ALL {
        by_shape.entry(shape(template(*operation).1)).or_default().push(*operation);
    }
    by_shape
});

fn fits(template: &str, path: &str) -> bool {
    let mut given = segments(path);
    let mut wanted = segments(template);
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if is_parameter(wanted) || wanted == given => {}
            _ => return false,
        }
    }
}

fn parameters(template: &str, path: &str) -> Option<Vec<String>> {
    segments(template)
        .zip(segments(path))
        .filter(|(wanted, _)| is_parameter(wanted))
        .map(|(_, given)| percent_decode(given, false))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_template() {
        for operation in Operation::ALL {
            let (method, template) = template(*operation);
            let method = match method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Put => "PUT",
                Method::Delete => "DELETE",
            };
            assert_eq!(find(method, template).unwrap().operation, *operation);
            assert_eq!(find(method, &format!("/{template}")).unwrap().operation, *operation);
            assert_eq!(find("PATCH", template), Err(NoRoute::Method));
        }
    }

    #[test]
    fn what_oci_has_and_this_server_has_not_is_said_so() {
        for path in [
            "/20180608/hsmClusters/x",
            "/20160918/users/u/authTokens",
            "/20160918/domains",
            "/20160918/taggingWorkRequests/w",
        ] {
            assert_eq!(find("GET", path), Err(NoRoute::NotImplemented), "{path}");
        }
        assert_eq!(find("GET", "/20160918/users/u/other"), Err(NoRoute::Path));
    }

    #[test]
    fn second_segments_are_fixed() {
        for operation in Operation::ALL {
            let (_, second) = shape(template(*operation).1);
            assert!(second.is_some_and(|second| !is_parameter(second)), "{operation:?}");
        }
    }

    #[test]
    fn parameters_are_decoded_and_paths_are_exact() {
        let found = find("GET", "/20180608/secrets/a%2Fb/version/7").unwrap();
        assert_eq!(found.parameters, ["a/b", "7"]);
        for path in ["/", "/20180608", "/20180608/secrets/x/versions/1", "/20180608/Secrets"] {
            assert_eq!(find("GET", path), Err(NoRoute::Path), "{path}");
        }
        assert_eq!(find("GET", "/20180608/secrets/%zz"), Err(NoRoute::Path));
    }
}
