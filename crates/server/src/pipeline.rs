//! The road of a request: each stage takes the value of the one before. Stages are called from here
//! only.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Request, Response};
use strongroom_model::{AddressRange, Ocid, Operation, Service};
use strongroom_wire::{ErrorCode, Refusal, RequestId};
use tokio::time::Instant;

use crate::ask::Ask;
use crate::audit::AuditRecord;
use crate::authn::authenticate;
use crate::authz::{Wish, authorize};
use crate::catalog::Catalog;
use crate::controls;
use crate::decode::Call;
use crate::denial::DenialRow;
use crate::door::Door;
use crate::failure::Failure;
use crate::locate::{Located, changed_namespaces, locate, more_needs};
use crate::metadata;
use crate::metrics::Running;
use crate::ops::{self, Context};
use crate::panics::CatchPanic;
use crate::probes::{self, Probe};
use crate::regions;
use crate::reply::{self, Reply};
use crate::shared::Shared;
use crate::traces::{Outcome, Trace};

/// Answers a request that came in at `door`.
pub(crate) async fn answer(
    shared: &Shared,
    door: &Door,
    source: IpAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if let Some(probe) = Probe::at(request.uri().path()) {
        return probes::answer(Some(shared), probe, request.method()).await;
    }
    let began = Instant::now();
    let sent = request.headers().get("opc-request-id").and_then(|value| value.to_str().ok());
    let request_id = RequestId::compose(sent, &*shared.random);
    if controls::is_control(shared, door, request.uri().path()) {
        return controls::answer(shared, request, &request_id).await;
    }
    if regions::is_of_regions(door, request.uri().path()) {
        return match admit_source(shared, source) {
            Ok(()) => regions::answer(shared, request, &request_id).await,
            Err(failure) => refused(&failure, &request_id),
        };
    }
    if metadata::is_metadata(shared, door, request.uri().path()) {
        return metadata::answer(shared, &request).await;
    }
    let _running = Running::begin(&shared.metrics.requests_running);
    let mut record =
        AuditRecord::begun(shared.clock.now(), request_id.as_str().to_owned(), source.to_string());
    record.note_request(&request);
    note_address(shared, source, &request_id);
    let tracer = shared.tracer.as_ref();
    let mut trace = tracer
        .and_then(|tracer| tracer.begin(request.headers(), (record.time, began), &*shared.random));
    let notes = (&mut record, &mut trace);
    let travelled = CatchPanic::new(travel(shared, (door, source), request, notes)).await;
    let outcome = travelled.unwrap_or_else(|| Err(Failure::internal("a stage panicked")));
    let outcome = settle(shared, outcome, &mut record).await;
    Trace::mark(&mut trace, "settle");
    let told = match &outcome {
        Ok(_) => (200, None),
        Err(Failure { refusal, .. }) => (refusal.code.status(), Some(refusal.code.name())),
    };
    shared.metrics.note(record.operation, told, began.elapsed());
    if let (Some(tracer), Some(trace)) = (tracer, &trace) {
        let (status, code) = told;
        let outcome = Outcome {
            operation: record.operation,
            method: &record.action,
            status,
            code,
            request_id: &record.request_id,
            source: &record.source,
        };
        tracer.end(trace, &outcome, &*shared.random);
    }
    match outcome {
        Ok(reply) => reply::success(reply, &request_id),
        Err(failure) => {
            if tells_nothing(failure.refusal.code) {
                shared.beat.wait(began).await;
            }
            refused(&failure, &request_id)
        }
    }
}

fn refused(failure: &Failure, request_id: &RequestId) -> Response<Full<Bytes>> {
    let mut response = reply::refusal(&failure.refusal, request_id);
    if let Some(secs) = failure.retry_after_secs {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(secs));
    }
    response
}

/// Lets a request in, before anything in it is looked at.
fn admit_source(shared: &Shared, source: IpAddr) -> Result<(), Failure> {
    shared.check_alarm()?;
    shared.limiter.admit_address(source)
}

/// Counts a request from where none is expected.
fn note_address(shared: &Shared, source: IpAddr, request_id: &RequestId) {
    let is_expected = |range: &AddressRange| range.contains(source.to_canonical());
    if !shared.expected.is_empty() && !shared.expected.iter().any(is_expected) {
        shared.metrics.unexpected_addresses.inc();
        let request_id = request_id.as_str();
        tracing::warn!(request_id, %source, "a request came from an address that is not expected");
    }
}

/// Refusals that look alike, whatever is behind them.
const fn tells_nothing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NotAuthenticated | ErrorCode::NotAuthorizedOrNotFound)
}

