//! Fourth stage: policy. 401, 403 and 404 are decided here (401 by what comes in) and nowhere else.

use strongroom_model::{Operation, Permission, Principal, Secret};
use strongroom_policy::{Asked, Decision, Question, Semantics, Target, decide, required};
use strongroom_wire::{ErrorCode, Refusal};

use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::locate::Located;

/// The right to go on, and what with. Made by [`authorize`] alone.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) located: Located,
    _private: (),
}

/// Decides whether `principal` may do `operation` on what was located.
pub(crate) fn authorize(
    principal: &Principal,
    operation: Operation,
    located: Located,
    catalog: &Catalog,
    semantics: Semantics,
) -> Result<Permit, Failure> {
    let needs = required(operation, semantics);
    let tenancy = [catalog.tenancy.id.clone()];
    let mut asked = Vec::with_capacity(needs.len());
    for need in needs {
        let path = match need.on {
            Target::Compartment => located.compartment.as_deref(),
            Target::Vault => located.vault_path.as_deref(),
            Target::Key => located.key_path.as_deref(),
            Target::Destination => located.destination.as_deref(),
            Target::Tenancy => Some(tenancy.as_slice()),
            Target::Items => continue,
        };
        let Some(path) = path else {
            return Err(Failure::not_found("the target, or what it refers to, does not exist"));
        };
        asked.push(Asked { permission: need.permission, path });
    }
    let left_to_items = needs.iter().all(|need| need.on == Target::Items);
    let decision = decide(&catalog.policy_set, &Question { principal, needs: &asked });
    if decision.allowed() || left_to_items {
        return Ok(Permit { located, _private: () });
    }
    let of_bundle = needs.iter().any(|need| need.permission == Permission::SecretBundleRead);
    Err(denial(&decision, of_bundle && semantics == Semantics::Strict))
}

/// Strict semantics tell the one who may read the bundle, and only lacks the key, that a right is
/// missing. Everybody else learns nothing.
fn denial(decision: &Decision, of_bundle: bool) -> Failure {
    let missing: Vec<Permission> = decision.missing().collect();
    let names: Vec<&str> = missing.iter().map(|permission| permission.name()).collect();
    let reason = format!("no policy grants {}", names.join(", "));
    if of_bundle && missing == [Permission::KeyDecrypt] {
        let message = "User not authorized to perform this operation.";
        return Failure::new(Refusal::new(ErrorCode::NotAuthorized, message), reason);
    }
    Failure::not_found(reason)
}

/// Tells whether `principal` may read the description of `secret`, as `GetSecret` does.
pub(crate) fn may_read_secret(principal: &Principal, secret: &Secret, catalog: &Catalog) -> bool {
    let Some(path) = catalog.path(&secret.compartment_id) else { return false };
    let asked = [Asked { permission: Permission::SecretRead, path: &path }];
    decide(&catalog.policy_set, &Question { principal, needs: &asked }).allowed()
}

/// Tells whether `principal` may inspect the compartment at the start of `path`.
pub(crate) fn may_inspect(
    principal: &Principal,
    path: &[strongroom_model::Ocid],
    catalog: &Catalog,
) -> bool {
    let asked = [Asked { permission: Permission::CompartmentInspect, path }];
    decide(&catalog.policy_set, &Question { principal, needs: &asked }).allowed()
}
