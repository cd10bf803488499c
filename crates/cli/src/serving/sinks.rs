//! Where the audit log goes, as the configuration names it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use strongroom_model::{Sensitive, private_file};
use strongroom_server::{AuditSink, NamedSink};
use strongroom_targets::{Dialect, FileSink, SocketSink, WebhookSink};

use crate::failure::Failure;

const NAME_CHARS_MAX: usize = 32;

/// A sink: what it is called, and one of the kinds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkTable {
    name: String,
    file: Option<PathBuf>,
    /// Socket of the daemon, `/dev/log` as a rule.
    syslog: Option<PathBuf>,
    /// Socket of the journal, `/run/systemd/journal/socket` as a rule.
    journal: Option<PathBuf>,
    /// URL that events are posted to.
    webhook: Option<String>,
    /// File with the token that a webhook is shown.
    token_file: Option<PathBuf>,
    /// Authorities of a webhook's certificate, PEM; the system's if absent.
    ca_file: Option<PathBuf>,
}

/// Makes the sinks.
pub(crate) fn start(tables: &[SinkTable]) -> Result<Vec<NamedSink>, Failure> {
    let mut sinks: Vec<NamedSink> = Vec::new();
    for table in tables {
        let refused = |why: String| {
            let name: String = table.name.chars().take(NAME_CHARS_MAX).collect();
            let message = format!("cannot use the audit sink `{}`", name.escape_debug());
            Failure::configuration("bad-configuration", message).because(why)
        };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if table.name.is_empty()
            || table.name.len() > NAME_CHARS_MAX
            || !table.name.chars().all(legal)
        {
            let rule = format!(
                "name must be 1 to {NAME_CHARS_MAX} lower-case letters, digits and hyphens"
            );
            return Err(refused(rule));
        }
        if sinks.iter().any(|known| known.name == table.name) {
            return Err(refused("the name is taken".to_owned()));
        }
        let sink = table.sink().map_err(refused)?;
        sinks.push(NamedSink { name: table.name.clone(), sink });
    }
    Ok(sinks)
}

impl SinkTable {
    fn sink(&self) -> Result<Arc<dyn AuditSink>, String> {
        let of_webhook = self.token_file.is_some() || self.ca_file.is_some();
        if of_webhook && self.webhook.is_none() {
            return Err("token_file and ca_file are a webhook's".to_owned());
        }
        match (&self.file, &self.syslog, &self.journal, &self.webhook) {
            (Some(path), None, None, None) => Ok(Arc::new(FileSink(absolute(path)?))),
            (None, Some(path), None, None) => {
                Ok(Arc::new(SocketSink::new(&absolute(path)?, Dialect::Syslog)))
            }
            (None, None, Some(path), None) => {
                Ok(Arc::new(SocketSink::new(&absolute(path)?, Dialect::Journal)))
            }
            (None, None, None, Some(url)) => Ok(Arc::new(self.webhook(url)?)),
            _ => Err("needs one of file, syslog, journal and webhook".to_owned()),
        }
    }

    fn webhook(&self, url: &str) -> Result<WebhookSink, String> {
        let unread =
            |path: &Path, error: &dyn std::fmt::Display| format!("`{}`: {error}", path.display());
        let token = self.token_file.as_deref().map(|path| {
            let token = private_file::read_private(path).map_err(|error| unread(path, &error))?;
            let mut token = Sensitive::new(token);
            if token.expose().ends_with(b"\n") {
                token.expose_mut().pop();
            }
            Ok::<_, String>(token)
        });
        let token = token.transpose()?;
        let ca = self.ca_file.as_deref();
        let ca = ca.map(|path| private_file::read(path).map_err(|error| unread(path, &error)));
        let ca = ca.transpose()?;
        WebhookSink::new(url, token.as_ref().map(Sensitive::expose), ca.as_deref())
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    if path.is_absolute() {
        Ok(path.to_owned())
    } else {
        Err(format!("`{}` must be an absolute path", path.display()))
    }
}
