//! The configuration file of the agent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use strongroom_agent::{Pattern, Rule};
use strongroom_client::{Lifetimes, SecurityClass};
use strongroom_model::private_file;

use crate::duration;
use crate::failure::Failure;
use crate::hand::reference::Reference;

/// The file; `docs/agent.md` describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentFile {
    /// Path of the socket.
    pub(super) socket: Option<PathBuf>,
    /// Who may connect to the socket, as a file's mode.
    #[serde(default = "group_mode", deserialize_with = "mode")]
    pub(super) socket_mode: u32,
    /// Loopback address of HTTP.
    pub(super) http: Option<SocketAddr>,
    /// Where the token of HTTP is written.
    pub(super) token_file: Option<PathBuf>,
    /// What whoever has the token may read.
    #[serde(default, deserialize_with = "patterns")]
    pub(super) http_references: Vec<Pattern>,
    /// `high`, `standard` or `development`.
    #[serde(default)]
    class: Class,
    #[serde(default, deserialize_with = "optional_duration")]
    ttl: Option<Duration>,
    #[serde(default, deserialize_with = "optional_duration")]
    stale_if_error: Option<Duration>,
    /// Name by which this machine is told to the vault as a consumer of its secrets.
    pub(super) consumer: Option<String>,
    /// Memory for contents, in MiB.
    #[serde(default = "cache_mib")]
    pub(super) cache_mib: u16,
    /// Who may read what through the socket.
    #[serde(default)]
    allow: Vec<AllowTable>,
    /// Secrets that are read at the start, perhaps with lifetimes of their own.
    #[serde(default)]
    pub(super) secret: Vec<SecretTable>,
    /// References by the names that applications of other stores ask for.
    #[serde(default)]
    pub(super) names: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Class {
    High,
    #[default]
    Standard,
    Development,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowTable {
    uid: Option<u32>,
    gid: Option<u32>,
    #[serde(deserialize_with = "patterns")]
    references: Vec<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretTable {
    pub(super) reference: String,
    #[serde(default, deserialize_with = "optional_duration")]
    ttl: Option<Duration>,
    #[serde(default, deserialize_with = "optional_duration")]
    stale_if_error: Option<Duration>,
}

const fn group_mode() -> u32 {
    0o660
}

const fn cache_mib() -> u16 {
    16
}

fn mode<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| mode & !0o666 == 0);
    mode.ok_or_else(|| de::Error::custom("must be an octal mode such as \"0660\", without x"))
}

fn patterns<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Pattern>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let read = |text: &String| {
        text.parse().map_err(|error| de::Error::custom(format!("`{text}` {error}")))
    };
    texts.iter().map(read).collect()
}

fn optional_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    duration::seconds(&text).map(|secs| Some(Duration::from_secs(secs))).map_err(de::Error::custom)
}

impl AgentFile {
    /// Reads the file and checks what can be checked without a vault.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |why: String| {
            let message = format!("cannot use the configuration `{}`", path.display());
            Failure::configuration("bad-configuration", message).because(why)
        };
        let bytes = private_file::read(path).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
        let file: Self = toml::from_str(&text)
            .map_err(|error| refused(error.to_string().trim_end().to_owned()))?;
        file.check().map_err(refused)?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        if self.socket.is_none() && self.http.is_none() {
            return Err("neither socket nor http is given: nobody could ask".to_owned());
        }
        if self.http.is_some_and(|address| !address.ip().is_loopback()) {
            return Err("http must be a loopback address: 127.0.0.1 or [::1]".to_owned());
        }
        if self.http.is_some() != self.token_file.is_some() {
            return Err("http and token_file go together".to_owned());
        }
        if self.socket.is_some() && self.allow.is_empty() {
            return Err("socket without [[allow]]: nobody may read anything".to_owned());
        }
        if self.consumer.is_some() && self.secret.is_empty() {
            return Err("consumer without [[secret]]: there is nothing to tell of".to_owned());
        }
        self.lifetimes().check().map_err(|error| error.to_string())?;
        for table in &self.secret {
            table.lifetimes(self.lifetimes()).check().map_err(|error| error.to_string())?;
        }
        let named = self.names.values().chain(self.secret.iter().map(|table| &table.reference));
        for reference in named {
            let read = reference.parse::<Reference>();
            read.map_err(|failure| format!("`{reference}`: {}", failure.in_a_line()))?;
        }
        Ok(())
    }

    /// How long contents are kept where nothing is said of a secret.
    pub(super) fn lifetimes(&self) -> Lifetimes {
        let class = match self.class {
            Class::High => SecurityClass::High,
            Class::Standard => SecurityClass::Standard,
            Class::Development => SecurityClass::Development,
        };
        chosen(Lifetimes::of(class), self.ttl, self.stale_if_error)
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        let rule = |table: &AllowTable| Rule {
            uid: table.uid,
            gid: table.gid,
            references: table.references.clone(),
        };
        self.allow.iter().map(rule).collect()
    }
}

impl SecretTable {
    pub(super) fn lifetimes(&self, usual: Lifetimes) -> Lifetimes {
        chosen(usual, self.ttl, self.stale_if_error)
    }
}

fn chosen(usual: Lifetimes, ttl: Option<Duration>, stale: Option<Duration>) -> Lifetimes {
    let usual = ttl.map_or(usual, |ttl| usual.with_ttl(ttl));
    stale.map_or(usual, |stale| usual.with_stale_if_error(stale))
}
