/// What a service answered in place of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// HTTP status.
    pub status: u16,
    /// OCI's error code, if the body was OCI's.
    pub code: String,
    /// The message, if the body was OCI's.
    pub message: String,
    /// `opc-request-id` of the answer.
    pub request_id: Option<String>,
    /// After how many seconds the service wants to be asked again, if it says so.
    pub retry_after_secs: Option<u64>,
}

/// Why a call did not succeed. Holds no content and no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The endpoint cannot be called. The URL is left out, for it may hold a password.
    #[error("the endpoint cannot be called: {0}")]
    Endpoint(&'static str),
    /// The certificate authorities cannot be used.
    #[error("the certificate authorities cannot be used: {0}")]
    Authorities(String),
    /// The key cannot sign.
    #[error("the request cannot be signed: {0}")]
    Signing(String),
    /// There is nothing to sign with.
    #[error("{what} cannot be used: {why}")]
    Credentials {
        /// Which credentials.
        what: &'static str,
        /// Why not. Holds no token and no key.
        why: String,
        /// Whether a service refused to give any: whoever had some has them no longer.
        is_refused: bool,
    },
    /// No answer came.
    #[error("no answer from {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system says.
        why: String,
        /// Whether the request may have arrived, and been carried out.
        perhaps_arrived: bool,
    },
    /// The proxy on the way did not pass the request on.
    #[error("the proxy {place} answers {status}")]
    Proxy {
        /// Its host and port.
        place: String,
        /// HTTP status.
        status: u16,
    },
    /// The service has failed so often that it is left alone for a while.
    #[error(
        "the service failed {failures} times in a row and is left alone for {secs} s more; \
         the last time: {last}"
    )]
    LeftAlone {
        /// How often.
        failures: u32,
        /// What was wrong the last time.
        last: String,
        /// For how long, in seconds.
        secs: u64,
    },
    /// The service refused.
    #[error("{} {}: {}", .0.status, .0.code, .0.message)]
    Service(ServiceError),
    /// The answer is not what the API describes.
    #[error("the answer of {0} cannot be read")]
    Answer(&'static str),
}

impl ClientError {
    /// Tells whether the service answered nothing, to this call or to those before it.
    pub(crate) const fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::LeftAlone { .. })
    }
}
