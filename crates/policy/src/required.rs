use strongroom_model::{Operation, Permission};

use self::Permission as P;

/// How policies are read where Oracle's documentation and the product's mission differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Semantics {
    /// Reading a bundle also needs the use of the secret's key.
    #[default]
    Strict,
    /// What Oracle documents.
    Oracle,
}

/// What a permission is checked on: its compartment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The resource itself, the place of a new one, or the listed compartment.
    Compartment,
    /// The vault that the request refers to.
    Vault,
    /// The key that the request refers to.
    Key,
    /// The group that the user, who is the target, is a member of or is to be one.
    Group,
    /// The compartment that the resource is moved to.
    Destination,
    /// The lowest compartment above both the resource and where it is moved.
    SharedParent,
    /// The tenancy.
    Tenancy,
    /// Each item that the answer would hold: items without it are left out.
    Items,
}

/// A permission that an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The permission.
    pub permission: Permission,
    /// What it is checked on.
    pub on: Target,
}

const fn on(on: Target, permission: Permission) -> Need {
    Need { permission, on }
}

const fn here(permission: Permission) -> Need {
    on(Target::Compartment, permission)
}

/// What `CreateSecret` and `UpdateSecret` need besides, if they say where a secret is replicated.
pub const REPLICATION: &[Need] = &[here(P::SecretReplicateConfigure)];

