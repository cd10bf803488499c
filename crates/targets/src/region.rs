//! The way to other regions: HTTP, over TLS unless the URL says otherwise.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use strongroom_server::{RegionAnswer, RegionLine, SignedMessage};

use crate::dialling::{HttpClient, client};
use crate::function::chain;

const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const MESSAGE_CHARS_MAX: usize = 400;

/// Sends messages to regions over HTTP. Certificates are checked against the system's authorities,
/// or those that `SSL_CERT_FILE` names; that a region is itself is proved by its signature.
pub struct HttpLine(HttpClient);

impl std::fmt::Debug for HttpLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpLine")
    }
}

impl HttpLine {
    /// Makes the way.
    ///
    /// # Errors
    /// What TLS lacks here.
    pub fn new() -> Result<Self, String> {
        Ok(Self(client(None)?))
    }

    /// Sends a message to a region at `url`, and returns its answer.
    ///
    /// # Errors
    /// That nobody was reached, or what was answered instead.
    pub async fn send(&self, url: &str, message: SignedMessage) -> Result<SignedMessage, NoReply> {
        let mut request = Request::post(url);
        for (name, value) in message.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(message.body)));
        let request = request.map_err(|error| NoReply::Refused(error.to_string()))?;
        let answer = self.0.request(request).await;
        let unreached = |error| NoReply::Unreached(format!("it cannot be reached: {error}"));
        let answer = answer.map_err(|error| unreached(chain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let early = |error| NoReply::Unreached(format!("its answer ended early: {error}"));
        let body = body.map_err(early)?.to_bytes();
        if head.status.as_u16() == 200 {
            return Ok(SignedMessage::received(&head.headers, body.to_vec()));
        }
        let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let said = said.as_ref().and_then(|said| said.get("message")?.as_str());
        let said = said.unwrap_or("it is no Strongroom region").chars();
        let said: String = said.filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
        Err(NoReply::Refused(format!("it answers {}: {said}", head.status.as_u16())))
    }
}

/// Why a region's reply is not there.
#[derive(Debug, thiserror::Error)]
pub enum NoReply {
    /// Nobody was reached, or the connection broke.
    #[error("{0}")]
    Unreached(String),
    /// Something else was answered, or the URL is none.
    #[error("{0}")]
    Refused(String),
}

impl RegionLine for HttpLine {
    fn exchange<'a>(&'a self, url: &'a str, message: SignedMessage) -> RegionAnswer<'a> {
        Box::pin(async move { self.send(url, message).await.map_err(|error| error.to_string()) })
    }
}
