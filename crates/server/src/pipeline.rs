//! The road of a request: each stage takes the value of the one before. Stages are called from here
//! only.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use strongroom_model::Operation;
use strongroom_wire::{ErrorCode, Refusal, RequestId};

use crate::ask::Ask;
use crate::audit::AuditRecord;
use crate::authn::authenticate;
use crate::authz::authorize;
use crate::decode::Call;
use crate::failure::Failure;
use crate::locate::{Door, locate};
use crate::ops::{self, Context};
use crate::panics::CatchPanic;
use crate::reply::{self, Reply};
use crate::shared::Shared;

/// Answers a request that came in at `door`.
pub(crate) async fn answer(
    shared: &Shared,
    door: &Door,
    source: IpAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let sent = request.headers().get("opc-request-id").and_then(|value| value.to_str().ok());
    let request_id = RequestId::compose(sent, &*shared.random);
    let mut record = AuditRecord {
        time: shared.clock.now(),
        request_id: request_id.as_str().to_owned(),
        operation: None,
        principal_id: None,
        target_id: None,
        compartment_id: None,
        version_number: None,
        source: source.to_string(),
        status: 200,
        code: None,
        reason: None,
    };
    let travelled = CatchPanic::new(travel(shared, door, request, &mut record)).await;
    let outcome = travelled.unwrap_or_else(|| Err(Failure::internal("a stage panicked")));
    let outcome = settle(shared, outcome, &mut record).await;
    match outcome {
        Ok(reply) => reply::success(reply, &request_id),
        Err(failure) => reply::refusal(&failure.refusal, &request_id),
    }
}

async fn travel(
    shared: &Shared,
    door: &Door,
    request: Request<Incoming>,
    record: &mut AuditRecord,
) -> Result<Reply, Failure> {
    let call = Call::read(request).await?;
    let view = shared.view().await?;
    let catalog = &*view.catalog;
    let principal = authenticate(&call, catalog, record.time)?;
    record.principal_id = Some(principal.user_id.clone());
    let matched = call.route()?;
    record.operation = Some(matched.operation.name());
    admit_at(door, matched.operation)?;
    let ask = Ask::read(&matched, call.query(), &call.body)?;
    let located = locate(&ask, door, shared, &view).await?;
    record.target_id.clone_from(&located.target_id);
    record.compartment_id = located.compartment.as_ref().and_then(|path| path.first().cloned());
    let permit = authorize(&principal, matched.operation, located, catalog, shared.semantics)?;
    let context = Context { shared, catalog, call: &call, principal: &principal, record };
    ops::perform(context, permit, ask).await
}

/// A vault's own authority answers key operations alone.
fn admit_at(door: &Door, operation: Operation) -> Result<(), Failure> {
    let key_operation = match operation {
        Operation::CreateKey
        | Operation::GetKey
        | Operation::ListKeys
        | Operation::ListKeyVersions => true,
        Operation::CreateVault
        | Operation::GetVault
        | Operation::ListVaults
        | Operation::CreateSecret
        | Operation::GetSecret
        | Operation::ListSecrets
        | Operation::UpdateSecret
        | Operation::ListSecretVersions
        | Operation::GetSecretVersion
        | Operation::GetSecretBundle
        | Operation::GetSecretBundleByName
        | Operation::ListSecretBundleVersions
        | Operation::ListCompartments
        | Operation::GetCompartment
        | Operation::CreateCompartment
        | Operation::GetUser
        | Operation::ListRegionSubscriptions => false,
    };
    let needs_vault = matches!(operation, Operation::CreateKey | Operation::ListKeys);
    match door {
        Door::Vault(_) if !key_operation => {
            Err(elsewhere("This endpoint is a vault's; it answers key operations only."))
        }
        Door::Main if needs_vault => Err(elsewhere(
            "This operation is answered at the vault's managementEndpoint (GetVault tells it).",
        )),
        _ => Ok(()),
    }
}

fn elsewhere(message: &'static str) -> Failure {
    let refusal = Refusal::new(ErrorCode::NotFound, message);
    Failure::new(refusal, "asked at the wrong endpoint")
}

/// Records the outcome. An answer whose record could not be written is not given.
async fn settle(
    shared: &Shared,
    outcome: Result<Reply, Failure>,
    record: &mut AuditRecord,
) -> Result<Reply, Failure> {
    match &outcome {
        Ok(reply) if reply.recorded => return outcome,
        Ok(reply) => record.version_number = reply.version_number,
        Err(failure) => {
            record.status = failure.refusal.code.status();
            record.code = Some(failure.refusal.code.name());
            record.reason = Some(failure.reason.clone());
            log_refusal(record);
        }
    }
    shared.audit.write(record).await?;
    outcome
}

fn log_refusal(record: &AuditRecord) {
    let operation = record.operation.unwrap_or("-");
    let reason = record.reason.as_deref().unwrap_or_default();
    let (status, code, id) = (record.status, record.code.unwrap_or_default(), &record.request_id);
    if status >= 500 {
        tracing::error!(status, code, operation, request_id = %id, reason, "failed");
    } else {
        tracing::info!(status, code, operation, request_id = %id, reason, "refused");
    }
}
