//! Last stage: the answer in OCI's bytes.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use serde::Serialize;
use strongroom_model::Sensitive;
use strongroom_wire::{Etag, PageToken, Refusal, RequestId};

use crate::failure::Failure;

/// What an operation answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) body: Sensitive,
    pub(crate) etag: Option<Etag>,
    pub(crate) next_page: Option<PageToken>,
    /// What the audit record says beyond the request.
    pub(crate) version_number: Option<u64>,
    /// Set if the work goes on after the answer.
    pub(crate) work_request_id: Option<String>,
    /// Whether there is nothing to say: 204.
    pub(crate) is_empty: bool,
    /// Whether the record was part of the operation's own commit.
    pub(crate) recorded: bool,
}

impl Reply {
    /// Makes an answer out of a body.
    pub(crate) fn of<T: Serialize>(body: &T) -> Result<Self, Failure> {
        Self::sized(body, 0)
    }

    /// Makes an answer out of a body that is about `bytes` larger than most: a buffer that has to
    /// grow leaves its content behind.
    pub(crate) fn sized<T: Serialize>(body: &T, bytes: usize) -> Result<Self, Failure> {
        let mut buffer = Sensitive::new(Vec::with_capacity(BODY_BYTES.saturating_add(bytes)));
        serde_json::to_writer(buffer.expose_mut(), body)
            .map_err(|_error| Failure::internal("the answer cannot be encoded"))?;
        Ok(Self {
            body: buffer,
            etag: None,
            next_page: None,
            version_number: None,
            work_request_id: None,
            is_empty: false,
            recorded: false,
        })
    }

    /// Makes the answer to what removes something: 204.
    pub(crate) fn nothing() -> Self {
        Self {
            body: Sensitive::new(Vec::new()),
            etag: None,
            next_page: None,
            version_number: None,
            work_request_id: None,
            is_empty: true,
            recorded: false,
        }
    }

    /// Leaves the body out, as for actions that OCI answers with headers only.
    pub(crate) fn without_body(self) -> Self {
        Self { body: Sensitive::new(Vec::new()), ..self }
    }

    pub(crate) fn with_etag(self, revision: strongroom_store::Revision) -> Self {
        Self { etag: Some(Etag::of_revision(revision.0)), ..self }
    }

    pub(crate) fn with_next_page(self, next_page: Option<PageToken>) -> Self {
        Self { next_page, ..self }
    }

    pub(crate) fn with_version(self, number: u64) -> Self {
        Self { version_number: Some(number), ..self }
    }

    /// Says that the work goes on: 202.
    pub(crate) fn accepted(self, work_request_id: Option<String>) -> Self {
        Self { work_request_id, ..self }
    }

    pub(crate) fn recorded(self) -> Self {
        Self { recorded: true, ..self }
    }
}

/// Room for a body without content.
const BODY_BYTES: usize = 768;

const OPC_REQUEST_ID: HeaderName = HeaderName::from_static("opc-request-id");
const OPC_WORK_REQUEST_ID: HeaderName = HeaderName::from_static("opc-work-request-id");
const OPC_NEXT_PAGE: HeaderName = HeaderName::from_static("opc-next-page");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Renders a success.
pub(crate) fn success(reply: Reply, request_id: &RequestId) -> Response<Full<Bytes>> {
    let status = match (reply.is_empty, &reply.work_request_id) {
        (true, _) => 204,
        (false, Some(_)) => 202,
        (false, None) => 200,
    };
    let mut response = base(status, Bytes::from_owner(reply.body.into_owner()), request_id);
    let headers = response.headers_mut();
    if let Some(etag) = reply.etag.and_then(|etag| HeaderValue::try_from(etag.to_string()).ok()) {
        headers.insert(ETAG, etag);
    }
    if let Some(id) = reply.work_request_id.and_then(|id| HeaderValue::try_from(id).ok()) {
        headers.insert(OPC_WORK_REQUEST_ID, id);
    }
    if let Some(page) = reply.next_page.and_then(|page| HeaderValue::try_from(page.as_str()).ok()) {
        headers.insert(OPC_NEXT_PAGE, page);
    }
    response
}

/// Renders a refusal.
pub(crate) fn refusal(refusal: &Refusal, request_id: &RequestId) -> Response<Full<Bytes>> {
    base(refusal.code.status(), Bytes::from(refusal.body()), request_id)
}

fn base(status: u16, body: Bytes, request_id: &RequestId) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Ok(id) = HeaderValue::try_from(request_id.as_str()) {
        headers.insert(OPC_REQUEST_ID, id);
    }
    response
}
