//! The other regions of the tenancy. Each is an installation of its own, with its own root key; they
//! know each other by keys that an administrator carried over. A region pulls from the others what
//! it keeps copies of: identities from the home region, and secrets that are replicated to it.

mod admission;
mod intake;
mod intake_identity;
mod intake_vaults;
mod joining;
mod messages;
mod operator;
mod outbox;
mod peers;
mod promotion;
mod puller;
mod source;
mod source_vaults;
mod watch;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};
use strongroom_wire::{ErrorCode, Refusal, RequestId};
use tokio::time::timeout;

pub(crate) use admission::{admit_identity, admit_secret, admit_vault, check_targets};
pub use joining::{JoinError, NewRegion, join_tenancy};
pub use messages::SignedMessage;
pub use operator::RegionCommand;
pub(crate) use outbox::note;
pub use peers::RegionIdentity;
pub(crate) use peers::Regions;
pub(crate) use puller::keep_replicating;
pub use puller::{RegionAnswer, RegionLine};
pub(crate) use watch::RegionWatch;

use crate::door::Door;
use crate::failure::Failure;
use crate::reply;
use crate::shared::Shared;

/// How long a command of the operator may take: one that promotes much takes its time.
pub const OPERATOR_TIME: Duration = Duration::from_mins(5);

const REQUEST_BYTES_MAX: usize = 1024 * 1024;
const BODY_TIME: Duration = Duration::from_secs(30);

/// Tells whether a request comes from another region, or from this one's operator.
pub(crate) fn is_of_regions(door: &Door, path: &str) -> bool {
    *door == Door::Main && (path == messages::PULL || path == messages::OPERATE)
}

/// Tells whether a request comes from this region's operator.
pub(crate) fn is_of_operator(door: &Door, path: &str) -> bool {
    *door == Door::Main && path == messages::OPERATE
}

/// Answers another region, or this one's operator. What is not signed by one of them is refused,
/// and all refusals look alike.
pub(crate) async fn answer(
    shared: &Shared,
    request: Request<Incoming>,
    request_id: &RequestId,
) -> Response<Full<Bytes>> {
    match travel(shared, request).await {
        Ok(message) => message.into_response(request_id),
        Err(failure) => {
            tracing::info!(reason = failure.reason, "another region was refused");
            reply::refusal(&failure.refusal, request_id)
        }
    }
}

type Answered<'a> = Pin<Box<dyn Future<Output = Result<SignedMessage, Failure>> + Send + 'a>>;

async fn travel(shared: &Shared, request: Request<Incoming>) -> Result<SignedMessage, Failure> {
    shared.check_alarm()?;
    if request.method() != "POST" {
        let refusal = Refusal::new(ErrorCode::MethodNotAllowed, "Regions take POST.");
        return Err(refusal.into());
    }
    let is_pull = request.uri().path() == messages::PULL;
    let (head, body) = request.into_parts();
    let body = timeout(BODY_TIME, Limited::new(body, REQUEST_BYTES_MAX).collect()).await;
    let body = body.map_err(|_elapsed| Failure::not_authenticated("the body took too long"))?;
    let body = body.map_err(|_error| Failure::not_authenticated("the body is too large"))?;
    let message = SignedMessage::received(&head.headers, body.to_bytes().to_vec());
    let answered: Answered<'_> = if is_pull {
        Box::pin(source::answer(shared, &message))
    } else {
        Box::pin(operator::answer(shared, &message))
    };
    answered.await
}
