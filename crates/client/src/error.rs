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
}

/// Why a call did not succeed. Holds no content and no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The endpoint is no URL that can be called.
    #[error("the endpoint is no http or https URL of a host: {0}")]
    Endpoint(String),
    /// The key cannot sign.
    #[error("the request cannot be signed: {0}")]
    Signing(String),
    /// No answer came.
    #[error("no answer from {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system says.
        why: String,
    },
    /// The service refused.
    #[error("{} {}: {}", .0.status, .0.code, .0.message)]
    Service(ServiceError),
    /// The answer is not what the API describes.
    #[error("the answer of {0} cannot be read")]
    Answer(&'static str),
}
