use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::time::Instant;

use crate::endpoint::BaseUrl;
use crate::error::ClientError;
use crate::network::Authorities;
use crate::transport::Transport;

/// Deletions and rotations that fall due are done before the answer.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// Turns the clock of a development server forward and returns what it shows then (RFC 3339).
///
/// # Errors
/// A [`ClientError`]; a server whose clock cannot be turned answers 401.
pub async fn advance_clock(
    base_url: &BaseUrl,
    authorities: Authorities<'_>,
    secs: u64,
) -> Result<String, ClientError> {
    let transport = Transport::new(authorities, base_url.is_over_tls())?;
    let body = serde_json::json!({ "advanceSeconds": secs }).to_string();
    let request = Request::post(format!("{base_url}/_strongroom/clock"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_error| ClientError::Endpoint("it is no URL"))?;
    let answer = transport.send(request, Instant::now() + ANSWER_TIME).await?;
    let shown: serde_json::Value =
        serde_json::from_slice(&answer.body).map_err(|_error| ClientError::Answer("the clock"))?;
    let now = shown.get("now").and_then(serde_json::Value::as_str);
    now.map(str::to_owned).ok_or(ClientError::Answer("the clock"))
}
