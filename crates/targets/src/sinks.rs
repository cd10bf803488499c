//! Where the audit log goes beside the store: a file, the journal, syslog, or whoever takes it over
//! HTTP.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};

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
pub struct FileSink {
    path: PathBuf,
    /// Held while lines are appended. Who waits for that may give up: the disk goes on, and what it
    /// makes of the lines in the end is not to concern any that were appended meanwhile.
    turn: Arc<Mutex<()>>,
}

impl FileSink {
    /// Makes a sink. The file need not be there yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, turn: Arc::default() }
    }
}

/// Appends lines, unless an earlier attempt is still under way.
fn append(path: &Path, turn: &Mutex<()>, lines: &str) -> Result<(), String> {
    let _turn = match turn.try_lock() {
        Ok(turn) => turn,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => {
            return Err(format!("`{}`: the attempt before is still under way", path.display()));
        }
    };
    let appended = private_file::append_lines(path, lines.as_bytes());
    appended.map_err(|error| format!("`{}`: {error}", path.display()))
}

impl AuditSink for FileSink {
    fn take<'a>(&'a self, events: &'a [SinkEvent]) -> SinkAnswer<'a> {
        let lines: String = events.iter().flat_map(|event| [event.text.as_str(), "\n"]).collect();
        let (path, turn) = (self.path.clone(), Arc::clone(&self.turn));
        Box::pin(async move {
            let appending = move || append(&path, &turn, &lines);
            let appended = tokio::task::spawn_blocking(appending).await;
            appended.map_err(|error| error.to_string())?
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

#[cfg(test)]
mod tests {
    use strongroom_model::Timestamp;

    use super::*;

    #[tokio::test]
    async fn lines_are_not_appended_while_an_earlier_attempt_may_cut_them_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let sink = FileSink::new(path.clone());
        let event = SinkEvent {
            time: Timestamp::UNIX_EPOCH,
            id: "a".to_owned(),
            is_refusal: false,
            text: "{}".to_owned(),
        };
        let events = [event.clone(), event];
        {
            let _earlier = sink.turn.lock().unwrap();
            let refused = append(&path, &sink.turn, "{}\n").unwrap_err();
            assert!(refused.ends_with("the attempt before is still under way"), "{refused}");
        }
        assert!(private_file::read(&path).is_err());
        sink.take(&events).await.unwrap();
        assert_eq!(private_file::read(&path).unwrap(), b"{}\n{}\n");
    }
}