/// Returns what an operation needs; all of it must be granted.
///
/// Source: OCI policy reference, "Permissions Required for Each API Operation".
#[must_use]
#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
pub const fn required(operation: Operation, semantics: Semantics) -> &'static [Need] {
    match operation {
        Operation::CreateVault => const { &[here(P::VaultCreate)] },
        Operation::GetVault
        | Operation::GetVaultUsage
        | Operation::GetWrappingKey
        | Operation::GetReplicationStatus => const { &[here(P::VaultRead)] },
        Operation::ListVaults | Operation::ListVaultReplicas => const { &[here(P::VaultInspect)] },
        Operation::UpdateVault | Operation::UpdateRegisteredVaultForMtls => {
            const { &[here(P::VaultUpdate)] }
        }
        Operation::ScheduleVaultDeletion | Operation::CancelVaultDeletion => {
            const { &[here(P::VaultDelete)] }
        }
        Operation::ChangeVaultCompartment => {
            const { &[here(P::VaultMove), on(Target::Destination, P::VaultMove)] }
        }
        Operation::BackupVault => const { &[here(P::VaultBackup)] },
        Operation::RestoreVaultFromFile | Operation::RestoreVaultFromObjectStore => {
            const { &[here(P::VaultRestore)] }
        }
        Operation::CreateVaultReplica | Operation::DeleteVaultReplica => {
            const { &[here(P::VaultReplicate)] }
        }
        Operation::CreateKey => {
            const { &[here(P::KeyCreate), on(Target::Vault, P::VaultCreateKey)] }
        }
        Operation::ImportKey => {
            const { &[here(P::KeyImport), on(Target::Vault, P::VaultImportKey)] }
        }
        Operation::GetKey | Operation::GetKeyVersion => const { &[here(P::KeyRead)] },
        Operation::ListKeys | Operation::ListKeyVersions => const { &[here(P::KeyInspect)] },
        Operation::UpdateKey | Operation::EnableKey | Operation::DisableKey => {
            const { &[here(P::KeyUpdate)] }
        }
        Operation::ScheduleKeyDeletion
        | Operation::CancelKeyDeletion
        | Operation::ScheduleKeyVersionDeletion
        | Operation::CancelKeyVersionDeletion => const { &[here(P::KeyDelete)] },
        Operation::ChangeKeyCompartment => {
            const { &[here(P::KeyMove), on(Target::Destination, P::KeyMove)] }
        }
        Operation::CreateKeyVersion => const { &[here(P::KeyRotate)] },
        Operation::ImportKeyVersion => const { &[here(P::KeyImport)] },
        Operation::BackupKey => const { &[here(P::KeyBackup)] },
        Operation::RestoreKeyFromFile | Operation::RestoreKeyFromObjectStore => {
            const { &[here(P::KeyRestore)] }
        }
        Operation::Encrypt | Operation::GenerateDataEncryptionKey => {
            const { &[here(P::KeyEncrypt)] }
        }
        Operation::Decrypt => const { &[here(P::KeyDecrypt)] },
        Operation::Sign => const { &[here(P::KeySign)] },
        Operation::Verify => const { &[here(P::KeyVerify)] },
        Operation::ExportKey => const { &[here(P::KeyExport)] },
        Operation::CreateSecret => {
            const {
                &[
                    here(P::SecretCreate),
                    on(Target::Vault, P::VaultCreateSecret),
                    on(Target::Key, P::KeyEncrypt),
                    on(Target::Key, P::KeyDecrypt),
                ]
            }
        }
        Operation::GetSecret | Operation::GetSecretRetirement => const { &[here(P::SecretRead)] },
        Operation::ListSecrets => const { &[here(P::SecretInspect)] },
        Operation::UpdateSecret | Operation::UpdateSecretRetirement => {
            const { &[here(P::SecretUpdate)] }
        }
        Operation::ScheduleSecretDeletion | Operation::CancelSecretDeletion => {
            const { &[here(P::SecretDelete)] }
        }
        Operation::ScheduleSecretVersionDeletion | Operation::CancelSecretVersionDeletion => {
            const { &[here(P::SecretVersionDelete), here(P::SecretUpdate)] }
        }
        Operation::ChangeSecretCompartment => {
            const {
                &[
                    here(P::SecretMove),
                    here(P::SecretUpdate),
                    on(Target::Destination, P::SecretMove),
                    on(Target::Destination, P::SecretUpdate),
                ]
            }
        }
        Operation::RotateSecret | Operation::CancelSecretRotation => {
            const { &[here(P::SecretRotate)] }
        }
        Operation::ListSecretVersions => const { &[here(P::SecretVersionInspect)] },
        Operation::GetSecretVersion => const { &[here(P::SecretVersionRead)] },
        Operation::GetSecretBundle | Operation::GetSecretBundleByName => match semantics {
            Semantics::Strict => {
                const { &[here(P::SecretBundleRead), on(Target::Key, P::KeyDecrypt)] }
            }
            Semantics::Oracle => const { &[here(P::SecretBundleRead)] },
        },
        Operation::ListSecretBundleVersions => const { &[here(P::SecretBundleInspect)] },
        Operation::ListCompartments
        | Operation::GetCompartment
        | Operation::ListAvailabilityDomains => const { &[here(P::CompartmentInspect)] },
        Operation::CreateCompartment => const { &[here(P::CompartmentCreate)] },
        Operation::UpdateCompartment => const { &[here(P::CompartmentUpdate)] },
        Operation::DeleteCompartment => const { &[here(P::CompartmentDelete)] },
        Operation::MoveCompartment => {
            const {
                &[
                    on(Target::SharedParent, P::CompartmentUpdate),
                    on(Target::SharedParent, P::VaultMove),
                    on(Target::SharedParent, P::KeyMove),
                    on(Target::SharedParent, P::SecretMove),
                    on(Target::SharedParent, P::PolicyUpdate),
                    on(Target::SharedParent, P::TagNamespaceMove),
                    on(Target::SharedParent, P::WorkloadMove),
                ]
            }
        }
        Operation::ListUsers | Operation::GetUser => const { &[here(P::UserInspect)] },
        Operation::CreateUser => const { &[here(P::UserCreate)] },
        Operation::UpdateUser => const { &[here(P::UserUpdate)] },
        Operation::DeleteUser => const { &[here(P::UserDelete)] },
        Operation::ListApiKeys => const { &[here(P::UserRead)] },
        Operation::UploadApiKey => const { &[here(P::UserUpdate), here(P::UserApikeyAdd)] },
        Operation::DeleteApiKey => const { &[here(P::UserUpdate), here(P::UserApikeyRemove)] },
        Operation::ListGroups | Operation::GetGroup => const { &[here(P::GroupInspect)] },
        Operation::CreateGroup => const { &[here(P::GroupCreate)] },
        Operation::UpdateGroup => const { &[here(P::GroupUpdate)] },
        Operation::DeleteGroup => const { &[here(P::GroupDelete)] },
        Operation::ListUserGroupMemberships => {
            const { &[here(P::GroupInspect), here(P::UserInspect)] }
        }
        Operation::GetUserGroupMembership => {
            const { &[here(P::UserInspect), on(Target::Group, P::GroupInspect)] }
        }
        Operation::AddUserToGroup | Operation::RemoveUserFromGroup => {
            const { &[on(Target::Group, P::GroupUpdate), here(P::UserUpdate)] }
        }
        Operation::ListDynamicGroups | Operation::GetDynamicGroup => {
            const { &[here(P::DynamicGroupInspect)] }
        }
        Operation::CreateDynamicGroup => const { &[here(P::DynamicGroupCreate)] },
        Operation::UpdateDynamicGroup => const { &[here(P::DynamicGroupUpdate)] },
        Operation::DeleteDynamicGroup => const { &[here(P::DynamicGroupDelete)] },
        Operation::ListPolicies | Operation::GetPolicy => const { &[here(P::PolicyRead)] },
        Operation::CreatePolicy => const { &[here(P::PolicyCreate)] },
        Operation::UpdatePolicy => const { &[here(P::PolicyUpdate)] },
        Operation::DeletePolicy => const { &[here(P::PolicyDelete)] },
        Operation::ListTagNamespaces
        | Operation::GetTagNamespace
        | Operation::ListTags
        | Operation::GetTag => const { &[here(P::TagNamespaceInspect)] },
        Operation::CreateTagNamespace => const { &[here(P::TagNamespaceCreate)] },
        Operation::UpdateTagNamespace => const { &[here(P::TagNamespaceUpdate)] },
        Operation::DeleteTagNamespace | Operation::DeleteTag => {
            const { &[here(P::TagNamespaceDelete)] }
        }
        Operation::CreateTag | Operation::UpdateTag => const { &[here(P::TagNamespaceUse)] },
        Operation::GetTenancy | Operation::ListRegions | Operation::ListRegionSubscriptions => {
            const { &[on(Target::Tenancy, P::TenancyInspect)] }
        }
        Operation::ListEvents => const { &[here(P::AuditEventRead)] },
        Operation::ReportSecretVersion => const { &[here(P::SecretConsumerReport)] },
        Operation::ListSecretConsumers => const { &[here(P::SecretConsumerInspect)] },
        Operation::GetDenial => const { &[here(P::DenialRead)] },
        Operation::CreateWorkload => const { &[here(P::WorkloadCreate)] },
        Operation::GetWorkload => const { &[here(P::WorkloadRead)] },
        Operation::ListWorkloads => const { &[here(P::WorkloadInspect)] },
        Operation::UpdateWorkload => const { &[here(P::WorkloadUpdate)] },
        Operation::ChangeWorkloadCompartment => {
            const { &[here(P::WorkloadMove), on(Target::Destination, P::WorkloadMove)] }
        }
        Operation::DeleteWorkload => const { &[here(P::WorkloadDelete)] },
        Operation::IssueWorkloadCertificate => const { &[here(P::WorkloadIssue)] },
        Operation::RotateTokenSigner | Operation::UpdateReadOnly | Operation::RotateRootKey => {
            const { &[on(Target::Tenancy, P::TenancyUpdate)] }
        }
        // Who they are was proved; each is given only what stands for themselves.
        Operation::ExchangeCertificate
        | Operation::GenerateUserSecurityToken
        | Operation::RefreshUserSecurityToken
        | Operation::RenewWorkloadCertificate => &[],
        Operation::WatchSecrets => const { &[on(Target::Items, P::SecretRead)] },
    }
}

