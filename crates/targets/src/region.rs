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

    async fn send(&self, url: &str, message: SignedMessage) -> Result<SignedMessage, String> {
        let mut request = Request::post(url);
        for (name, value) in message.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(message.body)));
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.0.request(request).await;
        let answer = answer.map_err(|error| format!("it cannot be reached: {}", chain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| format!("its answer ended early: {error}"))?.to_bytes();
        if head.status.as_u16() == 200 {
            return Ok(SignedMessage::received(&head.headers, body.to_vec()));
        }
        let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let said = said.as_ref().and_then(|said| said.get("message")?.as_str());
        let said = said.unwrap_or("it is no Strongroom region").chars();
        let said: String = said.filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
        Err(format!("it answers {}: {said}", head.status.as_u16()))
    }
}

impl RegionLine for HttpLine {
    fn exchange<'a>(&'a self, url: &'a str, message: SignedMessage) -> RegionAnswer<'a> {
        Box::pin(self.send(url, message))
    }
}
