//! Where the audit log and traces go, as the configuration names it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use strongroom_model::{Sensitive, private_file};
use strongroom_server::{AuditSink, NamedSink, Tracing};
use strongroom_targets::{Dialect, FileSink, OtlpSink, Post, SocketSink, WebhookSink};

use super::secret_file::read_secret;
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
            (Some(path), None, None, None) => Ok(Arc::new(FileSink::new(absolute(path)?))),
            (None, Some(path), None, None) => {
                Ok(Arc::new(SocketSink::new(&absolute(path)?, Dialect::Syslog)))
            }
            (None, None, Some(path), None) => {
                Ok(Arc::new(SocketSink::new(&absolute(path)?, Dialect::Journal)))
            }
            (None, None, None, Some(url)) => {
                let (token, ca) = (self.token_file.as_deref(), self.ca_file.as_deref());
                let post = post(url, token, ca).map_err(|why| format!("webhook: {why}"))?;
                Ok(Arc::new(WebhookSink(post)))
            }
            _ => Err("needs one of file, syslog, journal and webhook".to_owned()),
        }
    }
}

/// Makes the way to a URL, with what is in the files that the configuration names beside it.
fn post(url: &str, token: Option<&Path>, ca: Option<&Path>) -> Result<Post, String> {
    let unread = |path: &Path, error| format!("`{}`: {error}", path.display());
    let token = token.map(|path| read_secret(path).map_err(|error| unread(path, error)));
    let token = token.transpose()?;
    let ca = ca.map(|path| private_file::read(path).map_err(|error| unread(path, error)));
    Post::new(url, token.as_ref().map(Sensitive::expose), ca.transpose()?.as_deref())
}

/// A collector of OpenTelemetry's, and how much it is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TracesTable {
    /// URL that traces are posted to, `…/v1/traces` as a rule.
    otlp: String,
    /// Which part of the requests is traced whose caller does not say.
    #[serde(default = "all")]
    ratio: f64,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

const fn all() -> f64 {
    1.0
}

impl TracesTable {
    /// Makes the way to the collector, which knows this server by `instance`.
    pub(crate) fn start(&self, instance: &str) -> Result<Tracing, Failure> {
        let refused = |why: String| {
            Failure::configuration("bad-configuration", "cannot use [traces]").because(why)
        };
        if !(0.0..=1.0).contains(&self.ratio) {
            return Err(refused("ratio must be from 0 to 1".to_owned()));
        }
        let is_enough = |lots: &u16| f64::from(*lots) >= self.ratio * 1000.0;
        let per_mille = (0..=1000).find(is_enough).unwrap_or(1000);
        let (token, ca) = (self.token_file.as_deref(), self.ca_file.as_deref());
        let post = post(&self.otlp, token, ca).map_err(|why| refused(format!("otlp: {why}")))?;
        Ok(Tracing { sink: Arc::new(OtlpSink::new(post, instance)), per_mille })
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    if path.is_absolute() {
        Ok(path.to_owned())
    } else {
        Err(format!("`{}` must be an absolute path", path.display()))
    }
}
