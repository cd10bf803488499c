use strongroom_model::{Permission, PermissionSet};

use self::Permission as P;

/// A verb: each grants what the ones before it grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// `inspect`.
    Inspect,
    /// `read`.
    Read,
    /// `use`.
    Use,
    /// `manage`.
    Manage,
}

impl Verb {
    /// Every verb, the weakest first.
    pub const ALL: [Self; 4] = [Self::Inspect, Self::Read, Self::Use, Self::Manage];

    /// Returns the verb's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Read => "read",
            Self::Use => "use",
            Self::Manage => "manage",
        }
    }
}

macro_rules! resource_types {
    ($($variant:ident $name:literal $(| $alias:literal)*;)*) => {
        /// A resource-type or family of them.
        ///
        /// Source: OCI policy reference, "Details for the Vault Service", "Details for IAM",
        /// "Details for Audit"; `secret-consumers`, `denials` and `workloads` are
        /// this server's own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ResourceType {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl ResourceType {
            /// Every resource-type and family.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns Oracle's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Finds a resource-type by name, compared without case; spellings seen in the wild
            /// count too.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name.to_ascii_lowercase().as_str() {
                    $($name $(| $alias)* => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

resource_types! {
    AllResources "all-resources";
    SecretFamily "secret-family";
    KeyFamily "key-family" | "vault-family";
    Vaults "vaults" | "vault";
    Keys "keys";
    KeyDelegate "key-delegate" | "key-delegates";
    HsmCluster "hsm-cluster";
    Secrets "secrets";
    SecretVersions "secret-versions";
    SecretBundles "secret-bundles";
    SecretReplication "secret-replication";
    AuthenticationPolicies "authentication-policies";
    Compartments "compartments";
    DynamicGroups "dynamic-groups";
    Groups "groups";
    NetworkSources "network-sources";
    Policies "policies";
    TagNamespaces "tag-namespaces" | "tag-namespace";
    TagDefaults "tag-defaults";
    Tenancies "tenancies";
    Users "users";
    AuditEvents "audit-events";
    SecretConsumers "secret-consumers";
    Denials "denials";
    Workloads "workloads";
}

/// Returns all that a verb grants on a resource-type.
#[must_use]
pub fn permissions_of(resource_type: ResourceType, verb: Verb) -> PermissionSet {
    let levels = Verb::ALL.into_iter().filter(|level| *level <= verb);
    levels.fold(PermissionSet::EMPTY, |set, level| set | added_at(resource_type, level))
}

/// Returns all that denying a verb takes away: what the verbs below it do not grant. Some permissions
/// stand at two levels of Oracle's tables; to deny the higher one leaves what the lower one grants.
///
/// Source: OCI documentation, "Deny Policies", metaverb inversion.
#[must_use]
pub fn denied_by(resource_type: ResourceType, verb: Verb) -> PermissionSet {
    let below = Verb::ALL.into_iter().filter(|level| *level < verb);
    let left = below.fold(PermissionSet::EMPTY, |set, level| set | added_at(resource_type, level));
    permissions_of(resource_type, Verb::Manage).without(left)
}

fn union(members: &[ResourceType], verb: Verb) -> PermissionSet {
    members.iter().fold(PermissionSet::EMPTY, |set, member| set | added_at(*member, verb))
}

/// What a level grants beyond the one before.
fn added_at(resource_type: ResourceType, verb: Verb) -> PermissionSet {
    use ResourceType as R;
    match resource_type {
        R::AllResources => {
            let single =
                |member: &&R| !matches!(member, R::AllResources | R::SecretFamily | R::KeyFamily);
            let members: Vec<R> = R::ALL.iter().filter(single).copied().collect();
            union(&members, verb)
        }
        R::SecretFamily => union(&[R::Secrets, R::SecretVersions, R::SecretBundles], verb),
        R::KeyFamily => union(&[R::Vaults, R::Keys, R::KeyDelegate], verb),
        R::Vaults | R::Keys | R::KeyDelegate | R::HsmCluster => {
            PermissionSet::of(key_management(resource_type, verb))
        }
        R::Secrets
        | R::SecretVersions
        | R::SecretBundles
        | R::SecretReplication
        | R::SecretConsumers => PermissionSet::of(secret_management(resource_type, verb)),
        R::Users => PermissionSet::of(users(verb)),
        _ => PermissionSet::of(identity(resource_type, verb)),
    }
}

const fn key_management(resource_type: ResourceType, verb: Verb) -> &'static [Permission] {
    use ResourceType as R;
    match (resource_type, verb) {
        (R::Vaults, Verb::Inspect) => &[P::VaultInspect],
        (R::Vaults, Verb::Read) => &[P::VaultRead],
        (R::Vaults, Verb::Use) => &[P::VaultCreateKey, P::VaultImportKey, P::VaultCreateSecret],
        (R::Vaults, Verb::Manage) => &[
            P::VaultCreate,
            P::VaultUpdate,
            P::VaultDelete,
            P::VaultMove,
            P::VaultBackup,
            P::VaultRestore,
            P::VaultReplicate,
        ],
        (R::Keys, Verb::Inspect) => &[P::KeyInspect],
        (R::Keys, Verb::Read) => &[P::KeyRead],
        (R::Keys, Verb::Use) => {
            &[P::KeyEncrypt, P::KeyDecrypt, P::KeyExport, P::KeySign, P::KeyVerify]
        }
        (R::Keys, Verb::Manage) => &[
            P::KeyCreate,
            P::KeyUpdate,
            P::KeyRotate,
            P::KeyDelete,
            P::KeyMove,
            P::KeyImport,
            P::KeyBackup,
            P::KeyRestore,
        ],
        (R::KeyDelegate, Verb::Use) => &[P::KeyAssociate, P::KeyDisassociate],
        (R::HsmCluster, Verb::Inspect) => &[P::HsmClusterInspect],
        (R::HsmCluster, Verb::Read) => &[P::HsmClusterRead],
        (R::HsmCluster, Verb::Use) => &[P::HsmClusterUpdate],
        (R::HsmCluster, Verb::Manage) => {
            &[P::HsmClusterDelete, P::HsmClusterCreate, P::HsmClusterMove]
        }
        _ => &[],
    }
}

const fn secret_management(resource_type: ResourceType, verb: Verb) -> &'static [Permission] {
    use ResourceType as R;
    match (resource_type, verb) {
        (R::Secrets, Verb::Inspect) => &[P::SecretInspect],
        (R::Secrets, Verb::Read) => &[P::SecretRead],
        (R::Secrets, Verb::Use) => &[P::SecretUpdate, P::SecretRotate],
        (R::Secrets, Verb::Manage) => &[
            P::SecretCreate,
            P::SecretDelete,
            P::SecretMove,
            P::SecretRotate,
            P::SecretReplicateConfigure,
        ],
        (R::SecretVersions, Verb::Inspect) => &[P::SecretVersionInspect],
        (R::SecretVersions, Verb::Read) => &[P::SecretVersionRead],
        (R::SecretVersions, Verb::Manage) => &[P::SecretVersionDelete],
        (R::SecretBundles, Verb::Inspect) => &[P::SecretBundleInspect],
        (R::SecretBundles, Verb::Read) => &[P::SecretBundleRead],
        (R::SecretReplication, Verb::Use) => &[P::SecretReplicate],
        (R::SecretConsumers, Verb::Inspect) => &[P::SecretConsumerInspect],
        (R::SecretConsumers, Verb::Use) => &[P::SecretConsumerReport],
        _ => &[],
    }
}

/// `COMPARTMENT_READ`, `TAG_DEFAULT_MANAGE` and `AUDIT_CONFIGURATION` are asked for by operations
/// and granted by no row of Oracle's tables; they stand with the rows they belong to.
const fn identity(resource_type: ResourceType, verb: Verb) -> &'static [Permission] {
    use ResourceType as R;
    match (resource_type, verb) {
        (R::Denials, Verb::Read) => &[P::DenialRead],
        (R::Workloads, Verb::Inspect) => &[P::WorkloadInspect],
        (R::Workloads, Verb::Read) => &[P::WorkloadRead],
        (R::Workloads, Verb::Use) => &[P::WorkloadUpdate],
        (R::Workloads, Verb::Manage) => {
            &[P::WorkloadCreate, P::WorkloadDelete, P::WorkloadMove, P::WorkloadIssue]
        }
        (R::AuthenticationPolicies, Verb::Inspect) => &[P::AuthenticationPolicyInspect],
        (R::AuthenticationPolicies, Verb::Manage) => &[P::AuthenticationPolicyUpdate],
        (R::Compartments, Verb::Inspect) => &[P::CompartmentInspect, P::CompartmentRead],
        (R::Compartments, Verb::Use) => &[P::CompartmentUpdate],
        (R::Compartments, Verb::Manage) => {
            &[P::CompartmentCreate, P::CompartmentDelete, P::CompartmentRecover]
        }
        (R::DynamicGroups, Verb::Inspect) => &[P::DynamicGroupInspect],
        (R::DynamicGroups, Verb::Use) => &[P::DynamicGroupUpdate],
        (R::DynamicGroups, Verb::Manage) => &[P::DynamicGroupCreate, P::DynamicGroupDelete],
        (R::Groups, Verb::Inspect) => &[P::GroupInspect],
        (R::Groups, Verb::Use) => &[P::GroupUpdate],
        (R::Groups, Verb::Manage) => &[P::GroupCreate, P::GroupDelete],
        (R::NetworkSources, Verb::Inspect) => &[P::NetworkSourceInspect],
        (R::NetworkSources, Verb::Use) => &[P::NetworkSourceUpdate],
        (R::NetworkSources, Verb::Manage) => &[P::NetworkSourceCreate, P::NetworkSourceDelete],
        (R::Policies, Verb::Inspect) => &[P::PolicyRead],
        (R::Policies, Verb::Manage) => &[P::PolicyUpdate, P::PolicyCreate, P::PolicyDelete],
        (R::TagNamespaces, Verb::Inspect) => &[P::TagNamespaceInspect],
        (R::TagNamespaces, Verb::Use) => &[P::TagNamespaceUse],
        (R::TagNamespaces, Verb::Manage) => &[
            P::TagNamespaceUpdate,
            P::TagNamespaceCreate,
            P::TagNamespaceMove,
            P::TagNamespaceDelete,
        ],
        (R::TagDefaults, Verb::Inspect) => &[P::TagDefaultInspect, P::TagNamespaceRead],
        (R::TagDefaults, Verb::Manage) => {
            &[P::TagDefaultCreate, P::TagDefaultUpdate, P::TagDefaultDelete, P::TagDefaultManage]
        }
        (R::Tenancies, Verb::Inspect) => &[P::TenancyInspect],
        (R::Tenancies, Verb::Use | Verb::Manage) => &[P::TenancyUpdate],
        (R::AuditEvents, Verb::Read) => &[P::AuditEventRead],
        (R::AuditEvents, Verb::Manage) => &[P::AuditConfiguration],
        _ => &[],
    }
}

