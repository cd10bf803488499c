//! Second stage: the signature over the raw request is verified. 401, and nothing about why.

use strongroom_model::{Ocid, Principal, PrincipalKind, Timestamp};
use strongroom_signing::{Claim, KeyId, Request, Scope};

use crate::catalog::Catalog;
use crate::decode::Call;
use crate::failure::Failure;

/// Verifies the signature of `call` and returns who made it.
pub(crate) fn authenticate(
    call: &Call,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Principal, Failure> {
    let request = Request { method: &call.method, target: &call.target, headers: call };
    let refuse =
        |reject: strongroom_signing::Reject| Failure::not_authenticated(reject.to_string());
    let claim = Claim::read(&request, Scope::Api, now).map_err(refuse)?;
    let unknown = || Failure::not_authenticated("the key id names no key of this tenancy");
    let KeyId::ApiKey { tenancy, user, fingerprint } = claim.key_id() else {
        return Err(unknown());
    };
    if tenancy != catalog.tenancy.id.as_str() {
        return Err(unknown());
    }
    let user: Ocid = user.parse().map_err(|_not_an_ocid| unknown())?;
    let entry = catalog.api_key(&user, fingerprint).ok_or_else(unknown)?;
    claim.verify(&request, &call.body, &entry.public_key).map_err(refuse)?;
    let (user, _) = catalog.users.get(&entry.api_key.user_id).ok_or_else(unknown)?;
    Ok(Principal {
        tenancy_id: catalog.tenancy.id.clone(),
        kind: PrincipalKind::User { id: user.id.clone(), name: user.name.clone() },
        group_ids: user.group_ids.clone(),
    })
}
