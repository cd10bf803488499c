use std::fmt;
use std::ops::BitOr;

macro_rules! permissions {
    ($($variant:ident => $name:literal,)*) => {
        /// A permission of OCI's IAM, the unit in which policies grant and operations ask.
        ///
        /// Source: OCI policy reference, "Details for the Vault Service" and "Details for IAM"; those of
        /// consumers, denials and workloads are this server's own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Permission {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Permission {
            /// Every permission, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns Oracle's name, as it stands in a policy's permission set.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

permissions! {
    VaultInspect => "VAULT_INSPECT",
    VaultRead => "VAULT_READ",
    VaultCreateKey => "VAULT_CREATE_KEY",
    VaultImportKey => "VAULT_IMPORT_KEY",
    VaultCreateSecret => "VAULT_CREATE_SECRET",
    VaultCreate => "VAULT_CREATE",
    VaultUpdate => "VAULT_UPDATE",
    VaultDelete => "VAULT_DELETE",
    VaultMove => "VAULT_MOVE",
    VaultBackup => "VAULT_BACKUP",
    VaultRestore => "VAULT_RESTORE",
    VaultReplicate => "VAULT_REPLICATE",
    KeyInspect => "KEY_INSPECT",
    KeyRead => "KEY_READ",
    KeyEncrypt => "KEY_ENCRYPT",
    KeyDecrypt => "KEY_DECRYPT",
    KeyExport => "KEY_EXPORT",
    KeySign => "KEY_SIGN",
    KeyVerify => "KEY_VERIFY",
    KeyCreate => "KEY_CREATE",
    KeyUpdate => "KEY_UPDATE",
    KeyRotate => "KEY_ROTATE",
    KeyDelete => "KEY_DELETE",
    KeyMove => "KEY_MOVE",
    KeyImport => "KEY_IMPORT",
    KeyBackup => "KEY_BACKUP",
    KeyRestore => "KEY_RESTORE",
    KeyAssociate => "KEY_ASSOCIATE",
    KeyDisassociate => "KEY_DISASSOCIATE",
    HsmClusterInspect => "HSM_CLUSTER_INSPECT",
    HsmClusterRead => "HSM_CLUSTER_READ",
    HsmClusterUpdate => "HSM_CLUSTER_UPDATE",
    HsmClusterDelete => "HSM_CLUSTER_DELETE",
    HsmClusterCreate => "HSM_CLUSTER_CREATE",
    HsmClusterMove => "HSM_CLUSTER_MOVE",
    SecretInspect => "SECRET_INSPECT",
    SecretRead => "SECRET_READ",
    SecretUpdate => "SECRET_UPDATE",
    SecretRotate => "SECRET_ROTATE",
    SecretCreate => "SECRET_CREATE",
    SecretDelete => "SECRET_DELETE",
    SecretMove => "SECRET_MOVE",
    SecretReplicateConfigure => "SECRET_REPLICATE_CONFIGURE",
    SecretVersionInspect => "SECRET_VERSION_INSPECT",
    SecretVersionRead => "SECRET_VERSION_READ",
    SecretVersionDelete => "SECRET_VERSION_DELETE",
    SecretBundleInspect => "SECRET_BUNDLE_INSPECT",
    SecretBundleRead => "SECRET_BUNDLE_READ",
    SecretReplicate => "SECRET_REPLICATE",
    AuthenticationPolicyInspect => "AUTHENTICATION_POLICY_INSPECT",
    AuthenticationPolicyUpdate => "AUTHENTICATION_POLICY_UPDATE",
    CompartmentInspect => "COMPARTMENT_INSPECT",
    CompartmentUpdate => "COMPARTMENT_UPDATE",
    CompartmentCreate => "COMPARTMENT_CREATE",
    CompartmentDelete => "COMPARTMENT_DELETE",
    CompartmentRecover => "COMPARTMENT_RECOVER",
    DynamicGroupInspect => "DYNAMIC_GROUP_INSPECT",
    DynamicGroupUpdate => "DYNAMIC_GROUP_UPDATE",
    DynamicGroupCreate => "DYNAMIC_GROUP_CREATE",
    DynamicGroupDelete => "DYNAMIC_GROUP_DELETE",
    GroupInspect => "GROUP_INSPECT",
    GroupUpdate => "GROUP_UPDATE",
    GroupCreate => "GROUP_CREATE",
    GroupDelete => "GROUP_DELETE",
    NetworkSourceInspect => "NETWORK_SOURCE_INSPECT",
    NetworkSourceUpdate => "NETWORK_SOURCE_UPDATE",
    NetworkSourceCreate => "NETWORK_SOURCE_CREATE",
    NetworkSourceDelete => "NETWORK_SOURCE_DELETE",
    PolicyRead => "POLICY_READ",
    PolicyUpdate => "POLICY_UPDATE",
    PolicyCreate => "POLICY_CREATE",
    PolicyDelete => "POLICY_DELETE",
    TagNamespaceInspect => "TAG_NAMESPACE_INSPECT",
    TagNamespaceUse => "TAG_NAMESPACE_USE",
    TagNamespaceUpdate => "TAG_NAMESPACE_UPDATE",
    TagNamespaceCreate => "TAG_NAMESPACE_CREATE",
    TagNamespaceMove => "TAG_NAMESPACE_MOVE",
    TagNamespaceDelete => "TAG_NAMESPACE_DELETE",
    TagDefaultInspect => "TAG_DEFAULT_INSPECT",
    TagNamespaceRead => "TAG_NAMESPACE_READ",
    TagDefaultCreate => "TAG_DEFAULT_CREATE",
    TagDefaultUpdate => "TAG_DEFAULT_UPDATE",
    TagDefaultDelete => "TAG_DEFAULT_DELETE",
    TenancyInspect => "TENANCY_INSPECT",
    TenancyUpdate => "TENANCY_UPDATE",
    UserInspect => "USER_INSPECT",
    UserRead => "USER_READ",
    UserUpdate => "USER_UPDATE",
    UserCreate => "USER_CREATE",
    UserDelete => "USER_DELETE",
    UserUnblock => "USER_UNBLOCK",
    UserApikeyAdd => "USER_APIKEY_ADD",
    UserApikeyRemove => "USER_APIKEY_REMOVE",
    UserUipassSet => "USER_UIPASS_SET",
    UserUipassReset => "USER_UIPASS_RESET",
    UserSwiftpassSet => "USER_SWIFTPASS_SET",
    UserSwiftpassReset => "USER_SWIFTPASS_RESET",
    UserSwiftpassRemove => "USER_SWIFTPASS_REMOVE",
    UserAuthtokenSet => "USER_AUTHTOKEN_SET",
    UserAuthtokenReset => "USER_AUTHTOKEN_RESET",
    UserAuthtokenRemove => "USER_AUTHTOKEN_REMOVE",
    UserOauth2ClientCredCreate => "USER_OAUTH2_CLIENT_CRED_CREATE",
    UserOauth2ClientCredUpdate => "USER_OAUTH2_CLIENT_CRED_UPDATE",
    UserOauth2ClientCredRemove => "USER_OAUTH2_CLIENT_CRED_REMOVE",
    UserSecretkeyAdd => "USER_SECRETKEY_ADD",
    UserSecretkeyUpdate => "USER_SECRETKEY_UPDATE",
    UserSecretkeyRemove => "USER_SECRETKEY_REMOVE",
    UserSupportAccountLink => "USER_SUPPORT_ACCOUNT_LINK",
    UserSupportAccountUnlink => "USER_SUPPORT_ACCOUNT_UNLINK",
    UserTotpdeviceAdd => "USER_TOTPDEVICE_ADD",
    UserTotpdeviceRemove => "USER_TOTPDEVICE_REMOVE",
    UserTotpdeviceUpdate => "USER_TOTPDEVICE_UPDATE",
    AuditEventRead => "AUDIT_EVENT_READ",
    CompartmentRead => "COMPARTMENT_READ",
    TagDefaultManage => "TAG_DEFAULT_MANAGE",
    AuditConfiguration => "AUDIT_CONFIGURATION",
    SecretConsumerInspect => "SECRET_CONSUMER_INSPECT",
    SecretConsumerReport => "SECRET_CONSUMER_REPORT",
    DenialRead => "DENIAL_READ",
    WorkloadInspect => "WORKLOAD_INSPECT",
    WorkloadRead => "WORKLOAD_READ",
    WorkloadUpdate => "WORKLOAD_UPDATE",
    WorkloadCreate => "WORKLOAD_CREATE",
    WorkloadDelete => "WORKLOAD_DELETE",
    WorkloadMove => "WORKLOAD_MOVE",
    WorkloadIssue => "WORKLOAD_ISSUE",
}

impl Permission {
    /// Finds a permission by Oracle's name, compared without case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.name().eq_ignore_ascii_case(name))
    }

    #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless repr(u8) enum")]
    const fn bit(self) -> u128 {
        1 << self as u8
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of permissions, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PermissionSet(u128);

impl PermissionSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// The set of all permissions.
    #[must_use]
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// Makes a set from a list.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut rest = permissions;
        while let [first, tail @ ..] = rest {
            bits |= first.bit();
            rest = tail;
        }
        Self(bits)
    }

    /// Tells whether the set holds `permission`.
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Tells whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the set of those that `other` does not hold.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Iterates over the members in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl BitOr for PermissionSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::EMPTY, |set, permission| Self(set.0 | permission.bit()))
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_a_bit_of_its_own() {
        assert!(Permission::ALL.len() <= 128);
        for permission in Permission::ALL {
            assert_eq!(Permission::named(permission.name()), Some(*permission));
            let alone = PermissionSet::of(&[*permission]);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [*permission]);
        }
    }
}
