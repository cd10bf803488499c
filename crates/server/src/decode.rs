//! First stage: bytes of HTTP become a call. Nothing is believed yet.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use strongroom_signing::{HeaderSource, HeaderValue};
use strongroom_wire::{BODY_BYTES_MAX, ErrorCode, Matched, NoRoute, Refusal};

use crate::failure::Failure;

/// A request with its body, as it came.
pub(crate) struct Call {
    pub(crate) method: hyper::Method,
    /// Path and query as on the request line, which is what was signed.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Bodies and headers hold contents and signatures.
impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { method, target, .. } = self;
        f.debug_struct("Call")
            .field("method", method)
            .field("target", target)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Reads the body, up to the limit.
    pub(crate) async fn read(request: hyper::Request<Incoming>) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let is_restore = head.uri.path().trim_end_matches('/').ends_with(RESTORE);
        let bytes_max = if is_restore { RESTORE_BYTES_MAX } else { BODY_BYTES_MAX };
        if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
            return Err(too_large(bytes_max));
        }
        let body = if body.is_end_stream() {
            Bytes::new()
        } else {
            let limited = Limited::new(body, bytes_max).collect().await;
            limited.map_err(|error| unreadable(&*error, bytes_max))?.to_bytes()
        };
        Ok(Self { method: head.method, target, headers: head.headers, body })
    }

    /// Returns the path of the request line.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or(&self.target)
    }

    /// Returns the query of the request line, without the question mark.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// Returns a header's value if it is there once and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        match HeaderSource::header(self, name) {
            HeaderValue::One(value) => Some(value),
            _ => None,
        }
    }

    /// Finds the operation. Told to the caller only after the signature was verified.
    pub(crate) fn route(&self) -> Result<Matched, Failure> {
        strongroom_wire::find(self.method.as_str(), self.path()).map_err(|missing| match missing {
            NoRoute::Path => {
                let refusal = Refusal::new(ErrorCode::NotFound, "No operation has this path.");
                Failure::new(refusal, "no such route")
            }
            NoRoute::NotImplemented => {
                let message = "OCI has this operation, this server has not; docs/operations.md lists \
                               those it has.";
                let refusal = Refusal::new(ErrorCode::MethodNotImplemented, message);
                Failure::new(refusal, "an operation that is not part of this server")
            }
            NoRoute::Method => {
                let message = "The path does not take this method.";
                Failure::new(Refusal::new(ErrorCode::MethodNotAllowed, message), "no such method")
            }
        })
    }
}

impl HeaderSource for Call {
    fn header(&self, lower_case_name: &str) -> HeaderValue<'_> {
        let mut values = self.headers.get_all(lower_case_name).iter();
        match (values.next(), values.next()) {
            (None, _) => HeaderValue::Absent,
            (Some(value), None) => match value.to_str() {
                Ok(text) => HeaderValue::One(text),
                Err(_) => HeaderValue::Many,
            },
            (Some(_), Some(_)) => HeaderValue::Many,
        }
    }
}

/// The end of the paths that take a backup file.
const RESTORE: &str = "/actions/restoreFromFile";

/// Largest backup file that is uploaded; larger ones are restored from where they are.
const RESTORE_BYTES_MAX: usize = 4 * 1024 * 1024;

fn too_large(bytes_max: usize) -> Failure {
    let message = format!("The body is larger than {bytes_max} bytes.");
    Failure::new(Refusal::new(ErrorCode::PayloadTooLarge, message), "body too large")
}

fn unreadable(
    error: &(dyn std::error::Error + Send + Sync + 'static),
    bytes_max: usize,
) -> Failure {
    if error.is::<LengthLimitError>() {
        return too_large(bytes_max);
    }
    let refusal = Refusal::new(ErrorCode::CannotParseRequest, "The body ended too early.");
    Failure::new(refusal, "body not readable")
}
