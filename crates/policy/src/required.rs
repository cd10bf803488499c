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
    /// The tenancy.
    Tenancy,
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

/// Returns what an operation needs; all of it must be granted.
///
/// Source: OCI policy reference, "Permissions Required for Each API Operation".
#[must_use]
pub const fn required(operation: Operation, semantics: Semantics) -> &'static [Need] {
    match operation {
        Operation::CreateVault => const { &[here(P::VaultCreate)] },
        Operation::GetVault => const { &[here(P::VaultRead)] },
        Operation::ListVaults => const { &[here(P::VaultInspect)] },
        Operation::CreateKey => {
            const { &[here(P::KeyCreate), on(Target::Vault, P::VaultCreateKey)] }
        }
        Operation::GetKey => const { &[here(P::KeyRead)] },
        Operation::ListKeys | Operation::ListKeyVersions => const { &[here(P::KeyInspect)] },
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
        Operation::GetSecret => const { &[here(P::SecretRead)] },
        Operation::ListSecrets => const { &[here(P::SecretInspect)] },
        Operation::UpdateSecret => const { &[here(P::SecretUpdate)] },
        Operation::ListSecretVersions => const { &[here(P::SecretVersionInspect)] },
        Operation::GetSecretVersion => const { &[here(P::SecretVersionRead)] },
        Operation::GetSecretBundle | Operation::GetSecretBundleByName => match semantics {
            Semantics::Strict => {
                const { &[here(P::SecretBundleRead), on(Target::Key, P::KeyDecrypt)] }
            }
            Semantics::Oracle => const { &[here(P::SecretBundleRead)] },
        },
        Operation::ListSecretBundleVersions => const { &[here(P::SecretBundleInspect)] },
        Operation::ListCompartments | Operation::GetCompartment => {
            const { &[here(P::CompartmentInspect)] }
        }
        Operation::CreateCompartment => const { &[here(P::CompartmentCreate)] },
        Operation::GetUser => const { &[here(P::UserInspect)] },
        Operation::ListRegionSubscriptions => const { &[on(Target::Tenancy, P::TenancyInspect)] },
    }
}
