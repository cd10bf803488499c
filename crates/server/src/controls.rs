//! Controls of a development server, under `/_strongroom/`. A server whose clock cannot be turned
//! has none.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde::{Deserialize, Serialize};
use strongroom_model::{Clock, TurnableClock, rfc3339};
use strongroom_store::Batch;
use strongroom_wire::{ErrorCode, Refusal, RequestId};

use crate::door::Door;
use crate::failure::Failure;
use crate::reply::{self, Reply};
use crate::shared::Shared;
use crate::{rows, schedule};

/// Where the clock is read and turned.
const CLOCK: &str = "/_strongroom/clock";

const BODY_BYTES_MAX: usize = 1024;

/// What turning the clock asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Turn {
    advance_seconds: i64,
}

/// What the clock shows.
#[derive(Debug, Serialize)]
struct Shown {
    now: String,
}

/// Tells whether a request is for a control of this server.
pub(crate) fn is_control(shared: &Shared, door: &Door, path: &str) -> bool {
    shared.turnable_clock.is_some() && *door == Door::Main && path == CLOCK
}

/// Answers a control. None asks for a signature: they exist in development only.
pub(crate) async fn answer(
    shared: &Shared,
    request: Request<Incoming>,
    request_id: &RequestId,
) -> Response<Full<Bytes>> {
    match turn(shared, request).await {
        Ok(reply) => reply::success(reply, request_id),
        Err(failure) => reply::refusal(&failure.refusal, request_id),
    }
}

async fn turn(shared: &Shared, request: Request<Incoming>) -> Result<Reply, Failure> {
    let clock = shared.turnable_clock.as_deref();
    let clock = clock.ok_or_else(|| Failure::internal("a control without a clock"))?;
    match request.method().as_str() {
        "GET" => {}
        "POST" => {
            // A browser that was led here cannot send this type without asking first.
            let media_type = request.headers().get("content-type");
            if media_type.is_none_or(|value| value != "application/json") {
                let rule = "must be application/json";
                return Err(Refusal::invalid("content-type", rule).into());
            }
            advance(shared, clock, request).await?;
        }
        _ => {
            let message = "The clock takes GET and POST.";
            return Err(Refusal::new(ErrorCode::MethodNotAllowed, message).into());
        }
    }
    Reply::of(&Shown { now: rfc3339(clock.now()) })
}

/// Turns the clock; what falls due by that is done before the answer.
async fn advance(
    shared: &Shared,
    clock: &TurnableClock,
    request: Request<Incoming>,
) -> Result<(), Failure> {
    let rule = || {
        let rule = "must be {\"advanceSeconds\": N} with a whole number, 0 or more, that stays \
                    before year 9000";
        Refusal::invalid("body", rule)
    };
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_error| rule())?.to_bytes();
    let asked: Turn = serde_json::from_slice(&body).map_err(|_error| rule())?;
    let turned = clock.advance(asked.advance_seconds).ok_or_else(rule)?;
    let batch = Batch::new().put(rows::clock_turned(), rows::encode(&turned)?);
    shared.store.commit(batch).await?;
    schedule::run_due(shared, clock.now()).await
}
