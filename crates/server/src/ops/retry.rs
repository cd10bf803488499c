use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{Batch, Require, StoreError};
use strongroom_wire::{ErrorCode, Refusal};

use super::Context;
use crate::decode::Call;
use crate::failure::Failure;
use crate::rows::{self, RetryRow};
use crate::sweep::RETRY_TOKEN_SECS;

const LENGTH_MAX: usize = 255;

/// `opc-retry-token`: the same token with the same endpoint, target and body means the same
/// request for 24 hours.
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
    request_digest: String,
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
        let principal = context.principal.identifier();
        let scope = [b"scope", principal.as_bytes(), operation.as_bytes(), text.as_bytes()];
        let key = rows::retry(&context.shared.retry_key.tag(&scope));
        let request_digest = digest_of(context);
        let found = context.shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
        let Some(row) = found else {
            let token = Some(Token { key, request_digest, require: Require::Absent });
            return Ok(Earlier::None(Self { token, now }));
        };
        let earlier: RetryRow = rows::decode(&key, &row.value)?;
        if now.as_second() - earlier.time_created.as_second() >= RETRY_TOKEN_SECS {
            let require = Require::Revision(row.revision);
            let token = Some(Token { key, request_digest, require });
            return Ok(Earlier::None(Self { token, now }));
        }
        if earlier.request_digest == request_digest {
            return Ok(Earlier::Made(earlier.made));
        }
        Err(invalidated("was used for a request with another endpoint, target or body"))
    }

    /// Makes the batch remember that this request made `made`.
    pub(super) fn guard(&self, batch: Batch, made: &Ocid) -> Result<Batch, StoreError> {
        let Some(token) = &self.token else {
            return Ok(batch);
        };
        let row = RetryRow {
            request_digest: token.request_digest.clone(),
            made: made.clone(),
            time_created: self.now,
        };
        let value = rows::encode(&row)?;
        Ok(batch.require(token.key.clone(), token.require).put(token.key.clone(), value))
    }

    /// After a commit that failed: returns what the same request, sent twice, has made if it was
    /// faster. Which of its conditions failed first says nothing.
    pub(super) async fn lost_to_itself(
        &self,
        context: &Context<'_>,
        error: &StoreError,
    ) -> Result<Option<Ocid>, Failure> {
        if self.token.is_none() || !matches!(error, StoreError::Conflict { .. }) {
            return Ok(None);
        }
        match Self::look(context).await? {
            Earlier::Made(id) => Ok(Some(id)),
            Earlier::None(_) => Ok(None),
        }
    }
}

/// Says that a request cannot be answered as the one before it with the same token was.
pub(super) fn invalidated(why: &str) -> Failure {
    let message = format!("opc-retry-token: {why}");
    Refusal::new(ErrorCode::InvalidatedRetryToken, message).into()
}

/// Digest of what a request asks for: of its vault, its target and its body. Where the target names no
/// vault, the endpoint does.
fn digest_of(context: &Context<'_>) -> String {
    let Call { target, body, .. } = context.call;
    let vault = context.record.vault_id.as_ref().map_or("", Ocid::as_str);
    context.shared.retry_key.tag(&[b"request", vault.as_bytes(), target.as_bytes(), body])
}
