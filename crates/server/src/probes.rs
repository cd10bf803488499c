//! What orchestrators and balancers ask, outside OCI's paths and without a signature: whether the
//! process lives, whether it may be sent requests, and which version it is. Nothing else is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use tokio::time::{Instant, timeout};

use crate::shared::Shared;

/// How long the store may take until the server counts as not ready.
const STORE_TIME: Duration = Duration::from_secs(2);

/// How lately readiness must have been asked for, for somebody to be waited for.
const ASKED_LATELY: Duration = Duration::from_mins(1);

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Health,
    Ready,
    Version,
}

impl Probe {
    /// Tells which question a path is.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            "/version" => Some(Self::Version),
            _ => None,
        }
    }
}

/// Whether requests are to be sent here, and who wants to know.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    drains: AtomicBool,
    asked: Mutex<Option<Instant>>,
}

impl Readiness {
    /// Says that requests are to go elsewhere from now on.
    pub(crate) fn drain(&self) {
        self.drains.store(true, Ordering::Release);
    }

    /// Tells whether requests are to go elsewhere.
    pub(crate) fn drains(&self) -> bool {
        self.drains.load(Ordering::Acquire)
    }

    /// Tells whether somebody goes by the answer.
    pub(crate) fn is_watched(&self) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_some_and(|at| at.elapsed() < ASKED_LATELY)
    }

    fn note(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Answers a question; without a server the store was not opened yet.
pub(crate) async fn answer(
    shared: Option<&Shared>,
    probe: Probe,
    method: &Method,
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET");
    }
    match (probe, shared) {
        (Probe::Health, _) => text(StatusCode::OK, "ok"),
        (Probe::Version, _) => text(StatusCode::OK, env!("CARGO_PKG_VERSION")),
        (Probe::Ready, None) => text(StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (Probe::Ready, Some(shared)) => ready(shared).await,
    }
}

async fn ready(shared: &Shared) -> Response<Full<Bytes>> {
    shared.readiness.note();
    if shared.readiness.drains() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    match timeout(STORE_TIME, shared.view()).await {
        Ok(Ok(_)) if shared.metrics.commits_fail.load(Ordering::Relaxed) => {
            text(StatusCode::SERVICE_UNAVAILABLE, "store")
        }
        Ok(Ok(_)) => text(StatusCode::OK, "ready"),
        Ok(Err(error)) => {
            tracing::debug!(%error, "not ready");
            text(StatusCode::SERVICE_UNAVAILABLE, "store")
        }
        Err(_late) => text(StatusCode::SERVICE_UNAVAILABLE, "store"),
    }
}

fn text(status: StatusCode, word: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{word}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
