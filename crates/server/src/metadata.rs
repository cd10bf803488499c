//! The metadata of the machine that a development server runs on, under `/opc/v2/`, so that clients
//! act as an instance without one. Other servers have none: there each machine serves its own.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use strongroom_model::{Ocid, Sensitive, Timestamp, Workload};
use strongroom_signing::PrivateKey;
use strongroom_wire::metadata::{self, Answer, Asked, FORWARDED};

use crate::authority::{Issued, certify};
use crate::door::Door;
use crate::failure::Failure;
use crate::shared::Shared;

/// How long before its end a certificate is replaced.
const AHEAD_SECS: i64 = 15 * 24 * 3600;

/// The machine that a server is, with what proves it.
#[derive(Debug)]
pub(crate) struct Machine {
    id: Ocid,
    proof: tokio::sync::Mutex<Option<Proof>>,
}

#[derive(Debug)]
struct Proof {
    private_key: Sensitive,
    issued: Issued,
    compartment_id: Ocid,
}

impl Machine {
    pub(crate) fn new(id: Ocid) -> Self {
        Self { id, proof: tokio::sync::Mutex::default() }
    }
}

impl Proof {
    fn holds(&self, workload: &Workload, now: Timestamp) -> bool {
        let left = self.issued.not_after.as_second().saturating_sub(now.as_second());
        left > AHEAD_SECS && self.compartment_id == workload.compartment_id
    }

    async fn make(shared: &Shared, workload: &Workload, now: Timestamp) -> Result<Self, Failure> {
        let refused = || Failure::internal("the machine's key was not made");
        let made = tokio::task::spawn_blocking(PrivateKey::generate).await;
        let key = made.map_err(|_error| refused())?.map_err(|_error| refused())?;
        let public = key.public().map_err(|_error| refused())?;
        let private_key = key.to_pem().map_err(|_error| refused())?;
        let issued = certify(shared, workload, &public, now).await?;
        Ok(Self { private_key, issued, compartment_id: workload.compartment_id.clone() })
    }
}

/// Tells whether a request is for the metadata of the machine that this server is.
pub(crate) fn is_metadata(shared: &Shared, door: &Door, path: &str) -> bool {
    shared.machine.is_some() && *door == Door::Main && metadata::is_metadata(path)
}

/// Answers a request for metadata.
pub(crate) async fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let answer = found(shared, request).await.unwrap_or_else(|failure| {
        tracing::warn!(reason = failure.reason, "metadata was not answered");
        Answer { status: 503, content_type: "text/plain", body: Sensitive::new(Vec::new()) }
    });
    let mut response = Response::new(Full::new(Bytes::from_owner(answer.body.into_owner())));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn found(shared: &Shared, request: &Request<Incoming>) -> Result<Answer, Failure> {
    let absent = || Failure::internal("this server is no machine");
    let machine = shared.machine.as_ref().ok_or_else(absent)?;
    let (catalog, now) = (shared.catalog().await?, shared.clock.now());
    let (workload, _) = catalog.workloads.get(&machine.id).ok_or_else(absent)?;
    let mut proof = machine.proof.lock().await;
    if !proof.as_ref().is_some_and(|proof| proof.holds(workload, now)) {
        *proof = Some(Proof::make(shared, workload, now).await?);
    }
    let proof = proof.as_ref().ok_or_else(absent)?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let asked = Asked {
        method: request.method().as_str(),
        path: request.uri().path(),
        host: header("host"),
        authorization: header("authorization"),
        is_forwarded: FORWARDED.iter().any(|name| request.headers().contains_key(*name)),
    };
    let machine = metadata::Machine {
        id: &workload.id,
        name: &workload.name,
        compartment_id: &workload.compartment_id,
        tenancy_id: &catalog.tenancy.id,
        region: shared.region,
        certificate: &proof.issued.certificate.to_pem(),
        intermediate: &proof.issued.intermediate.to_pem(),
        private_key: &proof.private_key,
    };
    Ok(metadata::answer(asked, &machine))
}
