use strongroom_store::StoreError;
use strongroom_wire::{ErrorCode, Refusal};

use crate::denial::DeniedQuestion;

/// A request that did not succeed: what the caller may read, and what the operator needs. The pair
/// has no `Display`, so that neither ends up in the other's place.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) refusal: Refusal,
    pub(crate) reason: String,
    /// What policies were asked, if they refused.
    pub(crate) question: Option<Box<DeniedQuestion>>,
    /// When to try again, where that is known.
    pub(crate) retry_after_secs: Option<u64>,
}

impl Failure {
    pub(crate) fn new(refusal: Refusal, reason: impl Into<String>) -> Self {
        Self { refusal, reason: reason.into(), question: None, retry_after_secs: None }
    }

    /// The answer to every failed check of a signature; which one it was goes to the log alone.
    pub(crate) fn not_authenticated(reason: impl Into<String>) -> Self {
        let message = "The required information to complete authentication was not provided or \
                       was incorrect.";
        Self::new(Refusal::new(ErrorCode::NotAuthenticated, message), reason)
    }

    /// The answer to what is missing and to what policy hides.
    pub(crate) fn not_found(reason: impl Into<String>) -> Self {
        let message = "Authorization failed or requested resource not found.";
        Self::new(Refusal::new(ErrorCode::NotAuthorizedOrNotFound, message), reason)
    }

    /// Remembers what policies were asked.
    pub(crate) fn asked(self, question: DeniedQuestion) -> Self {
        Self { question: Some(Box::new(question)), ..self }
    }

    /// Says when to try again.
    pub(crate) fn retry_after(self, secs: u64) -> Self {
        Self { retry_after_secs: Some(secs), ..self }
    }

    /// The answer when the store or the keyring did not do its part.
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        let message = "An internal error occurred. Quote the opc-request-id to the operator.";
        Self::new(Refusal::new(ErrorCode::InternalServerError, message), reason)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let reason = refusal.message.clone().into_owned();
        Self { refusal, reason, question: None, retry_after_secs: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => {
                let message = "The resource was changed by another request. Try again.";
                Self::new(Refusal::new(ErrorCode::IncorrectState, message), "conflict in the store")
            }
            StoreError::ReadOnly => {
                let message = "The service takes no changes for a while: it is read-only. \
                               Reads are answered. Try again later.";
                Self::new(Refusal::new(ErrorCode::ServiceUnavailable, message), error.to_string())
            }
            StoreError::Corrupt(_) => Self::internal(error.to_string()),
            _ => {
                let message = "The service cannot answer now. Try again.";
                Self::new(Refusal::new(ErrorCode::ServiceUnavailable, message), error.to_string())
            }
        }
    }
}
