macro_rules! operations {
    ($($service:ident { $($variant:ident,)* })*) => {
        /// An operation of OCI's API that this server answers, or of its own beyond that.
        ///
        /// Matched without wildcard for route, permissions, handler, audit and documentation, so
        /// that adding one is a list of compile errors.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[doc = concat!("`", stringify!($variant), "`.")] $variant,)*)*
        }

        impl Operation {
            /// Every operation, grouped by service.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// Returns Oracle's name, as in `request.operation` and in audit records.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => stringify!($variant),)*)* }
            }

            /// Returns the service that Oracle's clients ask for it.
            #[must_use]
            pub const fn service(self) -> Service {
                match self { $($(Self::$variant)|* => Service::$service,)* }
            }
        }
    };
}

/// A service of OCI, as its clients divide the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Vault provisioning, `kms.<region>`.
    KmsVault,
    /// Key management, one endpoint per vault.
    KmsManagement,
    /// Encryption and signatures, one endpoint per vault.
    KmsCrypto,
    /// Secret management, `vaults.<region>`.
    Vault,
    /// Secret retrieval, `secrets.vaults.<region>`.
    Secrets,
    /// Identity, `identity.<region>`.
    Identity,
    /// Tokens for principals, `auth.<region>`.
    Auth,
    /// Audit events, `audit.<region>`.
    Audit,
    /// What this server answers beyond OCI, under `/_strongroom/v1/`.
    Strongroom,
}

operations! {
    KmsVault {
        CreateVault, GetVault, ListVaults, UpdateVault, ScheduleVaultDeletion, CancelVaultDeletion,
        ChangeVaultCompartment, GetVaultUsage, BackupVault, RestoreVaultFromFile,
        RestoreVaultFromObjectStore, CreateVaultReplica, DeleteVaultReplica, ListVaultReplicas,
        UpdateRegisteredVaultForMtls,
    }
    KmsManagement {
        CreateKey, GetKey, ListKeys, UpdateKey, EnableKey, DisableKey, ScheduleKeyDeletion,
        CancelKeyDeletion, ChangeKeyCompartment, CreateKeyVersion, GetKeyVersion, ListKeyVersions,
        ScheduleKeyVersionDeletion, CancelKeyVersionDeletion, GetWrappingKey, ImportKey,
        ImportKeyVersion, BackupKey, RestoreKeyFromFile, RestoreKeyFromObjectStore,
        GetReplicationStatus,
    }
    KmsCrypto { Encrypt, Decrypt, GenerateDataEncryptionKey, Sign, Verify, ExportKey, }
    Vault {
        CreateSecret, GetSecret, ListSecrets, UpdateSecret, ListSecretVersions, GetSecretVersion,
        ScheduleSecretDeletion, CancelSecretDeletion, ScheduleSecretVersionDeletion,
        CancelSecretVersionDeletion, ChangeSecretCompartment, RotateSecret, CancelSecretRotation,
    }
    Secrets { GetSecretBundle, GetSecretBundleByName, ListSecretBundleVersions, }
    Identity {
        ListCompartments, GetCompartment, CreateCompartment, UpdateCompartment, DeleteCompartment,
        MoveCompartment, ListUsers, GetUser, CreateUser, UpdateUser, DeleteUser, ListApiKeys,
        UploadApiKey, DeleteApiKey, ListGroups, GetGroup, CreateGroup, UpdateGroup, DeleteGroup,
        ListUserGroupMemberships, GetUserGroupMembership, AddUserToGroup, RemoveUserFromGroup,
        ListDynamicGroups, GetDynamicGroup, CreateDynamicGroup, UpdateDynamicGroup,
        DeleteDynamicGroup, ListPolicies, GetPolicy, CreatePolicy, UpdatePolicy, DeletePolicy,
        ListTagNamespaces, GetTagNamespace, CreateTagNamespace, UpdateTagNamespace,
        DeleteTagNamespace, ListTags, GetTag, CreateTag, UpdateTag, DeleteTag, GetTenancy,
        ListRegions, ListRegionSubscriptions, ListAvailabilityDomains,
    }
    Auth { ExchangeCertificate, GenerateUserSecurityToken, RefreshUserSecurityToken, }
    Audit { ListEvents, }
    Strongroom {
        ReportSecretVersion, ListSecretConsumers, GetSecretRetirement, UpdateSecretRetirement,
        WatchSecrets, GetDenial, CreateWorkload, GetWorkload, ListWorkloads, UpdateWorkload,
        ChangeWorkloadCompartment, DeleteWorkload, IssueWorkloadCertificate,
        RenewWorkloadCertificate, RotateTokenSigner, UpdateReadOnly, RotateRootKey,
    }
}