/// Operations of OCI that this server does not answer, and what they need: for policies that speak of
/// them.
///
/// Source: OCI policy reference, "Permissions Required for Each API Operation".
const ELSEWHERE: &[(&str, &[Permission])] = &[
    ("AssembleEffectiveTagSet", &[P::TagDefaultInspect]),
    ("CascadeDeleteTagNamespace", &[P::TagNamespaceDelete]),
    ("ChangeTagNamespaceCompartment", &[P::TagNamespaceMove]),
    ("CreateAuthToken", &[P::UserUpdate, P::UserAuthtokenSet]),
    ("CreateNetworkSource", &[P::NetworkSourceCreate]),
    ("CreateRegionSubscription", &[P::TenancyUpdate]),
    ("CreateTagDefault", &[P::TagDefaultManage]),
    ("DeleteAuthToken", &[P::UserUpdate, P::UserAuthtokenRemove]),
    ("DeleteNetworkSource", &[P::NetworkSourceDelete]),
    ("DeleteTagDefault", &[P::TagDefaultManage]),
    ("GetAuthenticationPolicy", &[P::AuthenticationPolicyInspect]),
    ("GetConfiguration", &[P::AuditConfiguration]),
    ("GetNetworkSource", &[P::NetworkSourceInspect]),
    ("GetTagDefault", &[P::TagDefaultInspect]),
    ("GetWorkRequest", &[P::CompartmentRead]),
    ("ListAuthTokens", &[P::UserRead]),
    ("ListFaultDomains", &[P::CompartmentInspect]),
    ("ListNetworkSources", &[P::NetworkSourceInspect]),
    ("ListTagDefaults", &[P::TagDefaultInspect]),
    ("ListWorkRequests", &[P::CompartmentRead]),
    ("RecoverCompartment", &[P::CompartmentRecover]),
    ("UpdateAuthToken", &[P::UserUpdate, P::UserAuthtokenReset]),
    ("UpdateAuthenticationPolicy", &[P::AuthenticationPolicyUpdate]),
    ("UpdateConfiguration", &[P::AuditConfiguration]),
    ("UpdateNetworkSource", &[P::NetworkSourceUpdate]),
    ("UpdateTagDefault", &[P::TagDefaultManage]),
    ("UpdateUserCapabilities", &[P::UserUpdate]),
    ("UpdateUserState", &[P::UserUpdate, P::UserUnblock]),
];

/// Returns what an operation needs, by its name; none if nobody knows it. What operations of other
/// servers need is checked on the resource itself.
#[must_use]
pub fn needs_by_name(name: &str, semantics: Semantics) -> Option<Vec<Need>> {
    if let Some(operation) = Operation::ALL.iter().find(|known| known.name() == name) {
        return Some(required(*operation, semantics).to_vec());
    }
    let found = ELSEWHERE.iter().find(|(known, _)| *known == name);
    found.map(|(_, permissions)| permissions.iter().copied().map(here).collect())
}

/// Returns the permissions that an operation needs, by its name; none if nobody knows it.
#[must_use]
pub fn required_by_name(name: &str, semantics: Semantics) -> Option<Vec<Permission>> {
    let needs = needs_by_name(name, semantics)?;
    Some(needs.into_iter().map(|need| need.permission).collect())
}

/// Iterates over the names of all operations whose needs are known.
pub fn operation_names() -> impl Iterator<Item = &'static str> {
    let own = Operation::ALL.iter().map(|operation| operation.name());
    own.chain(ELSEWHERE.iter().map(|(name, _)| *name))
}