async fn travel(
    shared: &Shared,
    (door, source): (&Door, IpAddr),
    request: Request<Incoming>,
    (record, trace): (&mut AuditRecord, &mut Option<Trace>),
) -> Result<Reply, Failure> {
    admit_source(shared, source)?;
    let call = Call::read(request).await?;
    Trace::mark(trace, "read");
    let view = shared.view().await?;
    Trace::mark(trace, "view");
    let catalog = &*view.catalog;
    let (principal, proof) = authenticate(&call, catalog, record.time)?;
    Trace::mark(trace, "authenticate");
    record.note_principal(&principal);
    let matched = call.route()?;
    record.operation = Some(matched.operation.name());
    shared.limiter.admit(matched.operation, shared.nodes.count())?;
    admit_at(door, matched.operation, catalog)?;
    regions::admit_identity(shared, matched.operation, catalog)?;
    let ask = Ask::read(&matched, call.query(), &call.body)?;
    record.logging_context = ask.logging_context().filter(|context| !context.is_empty()).cloned();
    let located = locate(&ask, door, shared, &view).await?;
    let tag_namespaces = changed_namespaces(&ask, &located, catalog);
    let located = Located { needs: more_needs(&ask, &located), tag_namespaces, ..located };
    note_located(record, &located);
    Trace::mark(trace, "locate");
    let facts = ask.facts();
    let (operation, time) = (matched.operation, record.time);
    let wish = Wish { principal: &principal, proof, operation, facts: &facts, now: time };
    let permit = authorize(&wish, located, catalog, shared)?;
    Trace::mark(trace, "authorize");
    let secret = permit.located.secret.as_deref().map(|found| &found.0);
    regions::admit_secret(operation, secret)?;
    let vault = permit.located.vault.as_deref().map(|entry| &entry.vault);
    regions::admit_vault(operation, vault)?;
    let now = shared.lifecycle_clock.now();
    let cursor = view.cursor;
    let context = Context {
        shared,
        catalog,
        cursor,
        call: &call,
        principal: &principal,
        proof,
        operation,
        now,
        record,
    };
    let reply = ops::perform(context, permit, ask).await;
    Trace::mark(trace, "perform");
    reply
}

/// Notes what a request is about, and where each thing is that permissions are checked on.
fn note_located(record: &mut AuditRecord, located: &Located) {
    let place = |path: Option<&Arc<[Ocid]>>| path.and_then(|path| path.first().cloned());
    record.target_id.clone_from(&located.target_id);
    record.resource_name = located.name().map(str::to_owned);
    record.compartment_id = place(located.compartment.as_ref());
    let other = |id: Option<Ocid>| id.filter(|id| located.target_id.as_ref() != Some(id));
    record.key_id = other(located.key.as_ref().map(|entry| entry.key.id.clone()));
    record.vault_id = other(located.vault.as_ref().map(|entry| entry.vault.id.clone()));
    let elsewhere = |path: Option<&Arc<[Ocid]>>| {
        place(path).filter(|place| record.compartment_id.as_ref() != Some(place))
    };
    let key_compartment_id = elsewhere(located.key_path.as_ref());
    let vault_compartment_id = elsewhere(located.vault_path.as_ref());
    (record.key_compartment_id, record.vault_compartment_id) =
        (key_compartment_id, vault_compartment_id);
    record.destination_id = place(located.destination.as_ref());
}

/// A vault's own authority answers key operations alone, and in another region only those that
/// change nothing.
fn admit_at(door: &Door, operation: Operation, catalog: &Catalog) -> Result<(), Failure> {
    let is_of_key = matches!(operation.service(), Service::KmsManagement | Service::KmsCrypto);
    match door {
        Door::Vault(_) | Door::Replica(_) if !is_of_key => {
            Err(elsewhere("This endpoint is a vault's; it answers key operations only."))
        }
        Door::Replica(vault_id) if !has_replica(catalog, vault_id) => {
            Err(Failure::not_found("the replica is no more"))
        }
        Door::Replica(_) if changes_keys(operation) => {
            let message = "This endpoint is a replica's; make changes at the vault's own \
                           managementEndpoint.";
            Err(Refusal::new(ErrorCode::Conflict, message).into())
        }
        Door::Main if names_no_vault(operation) => Err(elsewhere(
            "This operation is answered at the vault's managementEndpoint (GetVault tells it).",
        )),
        _ => Ok(()),
    }
}

fn has_replica(catalog: &Catalog, vault_id: &Ocid) -> bool {
    catalog.vaults.get(vault_id).is_some_and(|entry| entry.vault.replica.is_some())
}

/// Key operations whose request names neither key nor vault: the endpoint is the vault.
const fn names_no_vault(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CreateKey
            | Operation::ListKeys
            | Operation::GetWrappingKey
            | Operation::ImportKey
            | Operation::RestoreKeyFromFile
            | Operation::RestoreKeyFromObjectStore
    )
}

fn changes_keys(operation: Operation) -> bool {
    let reads = matches!(
        operation,
        Operation::GetKey
            | Operation::ListKeys
            | Operation::GetKeyVersion
            | Operation::ListKeyVersions
            | Operation::GetReplicationStatus
    );
    operation.service() == Service::KmsManagement && !reads
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
            record.note_failure(failure.refusal.code, &failure.reason);
            log_refusal(record);
        }
    }
    let denial = outcome.as_ref().err().and_then(|failure| denial(failure, record));
    shared.audit.write(record, denial.as_ref()).await?;
    outcome
}

/// What explains a refusal by authentication or authorization.
fn denial(failure: &Failure, record: &AuditRecord) -> Option<DenialRow> {
    let code = failure.refusal.code;
    let is_denial = matches!(
        code,
        ErrorCode::NotAuthenticated | ErrorCode::NotAuthorized | ErrorCode::NotAuthorizedOrNotFound
    );
    is_denial.then(|| DenialRow {
        request_id: record.request_id.clone(),
        time: record.time,
        status: code.status(),
        code: code.name().to_owned(),
        reason: failure.reason.clone(),
        operation: record.operation.map(str::to_owned),
        principal_id: record.principal_id.clone(),
        target_id: record.target_id.clone(),
        compartment_id: record.compartment_id.clone(),
        question: failure.question.as_deref().cloned(),
    })
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
