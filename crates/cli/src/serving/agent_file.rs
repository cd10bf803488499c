//! The configuration file of the agent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use strongroom_agent::{ChangeCommand, Pattern, Rule, WhenRefused};
use strongroom_client::{Lifetimes, SecurityClass};
use strongroom_model::private_file::{self, Access};
use strongroom_wire::read_consumer_name;

use crate::configuration_file;
use crate::duration;
use crate::failure::Failure;
use crate::hand::reference::Reference;
use crate::hand::render;

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
    /// How long whoever has read a version from here may go on using it.
    #[serde(default = "consumer_grace", deserialize_with = "whole_duration")]
    pub(super) consumer_grace: Duration,
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
    /// Files that are kept as their secrets are.
    #[serde(default)]
    pub(super) file: Vec<FileTable>,
    /// Commands that are run when secrets change.
    #[serde(default)]
    pub(super) command: Vec<CommandTable>,
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

/// A file, of one reference or of a template.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileTable {
    pub(super) path: PathBuf,
    pub(super) reference: Option<String>,
    pub(super) template: Option<PathBuf>,
    #[serde(default = "private_mode", deserialize_with = "file_mode")]
    mode: u32,
    #[serde(default, deserialize_with = "file_owner")]
    owner: (Option<u32>, Option<u32>),
    #[serde(default)]
    on_change: Vec<String>,
    #[serde(default, deserialize_with = "optional_duration")]
    on_change_timeout: Option<Duration>,
    #[serde(default)]
    when_refused: Refused,
}

/// A command without a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandTable {
    pub(super) references: Vec<String>,
    run: Vec<String>,
    #[serde(default, deserialize_with = "optional_duration")]
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Refused {
    #[default]
    Keep,
    Remove,
}

const COMMAND_TIME: Duration = Duration::from_secs(30);

const fn private_mode() -> u32 {
    0o600
}

fn file_mode<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    render::mode(&String::deserialize(from)?).map_err(de::Error::custom)
}

fn file_owner<'de, D: Deserializer<'de>>(from: D) -> Result<(Option<u32>, Option<u32>), D::Error> {
    render::owner::parse(&String::deserialize(from)?).map_err(de::Error::custom)
}

const fn group_mode() -> u32 {
    0o660
}

const fn consumer_grace() -> Duration {
    Duration::from_secs(30)
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

fn whole_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    duration::seconds(&text).map(Duration::from_secs).map_err(de::Error::custom)
}

fn optional_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    whole_duration(from).map(Some)
}

impl AgentFile {
    /// Reads the file and checks what can be checked without a vault.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |why: String| {
            let message = format!("cannot use the configuration `{}`", path.display());
            Failure::configuration("bad-configuration", message).because(why)
        };
        let bytes = private_file::read_obeyed(path).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
        let file: Self = configuration_file::parse(&text).map_err(refused)?;
        file.check().map_err(refused)?;
        Ok(file)
    }

    fn check(&self) -> Result<(), String> {
        let has_sinks = !self.file.is_empty() || !self.command.is_empty();
        if self.socket.is_none() && self.http.is_none() && !has_sinks {
            return Err(
                "there is neither socket, http, [[file]] nor [[command]]: nothing to do".to_owned()
            );
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
        if self.consumer.is_some() && self.secret.is_empty() && !has_sinks {
            return Err(
                "consumer without [[secret]], [[file]] or [[command]]: there is nothing to \
                        tell of"
                    .to_owned(),
            );
        }
        if let Some(consumer) = &self.consumer {
            read_consumer_name(consumer).map_err(|_refusal| {
                "consumer must be 1 to 255 characters out of A-Z a-z 0-9 - _ .".to_owned()
            })?;
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
        self.check_sinks()
    }

    fn check_sinks(&self) -> Result<(), String> {
        let mut paths = BTreeSet::new();
        for file in &self.file {
            file.check().map_err(|why| format!("[[file]] `{}` {why}", file.path.display()))?;
            if !paths.insert(&file.path) {
                return Err(format!("[[file]] `{}` stands twice", file.path.display()));
            }
        }
        for command in &self.command {
            command.check().map_err(|why| format!("[[command]] {:?} {why}", command.run))?;
        }
        Ok(())
    }

    /// How often a sink is looked at: what is in the cache costs nothing, what is not costs a call.
    pub(super) fn sink_pause(&self) -> Duration {
        let is_kept = !matches!(self.class, Class::Development) || self.ttl.is_some();
        Duration::from_secs(if is_kept { 1 } else { 10 })
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

impl FileTable {
    fn check(&self) -> Result<(), String> {
        if !self.path.is_absolute() {
            return Err("must be an absolute path".to_owned());
        }
        match (&self.reference, &self.template) {
            (Some(reference), None) => known(reference)?,
            (None, Some(template)) if template.is_absolute() => {}
            (None, Some(_)) => return Err("needs the absolute path of its template".to_owned()),
            _ => return Err("needs either a reference or a template".to_owned()),
        }
        self.access()?;
        if self.on_change.is_empty() {
            return match self.on_change_timeout {
                Some(_) => Err("has on_change_timeout, but no on_change".to_owned()),
                None => Ok(()),
            };
        }
        self.command().map(drop)
    }

    pub(super) fn access(&self) -> Result<Access, String> {
        let (owner, group) = self.owner;
        Access::new(self.mode, owner, group).map_err(str::to_owned)
    }

    pub(super) fn command(&self) -> Result<Option<ChangeCommand>, String> {
        if self.on_change.is_empty() {
            return Ok(None);
        }
        change_command(&self.on_change, self.on_change_timeout).map(Some)
    }

    pub(super) fn when_refused(&self) -> WhenRefused {
        match self.when_refused {
            Refused::Keep => WhenRefused::Keep,
            Refused::Remove => WhenRefused::Remove,
        }
    }
}

impl CommandTable {
    fn check(&self) -> Result<(), String> {
        if self.references.is_empty() {
            return Err("follows nothing: references is empty".to_owned());
        }
        self.references.iter().try_for_each(|reference| known(reference))?;
        self.command().map(drop)
    }

    pub(super) fn command(&self) -> Result<ChangeCommand, String> {
        change_command(&self.run, self.timeout)
    }
}

fn known(reference: &str) -> Result<(), String> {
    let read = reference.parse::<Reference>();
    read.map(drop).map_err(|failure| format!("names `{reference}`: {}", failure.in_a_line()))
}

/// No shell is in between, and no PATH is searched.
fn change_command(words: &[String], time: Option<Duration>) -> Result<ChangeCommand, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("names no program".to_owned());
    };
    if !Path::new(program).is_absolute() {
        return Err(format!("names `{program}`, which must be the absolute path of a program"));
    }
    let time_max = time.unwrap_or(COMMAND_TIME);
    if time_max.is_zero() {
        return Err("has no time: its timeout must be at least 1s".to_owned());
    }
    Ok(ChangeCommand { program: program.into(), arguments: arguments.to_vec(), time_max })
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
