use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{Batch, Require, StoreError};
use strongroom_wire::{ErrorCode, Refusal};

use super::Context;
use crate::failure::Failure;
use crate::rows::{self, RetryRow};
use crate::sweep::RETRY_TOKEN_SECS;

const LENGTH_MAX: usize = 255;

/// `opc-retry-token`: the same token with the same body means the same request for 24 hours.
///
/// The scope is the principal and the operation; Oracle states none.
#[derive(Debug)]
pub(super) struct Retry {
    token: Option<Token>,
    now: Timestamp,
}

#[derive(Debug)]
struct Token {
    key: Vec<u8>,
    body_digest: String,
    require: Require,
}

/// What an earlier request with the same token did.
#[derive(Debug)]
pub(super) enum Earlier {
    /// There was none, or it was too long ago.
    None(Retry),
    /// It made this.
    Made(Ocid),
}

impl Retry {
    /// Looks for an earlier request with the same token.
    pub(super) async fn look(context: &Context<'_>) -> Result<Earlier, Failure> {
        let now = context.record.time;
        let Some(value) = context.call.headers.get("opc-retry-token") else {
            return Ok(Earlier::None(Self { token: None, now }));
        };
        let text = value.to_str().ok().filter(|text| (1..=LENGTH_MAX).contains(&text.len()));
        let rule = || Refusal::invalid("opc-retry-token", "must be 1 to 255 visible characters");
        let text = text.ok_or_else(rule)?;
        let operation = context.record.operation.unwrap_or_default();
        let scope = format!("{}\n{operation}\n{text}", context.principal.identifier());
        let key = rows::retry(&strongroom_signing::body_digest(scope.as_bytes()));
        let body_digest = strongroom_signing::body_digest(&context.call.body);
        let found = context.shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
        let Some(row) = found else {
            let token = Some(Token { key, body_digest, require: Require::Absent });
            return Ok(Earlier::None(Self { token, now }));
        };
        let earlier: RetryRow = rows::decode(&key, &row.value)?;
        if now.as_second() - earlier.time_created.as_second() >= RETRY_TOKEN_SECS {
            let token = Some(Token { key, body_digest, require: Require::Revision(row.revision) });
            return Ok(Earlier::None(Self { token, now }));
        }
        if earlier.body_digest == body_digest {
            return Ok(Earlier::Made(earlier.made));
        }
        let message = "opc-retry-token: was used for a request with another body";
        Err(Refusal::new(ErrorCode::InvalidatedRetryToken, message).into())
    }

    /// Makes the batch remember that this request made `made`.
    pub(super) fn guard(&self, batch: Batch, made: &Ocid) -> Result<Batch, StoreError> {
        let Some(token) = &self.token else {
            return Ok(batch);
        };
        let row = RetryRow {
            body_digest: token.body_digest.clone(),
            made: made.clone(),
            time_created: self.now,
        };
        let value = rows::encode(&row)?;
        Ok(batch.require(token.key.clone(), token.require).put(token.key.clone(), value))
    }

    /// Tells whether a commit failed because the same request, sent twice, was faster.
    pub(super) fn lost_to_itself(&self, error: &StoreError) -> bool {
        match (error, &self.token) {
            (StoreError::Conflict { key }, Some(token)) => *key == token.key,
            _ => false,
        }
    }
}
