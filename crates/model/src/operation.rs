macro_rules! operations {
    ($($service:ident { $($variant:ident,)* })*) => {
        /// An operation of OCI's API that this server answers.
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
    /// Secret management, `vaults.<region>`.
    Vault,
    /// Secret retrieval, `secrets.vaults.<region>`.
    Secrets,
    /// Identity, `identity.<region>`.
    Identity,
}

operations! {
    KmsVault { CreateVault, GetVault, ListVaults, }
    KmsManagement { CreateKey, GetKey, ListKeys, ListKeyVersions, }
    Vault {
        CreateSecret, GetSecret, ListSecrets, UpdateSecret, ListSecretVersions, GetSecretVersion,
    }
    Secrets { GetSecretBundle, GetSecretBundleByName, ListSecretBundleVersions, }
    Identity {
        ListCompartments, GetCompartment, CreateCompartment, GetUser, ListRegionSubscriptions,
    }
}