const fn users(verb: Verb) -> &'static [Permission] {
    match verb {
        Verb::Inspect => &[P::UserInspect],
        Verb::Read => &[P::UserRead],
        Verb::Use => &[P::UserUpdate],
        Verb::Manage => &[
            P::UserCreate,
            P::UserDelete,
            P::UserUnblock,
            P::UserApikeyAdd,
            P::UserApikeyRemove,
            P::UserUipassSet,
            P::UserUipassReset,
            P::UserSwiftpassSet,
            P::UserSwiftpassReset,
            P::UserSwiftpassRemove,
            P::UserAuthtokenSet,
            P::UserAuthtokenReset,
            P::UserAuthtokenRemove,
            P::UserOauth2ClientCredCreate,
            P::UserOauth2ClientCredUpdate,
            P::UserOauth2ClientCredRemove,
            P::UserSecretkeyAdd,
            P::UserSecretkeyUpdate,
            P::UserSecretkeyRemove,
            P::UserSupportAccountLink,
            P::UserSupportAccountUnlink,
            P::UserTotpdeviceAdd,
            P::UserTotpdeviceRemove,
            P::UserTotpdeviceUpdate,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_accumulate() {
        for resource_type in ResourceType::ALL {
            for pair in Verb::ALL.windows(2) {
                let weaker = permissions_of(*resource_type, pair[0]);
                let stronger = permissions_of(*resource_type, pair[1]);
                assert_eq!(weaker | stronger, stronger);
            }
        }
        assert_eq!(permissions_of(ResourceType::AllResources, Verb::Manage), PermissionSet::all());
    }

    #[test]
    fn reading_the_secret_family_reads_bundles_but_uses_no_key() {
        let granted = permissions_of(ResourceType::SecretFamily, Verb::Read);
        assert!(granted.contains(P::SecretBundleRead) && granted.contains(P::SecretVersionRead));
        assert!(!granted.contains(P::KeyDecrypt) && !granted.contains(P::SecretUpdate));
        assert!(!granted.contains(P::SecretReplicate));
    }
}
