//! Where the audit log goes beside the store: a file, the journal, syslog, or whoever takes it over
//! HTTP.

use std::path::{Path, PathBuf};

use strongroom_model::private_file;
use strongroom_server::{AuditSink, SinkAnswer, SinkEvent};
use tokio::net::UnixDatagram;

use crate::posting::Post;

/// The facility of audit logs, RFC 5424.
const LOG_AUDIT: u8 = 13;
const WARNING: u8 = 4;
const INFORMATIONAL: u8 = 6;

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
            let append = move || private_file::append_lines(&path, lines.as_bytes());
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
#[derive(Debug)]
pub struct WebhookSink(pub Post);

impl AuditSink for WebhookSink {
    fn take<'a>(&'a self, events: &'a [SinkEvent]) -> SinkAnswer<'a> {
        let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
        Box::pin(self.0.send(format!("[{}]", texts.join(","))))
    }
}
