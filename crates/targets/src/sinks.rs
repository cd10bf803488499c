//! Where the audit log goes beside the store: a file, the journal, syslog, or whoever takes it over
//! HTTP.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Uri};
use strongroom_model::private_file;
use strongroom_server::{AuditSink, SinkAnswer, SinkEvent};
use tokio::net::UnixDatagram;

use crate::dialling::{HttpClient, client};
use crate::function::chain;

/// The facility of audit logs, RFC 5424.
const LOG_AUDIT: u8 = 13;
const WARNING: u8 = 4;
const INFORMATIONAL: u8 = 6;

/// What an answer may say.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

const fn severity(event: &SinkEvent) -> u8 {
    if event.is_refusal { WARNING } else { INFORMATIONAL }
}

/// A file to which events are appended, a line each. It is opened anew each time, so that it can be
/// renamed away, and synced before it counts as written.
#[derive(Debug)]
pub struct FileSink(pub PathBuf);

impl AuditSink for FileSink {
    fn take<'a>(&'a self, events: &'a [SinkEvent]) -> SinkAnswer<'a> {
        let lines: String = events.iter().flat_map(|event| [event.text.as_str(), "\n"]).collect();
        let path = self.0.clone();
        Box::pin(async move {
            let append = move || private_file::append(&path, lines.as_bytes());
            let appended = tokio::task::spawn_blocking(append).await;
            let appended = appended.map_err(|error| error.to_string())?;
            appended.map_err(|error| format!("`{}`: {error}", self.0.display()))
        })
    }
}

/// How a daemon of this machine is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As the C library's `syslog` does: `<108>Nov 26 22:14:15 strongroom[7]: {…}`.
    Syslog,
    /// The journal's own: fields, a line each.
    Journal,
}

/// The socket of a daemon that keeps logs.
#[derive(Debug)]
pub struct SocketSink {
    path: PathBuf,
    dialect: Dialect,
}

impl SocketSink {
    /// Makes a sink. The socket need not be there yet.
    #[must_use]
    pub fn new(path: &Path, dialect: Dialect) -> Self {
        Self { path: path.to_owned(), dialect }
    }

    fn message(&self, event: &SinkEvent) -> String {
        let (severity, text) = (severity(event), &event.text);
        match self.dialect {
            Dialect::Syslog => {
                let time = event.time.strftime("%b %e %H:%M:%S");
                let priority = LOG_AUDIT * 8 + severity;
                format!("<{priority}>{time} strongroom[{}]: {text}", std::process::id())
            }
            Dialect::Journal => format!(
                "MESSAGE={text}\nPRIORITY={severity}\nSYSLOG_FACILITY={LOG_AUDIT}\n\
                 SYSLOG_IDENTIFIER=strongroom\nSTRONGROOM_REQUEST_ID={}\n",
                event.id
            ),
        }
    }

    async fn send(&self, events: &[SinkEvent]) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("`{}`: {error}", self.path.display());
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.connect(&self.path).map_err(failed)?;
        for event in events {
            socket.send(self.message(event).as_bytes()).await.map_err(failed)?;
        }
        Ok(())
    }
}

impl AuditSink for SocketSink {
    fn take<'a>(&'a self, events: &'a [SinkEvent]) -> SinkAnswer<'a> {
        Box::pin(self.send(events))
    }
}

/// A URL to which events are posted: a JSON array of what `ListEvents` answers. An answer of 2xx says
/// that they were taken.
pub struct WebhookSink {
    uri: Uri,
    authorization: Option<HeaderValue>,
    client: HttpClient,
}

impl std::fmt::Debug for WebhookSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSink").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl WebhookSink {
    /// Makes a sink: its URL, the token that it is shown, and the authorities of its certificate, PEM.
    ///
    /// # Errors
    /// What is wrong with the URL, the token or the authorities.
    pub fn new(url: &str, token: Option<&[u8]>, ca: Option<&[u8]>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_no_url| "webhook must be a URL".to_owned())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.ok_or_else(|| "webhook must name a host, and no user".to_owned())?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_this_machine(host.host()) => {}
            _ => {
                return Err(
                    "webhook must begin with https://, or http:// to this machine".to_owned()
                );
            }
        }
        let bearer = |token: &[u8]| {
            let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
            let mut value =
                value.map_err(|_error| "the token is not one line of text".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        let authorization = token.map(bearer).transpose()?;
        let client = client(ca).map_err(|why| format!("ca_file: {why}"))?;
        Ok(Self { uri, authorization, client })
    }

    async fn post(&self, events: &[SinkEvent]) -> Result<(), String> {
        let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
        let mut request = Request::post(&self.uri).header(CONTENT_TYPE, "application/json");
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(Bytes::from(format!("[{}]", texts.join(",")))));
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| format!("it cannot be reached: {}", chain(&error)))?;
        let status = answer.status();
        // Read, so that the connection can be used again.
        let _said = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        if status.is_success() { Ok(()) } else { Err(format!("it answers {}", status.as_u16())) }
    }
}

fn is_this_machine(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || literal.is_ok_and(|address| address.is_loopback())
}

impl AuditSink for WebhookSink {
    fn take<'a>(&'a self, events: &'a [SinkEvent]) -> SinkAnswer<'a> {
        Box::pin(self.post(events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_spoken_to_over_tls_or_on_this_machine() {
        for url in [
            "https://siem.example/in",
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://localhost/",
        ] {
            assert!(WebhookSink::new(url, None, None).is_ok(), "{url}");
        }
        for url in
            ["http://siem.example/", "http://10.0.0.1/", "ftp://x/", "https://u:p@x/", "/path", ""]
        {
            assert!(WebhookSink::new(url, None, None).is_err(), "{url}");
        }
        assert!(WebhookSink::new("https://x/", Some(b"two\nlines"), None).is_err());
        assert!(WebhookSink::new("https://x/", None, Some(b"no PEM")).is_err());
        let shown = format!("{:?}", WebhookSink::new("https://x/", Some(b"token"), None));
        assert!(!shown.contains("token"), "{shown}");
    }
}
